"""The log lines about answers that are not complete."""

import logging
from collections import defaultdict

import msgspec

from audit.crawl.breaker import Breaker
from audit.crawl.reader import Reading
from audit.entity import Entity, EntityType
from audit.outcome import Outcome
from audit.text import noun_of
from audit.webex.answer import Answer
from audit.webex.errors import ScopeError

log = logging.getLogger(__name__)


class Lines:
    """Logs answers. What may be the refusal of a whole kind of entity waits: a single warning says that better.

    Args:
        breaker: decides whether a kind is refused.
    """

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._waiting: dict[EntityType, list[tuple[Entity, Reading]]] = defaultdict(list)

    def add(self, entity: Entity, reading: Reading) -> None:
        """Log an answer that the breaker knows, or let it wait until its kind is judged."""
        kind = entity.entity_type
        if not reading.answer.outcome.is_complete:
            bodiless = msgspec.structs.replace(reading.answer, body=b"")
            self._waiting[kind].append((entity, reading._replace(answer=bodiless)))
        if not self._breaker.is_undecided(kind):
            self._log_all(kind)

    def end(self) -> None:
        """Log what still waits."""
        for kind in [*self._waiting]:
            self._log_all(kind)

    def _log_all(self, kind: EntityType) -> None:
        level = logging.DEBUG if kind in self._breaker.refused else logging.INFO
        for entity, reading in self._waiting.pop(kind, ()):
            _log(entity, reading, level)


def _log(entity: Entity, reading: Reading, level: int) -> None:
    site_url, answer = reading.site_url, reading.answer
    log.log(
        level,
        "%s %s (%s)%s: %s: %s",
        noun_of(entity.entity_type),
        entity.entity_name or "without a name",
        entity.entity_id,
        f" on {site_url}" if site_url else "",
        answer.outcome,
        _reason(answer),
        extra={"entity_id": entity.entity_id, "tracking_id": answer.tracking_id},
    )


def _reason(answer: Answer) -> object:
    """Why an answer is not complete; our own words for a refusal, as those of the API are long and always the same."""
    if answer.outcome is Outcome.FORBIDDEN and answer.status:
        return ScopeError(f"the token may not read it ({answer.status})").saying(answer.message)
    return answer.message
