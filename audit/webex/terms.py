"""What a client keeps to, and whom it informs, as whoever makes the client wants it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from audit.webex.answer import RequestCount


def _ignore(_: float) -> None:
    pass


@dataclass(frozen=True)
class Terms:
    """The terms that a client works under.

    Attributes:
        deadline_at_s: on the clock; a wait that would end after it stops the run at once.
        on_pause: called with the seconds of each pause that all requests take.
        organization: how messages name the organization that is asked; None if none is.
        is_known: the API is known to answer. An outage is waited out only then, as a wrong address never answers.
        count: counts the requests; shared by clients of one run.
    """

    deadline_at_s: float = math.inf
    on_pause: Callable[[float], None] = _ignore
    organization: str | None = None
    is_known: bool = False
    count: RequestCount = field(default_factory=RequestCount)
