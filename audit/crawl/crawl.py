"""Reads each entity of a backlog under one pace, and writes the rows batch by batch.

A fixed number of workers takes entities in the order of the inventory; a worker whose entity has to wait gives its
place to another (`audit.crawl.crew`). The worker that completes a batch has it flattened and written by a single thread
beside the event loop, which also reads the next batch (`audit.crawl.batches`). So only the batches that are being read
are in memory, however many there are.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from audit.clock import Clock
from audit.crawl.answer_log import KEEP_EVERY_S, AnswerLog, WriteAnswers
from audit.crawl.batches import Backlog, Batch, Feed
from audit.crawl.breaker import Breaker
from audit.crawl.crew import Crew
from audit.crawl.flatten import Slice, flatten
from audit.crawl.lines import Lines
from audit.crawl.progress import Progress
from audit.crawl.reader import Reader, Reading, unasked
from audit.entity import Entity, EntityType
from audit.errors import AuditError
from audit.outcome import Outcome
from audit.threads import in_thread
from audit.webex.errors import ScopeError, UnansweredError
from audit.webex.room import Room

log = logging.getLogger(__name__)

_Given = TypeVar("_Given")

#: Takes a batch's index and its slices.
WritePart = Callable[[int, Iterator[Slice]], None]


@dataclass(frozen=True)
class Sink:
    """Where a crawl writes. Both functions are called in one thread, one call at a time.

    Attributes:
        write_part: writes a batch in which each entity has its outcome.
        write_answers: writes answers of a batch that is not complete yet, every second and in the end.
    """

    write_part: WritePart
    write_answers: WriteAnswers


@dataclass(frozen=True)
class Limits:
    """How fast a crawl may be, and how slow.

    Attributes:
        concurrency: entities that are read at once, without those that wait on their own account.
        stall_s: seconds without any answer, wait or outage after which the crawl stops.
    """

    concurrency: int
    stall_s: float = math.inf


class Crawl:
    """Reads the entities of a backlog, once.

    Args:
        reader: reads an entity.
        backlog: the entities.
        sink: takes the rows.
        limits: the limits.
        progress: hears of each entity.
        clock: the time.
    """

    def __init__(
        self, reader: Reader, backlog: Backlog, sink: Sink, limits: Limits, progress: Progress, clock: Clock
    ) -> None:
        self._reader = reader
        self._client = reader.client
        self._backlog = backlog
        self._sink = sink
        self._limits = limits
        self._progress = progress
        self._clock = clock
        self._breaker = Breaker(
            backlog.dataset.name, reader.client, reader.scope_of, is_asking_again=backlog.earlier is not None
        )
        self._lines = Lines(self._breaker)
        self._answers = AnswerLog(sink.write_answers)
        #: One worker at a time writes the answers of all when too much waits.
        self._keeping = asyncio.Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="parts")

    async def run(self) -> dict[EntityType, ScopeError]:
        """Read each entity, and write each batch.

        Returns:
            The kinds of entity whose first answers were all 403, each with the error that names the scope. The other
            entities of such a kind are not read; their outcome is `forbidden` too.

        Raises:
            TokenRefusedError: the API refuses the token.
            OutageError: the API does not answer any more.
            UnansweredError: it fails too often, or nothing happens any more.
            StoppedError: the inventory is damaged.
            OSError: a part can't be written.
        """
        inventory = self._backlog.inventory
        self._progress.on_resumed(inventory.rows_in(self._backlog.done))
        batches = self._backlog.batches()
        feed = Feed(batches, self._executor)
        try:
            async with _beside(self._watch_for_stall(), self._keep_answers()), asyncio.TaskGroup() as tasks:
                size = min(self._limits.concurrency, inventory.num_rows)
                crew = Crew(size, tasks, partial(self._work, feed), lambda: feed.is_over)
                self._client.waits.aside = crew.aside
                crew.fill()
            self._breaker.on_end()
        except BaseExceptionGroup as failures:
            raise _first(failures) from None
        finally:
            self._lines.end()
            self._client.waits.aside = nullcontext
            # The part that is being written comes to its end; then the answers that are in no part are written.
            self._executor.submit(self._keep_last)
            self._executor.submit(batches.close)
            await in_thread(self._executor.shutdown)
        return self._breaker.refused

    async def _work(self, feed: Feed, crew: Crew) -> None:
        batch: Batch | None = None
        while batch := await feed.after(batch):
            for position in batch.places:
                if batch.kept[position] or batch.readings[position]:
                    self._progress.on_answer(Outcome.OK)
                else:
                    await self._read(batch, position)
                batch.waiting -= 1
                if not batch.waiting:
                    batch.even_out(self._breaker.reasons, self._breaker.suspects())
                    if offer := self._reader.offer:
                        batch.note_lacks(offer.lacks(batch.judged()))
                    await _surely(self._executor, self._finish, batch)
                    feed.close()
                if crew.is_too_large:
                    return

    async def _read(self, batch: Batch, position: int) -> None:
        entity = batch.entities[position]
        reason = self._breaker.reasons.get(entity.entity_type)
        with Room():
            readings = _unread(entity, Outcome.FORBIDDEN, reason) if reason else await self._reader.read(entity)
            batch.readings[position] = readings
            self._answers.add(batch.index, position, entity, readings)
            await self._put_away(batch, position)
        for reading in readings:
            if reading.answer.attempts:
                self._breaker.on_answer(entity, reading.answer)
                self._lines.add(entity, reading)
        self._progress.on_answer(_counted(readings))
        self._progress.on_requests(self._client.count.total, self._client.count.throttled)

    async def _put_away(self, batch: Batch, position: int) -> None:
        """Make sure that the answers of an entity need little memory, however long they are."""
        if self._answers.is_full:
            async with self._keeping:
                if self._answers.is_full:
                    await _surely(self._executor, self._answers.keep, self._answers.take())
        if not batch.holds(position):
            await _surely(self._executor, batch.put_away, position)

    def _finish(self, batch: Batch) -> None:
        self._sink.write_part(batch.index, flatten(self._backlog.dataset, self._backlog.org_id, batch))
        batch.shelf.close()
        # Not before: if the part can't be written, the answers still can be.
        self._answers.forget(batch.index)

    async def _keep_answers(self) -> None:
        while True:
            await self._answers.wait()
            await self._clock.sleep(KEEP_EVERY_S)
            await _surely(self._executor, self._answers.keep, self._answers.take())

    def _keep_last(self) -> None:
        """Write the answers that no file has yet; an error here matters less than the one that ended the crawl."""
        try:
            self._answers.keep(self._answers.take())
        except (AuditError, OSError) as error:
            log.debug("the last answers can't be kept: %s", error)

    async def _watch_for_stall(self) -> None:
        client, stall_s = self._client, self._limits.stall_s
        while math.isfinite(stall_s):
            await self._clock.sleep(stall_s / 4)
            busy_s = max(client.last_answer_at_s, client.pace.resume_at_s, client.waits.until_s)
            idle_s = self._clock.monotonic_s() - busy_s
            # An outage ends by itself (`audit.webex.outage`).
            if idle_s >= stall_s and client.pace.pause_s <= 0 and not client.outage.is_on:
                raise UnansweredError(f"nothing was answered for {idle_s:.0f} s (run.stall_s): the disk hangs")


def give_up(backlog: Backlog, write_part: WritePart, outcome: Outcome, reason: Exception) -> None:
    """Write each batch of a backlog without reading it.

    Args:
        backlog: the entities.
        write_part: writes a batch.
        outcome: the outcome of each entity that has no answer yet.
        reason: why it is not read.
    """
    for batch in backlog.batches():
        for position in batch.places:
            if not batch.kept[position] and not batch.readings[position]:
                batch.readings[position] = _unread(batch.entities[position], outcome, str(reason))
        write_part(batch.index, flatten(backlog.dataset, backlog.org_id, batch))
        batch.shelf.close()


def _unread(entity: Entity, outcome: Outcome, reason: str) -> list[Reading]:
    if entity.known_outcome:
        return [Reading(None, unasked(entity.known_outcome, entity.known_reason))]
    return [Reading(None, unasked(outcome, f"not asked: {reason}"))]


def _counted(readings: list[Reading]) -> Outcome:
    """The outcome that an entity counts as: the first incomplete one, if there is one."""
    outcomes = [reading.answer.outcome for reading in readings]
    return next((outcome for outcome in outcomes if not outcome.is_complete), outcomes[0])


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    failure = failures.exceptions[0]
    return _first(failure) if isinstance(failure, BaseExceptionGroup) else failure


@asynccontextmanager
async def _beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these while the block runs; if one of them fails, so does the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        yield
        for task in tasks:
            task.cancel()


async def _surely(executor: Executor, work: Callable[[_Given], None], given: _Given) -> None:
    """Do this in the thread of the executor, even if a crawl that is stopped no longer waits for it."""
    await asyncio.shield(asyncio.get_running_loop().run_in_executor(executor, work, given))
