"""The process around a command: signals, exit codes, and the log of a crash."""

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from audit.cli import signals
from audit.errors import AuditError, StoppedError

log = logging.getLogger(__name__)


def execute(command: click.Command, arguments: list[str] | None) -> int:
    """Run a command and return its exit code; every error is one line on standard error.

    Args:
        command: a click command that returns an exit code, or None for 0.
        arguments: its arguments; None for those of the process.
    """
    try:
        arguments = sys.argv[1:] if arguments is None else arguments
        with signals.received():
            return int(command.main(arguments, prog_name="webex-audit", standalone_mode=False, obj=arguments) or 0)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defence
        return _report(error)


def forget_unread_output() -> None:
    """Drop output that nobody reads any more: Python would exit with 120 when it flushes a closed pipe."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            with suppress(OSError, ValueError, AttributeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _report(error: BaseException) -> int:
    match error:
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return error.exit_code
        case click.ClickException():
            log.error("%s", error.format_message())
            return error.exit_code
        case AuditError() if error.exit_code != AuditError.exit_code:
            log.error("%s", error)
            log.debug("details of this error", exc_info=error)
            return error.exit_code
        case click.Abort() | KeyboardInterrupt():
            log.error("%s", signals.reason())
            return StoppedError.exit_code
    log.error("a bug of webex-audit (%s): please report it with %s", type(error).__name__, _write_crash_log(error))
    log.debug("details of this error", exc_info=error)
    return AuditError.exit_code


def _write_crash_log(error: BaseException) -> str:
    import tempfile
    import traceback

    import platformdirs

    from audit.files import make_dir, private_file

    find_folders: list[Callable[[], str]] = [lambda: platformdirs.user_log_dir("webex-audit"), tempfile.mkdtemp]
    for find_folder in find_folders:
        with suppress(OSError, RuntimeError):  # no home folder, or not writable
            path = Path(find_folder()) / f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.log"
            make_dir(path.parent)
            with private_file(path) as file:
                file.write("".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace"))
            return str(path)
    return "its log, which could not be written anywhere; --verbose shows it"
