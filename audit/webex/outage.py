"""Tells an outage of the API from the faults of single requests: pure state machines, told the time.

A request that fails says nothing about the API while other requests succeed. When none succeeds any more, one
request, the probe, asks for something that was answered before. If the probe is answered, the API works, and the
failures belong to what was asked for. If not, there is an outage: all requests wait, and the probe is repeated at
a growing distance.
"""

import math
import random
import re
from collections import deque
from urllib.parse import urlsplit

from audit.webex.exchange import Asked

#: After this many failures in a row, of any requests, a probe is sent.
_SUSPECT_AFTER = 5
#: Seconds between the first two probes and the longest distance; it doubles in between.
_FIRST_S = 1.0
_CAP_S = 30.0
#: Each distance is multiplied by a random factor in this range, so that organizations do not probe together.
_JITTER = (0.75, 1.0)
#: If this many different requests of a kind that was never answered fail, they are no matter of single entities.
_STRANGERS = 20
#: Answers that are remembered, to be asked for again by a probe.
_REMEMBERED = 8
#: A segment of a path that names a single thing: ids of the API are longer than any word in a path.
_ID = re.compile(r"/[^/]{32,}(?=/|$)")


class Outage:
    """Whether there is an outage, from what becomes of requests. All times are seconds on one monotonic clock.

    Args:
        stall_s: seconds that an outage is waited out.

    Attributes:
        since_s: when the first request of the current row of failures was sent.
        probes: probes in a row that were not answered.
    """

    def __init__(self, stall_s: float = math.inf) -> None:
        self.since_s = math.inf
        self.probes = 0
        self._stall_s = stall_s
        self._failures = 0
        self._answered_at_s = -math.inf
        #: The latest outage that is over.
        self._last_s = (math.inf, -math.inf)

    @property
    def is_on(self) -> bool:
        """Whether there is an outage."""
        return self.probes > 0

    @property
    def end_s(self) -> float:
        """When the outage has lasted too long."""
        return self.since_s + self._stall_s

    def on_answer(self, now_s: float, *, is_probe: bool = False) -> None:
        """A request was answered. During an outage only a probe counts: other answers may have been under way."""
        if self.is_on and not is_probe:
            return
        if self.is_on:
            self._last_s = (self.since_s, now_s)
        self.probes = self._failures = 0
        self._answered_at_s = now_s

    def on_failure(self, sent_at_s: float) -> None:
        """A request, sent at that time, was not answered."""
        self.since_s = min(self.since_s, sent_at_s) if self._failures or self.is_on else sent_at_s
        self._failures += 1

    def on_probe_failure(self) -> None:
        """A probe was not answered either."""
        self.probes += 1

    def has_answered_since(self, sent_at_s: float) -> bool:
        """Whether there is no outage, and something was answered after that time."""
        return not self.is_on and self._answered_at_s >= sent_at_s

    def is_suspected(self, *, is_last: bool) -> bool:
        """Whether a failure calls for a probe.

        Args:
            is_last: the request would be given up.
        """
        return self.is_on or is_last or self._failures >= _SUSPECT_AFTER

    def covers(self, sent_at_s: float) -> bool:
        """Whether a request that failed was sent during the latest outage, so that its failure does not count."""
        began_s, over_s = (self.since_s, math.inf) if self.is_on else self._last_s
        return began_s <= sent_at_s <= over_s

    def probe_in_s(self, now_s: float) -> float:
        """Seconds to wait before the next probe; the last one is sent when the outage has lasted long enough."""
        if not self.is_on:
            return 0.0
        distance_s = min(_CAP_S, math.ldexp(_FIRST_S, min(self.probes - 1, 30)))
        return max(0.0, min(distance_s * random.uniform(*_JITTER), self.end_s - now_s))  # noqa: S311

    def __repr__(self) -> str:
        return f"<Outage {'on' if self.is_on else 'off'}, {self._failures} failures in a row, {self.probes} probes>"


class Witnesses:
    """Remembers what was answered, to choose what a probe asks for.

    Requests are of a kind if their paths differ in ids only: one part of the API may fail while others work.
    """

    def __init__(self) -> None:
        self._answered: deque[Asked] = deque(maxlen=_REMEMBERED)
        #: URLs that failed, of the kind that failed last and was never answered.
        self._strangers: tuple[str, set[str]] = ("", set())

    def on_answer(self, asked: Asked) -> None:
        """This was answered."""
        self._answered.append(asked)

    def on_failure(self, asked: Asked) -> None:
        """This was not answered."""
        kind, urls = self._strangers
        if _kind_of(asked.url) != kind:
            kind, urls = self._strangers = _kind_of(asked.url), set()
        if len(urls) < _STRANGERS:
            urls.add(asked.url)

    def choose(self, failed: Asked, turn: int) -> Asked:
        """What to ask for, given what failed: each turn something else, if possible.

        Something of the same kind; if none of it was answered, anything that was; the failed URL itself if many
        URLs of its kind failed, or if nothing was answered at all.
        """
        kind = _kind_of(failed.url)
        alike = [asked for asked in self._answered if _kind_of(asked.url) == kind]
        if alike:
            return alike[-1 - turn % len(alike)]
        known, strangers = self._strangers
        if not self._answered or (known == kind and len(strangers) >= _STRANGERS):
            return failed
        return self._answered[-1]

    def __repr__(self) -> str:
        return f"<Witnesses {len(self._answered)} answered, {len(self._strangers[1])} failed>"


def _kind_of(url: str) -> str:
    return _ID.sub("/*", urlsplit(url).path)
