"""Answers of batches that are not complete yet: kept every second, so a run that dies loses little.

Only complete answers are kept: what failed is asked again by the run that resumes this one. A file of answers is
the SHA-256 of the rest, and a list of positions in the batch, each with its readings (MessagePack).
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable

import msgspec

from audit.crawl.reader import Reading
from audit.entity import Entity
from audit.errors import UsageError
from audit.storage.content import read_small
from audit.storage.place import Place

log = logging.getLogger(__name__)

#: Seconds between two writes. With the time that a write takes, answers wait less than two.
KEEP_EVERY_S = 1.0

#: Given a batch's index and answers of it, as `AnswerLog` encodes them.
WriteAnswers = Callable[[int, bytes], None]

#: Of a file: a batch of which every answer is as long as an answer may be.
_MAX_BYTES = 1 << 30
_DIGEST_BYTES = hashlib.sha256().digest_size


class _Answered(msgspec.Struct, frozen=True, array_like=True):
    """An entity's id, by which a reader knows that it looks at the same inventory, and its readings."""

    position: int
    entity_id: str
    readings: list[Reading]


#: By batch.
Taken = dict[int, list[_Answered]]

_DECODER = msgspec.msgpack.Decoder(list[_Answered])


class AnswerLog:
    """The answers that are in no file yet.

    Args:
        write: keeps answers of a batch.
    """

    def __init__(self, write: WriteAnswers) -> None:
        self._write = write
        self._waiting: Taken = {}
        self._is_waiting = asyncio.Event()

    def add(self, index: int, position: int, entity: Entity, readings: list[Reading]) -> None:
        """Take note of the readings of an entity, if they are complete answers, by its batch and its position there."""
        is_asked = any(reading.answer.attempts for reading in readings)
        if is_asked and all(reading.answer.outcome.is_complete for reading in readings):
            self._waiting.setdefault(index, []).append(_Answered(position, entity.entity_id, readings))
            self._is_waiting.set()

    def forget(self, index: int) -> None:
        """The part of a batch is written, with all of its answers; from any thread."""
        self._waiting.pop(index, None)

    def take(self) -> Taken:
        """What was added since the last call, to be given to `keep`."""
        taken, self._waiting = self._waiting, {}
        self._is_waiting.clear()
        return taken

    async def wait(self) -> None:
        """Wait until there is something to take."""
        await self._is_waiting.wait()

    def keep(self, taken: Taken) -> None:
        """Write what was taken; in a thread, as it takes its time.

        Raises:
            StoppedError: the lock is lost.
            OSError: the disk refuses.
        """
        for index, answered in taken.items():
            self._write(index, _encode(answered))


def _encode(answered: list[_Answered]) -> bytes:
    data = msgspec.msgpack.encode(answered)
    return hashlib.sha256(data).digest() + data


def read_answers(paths: Iterable[Place], entities: list[Entity]) -> dict[int, list[Reading]]:
    """The readings in files of answers of a batch, by position.

    A file that is damaged, or is of another inventory, counts as none: its entities are asked again.

    Args:
        paths: the files; where several have an entity, the first counts.
        entities: those of the batch.
    """
    found: dict[int, list[Reading]] = {}
    for path in paths:
        for position, entity_id, readings in _read(path):
            if 0 <= position < len(entities) and entities[position].entity_id == entity_id and readings:
                found.setdefault(position, readings)
    return found


def _read(path: Place) -> list[tuple[int, str, list[Reading]]]:
    try:
        content = read_small(path, _MAX_BYTES) or b""
        digest, data = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(data).digest() == digest:
            return [(each.position, each.entity_id, each.readings) for each in _DECODER.decode(data)]
        reason = "its digest is another one"
    except (UsageError, ValueError) as error:
        reason = str(error)
    log.info("the answers in %s are asked for again: %s", path, reason)
    return []
