"""The process around a command: signals, exit codes, and the log of a crash."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from audit.errors import AuditError, StoppedError

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def execute(command: click.Command, arguments: list[str] | None) -> int:
    """Run a command to its exit code; whatever goes wrong is one line on standard error.

    Args:
        command: a click command that returns an exit code, or None for 0.
        arguments: its arguments; None for those of the process.
    """
    try:
        arguments = sys.argv[1:] if arguments is None else arguments
        return int(command.main(arguments, prog_name="webex-audit", standalone_mode=False, obj=arguments) or 0)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defence
        return _report(error)


def forget_unread_output() -> None:
    """Let go of output whose reader has gone away: Python would exit with 120 when it flushes it."""
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
            log.debug("the same, in detail", exc_info=error)
            return error.exit_code
        case click.Abort() | KeyboardInterrupt():
            log.error("interrupted")
            return StoppedError.exit_code
    log.error("a bug of webex-audit (%s): please report it with %s", type(error).__name__, _write_crash_log(error))
    log.debug("the same, in detail", exc_info=error)
    return AuditError.exit_code


def run_until_signal(work: Coroutine[Any, Any, _Result], is_done: Callable[[], bool] = lambda: False) -> _Result:
    """Run a coroutine; SIGINT, SIGTERM and SIGHUP end it in order, and a second one at once.

    Args:
        work: the coroutine.
        is_done: whether all that counts is done, so that a signal changes nothing any more.

    Raises:
        StoppedError: a signal came before the end.
    """
    import asyncio

    received: list[signal.Signals] = []

    async def main() -> _Result:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, _cancel(task, number, received, is_done))
        return await work

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise StoppedError("stopped by a signal") from None


def serve_until_signal(server: Coroutine[Any, Any, None]) -> None:
    """Run a server; SIGINT and SIGTERM are its proper end."""
    with suppress(StoppedError):
        run_until_signal(server)


def _cancel(
    task: "asyncio.Task[Any] | None",
    number: signal.Signals,
    received: list[signal.Signals],
    is_done: Callable[[], bool],
) -> Callable[[], None]:
    def cancel() -> None:
        if is_done():
            log.warning("%s comes too late: the snapshot stands, what it no longer needs is being removed", number.name)
            return
        if received:
            log.error("stopped at once by %s; what was written so far can be resumed (--resume)", number.name)
            logging.shutdown()
            os._exit(StoppedError.exit_code)
        received.append(number)
        if task:
            task.cancel()

    return cancel


def _write_crash_log(error: BaseException) -> str:
    import tempfile
    import traceback

    import platformdirs

    from audit.files import make_dir, private_file

    find_folders: list[Callable[[], str]] = [lambda: platformdirs.user_log_dir("webex-audit"), tempfile.mkdtemp]
    for find_folder in find_folders:
        with suppress(OSError, RuntimeError):  # no home, or none that may be written
            path = Path(find_folder()) / f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.log"
            make_dir(path.parent)
            with private_file(path) as file:
                file.write("".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace"))
            return str(path)
    return "its log, which could not be written anywhere; --verbose shows it"
