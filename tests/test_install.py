"""Installed in each way that docs/install.md has, the tool works, and its messages name the command that adds an extra.

`make check-install` runs these tests: each installs packages into an empty environment.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from commits import ROOT, committed, git
from harness import environment
from object_stores import S3
from webhook import serve_webhook

from audit import __version__
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization

pytestmark = [pytest.mark.install, pytest.mark.timeout(600)]

Done = subprocess.CompletedProcess[str]
Shell = Callable[..., Done]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Run a line of a shell in an empty folder, as a user without a configuration."""
    home = tmp_path / "home"
    home.mkdir()

    def run(line: str, *, code: int | None = 0, **more: str) -> Done:
        ours = {
            name: text for name, text in environment().items() if not name.startswith(("PYTHON", "VIRTUAL_", "XDG_"))
        }
        given = ours | {"HOME": str(home), "PIP_NO_COMPILE": "1"}
        command = ["bash", "-c", line]
        done = subprocess.run(command, cwd=home, env=given | more, capture_output=True, text=True, check=False)
        assert code in (None, done.returncode), f"{line}\n{done.stdout}{done.stderr}"
        return done

    return run


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with `dist/`; the packages that it needs can be had."""
    folder = tmp_path_factory.mktemp("it's here")
    check = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-cache-dir",
        "--retries=1",
        "--timeout=10",
    ]
    if subprocess.run([*check, f"--dest={folder}", "flit-core"], capture_output=True, check=False).returncode:
        pytest.skip("pip can't download from the package index")
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git, and a checkout")
    checkout = committed(folder / "webex-audit")
    subprocess.run([checkout / ".ci" / "dist", sys.executable, checkout / "dist"], capture_output=True, check=True)
    return checkout


@pytest.fixture(scope="session")
def hosted(source: Path) -> Iterator[str]:
    """The URL of the repository on a web server."""
    git(source, "update-server-info")
    handler = partial(SimpleHTTPRequestHandler, directory=str(source / ".git"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def specification(kind: str, source: Path, request: pytest.FixtureRequest) -> str:
    """What to install, for a shell; with `{}` where extras stand."""
    match kind:
        case "wheel":
            return shlex.quote(f"{source}/dist/webex_audit-{__version__}-py3-none-any.whl{{}}")
        case "sdist":
            return shlex.quote(f"{source}/dist/webex_audit-{__version__}.tar.gz{{}}")
        case "git":
            return shlex.quote(f"webex-audit{{}} @ git+{request.getfixturevalue('hosted')}")
    return ("--editable " if kind == "editable" else "") + shlex.quote(f"{source}{{}}")


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Path:
    """pipx and uv, in an environment of their own."""
    folder = tmp_path_factory.mktemp("tools")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", "pipx", "uv"], capture_output=True, check=True)
    return folder / "bin"


def told(done: Done) -> str:
    """The command that a message names."""
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    return done.stderr.strip().partition("not installed: ")[2]


@pytest.mark.parametrize("kind", ["folder", "editable", "wheel", "sdist", "git"])
def test_pip_adds_the_review_where_it_installed_the_tool(
    kind: str, specification: str, shell: Shell, source: Path, api: Callable[[Simulation], str]
) -> None:
    shell(f"{sys.executable} -m venv 'an env' && 'an env/bin/pip' install -q {specification.format('')}")
    tool = "'an env/bin/webex-audit'"
    assert shell(f"{tool} --version").stdout == f"webex-audit, version {__version__}\n"
    shell(f"{tool} run --base-url {api(Simulation(Organization(5)))}")
    command = told(shell(f"{tool} query 'SELECT 1 AS x'", code=None))
    assert command.endswith({"git": f"@{git(source, 'rev-parse', 'HEAD').strip()}'"}.get(kind, "[review]'"))
    shell(command)
    assert shell(f"{tool} query --csv 'SELECT count(*) AS x FROM coverage'").stdout.splitlines() == ['"x"', "5"]
    shell(f"{tool} demo --output demo")
    assert Path(shell("pwd").stdout.strip(), "an env", "share", "man", "man1", "webex-audit.1").is_file()


def test_a_wheel_that_is_gone_is_not_named(shell: Shell, source: Path, tmp_path: Path) -> None:
    shutil.copy(next((source / "dist").glob("*.whl")), tmp_path)
    shell(f"{sys.executable} -m venv env && env/bin/pip install -q {tmp_path}/*.whl && rm {tmp_path}/*.whl")
    command = told(shell("env/bin/webex-audit check", code=None))
    assert "webex" not in command.partition("install ")[2]
    shell(command)
    shell("env/bin/webex-audit demo --output demo")


@pytest.mark.parametrize("kind", ["wheel"])
def test_each_extra_is_added_by_the_command_that_its_message_names(
    specification: str,
    shell: Shell,
    api: Callable[[Simulation], str],
    s3: S3,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a-key-that-no-path-has")  # a command with [secret] in it can't be run
    shell(f"{sys.executable} -m venv env && env/bin/pip install -q {specification.format('')}")
    run = f"env/bin/webex-audit run --base-url {api(Simulation(Organization(5)))}"
    for options in (f"--engine dask --output a --org-id {Organization(5).org_id}", f"--output '{s3.uri('audits')}'"):
        shell(told(shell(f"{run} {options}", code=None)))
        shell(f"{run} {options}")
    with serve_webhook() as hook:
        urls = tmp_path / "urls"
        urls.write_text(hook.url())
        urls.chmod(0o600)
        given = {"WEBEX_AUDIT_NOTIFY_URLS_FILE": str(urls), "WEBEX_AUDIT_NOTIFY_ON": "always"}
        missing = shell(f"{run} --output b", code=None, **given).stderr
        shell(missing.partition("not installed: ")[2].splitlines()[0])
        shell(f"{run} --output b", **given)
        assert len(hook.got) == 1


@pytest.mark.parametrize("kind", ["folder", "wheel"])
def test_pipx_adds_the_review(specification: str, shell: Shell, tools: Path) -> None:
    path = f"{tools}:{os.environ['PATH']}"
    shell(f"pipx install {specification.format('')}", PATH=path)
    command = told(shell(".local/bin/webex-audit check", code=None))
    assert command.startswith("pipx inject webex-audit ")
    shell(command, PATH=path)
    shell(".local/bin/webex-audit demo --output demo")
    assert list(Path(shell("pwd").stdout.strip(), ".local").rglob("man1/webex-audit.1"))
    shell(f"pipx install --force {specification.format('[review]')}", PATH=path)
    shell(".local/bin/webex-audit demo --output again")
    shell("pipx uninstall webex-audit", PATH=path)


@pytest.mark.parametrize("kind", ["folder", "wheel", "editable", "git"])
def test_uv_adds_the_review_and_keeps_other_extras(specification: str, shell: Shell, tools: Path) -> None:
    path = f"{tools}:{os.environ['PATH']}"
    shell(f"uv tool install --python {sys.executable} {specification.format('[object-store]')}", PATH=path)
    command = told(shell(".local/bin/webex-audit check", code=None))
    assert command.startswith("uv tool install ")
    shell(command, PATH=path)
    shell(".local/bin/webex-audit demo --output demo")
    shell("$(uv tool dir)/webex-audit/bin/python -c 'import duckdb, obstore'", PATH=path)
    shell(f"uv tool install --reinstall {specification.format('[review]')}", PATH=path)
    shell("uv tool uninstall webex-audit", PATH=path)


@pytest.mark.parametrize("kind", ["folder"])
def test_an_environment_of_uv_without_pip_gets_the_extra_by_uv(specification: str, shell: Shell, tools: Path) -> None:
    path = f"{tools}:{os.environ['PATH']}"
    given = specification.format("")
    shell(f"uv venv -q --python {sys.executable} env && uv pip install -q --python env/bin/python {given}", PATH=path)
    command = told(shell("env/bin/webex-audit check", code=None))
    assert command.startswith("uv pip install --python ")
    shell(command, PATH=path)
    shell("env/bin/webex-audit demo --output demo")


def test_a_wheelhouse_is_enough_for_a_machine_without_a_network(shell: Shell, source: Path) -> None:
    offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    here = shlex.quote(str(source))
    pip = f"{sys.executable} -m pip"
    shell(f"cd {here} && {pip} download -q --require-hashes --dest ~/wheelhouse -r requirements/run.txt")
    extra = '"$(ls dist/*.whl)[object-store]"'
    shell(f"cd {here} && {pip} download -q --dest ~/wheelhouse {extra} && cp dist/*.whl ~/wheelhouse")
    from_house = "install -q --no-index --find-links wheelhouse"
    shell(f"{sys.executable} -m venv env && env/bin/pip {from_house} 'webex-audit[review]'", **offline)
    shell("env/bin/webex-audit demo --output demo")
    shell("env/bin/python -c 'import obstore'", code=1)
    shell(f"env/bin/pip {from_house} 'webex-audit[object-store]' && env/bin/python -c 'import obstore'", **offline)
