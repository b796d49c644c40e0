"""The memory for answers that are being read: a short answer has its own, long answers take turns.

A request may hold a short answer as it comes. To hold more, it enters one room after the other, each for fewer and
longer answers (`audit.untrusted.bounds.ROOMS`). Nobody in a room waits for somebody in a smaller room, so the requests
can't block each other. All requests of a process share the rooms.
"""

import asyncio
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

from audit.untrusted.bounds import ROOMS, SMALL_BYTES


class TooLongError(Exception):
    """An answer is longer than any that makes sense; the text says how long it may be."""


#: The rooms of each event loop: a semaphore belongs to its loop, and a process has one loop, except in tests.
_ROOMS: WeakKeyDictionary[asyncio.AbstractEventLoop, list[asyncio.Semaphore]] = WeakKeyDictionary()


_OF_TASK: "ContextVar[Room | None]" = ContextVar("room", default=None)


class Room:
    """The memory that a task holds for answers.

    As a context manager, it is the room of the task: all answers that the task reads in the block are held until its
    end, because they are put away only then.

    Attributes:
        is_lone: the room is for one answer alone.
    """

    __slots__ = ("_entered", "_token", "is_lone")

    def __init__(self) -> None:
        self.is_lone = True
        self._entered: list[asyncio.Semaphore] = []
        self._token: Token[Room | None] | None = None

    def __enter__(self) -> Self:
        self.is_lone = False
        self._token = _OF_TASK.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._token:
            _OF_TASK.reset(self._token)
        self.leave()

    @property
    def is_entered(self) -> bool:
        """Whether the task holds more than a short answer."""
        return bool(self._entered)

    async def grow(self, size: int) -> None:
        """Wait until the task may hold this many bytes."""
        if size <= SMALL_BYTES:
            return
        rooms = _rooms()
        sizes = [0, *(most for most, _ in ROOMS)]
        while len(self._entered) < len(rooms) and size > max(sizes[len(self._entered)], SMALL_BYTES):
            await rooms[len(self._entered)].acquire()
            self._entered.append(rooms[len(self._entered)])

    def leave(self) -> None:
        """Hold nothing any more."""
        while self._entered:
            self._entered.pop().release()


def _rooms() -> list[asyncio.Semaphore]:
    loop = asyncio.get_running_loop()
    if loop not in _ROOMS:
        _ROOMS[loop] = [asyncio.Semaphore(count) for _, count in ROOMS]
    return _ROOMS[loop]


def room_of_task() -> Room:
    """The room of the task; if it has none, a new one, which the caller must leave."""
    return _OF_TASK.get() or Room()
