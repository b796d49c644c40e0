"""Several files at a time: in an object store, each takes a round trip or more."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Condition
from typing import TypeVar

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")
#: Number of files at once; a round trip takes some tens of milliseconds.
_AT_ONCE = 8


def at_once(work: Callable[[_Item], _Found], items: Iterable[_Item]) -> list[_Found]:
    """Call a function for many items, several at a time. After the end nothing of it runs, whatever ends it.

    Args:
        work: reads, copies or removes something; what it raises ends the call.
        items: its arguments.

    Returns:
        What it returned, in the order of the items.
    """
    gate = _Gate()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="files") as executor:
        try:
            waiting = [executor.submit(gate.through, partial(work, each)) for each in items]
            return [each.result() for each in waiting]
        finally:
            gate.close()
            executor.shutdown(cancel_futures=True)


def ahead(read: Callable[[_Item], _Found], items: Iterable[_Item]) -> Iterator[_Found]:
    """Read files in order; from an object store, the next few are fetched meanwhile."""
    waiting: deque[Future[_Found]] = deque()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="files") as executor:
        try:
            for each in items:
                waiting.append(executor.submit(read, each))
                if isinstance(each, Path) or len(waiting) == _AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            executor.shutdown(cancel_futures=True)


class _Gate:
    """Lets calls through until it is closed.

    The executor does not wait for a thread that was being started when a signal came: it would go on to work after
    the executor has ended.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._inside = 0
        self._is_closed = False

    def through(self, work: Callable[[], _Found]) -> _Found:
        """Do some work.

        Raises:
            CancelledError: the gate is closed.
        """
        with self._changed:
            if self._is_closed:
                raise CancelledError
            self._inside += 1
        try:
            return work()
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def close(self) -> None:
        """Let nothing more through, and wait for what is inside."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._inside)
