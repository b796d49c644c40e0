"""SIGINT, SIGTERM and SIGHUP: the process installs one handler, which ends the command in order."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from audit.errors import StoppedError

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class _Receiver:
    """Hands each signal to what is at work: by default the main thread, which gets a `KeyboardInterrupt`.

    Attributes:
        last: the last signal.
        hand_over: receives the next signal.
    """

    def __init__(self) -> None:
        self.last: signal.Signals | None = None
        self.hand_over: Callable[[signal.Signals], None] = _interrupt

    def __call__(self, number: int, _: object) -> None:
        self.last = signal.Signals(number)
        self.hand_over(self.last)


def _interrupt(_: signal.Signals) -> None:
    raise KeyboardInterrupt


def _too_late(number: signal.Signals) -> None:
    log.info("%s came too late: the snapshot is committed", number.name)


_receiver = _Receiver()


@contextmanager
def received() -> Iterator[None]:
    """Receive signals while the block runs. SIGTERM and SIGHUP stay ignored if they are, as under nohup(1)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _receiver.last, _receiver.hand_over = None, _interrupt
    before = {
        number: signal.signal(number, _receiver)
        for number in _SIGNALS
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


@contextmanager
def _handed_to(stop: "_Stop") -> Iterator[None]:
    _receiver.hand_over = stop
    try:
        yield
    finally:
        # What is left after a commit, such as printing the summary, can't make the run a failed one.
        _receiver.hand_over = _too_late if stop.is_done() else _interrupt


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """After a commit, let the first signal end a block without which the result stands; others come too late.

    Yields:
        A function that says whether a signal came, for a block that goes on after it.

    Raises:
        KeyboardInterrupt: a signal came.
    """

    def stop(_: signal.Signals) -> None:
        _receiver.hand_over = _too_late
        raise KeyboardInterrupt

    _receiver.hand_over = stop
    try:
        yield lambda: _receiver.hand_over is _too_late
    finally:
        _receiver.hand_over = _too_late


def keep_exit_code() -> None:
    """After a commit, let no signal replace the exit code while Python ends."""
    if _receiver.hand_over is _too_late:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def reason() -> str:
    """The signal that stopped the command, in words: `stopped (Ctrl-C)`."""
    return f"stopped ({_title(_receiver.last)})" if _receiver.last else "interrupted"


def _title(number: signal.Signals) -> str:
    return "Ctrl-C" if number == signal.SIGINT else number.name


def run_until_signal(work: Coroutine[Any, Any, _Result], is_done: Callable[[], bool] = lambda: False) -> _Result:
    """Run a coroutine. The first signal cancels it, a second signal ends the process at once.

    Args:
        work: the coroutine; the message of its `CancelledError` is the name of the signal.
        is_done: whether the result stands already, so that signals no longer change anything.

    Raises:
        StoppedError: a signal came before the end.
    """
    import asyncio

    async def main() -> _Result:
        stop.task = asyncio.current_task()
        with _woken(asyncio.get_running_loop()):
            return await work

    stop = _Stop(is_done)
    try:
        with _handed_to(stop), _runner() as runner:
            stop.loop = runner.get_loop()
            return runner.run(main())
    except asyncio.CancelledError:
        raise StoppedError(reason()) from None


@contextmanager
def _runner() -> Iterator["asyncio.Runner"]:
    import asyncio

    runner = asyncio.Runner()
    try:
        yield runner
    finally:
        # Waits for other threads in a thread of its own. If none can be started, they end with the process, and the
        # result stands.
        with suppress(RuntimeError):
            runner.close()


@contextmanager
def _woken(loop: "asyncio.AbstractEventLoop") -> Iterator[None]:
    """Wake the loop for a signal that comes just before its wait: Python would run the handler after the wait."""
    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        yield  # on Windows, the loop does this by itself
        return
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        loop.add_reader(reader, reader.recv, 4096)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(reader)


def serve_until_signal(server: Coroutine[Any, Any, None]) -> None:
    """Run a server until a signal comes, which is not an error."""
    with suppress(StoppedError):
        run_until_signal(server)


class _Stop:
    """Ends a coroutine: the first signal cancels it, the second signal ends the process."""

    def __init__(self, is_done: Callable[[], bool]) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.task: asyncio.Task[Any] | None = None
        self.is_done = is_done
        self._is_stopping = False

    def __call__(self, number: signal.Signals) -> None:
        if self.loop is None:
            raise KeyboardInterrupt
        # A loop that is closed already has its result.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._stop, number)

    def _stop(self, number: signal.Signals) -> None:
        if self.is_done():
            log.warning("%s came too late: the snapshot is committed, and its leftovers are being removed", number.name)
            return
        if self._is_stopping:
            log.error("stopped at once by %s; what was written so far can be resumed (--resume)", number.name)
            logging.shutdown()
            os._exit(StoppedError.exit_code)
        self._is_stopping = True
        if self.task:
            self.task.cancel(_title(number))
