"""Ends a running query of DuckDB when a signal comes, or its time is over: DuckDB alone would compute on."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NoReturn, Self

import duckdb

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interruption:
    """Receives signals while its block runs, and hands them on to the handler of the process.

    While no query runs, a signal waits until the temporary folder has been made or removed. A signal that the process
    ignores stays ignored, as SIGHUP is under nohup(1).

    Attributes:
        running: connections that may be running a query.

    Raises:
        KeyboardInterrupt: a signal was received, and the handler of the process raises nothing else.
    """

    def __init__(self) -> None:
        self.running: list[duckdb.DuckDBPyConnection] = []
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
            self.check()

    def check(self) -> None:
        """Go on only if no signal was received."""
        if self._received is not None:
            self._hand_on(self._received)

    def _stop(self, number: int, _: object) -> None:
        self._received = number
        for connection in self.running:
            connection.interrupt()
        if self.running:
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
        timer = threading.Timer(max(0.0, self._left_s), self._end)
        timer.daemon = True
        began_s = time.monotonic()
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self._left_s -= time.monotonic() - began_s

    def _end(self) -> None:
        self.is_over = True
        self._connection.interrupt()
