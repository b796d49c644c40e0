"""The terms that a client works under: a deadline, names and counts."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from audit.webex.answer import RequestCount


def _ignore(_: float) -> None:
    pass


@dataclass(frozen=True)
class Terms:
    """The terms that a client works under.

    Attributes:
        deadline_at_s: on the clock; a wait that would end after it stops the run at once.
        on_pause: receives the seconds of each pause of all requests.
        organization: the name of the organization, for messages; None for requests without one.
        is_known: the API has answered before. Else a run does not wait out an outage: a wrong address never answers.
        limit: what `deadline_at_s` is, for messages.
        count: counts the requests; the clients of a run share it.
    """

    deadline_at_s: float = math.inf
    on_pause: Callable[[float], None] = _ignore
    organization: str | None = None
    is_known: bool = False
    count: RequestCount = field(default_factory=RequestCount)
    limit: str = "the deadline"

    def hurried(self, now_s: float, within_s: float) -> "Terms":
        """The terms of what may take this long from now on."""
        if now_s + within_s >= self.deadline_at_s:
            return self
        return replace(self, deadline_at_s=now_s + within_s, limit=f"the {within_s:.0f} s that this may take")
