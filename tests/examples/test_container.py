"""The Containerfile, and every command in a container as it describes: not root, read-only but for /data and /tmp."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from containers import CONTAINERFILE, Container, image, instructions, stop, why_not, written
from examples import ROOT, RUN_CODES, Api, held, night

from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization

INSTRUCTIONS = [*instructions(CONTAINERFILE.read_text())]
needs_namespaces = pytest.mark.skipif(bool(why_not()), reason=why_not() or "not needed")
Make = Callable[..., Container]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes containers with a volume of their own; `owner` and `mode` are those of the volume."""

    numbers = itertools.count()

    def make(owner: tuple[int, int] = (10001, 10001), mode: int = 0o700, user: str = "") -> Container:
        place = tmp_path / f"container-{next(numbers)}"
        root, data, secrets = (place / name for name in ("root", "data", "secrets"))
        for folder in (root, data, secrets):
            folder.mkdir(parents=True)
        os.chown(data, *owner)
        data.chmod(mode)
        secret = secrets / "webex-token"
        secret.write_text(f"{ADMIN_TOKEN}\n")
        # As Kubernetes mounts a secret with fsGroup.
        secret.chmod(0o440)
        os.chown(secret, 0, int((user or image().user).partition(":")[2]))
        return Container(root, data, secrets, user)

    return make


@pytest.fixture
def asking(api: Api) -> dict[str, str]:
    """The environment of a container that asks the simulator, with its token in a file."""
    url = api(Simulation(Organization(6, people=4)))
    token = "/run/secrets/webex-token"
    return {"WEBEX_AUDIT_BASE_URL": url, "WEBEX_AUDIT_TOKEN_FILE": token, "WEBEX_AUDIT_PACE_START_RATE": "5000"}


def test_the_image_is_pinned_and_its_user_is_not_root() -> None:
    (base,) = [each.rest.partition("=")[2] for each in INSTRUCTIONS if each.word == "ARG"]
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim-\w+", base)
    assert {each.rest.split()[0] for each in INSTRUCTIONS if each.word == "FROM"} == {"${BASE}"}
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", image().user)
    assert (image().entrypoint, image().command) == (["webex-audit"], ["--help"])
    assert "HEALTHCHECK" not in {each.word for each in INSTRUCTIONS}


def test_only_the_venv_goes_from_the_build_into_the_image() -> None:
    places = [place for place, each in enumerate(INSTRUCTIONS) if each.word == "FROM"]
    assert len(places) == 2
    copies = [each.rest for each in INSTRUCTIONS[places[1] :] if each.word in ("COPY", "ADD")]
    assert copies == ["--from=build /opt/webex-audit /opt/webex-audit"]


def test_each_package_of_the_image_is_installed_with_its_hash() -> None:
    installs = [each.rest for each in INSTRUCTIONS if each.word == "RUN" and "pip install" in each.rest]
    assert len(installs) == 2
    assert all("--no-deps" in each and "--no-build-isolation" in each for each in installs)
    assert "--require-hashes -r requirements/image.txt" in installs[0]


def test_what_is_copied_is_there_and_nothing_else_is_sent_to_the_builder() -> None:
    copied = {word for each in INSTRUCTIONS if each.word == "COPY" and "--from" not in each.rest
              for word in each.rest.split()[:-1]}  # fmt: skip
    assert all((ROOT / name).exists() for name in copied)
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert (lines[0], lines[-1]) == ("*", "**/__pycache__")
    assert {line.removeprefix("!") for line in lines[1:-1]} == copied


