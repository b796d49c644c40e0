"""Hands the entities of a backlog to the workers of a crawl, batch by batch."""

import asyncio
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import InitVar, dataclass, field

import msgspec
import pyarrow as pa

from audit.crawl.answer_log import read_answers
from audit.crawl.earlier import Earlier
from audit.crawl.offer import is_unknown
from audit.crawl.reader import Reading
from audit.crawl.shelf import Shelf
from audit.datasets import Dataset
from audit.entity import Entity, EntityType, entities_of
from audit.outcome import Outcome
from audit.output.inventory import Inventory
from audit.output.seal import SealedFile
from audit.snapshot.coverage import COVERAGE
from audit.webex.answer import Answer

#: The most batches at once that wait for some of their entities: each holds its answers in memory.
_MAX_OPEN = 100


@dataclass
class Batch:
    """A batch of the inventory, its readings so far, and its rows in an earlier snapshot.

    Attributes:
        places: the positions that no worker has taken yet; all workers share this iterator.
        kept: by position, whether the earlier snapshot has the entity's answer.
        readings: by position, the entity's readings, of this run or of the run that it resumes.
        waiting: how many entities no worker is done with yet.
        shelf: keeps the bodies of the readings.
    """

    index: int
    inventory: pa.Table
    earlier: dict[str, pa.Table]
    answers: InitVar[Sequence[SealedFile]] = ()
    entities: list[Entity] = field(init=False)
    places: Iterator[int] = field(init=False)
    readings: list[list[Reading]] = field(init=False)
    shelf: Shelf = field(init=False, default_factory=Shelf)

    def __post_init__(self, answers: Sequence[SealedFile]) -> None:
        self.entities = entities_of(self.inventory)
        kept = set(self.earlier[COVERAGE]["entity_id"].to_pylist()) if self.earlier else set()
        self.kept = [entity.entity_id in kept for entity in self.entities]
        self.waiting = len(self.entities)
        self.places = iter(range(self.waiting))
        self.readings = [[] for _ in self.entities]
        for path in answers:
            for position, readings in read_answers([path], self.entities).items():
                if not self.readings[position]:
                    self.readings[position] = readings
                    self.put_away(position)

    def holds(self, position: int) -> bool:
        """Whether the bodies of an entity's readings may stay in memory; if they may, they count from now on."""
        return self.shelf.hold(sum(len(reading.answer.body) for reading in self.readings[position]))

    def put_away(self, position: int) -> None:
        """Let the bodies of an entity's readings wait on the disk, unless they may stay in memory. Blocks."""
        if not self.holds(position):
            self.readings[position] = [self._put_away(reading) for reading in self.readings[position]]

    def _put_away(self, reading: Reading) -> Reading:
        if not reading.answer.body:
            return reading
        spot = self.shelf.put(reading.answer.body)
        return reading._replace(answer=msgspec.structs.replace(reading.answer, body=b""), spot=spot)

    def body_of(self, reading: Reading) -> bytes:
        """The body of a reading's answer. Blocks."""
        return self.shelf.get(reading.spot) if reading.spot else reading.answer.body

    def even_out(self, reasons: Mapping[EntityType, str], suspects: Collection[EntityType] = ()) -> None:
        """Record one result for all entities of a refused kind; which of them were asked depends on timing.

        Args:
            reasons: why a kind is refused.
            suspects: the kinds of which nothing could be read so far: there, a 403 for a hot desk is like any other.
        """
        for position, entity in enumerate(self.entities):
            if entity.is_hot_desk and entity.entity_type in suspects:
                self.readings[position] = [_unexcused(reading) for reading in self.readings[position]]
            if reason := reasons.get(entity.entity_type):
                self.readings[position] = _refused(self.readings[position], reason)

    def judged(self) -> Iterator[tuple[EntityType, Answer]]:
        """The answers, each with the kind of its entity."""
        for entity, readings in zip(self.entities, self.readings, strict=True):
            yield from ((entity.entity_type, reading.answer) for reading in readings)

    def note_lacks(self, reasons: Mapping[EntityType, str]) -> None:
        """Record one result for all entities that the API does not offer; which were asked depends on timing.

        Args:
            reasons: why there are no settings of a kind.
        """
        for position, entity in enumerate(self.entities):
            if reason := reasons.get(entity.entity_type):
                self.readings[position] = [_lacking(reading, reason) for reading in self.readings[position]]


