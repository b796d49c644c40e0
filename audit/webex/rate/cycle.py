"""Records what happens from the end of one pause to the end of the next, as evidence of the limit."""

import math
from collections import deque
from typing import NamedTuple

#: Answers that are kept as evidence: more than are in flight at once.
_KEPT = 512
#: Requests whose answer is awaited; some are never answered.
_AWAITED = 4096
#: The rate of what is let through during an overload is known from this many requests.
_ENOUGH = 3
#: Requests that are sent within this part of the latency may overtake each other, so their order says nothing.
_OVERTAKING = 0.1
_OVERLOAD = 0.15
#: Latency counts by this part of each new answer.
_SMOOTHING = 0.1
_RECENT_S = 2.0
_INSTANT_S = 1e-3


class _Record(NamedTuple):
    """An answered request: when it was sent, the requests in flight then (itself included), and the answer."""

    sent_at_s: float
    load: int
    is_through: bool


class Evidence(NamedTuple):
    """What the answers say of a cycle that is over.

    Attributes:
        before: requests until the first refused one, that one included.
        through: requests that were sent after it, before its answer came, and let through.
        refused: the same, and refused.
        through_per_s: how many were let through in a second, while some were refused; 0 if too few were.
        load: the smallest number in flight of which a request was refused.
    """

    before: int
    through: int
    refused: int
    through_per_s: float
    load: int


class Cycle:
    """The requests from the end of a pause on, and the pause that follows.

    Args:
        began_s: when the pause before it ended.
        latency_s: seconds until an answer, as far as known.

    Attributes:
        began_s: as given.
        latency_s: seconds until an answer, on average.
        sent: the number of requests.
        successes: the number of requests that were let through.
        throttled: the number of requests that were refused.
        peak: the most requests in flight.
        throttled_at_s: when the first refusal came; infinite before.
        throttled_sent_s: when the first refused request was sent.
        resume_at_s: when the pause ends; infinite before it begins.
    """

    def __init__(self, began_s: float, latency_s: float = 0.2) -> None:
        self.began_s = began_s
        self.latency_s = latency_s
        self.sent = self.successes = self.throttled = self.peak = 0
        self.throttled_at_s = self.throttled_sent_s = self.resume_at_s = math.inf
        self._records: deque[_Record] = deque(maxlen=_KEPT)
        #: The requests in flight, by the time of sending.
        self._loads: dict[float, int] = {}

    def on_sent(self, now_s: float, in_flight: int) -> None:
        """Note that a request starts; `in_flight` counts it."""
        self.sent += 1
        self.peak = max(self.peak, in_flight)
        if len(self._loads) > _AWAITED:
            self._loads.clear()
        self._loads[now_s] = in_flight

    def on_success(self, now_s: float, sent_at_s: float) -> None:
        """Note a request that was let through."""
        self.successes += 1
        self.latency_s += _SMOOTHING * (now_s - sent_at_s - self.latency_s)
        self._records.append(_Record(sent_at_s, self._loads.pop(sent_at_s, 1), is_through=True))

    def on_throttled(self, now_s: float, sent_at_s: float, retry_after_s: float) -> None:
        """Note a refused request: the pause begins, or gets longer."""
        if self.throttled == 0:
            self.throttled_at_s, self.resume_at_s = now_s, now_s + retry_after_s
        self.throttled += 1
        self.throttled_sent_s = min(self.throttled_sent_s, sent_at_s)
        self.resume_at_s = max(self.resume_at_s, now_s + retry_after_s)
        self._records.append(_Record(sent_at_s, self._loads.pop(sent_at_s, 1), is_through=False))

    def end_pause(self, now_s: float) -> None:
        """End the pause now, if it has begun."""
        if self.throttled:
            self.resume_at_s = min(self.resume_at_s, max(now_s, self.throttled_at_s))

    @property
    def length_s(self) -> float:
        """The seconds from its beginning to the end of the pause."""
        return max(_INSTANT_S, self.resume_at_s - self.began_s)

    @property
    def pause_s(self) -> float:
        """The seconds of the pause."""
        return self.resume_at_s - self.throttled_at_s

    @property
    def active_s(self) -> float:
        """The seconds before the pause."""
        return self.throttled_at_s - self.began_s

    @property
    def goodput_per_s(self) -> float:
        """Successes in a second, the pause included."""
        return self.successes / self.length_s

    @property
    def is_one_flight(self) -> bool:
        """Whether the pause began before a second request could follow the first answers."""
        return self.active_s < 1.7 * self.latency_s

    def recent_per_s(self, until_s: float, within_s: float = _RECENT_S) -> float:
        """Requests in a second that were sent within this time, until that time, and let through."""
        from_s = max(self.began_s, until_s - within_s)
        sent = [record.sent_at_s for record in self._records if record.is_through]
        if len(self._records) == _KEPT:
            from_s = max(from_s, min(sent, default=from_s))
        count = sum(from_s < at_s <= until_s for at_s in sent)
        return count / max(_INSTANT_S, until_s - from_s)

    def evidence(self) -> Evidence:
        """What the answers say."""
        after = [record for record in self._records if record.sent_at_s > self.throttled_sent_s]
        through = sum(record.is_through for record in after)
        return Evidence(
            self.successes + self.throttled - len(after),
            through,
            len(after) - through,
            self._through_per_s(after),
            min((record.load for record in self._records if not record.is_through), default=0),
        )

    def _through_per_s(self, after: list[_Record]) -> float:
        from_s = self.throttled_sent_s + _OVERTAKING * self.latency_s
        overload = [record for record in after if record.sent_at_s > from_s]
        span_s = max((record.sent_at_s for record in overload), default=from_s) - from_s
        through = sum(record.is_through for record in overload)
        return through / span_s if through >= _ENOUGH and span_s > _OVERLOAD * self.latency_s else 0.0

    def __repr__(self) -> str:
        return f"<Cycle since {self.began_s:.1f} s: {self.successes} through, {self.throttled} refused>"
