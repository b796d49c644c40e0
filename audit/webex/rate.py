"""Finds out how many requests a second an unpublished limit allows: a pure state machine without a clock.

The rate starts low and doubles until the first throttle. Then it recovers along a cubic, stays just below the
measured limit, and probes for more now and then (RFC 9438 for the shape; AWS SDK adaptive retry mode for the cut to
0.7). Two kinds of limit exist, and need different measures:

* **bucket** (refills steadily): the successes between two throttles, divided by the time between them including
  pauses, are almost exactly the refill rate, as long as the bucket never ran over.
* **window** (a count for each second): that measure misses what the pause wastes. The rate at which requests were
  sent when the throttle came is the limit itself.

If the two measures disagree, a rate between them is tried: a bucket runs dry within a known time, a window bears it.
`benchmarks/pace.py` tests the result against both kinds.
"""

import math
from bisect import bisect_right
from enum import StrEnum
from typing import NamedTuple

#: Seconds in which the rate doubles at the start, and the first rate if none is remembered.
_DOUBLING_S = 0.6
START_PER_S = 10.0
#: A throttle cuts the rate to this share of the measured one (AWS SDK adaptive mode, RFC 9438 section 4.6).
_CUT = 0.7
#: Seconds in which the cubic recovers, and in which a probe adds 30 %.
_RECOVERY_S = 1.0
_PROBE_S = 8.0
#: Seconds to stay at the first cut, because the measured rate may include the burst of a full bucket.
_FIRST_FLAT_S = 2.0
#: Seconds between probes, by confidence; and the fewest requests between probes, for each point of confidence.
_HOLD_S = (2.0, 20.0, 42.0)
_HOLD_REQUESTS = 100
_MAX_HOLD_S = 120.0
#: Position of a tried rate between two measures, as a share of their logarithms. It is nearer to the upper one,
#: because a rate below the limit wastes requests of a window, while too high a rate costs nothing at a bucket.
_TRIED = 0.75
#: The rate to hold, as a share of a measured bucket (a little above: saved requests pay for that) and window.
_OF_BUCKET = 1.02
_OF_WINDOW = 0.975
#: Two measures agree if they differ by less than 8 %.
_AGREEMENT = 0.08
_RECENT_S = 2.0
_FLOOR_PER_S = 0.1
#: Fewer successes between two throttles measure nothing: then the current rate is cut.
_FEW = 8


class LimitKind(StrEnum):
    """The kind of the limit, as far as the throttles reveal it."""

    UNKNOWN = "unknown"
    BUCKET = "bucket"
    WINDOW = "window"


class _Bounds(NamedTuple):
    """Two measures that disagree: the limit is the lower one if it is a bucket, the upper one if it is a window."""

    low_per_s: float
    high_per_s: float


class _Trial(NamedTuple):
    """A rate between two measures is tried; the limit is a window if it bears that rate until the end."""

    bounds: _Bounds
    end_s: float


