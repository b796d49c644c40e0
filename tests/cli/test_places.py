"""Commands where there is no home folder, and in places with names that are not text."""

import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from harness import Result
from starting import start, told

from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

Command = Callable[..., Result]

REVIEWS = (
    ["snapshots", "--json"],
    ["show", "--json"],
    ["verify"],
    ["check", "--json"],
    ["query", "SELECT count(*) FROM coverage"],
)


@pytest.fixture
def base_url(api: Callable[[Simulation], str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    return api(Simulation(Organization(5)))


@pytest.fixture
def output(audit: Callable[..., Snapshot], once: Callable[..., Path]) -> Path:
    """A folder with a snapshot."""
    return once(lambda: audit(Simulation(Organization(3))))


@pytest.fixture
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user has no entry in passwd and no HOME, as in a container that runs under any uid."""

    def unknown(uid: int) -> NoReturn:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_nobody")
@pytest.mark.slow
def test_a_user_without_a_home_folder_runs_every_command(base_url: str, webex_audit: Command, tmp_path: Path) -> None:
    output = tmp_path / "out"
    for arguments in (["run"], ["run", "--resume"], ["doctor"]):
        result = webex_audit(*arguments, "--base-url", base_url, "--output", output)
        assert (result.code, "error" in result.err) == (0, False)
    for arguments in (*REVIEWS, ["diff"], ["report", "--file", tmp_path / "r.html"], ["prune", "--keep-last", "1"]):
        assert webex_audit(*arguments, "--output", output).code in (0, 1)
    assert webex_audit("demo", "--output", tmp_path / "demo", "--workspaces", "5", "--people", "5").code in (0, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo", "out", "r.html"]


@pytest.mark.usefixtures("_nobody")
@pytest.mark.parametrize("option", ["--output", "--token-file", "--config", "--metrics-file"])
def test_a_tilde_without_a_home_folder_is_wrong_usage(option: str, base_url: str, webex_audit: Command) -> None:
    result = webex_audit("run", "--base-url", base_url, option, "~/x")
    assert result.code == 2
    assert "path '~/x': this user has no home folder: set HOME, or write the whole path" in told(result.err)


@pytest.mark.parametrize("home", ["/nonexistent", "", "relative", "/dev/null", os.fsdecode(b"/tmp/\xff")])
def test_a_home_folder_that_can_not_be_used_is_not_needed(
    home: str, base_url: str, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, home)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert webex_audit("run", "--base-url", base_url, "--output", tmp_path / "out").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", [b"\xff", b"caf\xe9", b"\xed\xa0\x80", b"a\nb\xff"])
def test_an_output_that_is_not_utf_8_is_wrong_usage(
    name: bytes, base_url: str, webex_audit: Command, tmp_path: Path
) -> None:
    output = f"{tmp_path}/{os.fsdecode(name)}"
    asking = [["run"], ["run", "--json"], ["run", "--engine", "dask"], ["run", "--dry-run"]]
    for arguments in asking:
        result = webex_audit(*arguments, "--base-url", base_url, "--output", output)
        assert (result.code, "is not UTF-8: name another folder" in told(result.err)) == (2, True)
    for arguments in (*REVIEWS, ["diff"], ["report"], ["prune", "--keep-last", "1"], ["demo"]):
        result = webex_audit(*arguments, "--output", output)
        assert (result.code, "is not UTF-8: name another folder" in told(result.err)) == (2, True)
    assert "is not UTF-8" in told(webex_audit("show", output).err)
    doctor = webex_audit("doctor", "--base-url", base_url, "--output", output, "--json")
    assert doctor.code == 2
    assert "is not UTF-8" in {check["name"]: check["message"] for check in json.loads(doctor.out)}["output"]
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_a_review_in_a_folder_that_is_not_utf_8_reads_copies(
    output: Path, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    monkeypatch.chdir(folder)
    output.rename(folder / "moved")
    (tmp_path / "link").symlink_to(folder / "moved")
    for arguments in (["check"], ["query", "SELECT 1"], ["report"]):
        for name in ("moved", tmp_path / "link"):
            result = webex_audit(*arguments, "--output", name)
            assert (result.code in (0, 1), result.err) == (True, "")


@pytest.mark.parametrize("name", ["a\nb", "täb\t€", "\u202e", "'\"$(x)"])
def test_an_output_with_an_odd_name_works(name: str, base_url: str, webex_audit: Command, tmp_path: Path) -> None:
    output = tmp_path / name
    assert webex_audit("run", "--base-url", base_url, "--output", output, "--json").code == 0
    for arguments in REVIEWS:
        result = webex_audit(*arguments, "--output", output)
        assert (result.code in (0, 1), result.err) == (True, "")


@pytest.mark.parametrize("option", ["--token-file", "--config", "--metrics-file", "--ids-from"])
def test_another_file_may_have_any_name(option: str, base_url: str, webex_audit: Command, tmp_path: Path) -> None:
    missing = tmp_path / os.fsdecode(b"caf\xe9") / "x\ny"
    result = webex_audit("run", "--base-url", base_url, "--output", tmp_path / "out", option, missing)
    assert (result.code, "\\udce9/x\\ny" in told(result.err)) == (2, True)
    doctor = webex_audit("doctor", "--base-url", base_url, "--token-file", missing, "--json")
    assert "\udce9/x\ny" in {check["name"]: check["message"] for check in json.loads(doctor.out)}["token"]


@pytest.mark.parametrize("command", ["check", "query"])
def test_a_folder_for_temporary_files_that_is_not_utf_8_is_wrong_usage(
    command: str, output: Path, tmp_path: Path
) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    ended = start(command, "--output", output, *(["SELECT 1"] if command == "query" else []), TMPDIR=str(folder))
    assert (ended.returncode, "is not UTF-8: name another folder in TMPDIR" in told(ended.stderr)) == (2, True)
