"""Ends a running query of DuckDB when a signal comes, or its time is over: DuckDB alone would compute on."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import duckdb

#: Seconds between two interruptions of a query. DuckDB forgets an interruption that comes while a query begins or ends,
#: and then computes to its end.
_AGAIN_S: Final = 0.1
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class _Interrupter:
    """Interrupts what a connection computes, again and again until the connection is released.

    Its thread ends with the release: of a thread that is alive when the process ends, DuckDB writes a report of leaked
    objects to standard error.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._threads: list[threading.Thread] = []

    def begin(self, after_s: float = 0, *, first: Callable[[], object] = lambda: None) -> None:
        """Interrupt from then on.

        Args:
            after_s: seconds until the first interruption.
            first: is called before the first interruption, in the thread.

        Raises:
            RuntimeError: no thread can be started.
        """
        thread = threading.Thread(target=self._interrupt, args=[after_s, first], daemon=True)
        thread.start()
        self._threads.append(thread)

    def release(self) -> None:
        """Interrupt no more: after the call, the connection may be closed."""
        with self._lock:
            self._released.set()
        for thread in self._threads:
            thread.join()

    def _interrupt(self, after_s: float, first: Callable[[], object]) -> None:
        if not self._released.wait(after_s):
            first()
            while self._interrupt_once():
                self._released.wait(_AGAIN_S)

    def _interrupt_once(self) -> bool:
        with self._lock:
            if not self._released.is_set():
                self._connection.interrupt()
            return not self._released.is_set()


class Interruption:
    """Receives signals while its block runs, and hands them on to the handler of the process.

    While no query runs, a signal waits until the temporary folder has been made or removed. A signal that the process
    ignores stays ignored, as SIGHUP is under nohup(1).

    Raises:
        KeyboardInterrupt: a signal was received, and the handler of the process raises nothing else.
    """

    def __init__(self) -> None:
        self._running: _Interrupter | None = None
        self._received: int | None = None
        self._before: dict[int, Callable[[int, Any], Any] | int | None] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            numbers = [each for each in _SIGNALS if signal.getsignal(each) != signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._stop) for number in numbers}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        # DuckDB turns the interruption into an error of its own.
        if error is None or isinstance(error, Exception):
            self._check()

    @contextmanager
    def running(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """In the block, the connection may be running a query, which a signal ends."""
        interrupter = self._running = _Interrupter(connection)
        try:
            self._check()
            yield
        finally:
            self._running = None
            interrupter.release()

    def _check(self) -> None:
        """Go on only if no signal was received."""
        if self._received is not None:
            self._hand_on(self._received)

    def _stop(self, number: int, _: object) -> None:
        self._received = number
        if self._running:
            with suppress(RuntimeError):  # no memory is left for a thread
                self._running.begin()
            self._hand_on(number)

    def _hand_on(self, number: int) -> NoReturn:
        handler = self._before[number]
        if callable(handler):
            handler(number, None)
        raise KeyboardInterrupt


class TimeLimit:
    """Ends what a connection computes after a time; the time between the blocks of `computing` does not count.

    Args:
        connection: runs the queries.
        limit_s: seconds of computing in total.

    Attributes:
        is_over: the time is over.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, limit_s: float) -> None:
        self.is_over = False
        self._connection = connection
        self._left_s = min(limit_s, threading.TIMEOUT_MAX)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Lets the connection compute in the block; when the time is over, DuckDB raises an error there."""
        interrupter = _Interrupter(self._connection)
        began_s = time.monotonic()
        interrupter.begin(max(0.0, self._left_s), first=self._end)
        try:
            yield
        finally:
            interrupter.release()
            self._left_s -= time.monotonic() - began_s

    def _end(self) -> None:
        self.is_over = True