class AdaptiveRate:
    """Derives the rate to send at from successes and throttles.

    Args:
        now_s: the time, on any clock that never jumps; every call gives the time on that clock.
        ceiling_per_s: the highest rate.
        start_per_s: the first rate, which then doubles.
        remembered_per_s: the rate that an earlier run settled at; replaces the first rate, and does not double.
        share: the part of the measured limit to use (0 to 1); the rest is left to others.

    Attributes:
        kind: the kind of the limit.
    """

    def __init__(
        self,
        now_s: float,
        *,
        ceiling_per_s: float = math.inf,
        start_per_s: float = START_PER_S,
        remembered_per_s: float | None = None,
        share: float = 1.0,
    ) -> None:
        self.kind = LimitKind.UNKNOWN
        self._ceiling_per_s = ceiling_per_s
        self._share = share
        self._start_per_s = start_per_s
        #: Times of the latest successes, and of some that are too old to count.
        self._successes: list[float] = []
        self._measured_since_s = self._began_s = now_s
        self._measured_successes = 0
        self._cut_at_s = -math.inf
        #: The assumed limit; None until the first throttle.
        self._target_per_s: float | None = None
        self._flat_s = self._hold_s = 0.0
        self._confidence = 0
        self._early_throttles = 0
        self._trial: _Trial | None = None
        if remembered_per_s is not None:
            self._target_per_s = remembered_per_s
            self._began_s = now_s - _RECOVERY_S
            self._hold_s = _HOLD_S[1]

    @property
    def settled_per_s(self) -> float | None:
        """The rate to remember for the next run; None while it is not measured."""
        return self._target_per_s if self._confidence or self.kind is not LimitKind.UNKNOWN else None

    def rate_per_s(self, now_s: float) -> float:
        """The rate at this time."""
        self._end_trial(now_s)
        return min(self._ceiling_per_s, max(_FLOOR_PER_S, self._unbounded_per_s(now_s)))

    def on_success(self, now_s: float) -> None:
        """Count a request that the limit let through."""
        self._successes.append(now_s)
        self._measured_successes += 1
        half = len(self._successes) // 2
        if self._successes[half] < now_s - 2 * _RECENT_S:
            del self._successes[:half]

    def on_throttled(self, now_s: float, sent_at_s: float, retry_after_s: float) -> None:
        """Cut the rate, once an episode: throttles of requests that were sent before the cut do not count.

        Args:
            now_s: when the answer came.
            sent_at_s: when its request was sent.
            retry_after_s: the pause that it asks for; requests are expected to start again after it.
        """
        if sent_at_s <= self._cut_at_s:
            return
        average_per_s = self._measured_successes / max(now_s - self._measured_since_s, 0.05)
        if self._measured_successes < _FEW:
            self._settle(self.kind, _CUT * self.rate_per_s(sent_at_s), 0)
            self._trial, self._hold_s = None, 0.0
        elif self._target_per_s is None:
            self._target_per_s = self._recent_per_s(now_s, min(1.0, max(now_s - self._began_s, 0.3)))
            self._flat_s = _FIRST_FLAT_S
        else:
            self._measure(now_s, sent_at_s, average_per_s, retry_after_s)
            self._flat_s = 0.0
        self._cut_at_s = self._measured_since_s = now_s
        self._measured_successes = 0
        self._began_s = now_s + retry_after_s

    def _unbounded_per_s(self, now_s: float) -> float:
        elapsed_s = max(0.0, now_s - self._began_s)
        if self._target_per_s is None:
            grown = self._start_per_s * 2 ** min(elapsed_s / _DOUBLING_S, 60.0)
            return min(grown, 2 * max(self._start_per_s, self._recent_per_s(now_s, 1.0)))
        target = self._target_per_s
        since_flat_s = elapsed_s - self._flat_s
        if since_flat_s < _RECOVERY_S:
            missing = min(1.0, (_RECOVERY_S - since_flat_s) / _RECOVERY_S)
            return target * (1 - (1 - _CUT) * missing**3)
        if self._trial:
            return target
        held = target * self._share if self.kind is not LimitKind.UNKNOWN else target
        probe_s = since_flat_s - _RECOVERY_S - self._hold_s
        if probe_s <= 0:
            return held
        probed = held * (1 + 0.3 * (probe_s / _PROBE_S) ** 3)
        if probed >= 2 * target:
            self._double(now_s)
        return min(2 * target, probed)

    def _double(self, now_s: float) -> None:
        """Take a completed probe as the new measure, if requests were really sent at its rate."""
        target = self._target_per_s or 0.0
        if self._recent_per_s(now_s, _RECENT_S) >= _CUT * 2 * target:
            self._target_per_s = 2 * target
            self._began_s, self._hold_s, self._flat_s = now_s - _RECOVERY_S, 0.0, 0.0

    def _recent_per_s(self, now_s: float, window_s: float) -> float:
        count = len(self._successes) - bisect_right(self._successes, now_s - window_s)
        return max(count / window_s, 0.5)

    def _measure(self, now_s: float, sent_at_s: float, average_per_s: float, retry_after_s: float) -> None:
        old = self._target_per_s or _FLOOR_PER_S
        sent_per_s = self.rate_per_s(sent_at_s)
        window_s = min(_RECENT_S, now_s - self._began_s)
        if window_s > 0.9:
            sent_per_s = min(sent_per_s, self._recent_per_s(now_s, window_s))
        is_probe = sent_at_s > self._began_s + self._flat_s + _RECOVERY_S + self._hold_s
        trial = self._trial
        self._trial = None
        if trial is not None:
            bounds = self._judge_trial(trial.bounds, old, average_per_s, sent_per_s)
        elif is_probe:
            bounds = self._judge_probe(old, average_per_s, sent_per_s)
        else:
            bounds = self._judge_early(old, average_per_s, sent_per_s)
        if bounds:
            self._start_trial(bounds, now_s, retry_after_s)
        else:
            requests_s = _HOLD_REQUESTS * self._confidence / max(self._target_per_s or 0, _FLOOR_PER_S)
            self._hold_s = max(_HOLD_S[self._confidence], min(requests_s, _MAX_HOLD_S), 10 * retry_after_s)

    def _judge_probe(self, old: float, average_per_s: float, sent_per_s: float) -> _Bounds | None:
        self._early_throttles = 0
        if self.kind is LimitKind.BUCKET and _agree(_OF_BUCKET * average_per_s, old):
            self._settle(LimitKind.BUCKET, _OF_BUCKET * average_per_s, self._confidence + 1)
        elif self.kind is LimitKind.WINDOW and _agree(_OF_WINDOW * sent_per_s, old):
            self._settle(LimitKind.WINDOW, _OF_WINDOW * sent_per_s, self._confidence + 1)
        elif self._share < 1:
            # A run that uses only a part of the limit need not know it exactly, and should not try it out.
            self._settle(LimitKind.WINDOW, math.sqrt(average_per_s * sent_per_s), self._confidence + 1)
        elif sent_per_s < 1.1 * average_per_s:
            self._settle(self.kind, average_per_s, 0)
        else:
            return _Bounds(average_per_s, sent_per_s)
        return None

    def _judge_early(self, old: float, average_per_s: float, sent_per_s: float) -> _Bounds | None:
        """Judge a throttle at or below the held rate: the limit has dropped, or was assumed too high."""
        self._early_throttles += 1
        if self.kind is LimitKind.BUCKET:
            target = min(_OF_BUCKET * average_per_s, old)
            self._settle(LimitKind.BUCKET, target, self._confidence if _agree(target, old) else 0)
        elif self.kind is LimitKind.WINDOW and self._early_throttles < 3:
            self._settle(LimitKind.WINDOW, 0.96 * old, self._confidence)
        else:
            return _Bounds(average_per_s, sent_per_s)
        return None

    def _judge_trial(self, bounds: _Bounds, old: float, average_per_s: float, sent_per_s: float) -> _Bounds | None:
        if average_per_s < (1 - _AGREEMENT) * bounds.low_per_s:
            return _Bounds(max(average_per_s, _CUT * bounds.low_per_s), min(old, _OF_BUCKET * sent_per_s))
        self._settle(LimitKind.BUCKET, _OF_BUCKET * average_per_s, 1)
        return None

    def _start_trial(self, bounds: _Bounds, now_s: float, retry_after_s: float) -> None:
        low = max(bounds.low_per_s, _FLOOR_PER_S)
        high = max(bounds.high_per_s, 1.05 * low)
        tried = max(low ** (1 - _TRIED) * high**_TRIED, 1.05 * low)
        duration_s = min(20.0, max(3.0, 1.5 * low * max(1.0, retry_after_s) / (tried - low)))
        self._trial = _Trial(_Bounds(low, high), now_s + retry_after_s + _RECOVERY_S + duration_s)
        self._target_per_s = tried
        self._confidence = self._early_throttles = 0
        self._hold_s = 0.0

    def _end_trial(self, now_s: float) -> None:
        if self._trial and now_s > self._trial.end_s:
            bounds, end_s = self._trial
            self._trial = None
            self._settle(LimitKind.WINDOW, _OF_WINDOW * bounds.high_per_s, 1)
            self._began_s, self._flat_s, self._hold_s = end_s - _RECOVERY_S, 0.0, _HOLD_S[1]

    def _settle(self, kind: LimitKind, target_per_s: float, confidence: int) -> None:
        self.kind = kind
        self._target_per_s = max(target_per_s, _FLOOR_PER_S)
        self._confidence = min(confidence, len(_HOLD_S) - 1)

    def __repr__(self) -> str:
        target = f"{self._target_per_s:.1f}/s" if self._target_per_s else "not met"
        return f"<AdaptiveRate limit {target}, {self.kind}, confidence {self._confidence}>"


def _agree(one: float, other: float) -> bool:
    return abs(math.log(max(one, _FLOOR_PER_S) / max(other, _FLOOR_PER_S))) < _AGREEMENT
