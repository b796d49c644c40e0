"""Says when the next request may start, and learns from the answers. See the package for the idea."""

import math

from audit.webex.rate.belief import Belief
from audit.webex.rate.choice import choose
from audit.webex.rate.cycle import Cycle
from audit.webex.rate.memory import Memory
from audit.webex.rate.modes import AtOnce, Burst, Mode, Ramp
from audit.webex.rate.steady import FLOOR_PER_S, Steady

#: The first rate if nothing is remembered.
START_PER_S = 80.0
#: A timer wakes up to a millisecond late. Of such lateness, at most this much is caught up.
SLACK_S = 0.01
#: Requests in flight at the beginning of remembered bursts: the limit may be another today.
_FEW_AT_ONCE = 25


class AdaptiveRate:
    """Derives when requests may start from successes and throttles.

    Args:
        now_s: the time, on any clock that never jumps; every call gives the time on that clock.
        ceiling_per_s: the highest rate.
        start_per_s: the first rate, which then doubles.
        remembered: what an earlier run believed of the limit.
        share: the part of a measured limit to use (0 to 1); the rest is left to others.
        at_once: the most requests in flight.

    Attributes:
        why: the cycle that led to the belief, in short; empty before the first throttle.
        is_throttled: a request was refused, so the belief is no longer that of an earlier run.
    """

    def __init__(
        self,
        now_s: float,
        *,
        ceiling_per_s: float = math.inf,
        start_per_s: float = START_PER_S,
        remembered: Belief | None = None,
        share: float = 1.0,
        at_once: int = 50,
    ) -> None:
        self.why = ""
        self.is_throttled = False
        self._ceiling_per_s = ceiling_per_s
        self._memory = Memory(at_once, share)
        self._cycle = Cycle(now_s)
        self._mode: Mode = _mode_for(remembered, self._memory) or Ramp(start_per_s)
        #: The last pause followed requests that were all refused: the next request is alone.
        self._is_blind = False
        self._last_s = -math.inf
        self._of_train = 0

    @property
    def belief(self) -> Belief:
        """What is believed of the limit."""
        return self._mode.belief()

    def rate_per_s(self, now_s: float) -> float:
        """The rate at this time; a limit of requests in flight may be lower."""
        self._go_on(now_s)
        return min(self._ceiling_per_s, max(FLOOR_PER_S, self._mode.rate_per_s(now_s, self._cycle)))

    def start_at_s(self, now_s: float, in_flight: int) -> float:
        """When the next request may start.

        Args:
            now_s: the time.
            in_flight: the requests without an answer.

        Returns:
            A time from `now_s` on; infinite if not before another request is answered.
        """
        self._go_on(now_s)
        if self._cycle.throttled:
            return self._cycle.resume_at_s
        if in_flight >= self._most():
            return math.inf
        return now_s if self._of_train else max(now_s, self._due_s(now_s))

    def on_sent(self, now_s: float, in_flight: int) -> None:
        """Note that a request starts; `in_flight` counts it."""
        self._go_on(now_s)
        if not self._of_train:
            self._last_s = min(now_s, max(self._due_s(now_s), now_s - SLACK_S))
        self._of_train = (self._of_train + 1) % self._mode.train
        self._cycle.on_sent(now_s, in_flight)

    def on_success(self, now_s: float, sent_at_s: float) -> None:
        """Note the answer to a request that the limit let through, and when it was sent."""
        self._go_on(now_s)
        self._cycle.on_success(now_s, sent_at_s)

    def on_throttled(self, now_s: float, sent_at_s: float, retry_after_s: float) -> None:
        """Note a refused request: nothing starts until the pause is over.

        Args:
            now_s: when the answer came.
            sent_at_s: when its request was sent; if that was before the last pause, it says nothing new.
            retry_after_s: the pause that it asks for.
        """
        self._go_on(now_s)
        self.is_throttled = True
        if sent_at_s >= self._cycle.began_s:
            self._cycle.on_throttled(now_s, sent_at_s, retry_after_s)

    def end_pause(self, now_s: float) -> None:
        """End a pause now: it is over on the clock of the API, while this clock stood still."""
        self._cycle.end_pause(now_s)

    def _most(self) -> int:
        most = min(self._mode.most(self._cycle), self._memory.at_once)
        return 1 if self._is_blind and not self._cycle.successes else most

    def _due_s(self, now_s: float) -> float:
        return self._last_s + self._mode.train / self.rate_per_s(now_s)

    def _go_on(self, now_s: float) -> None:
        """Judge a cycle whose pause is over, and begin the next."""
        cycle = self._cycle
        if now_s < cycle.resume_at_s:
            if not cycle.throttled:
                self._mode = self._mode.at(now_s, cycle)
            return
        self._is_blind = cycle.successes == 0
        if not self._is_blind:
            self._mode = choose(self._mode, cycle, self._memory)
            pause = f"a pause of {cycle.pause_s:.0f} s" if cycle.pause_s else "no pause"
            self.why = (
                f"{cycle.successes} through and {cycle.throttled} throttled in {cycle.active_s:.1f} s, then {pause}"
            )
        self._of_train = 0
        self._cycle = Cycle(cycle.resume_at_s, cycle.latency_s)

    def __repr__(self) -> str:
        why = f"; {self.why}" if self.why else ""
        return f"<AdaptiveRate {self.belief}{why}; {type(self._mode).__name__}>"


def _mode_for(remembered: Belief | None, memory: Memory) -> Mode | None:
    """The mode to begin with, by what an earlier run believed."""
    if remembered is None:
        return None
    if remembered.kind == "at-once" and remembered.count:
        return AtOnce(remembered.count)
    if remembered.kind == "window" and remembered.count and memory.share == 1:
        at_once = min(_FEW_AT_ONCE, memory.at_once)
        return Burst(at_once, remembered.count, window_s=remembered.window_s or 0.0)
    if remembered.kind == "noise":
        memory.is_noisy = True
        return Burst(min(_FEW_AT_ONCE, memory.at_once))
    return Steady.remembered(remembered.per_s, memory.share) if remembered.per_s else None
