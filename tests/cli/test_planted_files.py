"""What stands in an output in place of a file is not opened: no command hangs on it, or follows it."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Result

from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.snapshot.layout import JOURNAL

pytestmark = [pytest.mark.attack("planted links and files"), pytest.mark.timeout(60)]

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
Everything = Callable[[Path], dict[str, Result]]
#: The API is gone from the 40th request on.
DYING = ",".join(f"reset@{number}" for number in range(40, 400))


def bind(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path.name)
    os.chdir(here)


KINDS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a pipe": lambda path: (os.mkfifo(path.with_name("pipe")), path.symlink_to("pipe")),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a socket": bind,
    "a folder": Path.mkdir,
}
FILES = [
    "manifest.json",
    "manifest.dsse.json",
    "coverage/*/00000.parquet",
    "push_to_talk/*/00000.parquet",
    "coverage.csv",
    "../pruned.json",
    "../approved.json",
    "../pruned.dsse.json",
    ".removing",
    "run.json",
]


@pytest.mark.few(9)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("plant", KINDS.values(), ids=KINDS)
@pytest.mark.slow
def test_no_command_hangs_on_what_stands_in_place_of_a_file(
    plant: Callable[[Path], object], name: str, newest: Path, all_commands: Everything
) -> None:
    (path,) = [*newest.glob(name)] or [newest / name]
    path.unlink(missing_ok=True)
    plant(path)
    results = all_commands(newest)
    if name not in (".removing", "run.json", "../pruned.dsse.json"):
        assert results["verify latest"].code == 1


@pytest.fixture
def run(api: Api, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A run against an API that is gone from the 40th request on, until the first run has died."""
    simulation = Simulation(Organization(90), parse(DYING))
    base_url = api(simulation)
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_RUN_STALL_S", "0.2")

    def run(*options: str) -> Result:
        result = webex_audit("run", "--base-url", base_url, "--output", tmp_path / "out", *options)
        simulation.faults = parse("")
        monkeypatch.delenv("WEBEX_AUDIT_RUN_STALL_S", raising=False)
        return result

    return run


@pytest.fixture
def draft(run: Callable[..., Result], tmp_path: Path) -> Path:
    """The draft of a run that died."""
    died = run()
    assert died.code == 5, died
    (journal,) = tmp_path.glob(f"out/*/{JOURNAL}")
    return journal.parent


def as_a_link_elsewhere(path: Path) -> Path:
    """Put a link in the place of a file or folder, which is now elsewhere."""
    victim = Path(os.environ["HOME"]).with_name("victim") / path.name
    victim.parent.mkdir()
    path.rename(victim)
    path.symlink_to(victim)
    return victim


def content_of(path: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in [path, *path.rglob("*")] if each.is_file()}


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "pattern",
    [".", "parts", "parts/*", "parts/*/*", "parts/*/*/*", "parts/*/*/*/inventory.arrow", "parts/*/*/*/*.answers"],
)
def test_a_resumed_run_writes_and_removes_nothing_through_a_link_in_its_draft(
    pattern: str, draft: Path, run: Callable[..., Result], webex_audit: Command, tmp_path: Path
) -> None:
    path = draft if pattern == "." else next(each for each in draft.glob(pattern) if "requests" not in each.name)
    victim = as_a_link_elsewhere(path)
    before = content_of(victim)
    assert before
    resumed = run("--resume")
    assert (resumed.code, "Traceback" in resumed.err) == (0, False), resumed
    pruned = webex_audit("prune", "--keep-last", "1", "--output", tmp_path / "out")
    assert pruned.code == 0
    assert content_of(victim) == before
    assert pattern == "." or "it holds a link or a pipe, which no run makes" in resumed.err


@pytest.mark.few(6)
@pytest.mark.parametrize("plant", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(
    "pattern", ["run.json", "parts/*/*/*/inventory.arrow", "parts/*/*/*/*.answers", "parts/*/*/*/x", "parts/*.requests"]
)
def test_a_resumed_run_does_not_hang_on_what_stands_in_its_draft(
    plant: Callable[[Path], object],
    pattern: str,
    draft: Path,
    run: Callable[..., Result],
    webex_audit: Command,
    tmp_path: Path,
) -> None:
    path = next(draft.glob(pattern), next(draft.glob("parts/*/*/*")) / "x")
    path.unlink(missing_ok=True)
    plant(path)
    resumed = run("--resume")
    assert (resumed.code, "Traceback" in resumed.err) == (0, False), resumed
    assert webex_audit("prune", "--keep-last", "1", "--output", tmp_path / "out").code == 0


@pytest.mark.parametrize("name", ["20200101T000000Z-0a1b2c", ".pruned.json.0a1b2c3d.tmp", "photos", "..x"])
def test_prune_removes_nothing_of_another_name_and_nothing_through_a_link(
    name: str, newest: Path, webex_audit: Command, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    shutil.copytree(newest, victim)
    before = content_of(victim)
    output = newest.parent
    if name.startswith("2020"):
        (output / name).symlink_to(victim)
        manifest = json.loads((victim / "manifest.json").read_text()) | {"snapshot_id": name, "previous": None}
        (victim / "manifest.json").write_text(json.dumps(manifest))
        before = content_of(victim)
    else:
        shutil.copytree(victim, output / name)
    (newest / "link").symlink_to(victim)
    theirs = content_of(output / name)
    for options in ([], ["--dry-run"]):
        assert webex_audit("prune", "--keep-last", "1", "--output", output, *options).code == 0
    assert content_of(victim) == before
    assert content_of(output / name) == theirs


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.slow
def test_a_report_and_metrics_take_the_place_of_a_planted_link(
    link: Callable[[Path, Path], None],
    newest: Path,
    api: Api,
    webex_audit: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("r.html", "r.xlsx", "m.prom"):
        link(tmp_path / name, victim)
    url = api(Simulation(Organization(3)))
    for command, name in (
        (["report", newest, "--file"], "r.html"),
        (["report", newest, "--format", "xlsx", "--file"], "r.xlsx"),
        (["run", "--base-url", url, "--output", newest.parent, "--metrics-file"], "m.prom"),
    ):
        assert webex_audit(*command, tmp_path / name).code == 0
        found = (tmp_path / name).lstat()
        assert (found.st_nlink, (tmp_path / name).is_symlink(), found.st_uid) == (1, False, os.geteuid())
        assert oct(found.st_mode & 0o777) == ("0o644" if name == "m.prom" else "0o600")
    assert victim.read_text() == "precious"


def test_a_report_is_not_written_over_a_device_or_a_pipe(newest: Path, webex_audit: Command, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "null"):
        result = webex_audit("report", newest, "--file", tmp_path / name)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert f"{tmp_path / name}: not a regular file: name another file with --file" in result.err
