"""The workers of a crawl: a fixed number at work, and others set aside while their entity waits on its own account."""

from asyncio import TaskGroup
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

#: The most workers set aside, because each takes memory.
_MAX_ASIDE = 1000


class Crew:
    """Keeps a number of workers at work. A worker whose entity waits is replaced until its wait is over.

    A worker goes on at once when its wait is over, so more workers than that may be at work for a while; a worker that
    waited for a place could wait forever behind workers that wait for its batch. The pace bounds the requests at once
    (`audit.webex.pace.Ceiling`).

    Args:
        size: workers at work.
        tasks: runs them.
        work: takes one entity after the other, until none is left or `is_too_large`.
        is_over: whether there are no more entities to take.
    """

    def __init__(
        self, size: int, tasks: TaskGroup, work: Callable[["Crew"], Awaitable[None]], is_over: Callable[[], bool]
    ) -> None:
        self._size = size
        self._tasks = tasks
        self._work = work
        self._is_over = is_over
        self._at_work = self._aside = 0

    @property
    def is_too_large(self) -> bool:
        """Whether a worker that is done with its entity should leave."""
        return self._at_work > self._size

    def fill(self) -> None:
        """Start workers up to the size."""
        while self._at_work < self._size and self._aside < _MAX_ASIDE and not self._is_over():
            self._at_work += 1
            self._tasks.create_task(self._run())

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Have another worker take the place of this one while the block runs."""
        self._at_work -= 1
        self._aside += 1
        self.fill()
        try:
            yield
        finally:
            self._aside -= 1
            self._at_work += 1

    async def _run(self) -> None:
        try:
            await self._work(self)
        finally:
            self._at_work -= 1

    def __repr__(self) -> str:
        return f"<Crew {self._at_work} of {self._size} at work, {self._aside} aside>"
