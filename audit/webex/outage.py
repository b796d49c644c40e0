"""Distinguishes an outage of the API from faults of single requests: pure state machines without a clock.

A failed request says nothing about the API while other requests succeed. When none succeeds any more, one request,
the probe, repeats a request that was answered before. If the API answers the probe, it works, and the failures belong
to the failed requests. If not, there is an outage: all requests wait, and the probe is repeated at growing intervals.
"""

import math
import random
import re
from collections import deque
from urllib.parse import urlsplit

from audit.webex.exchange import Asked

#: A probe is sent after this many failures in a row, of any requests.
_SUSPECT_AFTER = 5
#: Seconds between the first two probes; the interval doubles with each probe, up to the cap.
_FIRST_S = 1.0
_CAP_S = 30.0
#: Each interval is multiplied by a random factor in this range, so that organizations do not probe together.
_JITTER = (0.75, 1.0)
#: If this many different requests of a kind that was never answered fail, the fault is not one of single entities.
_STRANGERS = 20
#: Answered requests that are remembered, for probes to repeat.
_REMEMBERED = 8
#: A path segment that is an id: the API's ids are longer than any word in a path.
_ID = re.compile(r"/[^/]{32,}(?=/|$)")


class Outage:
    """Decides from the results of requests whether there is an outage. All times are on one monotonic clock.

    Args:
        stall_s: the longest outage to wait out, in seconds; 0 to suspect none.

    Attributes:
        since_s: when the first request of the current series of failures was sent.
        probes: the number of unanswered probes in a row.
    """

    def __init__(self, stall_s: float = math.inf) -> None:
        self.since_s = math.inf
        self.probes = 0
        self._stall_s = stall_s
        self._failures = 0
        self._answered_at_s = -math.inf
        #: Begin and end of the latest outage that is over.
        self._last_s = (math.inf, -math.inf)

    @property
    def is_on(self) -> bool:
        """Whether there is an outage."""
        return self.probes > 0

    @property
    def end_s(self) -> float:
        """When the outage will have lasted too long."""
        return self.since_s + self._stall_s

    def on_answer(self, now_s: float, *, is_probe: bool = False) -> None:
        """Note an answer. During an outage only that of a probe counts: others may have been under way."""
        if self.is_on and not is_probe:
            return
        if self.is_on:
            self._last_s = (self.since_s, now_s)
        self.probes = self._failures = 0
        self._answered_at_s = now_s

    def on_failure(self, sent_at_s: float) -> None:
        """Note that a request, sent at that time, was not answered."""
        self.since_s = min(self.since_s, sent_at_s) if self._failures or self.is_on else sent_at_s
        self._failures += 1

    def on_probe_failure(self) -> None:
        """Note that a probe was not answered either."""
        self.probes += 1

    def has_answered_since(self, sent_at_s: float) -> bool:
        """Whether there is no outage, and an answer came after that time."""
        return not self.is_on and self._answered_at_s >= sent_at_s

    def is_suspected(self, *, is_last: bool) -> bool:
        """Whether a failure calls for a probe.

        Args:
            is_last: the request has no retry left.
        """
        return self._stall_s > 0 and (self.is_on or is_last or self._failures >= _SUSPECT_AFTER)

    def covers(self, sent_at_s: float) -> bool:
        """Whether a failed request was sent during the latest outage, so that its failure does not count."""
        began_s, over_s = (self.since_s, math.inf) if self.is_on else self._last_s
        return began_s <= sent_at_s <= over_s

    def probe_in_s(self, now_s: float) -> float:
        """Seconds until the next probe; the last probe is sent at `end_s`."""
        if not self.is_on:
            return 0.0
        interval_s = min(_CAP_S, math.ldexp(_FIRST_S, min(self.probes - 1, 30)))
        return max(0.0, min(interval_s * random.uniform(*_JITTER), self.end_s - now_s))  # noqa: S311

    def __repr__(self) -> str:
        return f"<Outage {'on' if self.is_on else 'off'}, {self._failures} failures in a row, {self.probes} probes>"


class Witnesses:
    """Remembers answered requests, for probes to repeat.

    Requests are of one kind if their paths differ only in ids: one part of the API may fail while others work.
    """

    def __init__(self) -> None:
        self._answered: deque[Asked] = deque(maxlen=_REMEMBERED)
        #: The kind of request that failed last and was never answered, and its failed URLs.
        self._strangers: tuple[str, set[str]] = ("", set())

    def on_answer(self, asked: Asked) -> None:
        """Remember an answered request."""
        self._answered.append(asked)

    def on_failure(self, asked: Asked) -> None:
        """Note a failed request."""
        kind, urls = self._strangers
        if _kind_of(asked.url) != kind:
            kind, urls = self._strangers = _kind_of(asked.url), set()
        if len(urls) < _STRANGERS:
            urls.add(asked.url)

    def choose(self, failed: Asked, turn: int) -> Asked:
        """The request that a probe repeats.

        Prefers an answered request of the kind that failed; else any answered request. It is the failed request
        itself if many of its kind failed and none was answered, or if no request was answered at all.

        Args:
            failed: the failed request.
            turn: the number of the probe; each takes another request, if there are several.
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