def _lacking(reading: Reading, reason: str) -> Reading:
    answer = reading.answer
    if not is_unknown(answer) and answer.message != reason:
        return reading
    return reading._replace(
        answer=msgspec.structs.replace(answer, outcome=Outcome.NOT_FOUND, status=404, message=reason)
    )


def _unexcused(reading: Reading) -> Reading:
    is_forbidden = reading.answer.status == 403
    return (
        reading._replace(answer=msgspec.structs.replace(reading.answer, outcome=Outcome.FORBIDDEN))
        if is_forbidden
        else reading
    )


def _refused(readings: list[Reading], reason: str) -> list[Reading]:
    """The same readings, with a single refused one for this reason, however many sites refused."""
    others = [reading for reading in readings if reading.answer.outcome is not Outcome.FORBIDDEN]
    forbidden = [reading.answer for reading in readings if reading.answer.outcome is Outcome.FORBIDDEN]
    return others + [Reading(None, msgspec.structs.replace(each, status=403, message=reason)) for each in forbidden[:1]]


@dataclass(frozen=True)
class Backlog:
    """The entities of an organization that a dataset is to be read for, and what is known of them already.

    Attributes:
        dataset: what to read.
        org_id: UUID of the organization.
        inventory: the entities.
        done: the batches, by index, that the run which this one resumes has written.
        answers: by batch, files of other answers that it had (`audit.crawl.answer_log`).
        earlier: a snapshot whose complete answers are kept.
    """

    dataset: Dataset
    org_id: str
    inventory: Inventory
    done: Collection[int] = ()
    answers: Mapping[int, Sequence[SealedFile]] = field(default_factory=dict)
    earlier: Earlier | None = None

    def batches(self) -> Generator[Batch, None, None]:
        """The batches that are not done, in order.

        Raises:
            StoppedError: the inventory is damaged.
            UsageError: the earlier snapshot is damaged.
        """
        for index, rows in self.inventory.batches(self.done):
            yield Batch(index, rows, self.earlier.rows_of(rows) if self.earlier else {}, self.answers.get(index, ()))


class Feed:
    """Gives all workers the same batch, and reads the next one meanwhile.

    The only thread of the executor also writes complete batches. So reading never runs ahead of writing, and few
    batches are in memory, whichever is slower. An entity that waits on its own account keeps its batch open, so the
    number of open batches is bounded too.

    Args:
        batches: the batches in order.
        executor: has one thread.

    Attributes:
        is_over: there is no further batch.
    """

    def __init__(self, batches: Iterator[Batch], executor: Executor) -> None:
        self._batches = batches
        self._executor = executor
        self._turn = asyncio.Lock()
        self._current: Batch | None = None
        self._room = asyncio.Semaphore(_MAX_OPEN)
        self.is_over = False
        self._next = self._read()

    async def after(self, batch: Batch | None) -> Batch | None:
        """The batch after this one, or the first one if this is None; None after the last one."""
        async with self._turn:
            if batch is self._current and not self.is_over:
                await self._room.acquire()
                self._current = await self._next
                self.is_over = self._current is None
                self._next = self._read()
            return self._current

    def close(self) -> None:
        """Note that a batch is complete."""
        self._room.release()

    def _read(self) -> "asyncio.Future[Batch | None]":
        return asyncio.get_running_loop().run_in_executor(self._executor, next, self._batches, None)
