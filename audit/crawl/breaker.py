"""Distinguishes faults of single entities from the refusal of a whole kind of entity."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from audit.entity import Entity, EntityType
from audit.outcome import Outcome
from audit.text import noun_of
from audit.webex.client import Answer, Client
from audit.webex.errors import NotAcceptedError, ScopeError, needed

#: A kind of entity is refused if its first answers, this many, are all 403 or 401.
VERDICT_AFTER = 20


def forbidden_of(coverage: Iterable[pa.Table]) -> dict[EntityType, int]:
    """The kinds of entity of which the token may read none, each with the number of entities.

    Args:
        coverage: the rows of a dataset (`audit.snapshot.coverage.COVERAGE_SCHEMA`). A token that the organization does
            not accept (401) lacks no scope, so such a kind is not one of them.
    """
    forbidden: Counter[str] = Counter()
    others: set[str] = set()
    for rows in coverage:
        is_forbidden = pc.equal(rows["outcome"], Outcome.FORBIDDEN)
        forbidden.update(rows["entity_type"].filter(is_forbidden).to_pylist())
        is_401 = pc.fill_null(pc.match_substring(rows["error_message"], "(401)"), fill_value=False)
        is_401 = pc.or_(is_401, pc.fill_null(pc.equal(rows["http_status"], 401), fill_value=False))
        is_other = pc.or_(pc.and_(pc.invert(is_forbidden), pc.greater(rows["attempts"], 0)), is_401)
        others.update(rows["entity_type"].filter(is_other).to_pylist())
    return {kind: forbidden[kind] for kind in EntityType if forbidden[kind] and kind not in others}


class _Count(NamedTuple):
    answers: int
    forbidden: int
    last: Answer


class Breaker:
    """Decides from the answers of a crawl which kinds of entity the token may not read.

    Args:
        dataset: the name of the dataset.
        client: the API.
        scope_of: gives the scope that a kind of entity needs.
        is_asking_again: the crawl repeats requests that failed in an earlier run, so 403s are expected.

    Attributes:
        refused: the refused kinds of entity, each with the error that names the missing scope.
        reasons: the refused kinds of entity, each with a text that is the same in every run.
    """

    def __init__(
        self, dataset: str, client: Client, scope_of: Callable[[EntityType], str], *, is_asking_again: bool = False
    ) -> None:
        self.refused: dict[EntityType, ScopeError] = {}
        self.reasons: dict[EntityType, str] = {}
        self._dataset = dataset
        self._client = client
        self._scope_of = scope_of
        self._is_asking_again = is_asking_again
        self._counts: dict[EntityType, _Count] = {}

    def on_answer(self, entity: Entity, answer: Answer) -> None:
        """Count an answer. The refusal of a hot desk says nothing of its kind, whatever its status."""
        if entity.is_hot_desk and answer.outcome is Outcome.NOT_LICENSED:
            return
        kind = entity.entity_type
        answers, forbidden, _ = self._counts.get(kind, (0, 0, answer))
        is_forbidden = answer.outcome is Outcome.FORBIDDEN
        self._counts[kind] = _Count(answers + 1, forbidden + is_forbidden, answer)
        if answers + 1 == VERDICT_AFTER:
            self._judge(kind)

    def suspects(self) -> set[EntityType]:
        """The kinds of entity whose answers so far are all 403 or 401."""
        return {kind for kind, count in self._counts.items() if count.forbidden == count.answers} | self.refused.keys()

    def is_undecided(self, kind: EntityType) -> bool:
        """Whether the answers of a kind so far may turn out to be its refusal."""
        count = self._counts.get(kind)
        is_suspect = count is not None and count.forbidden == count.answers
        return is_suspect and not self._is_asking_again and kind not in self.refused

    def on_end(self) -> None:
        """Judge the kinds of entity that had few answers."""
        for kind in self._counts:
            self._judge(kind)

    def _judge(self, kind: EntityType) -> None:
        answers, forbidden, last = self._counts[kind]
        if forbidden < answers or self._is_asking_again or kind in self.refused:
            return
        noun = noun_of(kind)
        if last.status == 401:
            reason = f"{self._dataset} of every {noun} is refused (401), though the API accepts the token elsewhere"
            subject = f"organization {self._client.organization}: " if self._client.organization else ""
            self.refused[kind] = NotAcceptedError(
                f"{subject}{reason}: the organization may be suspended, or no longer managed with this token"
            ).saying(last.message)
            self.reasons[kind] = reason
            return
        scope = self._scope_of(kind)
        is_calling = not scope.startswith("meeting:")
        self.refused[kind] = ScopeError(
            f"the token may not read {self._dataset} of any {noun} (403, {answers} of {answers} answers): "
            f"{needed(scope, is_calling=is_calling)}"
        ).saying(last.message)
        self.reasons[kind] = f"{self._dataset} of every {noun} is refused: {needed(scope, is_calling=is_calling)}"