def test_what_is_copied_is_enough_to_install_the_tool(tmp_path: Path) -> None:
    source, wheels, installed = (tmp_path / name for name in ("src", "wheels", "installed"))
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "audit", "data"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, source], check=True)
    (wheel,) = wheels.iterdir()
    shutil.unpack_archive(wheel, installed, "zip")
    command = [sys.executable, "-m", "audit", "--version"]
    done = subprocess.run(command, env={"PYTHONPATH": str(installed)}, cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.startswith(b"webex-audit, version ")
    copies = {name for each in INSTRUCTIONS if each.word == "COPY" for name in each.rest.split()[:-1]}
    assert {"pyproject.toml", "README.md", "LICENSE", "audit", "data"} <= copies


def test_the_examples_in_the_containerfile_name_the_paths_of_the_image() -> None:
    text = CONTAINERFILE.read_text()
    assert f"-v webex-audit:{image().folder} " in text
    assert image().environment["HOME"] == image().folder
    assert [each.rest for each in INSTRUCTIONS if each.word == "VOLUME"] == [image().folder]


@needs_namespaces
@pytest.mark.slow
def test_every_command_works_where_only_data_and_tmp_can_be_written(make: Make, asking: dict[str, str]) -> None:
    container = make()
    for arguments, codes in {
        ("doctor",): {0},
        ("run", "--resume", "--quiet", "--metrics-file", "webex-audit.prom"): {0},
        ("verify",): {0},
        ("check", "--quiet"): {0, 1},
        ("query", "FROM open_rooms"): {0},
        ("report", "--file", "latest.html"): {0},
        ("report", "--file", "latest.xlsx"): {0},
        ("prune", "--keep-last", "1"): {0},
    }.items():
        result = container.run(*arguments, **asking)
        assert result.code in codes, (arguments, result)
        assert "Traceback" not in result.err
        assert arguments[:1] not in [("doctor",), ("run",)] or "warning" not in result.err, (arguments, result)
    found = written(container.data)
    assert {"snapshots", "latest.html", "latest.xlsx", "webex-audit.prom", ".local/state/webex-audit"} <= {*found}
    snapshots = {name: mode for name, mode in found.items() if name.startswith("snapshots/")}
    assert set(snapshots.values()) == {0o700, 0o600}
    assert {path.stat().st_uid for path in container.data.rglob("*")} == {10001}


@needs_namespaces
@pytest.mark.slow
def test_the_demo_works_in_a_container_without_any_option(make: Make) -> None:
    container = make()
    assert "run" in container.run().out
    result = container.run("demo", "--workspaces", "4", "--people", "2", "--quiet")
    assert (result.code in (0, 3), (container.data / "webex-audit-demo").is_dir()) == (True, True), result


@pytest.mark.few(3)
@needs_namespaces
@pytest.mark.parametrize("code", RUN_CODES)
@pytest.mark.slow
def test_the_exit_code_of_a_container_is_that_of_the_command(code: int, api: Api, make: Make) -> None:
    container = make()
    if code == 6:
        with held(container.data / "snapshots"):
            os.chown(container.data / "snapshots", 10001, 10001)
            os.chown(container.data / "snapshots" / ".lock", 10001, 10001)
            result = container.run("run", "--quiet", **night(code, api))
    else:
        result = container.run("run", "--quiet", **night(code, api))
    assert result.code == code, result


@needs_namespaces
@pytest.mark.few(1)
@pytest.mark.parametrize("user", ["65534:65534", "1000660000:10001", "10001:10001"])
@pytest.mark.slow
def test_any_user_may_run_where_the_group_may_write(user: str, make: Make, asking: dict[str, str]) -> None:
    """As Kubernetes mounts a volume with fsGroup, and as OpenShift chooses users."""
    container = make(owner=(0, int(user.partition(":")[2])), mode=0o2775, user=user)
    result = container.run("run", "--quiet", **asking)
    assert (result.code, result.err) == (0, ""), result
    assert "its group may write there" in container.run("run", "--output", "/data", **asking).err


@needs_namespaces
@pytest.mark.few(1)
@pytest.mark.parametrize("home", ["/", "/nonexistent", "/proc"])
@pytest.mark.slow
def test_a_run_works_without_a_home_folder(home: str, make: Make, asking: dict[str, str]) -> None:
    result = make().run("run", "--quiet", "--output", "/tmp/out", HOME=home, TMPDIR="/nonexistent", **asking)
    assert (result.code, "error" in result.err) == (0, False), result


@needs_namespaces
def test_a_volume_that_can_not_be_written_is_one_line(make: Make, asking: dict[str, str]) -> None:
    """As a bind mount of a folder of root is."""
    result = make(owner=(0, 0), mode=0o755, user="10001:10001").run("run", "--quiet", **asking)
    assert (result.code, "snapshots" in result.err, "Traceback" in result.err) == (2, True, False), result


@needs_namespaces
@pytest.mark.slow
def test_a_secret_that_others_can_read_is_warned_of(make: Make, asking: dict[str, str]) -> None:
    """As docker and podman mount a secret by default (0444)."""
    container = make()
    (container.secrets / "webex-token").chmod(0o444)
    result = container.run("run", "--quiet", **asking)
    assert (result.code, "can be read by other users" in result.err, ADMIN_TOKEN in result.err) == (0, True, False)


@needs_namespaces
@pytest.mark.slow
def test_sigterm_stops_a_run_that_is_the_first_process(make: Make, asking: dict[str, str], api: Api) -> None:
    """`docker stop`, and a pod that is evicted. The kernel drops a signal that the first process does not handle."""
    slow = Simulation(Organization(4000), rate_limit_per_s=5)
    started = make().start("run", "--quiet", **asking | {"WEBEX_AUDIT_BASE_URL": api(slow)})
    while not any("pushtotalk" in str(each).lower() for each in slow.log):
        assert started.poll() is None
        time.sleep(0.05)
    stop(started)
    _, err = started.communicate(timeout=30)
    assert (started.returncode, b"go on with: webex-audit run --quiet --resume" in err) == (5, True), err


@needs_namespaces
def test_sigterm_stops_a_server_that_is_the_first_process(make: Make) -> None:
    started = make().start("simulate", "--workspaces", "5")
    assert started.stdout
    assert started.stdout.readline().startswith(b"export WEBEX_ACCESS_TOKEN=")
    stop(started)
    _, err = started.communicate(timeout=30)
    assert (started.returncode, b"Traceback" in err) == (0, False), err


@pytest.mark.parametrize("builder", ["podman", "docker", "buildah"])
def test_a_builder_makes_an_image_that_runs(builder: str, api: Api) -> None:
    if not shutil.which(builder):
        pytest.skip(f"{builder} is not installed")
    probe = subprocess.run([builder, "info"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"{builder} can't build here: {(probe.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    command = ["bud"] if builder == "buildah" else ["build"]
    name = "localhost/webex-audit-test"
    built = subprocess.run(
        [builder, *command, "-f", CONTAINERFILE, "-t", name, ROOT], capture_output=True, text=True, check=False
    )
    if built.returncode != 0 and re.search(r"(dial tcp|no such host|timeout|unreachable|TLS handshake)", built.stderr):
        pytest.skip(f"{builder} can't download the base image here")
    assert built.returncode == 0, built.stderr[-2000:]
    if builder == "buildah":
        return
    limits = ["--rm", "--network=host", "--read-only", "--tmpfs", "/tmp", "--tmpfs", "/data:uid=10001,mode=0700"]
    asked = ["-e", f"WEBEX_ACCESS_TOKEN={ADMIN_TOKEN}", name, "run", "--base-url", api(Simulation(Organization(5)))]
    ran = subprocess.run([builder, "run", *limits, *asked], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
