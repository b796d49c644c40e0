"""Tells a fault of single entities from one of a whole kind of entity."""

from collections.abc import Callable
from typing import NamedTuple

from audit.entity import Entity, EntityType
from audit.outcome import Outcome
from audit.webex.client import Answer, Client
from audit.webex.errors import NotAcceptedError, ScopeError, needed

#: If the first answers of a kind of entity, this many, are all 403 or 401, the whole kind is refused.
VERDICT_AFTER = 20


class _Count(NamedTuple):
    answers: int
    forbidden: int
    last: Answer


class Breaker:
    """Watches the answers of a crawl.

    Args:
        dataset: the name of what is asked for.
        client: the API.
        scope_of: the scope that a kind of entity needs.
        is_asking_again: those are asked that had no answer before, so that 403s are expected.

    Attributes:
        refused: kinds of entity whose answers were all 403, each with the error that tells the scope.
        reasons: the same, each with a text that is the same in every run.
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
        """Take note of an answer."""
        kind = entity.entity_type
        answers, forbidden, _ = self._counts.get(kind, (0, 0, answer))
        is_forbidden = answer.outcome is Outcome.FORBIDDEN
        self._counts[kind] = _Count(answers + 1, forbidden + is_forbidden, answer)
        if answers + 1 == VERDICT_AFTER:
            self._judge(kind)

    def on_end(self) -> None:
        """Judge the kinds that had few answers."""
        for kind in self._counts:
            self._judge(kind)

    def _judge(self, kind: EntityType) -> None:
        answers, forbidden, last = self._counts[kind]
        if forbidden < answers or self._is_asking_again or kind in self.refused:
            return
        if last.status == 401:
            reason = f"{self._dataset} of every {kind} is refused (401), though the API accepts the token elsewhere"
            of = f"organization {self._client.organization}: " if self._client.organization else ""
            self.refused[kind] = NotAcceptedError(
                f"{of}{reason}: the organization may be suspended, or no longer managed with this token; the API says: "
                f"{last.message}"
            )
            self.reasons[kind] = reason
            return
        scope = self._scope_of(kind)
        self.refused[kind] = ScopeError(
            f"the token may not read {self._dataset} of any {kind} (403, {answers} of {answers} answers): "
            f"{needed(scope)}; the API says: {last.message}"
        )
        self.reasons[kind] = f"{self._dataset} of every {kind} is refused: the token needs {scope}"
