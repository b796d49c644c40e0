"""Writes the answers of incomplete batches every second, so that a run that dies loses little.

Only complete answers are written: the run that resumes this one repeats the failed requests. A file of answers holds
a SHA-256 and, in MessagePack, what it is the digest of: a list of positions in the batch with their readings.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable

import msgspec

from audit.crawl.reader import Reading
from audit.entity import Entity
from audit.errors import UsageError, words_of
from audit.output.seal import SealedFile
from audit.untrusted.bounds import LOG_BYTES
from audit.untrusted.decoding import prepared

log = logging.getLogger(__name__)

#: Seconds between two writes. Even with the time that a write takes, no answer waits for more than two seconds.
KEEP_EVERY_S = 1.0

#: Takes a batch's index, a number of its entities, and their answers, as `AnswerLog` encodes them.
WriteAnswers = Callable[[int, int, bytes], None]

_DIGEST_BYTES = hashlib.sha256().digest_size


@prepared
class _Answered(msgspec.Struct, frozen=True, array_like=True):
    """An entity's readings; the id proves to a reader that the position is in the same inventory."""

    position: int
    entity_id: str
    readings: list[Reading]


#: Answers by batch.
Taken = dict[int, list[_Answered]]

_DECODER = msgspec.msgpack.Decoder(list[_Answered])


class AnswerLog:
    """Holds the answers that no file has yet.

    Args:
        write: writes answers of a batch.
    """

    def __init__(self, write: WriteAnswers) -> None:
        self._write = write
        self._waiting: Taken = {}
        self._is_waiting = asyncio.Event()
        #: Bytes of the bodies that wait, by batch.
        self._bytes: dict[int, int] = {}

    def add(self, index: int, position: int, entity: Entity, readings: list[Reading]) -> None:
        """Note the readings of an entity, by its batch and its position there, if all are complete answers."""
        is_asked = any(reading.answer.attempts for reading in readings)
        if is_asked and all(reading.answer.outcome.is_complete for reading in readings):
            self._waiting.setdefault(index, []).append(_Answered(position, entity.entity_id, readings))
            size = sum(len(reading.answer.body) for reading in readings)
            self._bytes[index] = self._bytes.get(index, 0) + size
            self._is_waiting.set()

    @property
    def is_full(self) -> bool:
        """Whether so much waits that it should be kept at once."""
        # A copy: a thread may forget a batch meanwhile.
        return sum([*self._bytes.values()]) > LOG_BYTES

    def forget(self, index: int) -> None:
        """Drop the answers of a batch, because its part holds them. May be called from any thread."""
        self._waiting.pop(index, None)
        self._bytes.pop(index, None)

    def take(self) -> Taken:
        """Take out the answers that were added since the last call, for `keep`."""
        taken, self._waiting, self._bytes = self._waiting, {}, {}
        self._is_waiting.clear()
        return taken

    async def wait(self) -> None:
        """Wait until there are answers to take."""
        await self._is_waiting.wait()

    def keep(self, taken: Taken) -> None:
        """Write what `take` gave. Blocks, so call it in a thread.

        Raises:
            StoppedError: the lock is lost.
            OSError: the file can't be written.
        """
        for index, answered in taken.items():
            self._write(index, len(answered), _encode(answered))


def _encode(answered: list[_Answered]) -> bytes:
    data = msgspec.msgpack.encode(answered)
    return hashlib.sha256(data).digest() + data


def read_answers(files: Iterable[SealedFile], entities: list[Entity]) -> dict[int, list[Reading]]:
    """Read back the answers of a batch.

    Ignores a damaged file and one of another inventory: their entities are read again.

    Args:
        files: if several hold an entity, the first one counts.
        entities: the entities of the batch.

    Returns:
        The readings by position.
    """
    answered: dict[int, list[Reading]] = {}
    for file in files:
        for position, entity_id, readings in _read(file):
            if 0 <= position < len(entities) and entities[position].entity_id == entity_id and readings:
                answered.setdefault(position, readings)
    return answered


def _read(file: SealedFile) -> list[tuple[int, str, list[Reading]]]:
    try:
        content = file.read()
        digest, data = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(data).digest() == digest:
            return [(each.position, each.entity_id, each.readings) for each in _DECODER.decode(data)]
        reason = "its digest does not match"
    except (UsageError, OSError, ValueError) as error:
        reason = words_of(error)
    log.info("requesting the answers in %s again: %s", file.path, reason)
    return []
