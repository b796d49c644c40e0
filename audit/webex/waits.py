"""Decides whom a wait concerns that the API asks for, and makes only those wait.

A status says whom a `Retry-After` is for. RFC 9110 section 10.2.3 gives one status, 503, a meaning beyond the request:
the service is unavailable. Otherwise, the header is the time before "a follow-up request" to the same resource.
"""

import logging
import math
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import NamedTuple

from audit.clock import Clock
from audit.errors import DeadlineError
from audit.webex import wire
from audit.webex.exchange import Try
from audit.webex.pace import Pace
from audit.webex.terms import Terms

log = logging.getLogger(__name__)

#: Seconds before the deadline that a request which waits alone leaves for its last try and for the rows of all: it
#: must not end the run for the others.
_MARGIN_S = 5.0
#: A longer wait is logged, once for each client.
_LONG_WAIT_S = 30.0


class Whose(StrEnum):
    """Whom a wait concerns."""

    REQUEST = "request"
    """One entity or one page of a listing: all other requests go on."""
    LIMIT = "limit"
    """All requests that share the rate limit; they also slow down."""
    ORGANIZATION = "organization"
    """All requests to the organization, at the same rate as before."""


#: Whom a wait concerns, by status; that of any other status concerns its own request.
WHOSE = {423: Whose.REQUEST, 429: Whose.LIMIT, 503: Whose.ORGANIZATION}


class Wait(NamedTuple):
    """A wait that an answer asks for."""

    whose: Whose
    wait_s: float


def asked_wait(tried: Try) -> Wait | None:
    """The wait before another try that an answer asks for; None if the client chooses the wait."""
    if not tried.verdict.is_retryable or tried.status is None:
        return None
    if tried.retry_after_s is not None:
        return Wait(WHOSE.get(tried.status, Whose.REQUEST), tried.retry_after_s)
    if tried.status == 429:
        return Wait(Whose.LIMIT, wire.DEFAULT_RETRY_AFTER_S)
    if tried.status == 423:
        return Wait(Whose.REQUEST, random.uniform(0, wire.DEFAULT_RETRY_AFTER_S))  # noqa: S311
    return None


class Patience:
    """The time that one request waits because the API asks this request to, over all its tries.

    Args:
        longest_s: the most seconds of all its waits together.
        terms: with the deadline; every wait ends some seconds before it.
    """

    def __init__(self, longest_s: float, terms: Terms) -> None:
        self._longest_s = self._left_s = longest_s
        self._deadline_at_s = terms.deadline_at_s - _MARGIN_S
        self._limit = terms.limit

    def refusal(self, wait: Wait | None, now_s: float) -> str | None:
        """Why the request gives up rather than wait; None if it waits, or if the wait is not for it alone."""
        if wait is None or wait.whose is not Whose.REQUEST:
            return None
        if now_s + wait.wait_s > self._deadline_at_s:
            return f"the API asks to wait {wait.wait_s:.0f} s (Retry-After), which is beyond {self._limit}"
        if wait.wait_s > self._left_s:
            return (
                f"the API asks to wait {wait.wait_s:.0f} s (Retry-After), and a request waits {self._longest_s:.0f} s "
                "at most (run.stall_s)"
            )
        return None

    def spend(self, wait: Wait) -> None:
        """Note that the request waits."""
        self._left_s -= wait.wait_s

    def __repr__(self) -> str:
        return f"<Patience {self._left_s:.0f} of {self._longest_s:.0f} s>"


class Waits:
    """The waits of the requests of a client.

    Args:
        pace: the gate of all requests.
        terms: the deadline, and who hears of pauses.
        clock: the time.

    Attributes:
        until_s: when the last wait of a single request ends, on the clock.
        aside: surrounds each wait of a single request: whoever limits the requests under way may start another
            request meanwhile.
    """

    def __init__(self, pace: Pace, terms: Terms, clock: Clock) -> None:
        self.until_s = -math.inf
        self.aside: Callable[[], AbstractContextManager[None]] = nullcontext
        self._pace = pace
        self._terms = terms
        self._clock = clock
        self._is_logged = False

    def pause_all(self, wait: Wait, sent_at_s: float) -> None:
        """Pause all requests of the client.

        Args:
            wait: the wait; that of a limit also slows them down.
            sent_at_s: when the request that was asked to wait was sent, on the clock.

        Raises:
            DeadlineError: the wait would end after the deadline.
        """
        # First of all, because others may share the pace, and not the deadline.
        if wait.whose is Whose.LIMIT:
            self._pace.on_throttled(sent_at_s, wait.wait_s)
        else:
            self._pace.pause(wait.wait_s)
        self.check_deadline(wait.wait_s, f"the API asks to wait {wait.wait_s:.0f} s (Retry-After), which is beyond")
        self._terms.on_pause(self._pace.pause_s)

    def pause_others(self, tried: Try, *, is_for_all: bool = False) -> None:
        """Pause all requests, if an answer asks for a wait that concerns more than its own request.

        Args:
            tried: the answer.
            is_for_all: the request was sent on behalf of all requests, so its waits concern all of them.

        Raises:
            DeadlineError: the wait would end after the deadline.
        """
        wait = asked_wait(tried)
        if wait and (is_for_all or wait.whose is not Whose.REQUEST):
            self.pause_all(wait, tried.sent_at_s)

    async def wait_alone(self, wait_s: float) -> None:
        """Let a single request wait, and all others go on."""
        self.until_s = max(self.until_s, self._clock.monotonic_s() + wait_s)
        if wait_s >= _LONG_WAIT_S and not self._is_logged:
            self._is_logged = True
            log.info("the API asks a request to wait %.0f s; the others go on", wait_s)
        with self.aside():
            await self._clock.sleep(wait_s)

    def check_deadline(self, wait_s: float, reason: str) -> None:
        """Check that a wait of all requests ends before the deadline.

        Raises:
            DeadlineError: it does not. The message begins with `reason`.
        """
        if self._clock.monotonic_s() + wait_s > self._terms.deadline_at_s:
            raise DeadlineError(f"{reason} {self._terms.limit}")

    def __repr__(self) -> str:
        return f"<Waits until {self.until_s:.0f} s>"
