"""Holds a measured rate, and measures it again whenever a request is refused.

Two kinds of limit want different measures:

* **bucket** (refills steadily): the successes of a cycle, divided by its time including the pause, are almost exactly
  the refill rate.
* **window** (a count for each second): that measure misses what the pause wastes. The rate at which requests were sent
  when one was refused is the limit itself.

If the two measures disagree, a rate between them is tried: a bucket runs dry within a known time, a window bears it.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from audit.webex.rate.belief import Belief
from audit.webex.rate.cycle import Cycle

FLOOR_PER_S = 0.1
#: Seconds at a rate before more is tried, and in which 30 % more are tried, by confidence.
_HOLD_S = (1.0, 8.0, 20.0, 42.0)
_PROBE_S = (1.0, 8.0, 8.0, 8.0)
#: The fewest requests between probes, for each point of confidence, as long as that is not too long.
_HOLD_REQUESTS = 300
_MAX_HOLD_S = 120.0
#: A rate below this part of an earlier one is held for this time alone, and twice as long after each refusal.
_LOW = 0.5
_HOPEFUL_S = 4.0
#: A probe that reaches this much more is the new rate.
_GROWTH = 1.5
#: The part of a rate that must really have been sent and let through before it counts.
_REALLY = 0.6
_GROWN_S = 1.0
_SOME = 5
#: Position of a tried rate between two measures, as a share of their logarithms. It is nearer to the upper one,
#: because a rate below the limit wastes requests of a window, while too high a rate costs little at a bucket.
_TRIED = 0.75
#: The rate to hold, as a share of a measured bucket (a little above: saved requests pay for that) and window.
_OF_BUCKET = 1.02
_OF_WINDOW = 0.97
#: Two measures agree if they differ by less than 8 %.
_AGREEMENT = 0.08
#: A bucket that was held a little above its rate bears no more than this.
_DRY = 1.25
#: The rate is too high, or was not the cause of the refusal, if the goodput falls below this part of the last one.
_GOOD = 0.7
_SINKING = 0.95

Kind = Literal["unknown", "bucket", "window"]


class _Bounds(NamedTuple):
    """Two measures that disagree: the limit is the lower one if it is a bucket, the upper one if it is a window."""

    low_per_s: float
    high_per_s: float


@dataclass(frozen=True)
class Steady:
    """A steady rate, and a higher one now and then.

    Attributes:
        per_s: the assumed limit.
        goodput_per_s: the goodput to compare with.
        share: the part of the limit to use.
        kind: the kind of the limit.
        confidence: how often the limit was confirmed.
        hold_s: seconds at the rate before more is tried.
        trial: the rate is between these measures, and tried for `hold_s`.
        early: refusals in a row before more was tried.
        held_from_s: when the rate grew; by default, the hold begins with the cycle.
        before_per_s: the rate before it grew.
        hope_per_s: a rate that was confirmed before; far below it, more is tried sooner.
    """

    per_s: float
    goodput_per_s: float
    share: float = 1.0
    kind: Kind = "unknown"
    confidence: int = 0
    hold_s: float = _HOLD_S[0]
    trial: _Bounds | None = None
    early: int = 0
    held_from_s: float = -math.inf
    before_per_s: float | None = None
    hope_per_s: float = 0.0
    train: int = 1

    @classmethod
    def remembered(cls, per_s: float, share: float) -> "Steady":
        """The rate that an earlier run settled at."""
        per_s = max(per_s, FLOOR_PER_S)
        return cls(per_s, per_s, share, hold_s=_HOLD_S[2])

    def rate_per_s(self, now_s: float, cycle: Cycle) -> float:
        """The rate; after the hold, it grows along a cubic."""
        if self.trial:
            return self.per_s
        probe_s = max(0.0, now_s - self._hold_end_s(cycle))
        within_s = _PROBE_S[0 if self._is_hopeful(self.per_s) else self.confidence]
        factor = min(_GROWTH, 1 + 0.3 * min(probe_s / within_s, 10.0) ** 3)
        return self.per_s * self.share * factor

    def most(self, cycle: Cycle) -> int:  # noqa: ARG002
        """Any number: the rate is the limit."""
        return 1_000_000

    def at(self, now_s: float, cycle: Cycle) -> "Steady":
        """The mode at this time: a trial ends, and a rate that was let through for long enough is the new rate."""
        if self.trial and now_s > self._hold_end_s(cycle):
            if not self._is_real(now_s, cycle):
                return replace(self, held_from_s=now_s)
            per_s = _OF_WINDOW * self.trial.high_per_s
            window = Steady(per_s, self.goodput_per_s, self.share, "window", 1, _HOLD_S[1], held_from_s=now_s)
            return replace(window, hope_per_s=self.hope_per_s)
        if self.rate_per_s(now_s, cycle) < _GROWTH * self.per_s * self.share or self.trial:
            return self
        if not self._is_real(now_s, cycle):
            return replace(self, held_from_s=now_s)
        before_per_s = self.before_per_s or self.per_s
        per_s = _GROWTH * self.per_s
        return replace(self, per_s=per_s, confidence=0, hold_s=0.0, held_from_s=now_s, before_per_s=before_per_s)

    def is_worth_it(self, cycle: Cycle) -> bool:
        """Whether the goodput of a cycle is about what it was before."""
        return cycle.goodput_per_s >= _GOOD * self.goodput_per_s * self.share

    def forgiving(self) -> "Steady":
        """The same after a refusal that is not counted."""
        per_s = self.before_per_s or self.per_s
        return replace(self, per_s=per_s, early=self.early + 1, held_from_s=-math.inf, before_per_s=None)

    def slower(self, cycle: Cycle, part: float) -> "Steady":
        """A part of the rate that was let through for long, because another refusal would cost as long a pause."""
        return self._settled("bucket", part * cycle.successes / cycle.active_s, 1, cycle)

    def measured(self, cycle: Cycle) -> "Steady":
        """The rate after a cycle whose goodput was about what it was before."""
        goodput, sent_per_s = cycle.goodput_per_s, self.rate_per_s(cycle.throttled_sent_s, cycle)
        within_s = max(1.5, 10 / sent_per_s)
        if cycle.active_s > within_s:
            sent_per_s = max(FLOOR_PER_S, min(sent_per_s, cycle.recent_per_s(cycle.throttled_sent_s, within_s)))
        if self.share < 1:
            # A run that uses only a part of the limit need not know it exactly, and should not try it out.
            return self._settled("unknown", math.sqrt(goodput * sent_per_s), self.confidence + 1, cycle)
        if self.trial:
            return self._after_trial(self.trial, sent_per_s, cycle)
        if cycle.throttled_sent_s > self._hold_end_s(cycle):
            return self._after_probe(sent_per_s, cycle)
        if self.kind == "bucket":
            per_s = min(_OF_BUCKET * goodput, self.per_s)
            return self._settled("bucket", per_s, self.confidence if _agree(per_s, self.per_s) else 0, cycle)
        if self.kind == "window" and self.early < 3:
            settled = self._settled("window", 0.96 * self.per_s, self.confidence, cycle)
            return replace(settled, early=self.early + 1)
        return self._trying(goodput, sent_per_s, cycle)

    def _after_trial(self, bounds: _Bounds, sent_per_s: float, cycle: Cycle) -> "Steady":
        goodput = cycle.goodput_per_s
        if goodput < (1 - _AGREEMENT) * bounds.low_per_s:
            low_per_s = max(goodput, 0.7 * bounds.low_per_s)
            return self._trying(low_per_s, min(self.per_s, _OF_BUCKET * sent_per_s), cycle)
        return self._settled("bucket", _OF_BUCKET * goodput, 1, cycle)

    def _after_probe(self, sent_per_s: float, cycle: Cycle) -> "Steady":
        goodput, before_per_s = cycle.goodput_per_s, self.before_per_s or self.per_s
        # After a long hold, the goodput is near the held rate in any case. A bucket was almost dry then.
        is_dry = sent_per_s < _DRY * before_per_s
        if self.kind == "bucket" and is_dry and _agree(_OF_BUCKET * goodput, before_per_s):
            return self._settled("bucket", _OF_BUCKET * goodput, self.confidence + 1, cycle)
        if self.kind == "window" and _agree(_OF_WINDOW * sent_per_s, self.per_s):
            return self._settled("window", _OF_WINDOW * sent_per_s, self.confidence + 1, cycle)
        if sent_per_s < 1.1 * goodput:
            return self._settled(self.kind, goodput, 0, cycle)
        return self._trying(goodput, sent_per_s, cycle)

    def _settled(self, kind: Kind, per_s: float, confidence: int, cycle: Cycle) -> "Steady":
        confidence = min(confidence, len(_HOLD_S) - 1)
        per_s = max(per_s, FLOOR_PER_S)
        requests_s = min(_HOLD_REQUESTS * confidence / per_s, _MAX_HOLD_S)
        hold_s = max(_HOLD_S[confidence], requests_s, 10 * cycle.pause_s)
        if self._is_hopeful(per_s):
            hold_s = min(hold_s, _HOPEFUL_S * 2**confidence)
        return Steady(per_s, self._yield_per_s(cycle), self.share, kind, confidence, hold_s)

    def _trying(self, low_per_s: float, high_per_s: float, cycle: Cycle) -> "Steady":
        low = max(low_per_s, FLOOR_PER_S)
        high = max(high_per_s, 1.05 * low)
        tried = max(low ** (1 - _TRIED) * high**_TRIED, 1.05 * low)
        hold_s = min(20.0, max(3.0, 1.5 * low * max(1.0, cycle.pause_s) / (tried - low)))
        return Steady(tried, self._yield_per_s(cycle), self.share, self.kind, 0, hold_s, _Bounds(low, high))

    def _yield_per_s(self, cycle: Cycle) -> float:
        """The goodput to compare the next with; it sinks slowly, else a loss in many small steps would not be seen."""
        return max(cycle.goodput_per_s / self.share, _SINKING * self.goodput_per_s)

    def _is_hopeful(self, per_s: float) -> bool:
        """Whether a rate is far below what was confirmed before: the limit may be low for a while only."""
        return per_s < _LOW * self.hope_per_s

    def _hold_end_s(self, cycle: Cycle) -> float:
        return max(cycle.began_s, self.held_from_s) + self.hold_s

    def _is_real(self, now_s: float, cycle: Cycle) -> bool:
        """Whether requests were really let through at about the held rate: idle time proves nothing."""
        held_per_s = self.per_s * (1.0 if self.trial else self.share)
        within_s = max(_GROWN_S, _SOME / held_per_s)
        return cycle.recent_per_s(now_s - 1.5 * cycle.latency_s, within_s) >= _REALLY * held_per_s

    def belief(self) -> Belief:
        """A limit on the rate."""
        return Belief("rate", self.trial.low_per_s if self.trial else self.per_s)


def _agree(one: float, other: float) -> bool:
    return abs(math.log(max(one, FLOOR_PER_S) / max(other, FLOOR_PER_S))) < _AGREEMENT
