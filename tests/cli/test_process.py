import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import click
import pytest

from audit.cli import process
from audit.cli.console import set_up_logging
from audit.errors import AuditError


def command(error: BaseException) -> click.Command:
    @click.command()
    def fail() -> NoReturn:
        raise error

    return fail


@pytest.mark.parametrize("error", [ZeroDivisionError("with s3cret"), AuditError("a law is broken")])
def test_a_bug_is_one_line_that_names_the_log(error: Exception, capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logging("text", "normal")
    assert process.execute(command(error), []) == 70
    line = capfd.readouterr().err
    assert line.count("\n") == 1
    assert f"a bug of webex-audit ({type(error).__name__}): please report it with " in line
    log = Path(line.rpartition(" with ")[2].strip())
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize("name", ["aiohttp", "msgspec", "pyarrow.parquet"])
def test_a_package_that_is_missing_is_no_bug(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Some systems come with click, and with none of the others."""
    set_up_logging("text", "normal")
    assert process.execute(command(ModuleNotFoundError(f"No module named {name!r}", name=name)), []) == 2
    line = capfd.readouterr().err
    assert line.startswith(f"webex-audit: error: {name} is not installed for {sys.executable}: use the Python of ")
    assert line.count("\n") == 1


@pytest.mark.parametrize("name", ["audit.moved", "audit", None])
def test_a_module_of_our_own_that_is_missing_is_a_bug(name: str | None, capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logging("text", "normal")
    assert process.execute(command(ModuleNotFoundError(name=name)), []) == 70
    assert "a bug of webex-audit (ModuleNotFoundError)" in capfd.readouterr().err


def test_a_bug_is_logged_elsewhere_where_there_is_no_home(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up_logging("text", "normal")
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, "/proc/nowhere")
    assert process.execute(command(ZeroDivisionError()), []) == 70
    log = Path(capfd.readouterr().err.rpartition(" with ")[2].strip())
    assert "Traceback" in log.read_text()
    shutil.rmtree(log.parent)


def test_a_bug_whose_log_can_not_be_written_is_told_all_the_same(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up_logging("text", "normal")
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, "/proc/nowhere")

    def refuse() -> str:
        raise PermissionError

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    assert process.execute(command(ZeroDivisionError()), []) == 70
    assert "could not be written" in capfd.readouterr().err


def test_an_interrupt_is_exit_5() -> None:
    assert process.execute(command(KeyboardInterrupt()), []) == 5
    assert process.execute(command(click.Abort()), []) == 5
