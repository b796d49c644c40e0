"""Finds out whether, and at which path, the API of an organization offers settings that are new.

An unknown path and an unknown entity get the same answer, 404 in the API's own words. Only together do answers tell
the two apart: one answer of another kind proves that the API knows the path, and if the first answers are all 404,
the API does not know it. A 404 of a gateway proves nothing (`audit.webex.verdict`).
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from audit.datasets import Dataset, Request
from audit.datasets.dataset import path_of
from audit.entity import Entity, EntityType
from audit.outcome import Outcome
from audit.text import count_of
from audit.webex.answer import Answer

#: The API does not know a path if its first answers, this many, all say so: that many rooms are not deleted at once.
VERDICT_AFTER = 20
_STATUSES = frozenset({404, 405, 410})
_OUTCOMES = frozenset({Outcome.NOT_FOUND, Outcome.BAD_REQUEST})

Get = Callable[[Request], Awaitable[Answer]]


def lack_of(dataset: str) -> str:
    """Why an entity has no settings in a dataset that the API does not offer; the same text for all of them."""
    return f"not found, like all others of its kind: the API may not offer {dataset} to this organization yet"


def is_unknown(answer: Answer) -> bool:
    """Whether the API says that it does not know the entity, or the path."""
    return answer.status in _STATUSES and answer.outcome in _OUTCOMES


def unoffered_of(coverage: Iterable[pa.Table], dataset: str) -> dict[str, str]:
    """The kinds of entity whose settings the API does not seem to offer, each with the counts.

    Args:
        coverage: the rows of the dataset (`audit.snapshot.coverage.COVERAGE_SCHEMA`).
        dataset: the name of the dataset.
    """
    lacking: Counter[str] = Counter()
    others: set[str] = set()
    for rows in coverage:
        is_lacking = pc.fill_null(pc.equal(rows["error_message"], lack_of(dataset)), fill_value=False)
        lacking.update(rows["entity_type"].filter(is_lacking).to_pylist())
        others.update(rows["entity_type"].filter(pc.equal(rows["outcome"], Outcome.OK)).to_pylist())
    return {
        kind: f"{count_of(count, 'entity', 'entities')} not found: the API may not offer these settings yet"
        for kind, count in sorted(lacking.items())
        if kind not in others
    }


class Offer:
    """Reads the settings of a new dataset, at the path that the API knows.

    Args:
        dataset: the dataset.
        is_asking_again: the crawl repeats requests that failed in an earlier run, so its answers are not a sample.

    Attributes:
        lacking: the kinds of entity whose settings the API does not offer; they are not asked for any more.
    """

    def __init__(self, dataset: Dataset, *, is_asking_again: bool = False) -> None:
        self.lacking: set[EntityType] = set()
        self._dataset = dataset
        self._is_asking_again = is_asking_again
        #: Whether the API knows the other path instead of the documented path, by kind of entity; missing if unknown.
        self._is_other: dict[EntityType, bool] = {}
        self._unknown: Counter[EntityType] = Counter()

    async def read(self, entity: Entity, get: Get) -> tuple[Answer, bool]:
        """Read an entity. Returns the answer, and whether it is from the other path.

        The refusal of a hot desk proves nothing of its kind.
        """
        kind = entity.entity_type
        if kind in self.lacking:
            return Answer(Outcome.NOT_FOUND, None, b"", lack_of(self._dataset.name), None, 0, None), False
        if not self._is_other.get(kind):
            answer = await get(self._dataset.request(entity, None))
            if not is_unknown(answer):
                self._note(kind, answer, is_other=False)
                return answer, False
            if entity.is_hot_desk or self._is_other.get(kind) is False:
                return answer, False
            if kind not in self._dataset.other_paths:
                return self._count(kind, answer), False
        second = await get(Request(path_of(self._dataset.other_paths[kind], entity)))
        if not is_unknown(second) or self._is_other.get(kind):
            self._note(kind, second, is_other=True)
            return second, True
        return self._count(kind, answer), False

    def lacks(self, answers: Iterable[tuple[EntityType, Answer]]) -> dict[EntityType, str]:
        """The kinds of entity that the API seems not to offer, each with the reason.

        Args:
            answers: those of a batch, which may be too few for a verdict.
        """
        asked = [(kind, is_unknown(answer)) for kind, answer in answers if answer.attempts]
        seen = {kind for kind, is_none in asked if is_none} - {kind for kind, is_none in asked if not is_none}
        undecided = set() if self._is_asking_again else seen - self._is_other.keys()
        return dict.fromkeys(self.lacking | undecided, lack_of(self._dataset.name))

    def _note(self, kind: EntityType, answer: Answer, *, is_other: bool) -> None:
        """Note that the API knows a path; an answer that says nothing of it, such as 503, changes nothing."""
        if answer.outcome.is_unanswered or answer.outcome is Outcome.INVALID_RESPONSE:
            return
        self._is_other.setdefault(kind, is_other)
        self.lacking.discard(kind)

    def _count(self, kind: EntityType, answer: Answer) -> Answer:
        self._unknown[kind] += 1
        is_sample = not self._is_asking_again and kind not in self._is_other
        if is_sample and self._unknown[kind] >= VERDICT_AFTER:
            self.lacking.add(kind)
        return answer
