"""A command in an environment that lacks something: it works, or ends with one line and a documented exit code."""

import errno
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click
import pytest
from harness import Result, environment
from starting import start, told

from audit.cli import process
from audit.cli.console import set_up_logging
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


def test_a_working_folder_that_was_removed_is_no_bug(
    base_url: str, output: Path, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "output snapshots can't be written" in told(webex_audit("run", "--base-url", base_url).err)
    assert webex_audit("run", "--base-url", base_url, "--output", output).code == 0
    for arguments in (*REVIEWS, ["diff"]):
        assert webex_audit(*arguments, "--output", output).code in (0, 1)
    assert webex_audit("report", "--output", output).code == 2
    result = webex_audit("run", "--base-url", base_url, "--output", output, "--all-orgs", "--engine", "dask")
    assert (result.code, "no Dask cluster can be started on this machine" in result.err) in ((5, True), (0, False))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({resource.RLIMIT_NOFILE: 10}, "too many files are open: raise the limit (ulimit -n)"),
        ({resource.RLIMIT_AS: 200 << 20}, "this machine lets no other thread start: raise the limit of processes"),
        ({resource.RLIMIT_FSIZE: 0}, "File too large"),
    ],
)
@pytest.mark.slow
def test_a_limit_of_the_machine_stops_a_run_with_one_line(
    limits: dict[int, int], reason: str, base_url: str, tmp_path: Path
) -> None:
    ended = start("run", "--base-url", base_url, "--output", tmp_path / "out", limits=limits)
    assert reason in told(ended.stderr)
    assert ended.returncode in (2, 5)


@pytest.mark.skipif(os.getuid() == 0, reason="root has no limit of processes")
@pytest.mark.parametrize("arguments", [["run"], ["doctor"], ["verify"], ["check"]])
def test_a_limit_of_processes_stops_a_command_with_one_line(arguments: list[str], output: Path) -> None:
    ended = start(*arguments, "--output", output, limits={resource.RLIMIT_NPROC: 1})
    assert (ended.returncode, "this machine lets no other thread start" in told(ended.stderr)) == (5, True)


class _Thread(threading.Thread):
    """A thread that starts only as often as `left` says."""

    left = 0

    def start(self) -> None:
        if _Thread.left <= 0:
            raise RuntimeError("can't start new thread")
        _Thread.left -= 1
        super().start()


@pytest.mark.few(4)
@pytest.mark.parametrize("left", [0, 5, 17])
@pytest.mark.parametrize("command", ["run", "doctor", "verify", "query"])
def test_a_command_checks_first_whether_its_threads_can_start(
    left: int, command: str, output: Path, webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setattr(threading, "Thread", _Thread)
    monkeypatch.setattr(_Thread, "left", left)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    before = sorted(path.name for path in output.iterdir())
    result = webex_audit(command, "--output", output, *(["SELECT 1"] if command == "query" else []))
    assert (result.code, "this machine lets no other thread start" in told(result.err)) == (5, True)
    assert sorted(path.name for path in output.iterdir()) == before


@pytest.mark.parametrize("left", [0, 1, 2, 4])
def test_a_thread_that_can_not_be_started_later_stops_a_run_with_one_line_or_not_at_all(
    left: int, base_url: str, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_room() -> None:
        monkeypatch.setattr(threading, "Thread", _Thread)
        monkeypatch.setattr(_Thread, "left", left)

    monkeypatch.setattr("audit.cli.options.check_room", check_room)
    output = tmp_path / "out"
    result = webex_audit("run", "--base-url", base_url, "--output", output)
    monkeypatch.undo()
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    is_committed = bool([*output.glob("*/manifest.json")])
    assert (result.code, is_committed) in ((5, False), (0, True))
    if not is_committed:
        assert "this machine lets no other thread start" in told(result.err)
    assert webex_audit("run", "--resume", "--base-url", base_url, "--output", output).code == 0


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        ("MemoryError", "Exception ignored in thread started by", 5),
        ("MemoryError", "Exception ignored while finalizing file", 0),
        ("KeyError", "Exception ignored in thread started by", 0),
    ],
)
def test_a_thread_that_dies_of_used_up_memory_as_it_starts_ends_the_process(
    error: str, message: str, code: int
) -> None:
    program = f"""
import sys, types
from audit.cli import process
sys.__unraisablehook__ = print
process.end_without_memory(types.SimpleNamespace(exc_value={error}(), err_msg={message!r}))
"""
    ended = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, check=False)
    assert (ended.returncode, b"the memory is used up" in ended.stderr) == (code, code == 5)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("can't start new thread"), "this machine lets no other thread start"),
        (MemoryError(), "the memory is used up"),
        (ImportError("libarrow.so: failed to map segment from shared object"), "the memory is used up"),
        (ImportError("libarrow.so: cannot allocate memory in static TLS block"), "the memory is used up"),
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open"),
        (OSError(errno.ENFILE, "Too many open files in system"), "too many files are open"),
        (OSError(errno.EROFS, "Read-only file system", "/x"), "/x: Read-only file system"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "No such file or directory"),
    ],
)
def test_what_the_machine_refuses_is_no_bug(error: Exception, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def fail() -> NoReturn:
        raise error

    set_up_logging("text", "normal")
    assert process.execute(fail, []) == 5
    assert told(capfd.readouterr().err).startswith(reason)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "variables",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"TZ": "Nonsense/Zone"},
        {"TMPDIR": "/nonexistent"},
        {"SSL_CERT_FILE": "/nonexistent"},
        {"COLUMNS": "0", "TERM": "nonsense"},
    ],
    ids=lambda variables: next(iter(variables)),
)
@pytest.mark.slow
def test_an_odd_variable_changes_nothing(variables: dict[str, str], base_url: str, tmp_path: Path) -> None:
    ended = start("run", "--base-url", base_url, "--output", tmp_path / "out", **variables)
    assert (ended.returncode, ended.stdout.startswith(b"snapshot ")) == (0, True)
    assert start("check", "--output", tmp_path / "out", **variables).returncode in (0, 1)


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"SSLKEYLOGFILE": "/nonexistent/keys"}, "/nonexistent/keys: No such file or directory"),
        ({"WEBEX_AUDIT_WEBEX_CA_FILE": "/nonexistent"}, "webex.ca_file /nonexistent: No such file or directory"),
    ],
)
@pytest.mark.slow
def test_a_variable_that_names_no_file_is_one_line(
    variables: dict[str, str], reason: str, base_url: str, tmp_path: Path
) -> None:
    ended = start("run", "--base-url", base_url, "--output", tmp_path / "out", **variables)
    assert (ended.returncode in (2, 5), reason in told(ended.stderr)) == (True, True)


@pytest.mark.few(3)
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full"])
@pytest.mark.slow
def test_closed_and_full_streams_change_no_run_and_reach_no_file(closed: str, base_url: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    ended = start("run", "--base-url", base_url, "--output", output, "--verbose", shell=f'exec "$@" {closed}')
    assert ended.returncode == 0
    assert start("verify", "--output", output).returncode == 0


@pytest.mark.few(3)
@pytest.mark.parametrize("arguments", [["query", "SELECT 1"], ["check"], ["diff", "latest", "latest"]])
@pytest.mark.parametrize("closed", [">&-", ">/dev/full"])
@pytest.mark.slow
def test_a_result_that_can_not_be_printed_is_one_line(arguments: list[str], closed: str, output: Path) -> None:
    ended = start(*arguments, "--output", output, shell=f'exec "$@" {closed}')
    assert (ended.returncode, "the result can't be printed: " in told(ended.stderr)) == (5, True)
