"""The process around a command: signals, exit codes, and the log of a crash."""

import logging
import os
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from audit.cli import signals
from audit.cli.usage import words_of_usage
from audit.errors import AuditError, StoppedError, not_installed, shortage
from audit.redaction import redact

log = logging.getLogger(__name__)

#: Threads that a command starts beside those for each processor: pools of Arrow, DuckDB, asyncio and our own.
_THREADS = 16
_STDERR = 2


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
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defense
        return _report(error)


def hold_streams() -> None:
    """Open the standard streams that are closed: else a file of a snapshot gets their number, and what is printed."""
    with suppress(OSError):
        while (opened := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
            pass
        os.close(opened)


def end_without_memory(ignored: "sys.UnraisableHookArgs") -> None:
    """End the process if a thread dies of used up memory while it starts: whoever started it would wait forever.

    Args:
        ignored: an exception that Python can't raise, as `sys.unraisablehook` gets it.
    """
    if isinstance(ignored.exc_value, MemoryError) and "thread" in (ignored.err_msg or ""):
        # No memory is left to log with.
        with suppress(OSError):
            os.write(_STDERR, b"webex-audit: error: the memory is used up: give the process more\n")
        os._exit(StoppedError.exit_code)
    log.error("%s: %s", ignored.err_msg or "an error was ignored", type(ignored.exc_value).__name__)
    log.debug("details of this error", exc_info=ignored.exc_value)


def tell_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    """Log an exception that ended a thread; Python itself would print it with all that its text holds.

    Args:
        ended: the exception, as `threading.excepthook` gets it.
    """
    if ended.exc_type is not SystemExit:
        log.error("a bug of webex-audit ended a thread (%s): please report it", ended.exc_type.__name__)
        log.debug("details of this error", exc_info=ended.exc_value)


def check_room() -> None:
    """Start as many threads as a command may need, and end them.

    Arrow crashes, or calls a good file damaged, if it can't start a thread.

    Raises:
        RuntimeError: no thread can be started (`audit.errors.shortage`).
    """
    release, started = threading.Event(), list[threading.Thread]()
    try:
        for _ in range(_THREADS + (os.cpu_count() or 1)):
            thread = threading.Thread(target=release.wait)
            thread.start()
            started.append(thread)
    finally:
        release.set()
        for each in started:
            each.join()


def forget_unread_output() -> None:
    """Drop output that nobody reads any more: Python would exit with 120 when it flushes a closed pipe."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            with suppress(OSError, ValueError, AttributeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _report(error: BaseException) -> int:
    error = shortage(error) or not_installed(error) or error
    match error:
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return error.exit_code
        case click.ClickException():
            log.error("%s", words_of_usage(error))
            return error.exit_code
        case AuditError() if error.exit_code != AuditError.exit_code:
            log.error("%s", error)
            log.debug("details of this error", exc_info=error)
            return error.exit_code
        case click.Abort() | KeyboardInterrupt():
            log.error("%s", signals.reason())
            return StoppedError.exit_code
        case OSError() if error.strerror:
            place = f"{error.filename}: " if error.filename else ""
            log.error("%s%s; --verbose shows what it was for", place, error.strerror)
            log.debug("details of this error", exc_info=error)
            return StoppedError.exit_code
    log.error("a bug of webex-audit (%s): please report it with %s", type(error).__name__, _write_crash_log(error))
    log.debug("details of this error", exc_info=error)
    return AuditError.exit_code


def _write_crash_log(error: BaseException) -> str:
    import tempfile
    import traceback

    from audit.files import make_dir, own_folder, private_file

    for find_folder in (lambda: own_folder("log"), tempfile.mkdtemp):
        with suppress(OSError):  # not writable
            if not (folder := find_folder()):
                continue
            path = Path(folder) / f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.log"
            make_dir(path.parent)
            with private_file(path) as file:
                trace = redact("".join(traceback.format_exception(error)))
                file.write(trace.encode("utf-8", "backslashreplace"))
            return str(path)
    return "its log, which could not be written anywhere; --verbose shows it"
