"""Hands out the entities of an inventory to the workers of a crawl, batch by batch."""

import asyncio
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import InitVar, dataclass, field

import msgspec
import pyarrow as pa

from audit.crawl.answer_log import read_answers
from audit.crawl.earlier import Earlier
from audit.crawl.reader import Reading
from audit.entity import Entity, EntityType, entities_of
from audit.outcome import Outcome
from audit.snapshot.coverage import COVERAGE
from audit.storage.place import Place


@dataclass
class Batch:
    """A batch of the inventory, the readings of it so far, and the rows that an earlier snapshot had of it.

    Attributes:
        places: positions that no worker has taken yet; all workers take theirs from this one iterator.
        kept: by position, whether the earlier rows hold the entity's answer.
        readings: by position, what was read of the entity, by this run or the one that it resumes.
        waiting: how many entities no worker has dealt with yet.
    """

    index: int
    inventory: pa.Table
    earlier: dict[str, pa.Table]
    answers: InitVar[Sequence[Place]] = ()
    entities: list[Entity] = field(init=False)
    places: Iterator[int] = field(init=False)
    readings: list[list[Reading]] = field(init=False)

    def __post_init__(self, answers: Sequence[Place]) -> None:
        self.entities = entities_of(self.inventory)
        kept = set(self.earlier[COVERAGE]["entity_id"].to_pylist()) if self.earlier else set()
        self.kept = [entity.entity_id in kept for entity in self.entities]
        self.waiting = len(self.entities)
        self.places = iter(range(self.waiting))
        answered = read_answers(answers, self.entities)
        self.readings = [answered.get(position, []) for position in range(self.waiting)]

    def even_out(self, reasons: Mapping[EntityType, str]) -> None:
        """Tell the same of every entity of a refused kind: which of them was still asked, is chance."""
        for position, entity in enumerate(self.entities):
            if reason := reasons.get(entity.entity_type):
                self.readings[position] = _refused(self.readings[position], reason)


def _refused(readings: list[Reading], reason: str) -> list[Reading]:
    """The same readings with one that is refused for this reason, however many sites were."""
    others = [reading for reading in readings if reading.answer.outcome is not Outcome.FORBIDDEN]
    forbidden = [reading.answer for reading in readings if reading.answer.outcome is Outcome.FORBIDDEN]
    return others + [Reading(None, msgspec.structs.replace(each, status=403, message=reason)) for each in forbidden[:1]]


def read_batches(
    inventory: Iterator[tuple[int, pa.Table]], earlier: Earlier | None, answers: Mapping[int, Sequence[Place]]
) -> Generator[Batch, None, None]:
    """The batches of an inventory, with what is known of them already.

    Args:
        inventory: the batches (`audit.output.inventory.Inventory.batches`).
        earlier: a snapshot whose complete answers are kept.
        answers: files of the answers of an unfinished run (`audit.crawl.answer_log`), by batch.
    """
    for index, rows in inventory:
        yield Batch(index, rows, earlier.rows_of(rows) if earlier else {}, answers.get(index, ()))


class Feed:
    """One batch after the other, for several workers; the next one is read while they work.

    The executor has one thread, which also writes what is complete, and takes one thing after the other: so
    reading does not run ahead of writing, and few batches are in memory whichever is the slower.

    Args:
        batches: in order.
        executor: reads them, in one thread.
    """

    def __init__(self, batches: Iterator[Batch], executor: Executor) -> None:
        self._batches = batches
        self._executor = executor
        self._turn = asyncio.Lock()
        self._current: Batch | None = None
        self._next = self._read()

    async def behind(self, batch: Batch | None) -> Batch | None:
        """The batch behind one whose places are taken, the first one behind None; None behind the last."""
        async with self._turn:
            if batch is self._current:
                self._current = await self._next
                self._next = self._read()
            return self._current

    def _read(self) -> "asyncio.Future[Batch | None]":
        return asyncio.get_running_loop().run_in_executor(self._executor, next, self._batches, None)
