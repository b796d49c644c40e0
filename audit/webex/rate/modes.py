"""The ways to send requests, one for each cause of throttles; `steady` has another."""

import math
from dataclasses import dataclass, replace
from typing import Protocol

from audit.webex.rate.belief import Belief
from audit.webex.rate.cycle import Cycle
from audit.webex.rate.steady import Steady

#: Seconds in which the rate doubles while nothing is throttled.
_DOUBLING_S = 0.15
#: Requests that start together while the limit is unknown: those after a refused one tell noise from a limit.
_TRAIN = 3
#: The same after a refusal that left the cause unclear: as many as may be in flight tell most.
_LONG_TRAIN = 12
#: Requests in flight before the first answer.
_FIRST_AT_ONCE = 25
#: A pause of this length is that of a window: a burst after it is cheap, and a steady rate would be a loss.
LONG_S = 5.0
#: A burst after a long pause is spread over this part of the pause.
_SPREAD = 0.05
#: The second burst is slower: if the limit is one of the rate with far too long a pause, it is not refused at all.
_SLOWER = 0.15
_BEYOND = 2.0
#: A limit is spent at its edge, if at least this part of it was let through.
_NEAR = 0.9
#: A burst is bounded by the requests in flight alone.
_UNBOUNDED_PER_S = 1e5
#: Rounds of successes after which one more request at once is tried; each refusal makes it four times as many.
_ROUNDS = 8
#: Rounds without a refusal after which a number is known to be borne: chance refuses some request sooner.
_KNOWN = 20
#: A limit refuses one more request at once within this many rounds.
_SOON = 2
#: Goodputs that differ by less are the same.
_SAME = 0.05


class Mode(Protocol):
    """A way to send requests."""

    @property
    def train(self) -> int:
        """Requests that start together."""

    def rate_per_s(self, now_s: float, cycle: Cycle) -> float:
        """Requests in a second, at this time."""

    def most(self, cycle: Cycle) -> int:
        """The most requests in flight."""

    def at(self, now_s: float, cycle: Cycle) -> "Mode":
        """The mode at this time: it may change without a refusal."""

    def belief(self) -> Belief:
        """What is believed of the limit."""


@dataclass(frozen=True)
class Ramp:
    """Doubles the rate until a request is refused: nothing is known of the limit.

    Attributes:
        start_per_s: the first rate.
        train: requests that start together.
        tries: cycles that left the cause of their refusal unclear.
    """

    start_per_s: float
    train: int = _TRAIN
    tries: int = 0

    def rate_per_s(self, now_s: float, cycle: Cycle) -> float:  # noqa: ARG002
        """The rate grows with the requests that were sent, so idle time does not raise it."""
        return self.start_per_s + cycle.sent * math.log(2) / _DOUBLING_S

    def most(self, cycle: Cycle) -> int:
        """As many as before, and another for each answer: at most twice as many in a round trip."""
        return _FIRST_AT_ONCE + min(cycle.successes, cycle.peak)

    def at(self, now_s: float, cycle: Cycle) -> "Ramp":  # noqa: ARG002
        """The same."""
        return self

    def again(self, cycle: Cycle) -> "Ramp":
        """The same, with longer trains: they say more of the cause."""
        return Ramp(self.rate_per_s(0.0, cycle) / 1.5, _LONG_TRAIN, self.tries + 1)

    def belief(self) -> Belief:
        """Nothing yet."""
        return Belief()


@dataclass(frozen=True)
class Burst:
    """Keeps as many requests in flight as possible: refusals are random, or a window gives a burst after each pause.

    Attributes:
        at_once: requests in flight at the beginning of a cycle; another for each answer.
        edge: the number of requests after which a limit was spent: beyond it, one after the other feels for the limit.
        used: requests that were let through since the limit was spent last.
        window_s: seconds from one spent limit to the next, if the pause is long.
        spread_s: seconds over which the burst is spread.
        through: requests that were let through.
        refused: requests that were refused.
        spends: the number of windows that were spent.
        cycles: the number of cycles in this mode.
        per_s: the goodput of the last cycles.
    """

    at_once: int
    edge: int | None = None
    used: int = 0
    window_s: float = 0.0
    spread_s: float = 0.0
    through: int = 0
    refused: int = 0
    spends: int = 0
    cycles: int = 0
    per_s: float | None = None
    train: int = 1

    @classmethod
    def of_window(cls, at_once: int, cycle: Cycle) -> "Burst":
        """For a window that the cycle has spent."""
        spread_s = _SPREAD * cycle.pause_s
        return cls(at_once, max(1, cycle.successes), window_s=cycle.length_s, spread_s=spread_s)

    def rate_per_s(self, now_s: float, cycle: Cycle) -> float:  # noqa: ARG002
        """Without a bound, or spread until the edge."""
        if not (self.edge and self.spread_s):
            return _UNBOUNDED_PER_S
        is_beyond = self.used + cycle.sent >= self.edge and self.spends != 1
        return _UNBOUNDED_PER_S if is_beyond else self.edge / self.spread_s

    def most(self, cycle: Cycle) -> int:
        """As many as before, and another for each answer; beyond the edge, the same from 1 on."""
        if self.edge is None or self.used + cycle.sent < self.edge:
            return self.at_once + cycle.successes
        return 1 + max(0, self.used + cycle.successes - self.edge)

    def is_at_edge(self, cycle: Cycle) -> bool:
        """Whether a cycle ended about where the limit was spent before."""
        return self.edge is not None and self.used + cycle.successes >= min(_NEAR * self.edge, self.edge - 1)

    def spent(self, cycle: Cycle) -> "Burst":
        """The same after a cycle that spent the limit."""
        is_long = cycle.pause_s >= LONG_S
        window_s = cycle.length_s if not self.used else self.window_s
        spread_s = (_SLOWER if self.spends == 0 else _SPREAD) * cycle.pause_s if is_long else 0.0
        edge = max(1, self.used + cycle.successes)
        window_s = window_s if is_long else 0.0
        return replace(self, edge=edge, used=0, window_s=window_s, spread_s=spread_s, spends=self.spends + is_long)

    def at(self, now_s: float, cycle: Cycle) -> "Mode":
        """The mode at this time: what bears far more than its edge has no window, but a rate."""
        if not (self.edge and self.window_s) or self.used + cycle.successes < _BEYOND * self.edge:
            return self
        per_s = self.edge / max(self.spread_s, 1.0)
        return Steady(per_s, per_s, held_from_s=now_s)

    def grown(self, cycle: Cycle, most: int, per_s: float) -> "Burst":
        """The same after a cycle, with more in flight, at most `most`."""
        return replace(
            self,
            at_once=min(most, self.at_once + cycle.successes),
            used=self.used + cycle.successes if self.window_s else 0,
            through=self.through + cycle.successes,
            refused=self.refused + cycle.throttled,
            cycles=self.cycles + 1,
            per_s=per_s,
        )

    def belief(self) -> Belief:
        """A window, if the pauses are long; a limit, if it is spent again and again; else noise."""
        if self.edge and self.window_s:
            return Belief("window", self.per_s or self.edge / self.window_s, self.edge, self.window_s)
        if self.edge and self.per_s:
            return Belief("rate", self.per_s)
        answered = self.through + self.refused
        return Belief("noise", self.per_s, part=self.refused / answered if answered else 0.0)


@dataclass(frozen=True)
class AtOnce:
    """Keeps a number of requests in flight.

    Attributes:
        count: the number of requests.
        holds: how often more were refused.
        tries: how often this number was too large from the beginning.
        strikes: refusals in a row in the first flight.
        strays: refusals in a row that did not follow a raise.
        through: requests that were let through since the number changed.
        is_known: the number was let through for many rounds once.
        per_s: the goodput of the last cycle.
    """

    count: int
    holds: int = 0
    tries: int = 0
    strikes: int = 0
    strays: int = 0
    through: int = 0
    is_known: bool = False
    per_s: float | None = None
    train: int = 1

    def rate_per_s(self, now_s: float, cycle: Cycle) -> float:  # noqa: ARG002
        """As answers come."""
        return _UNBOUNDED_PER_S

    def most(self, cycle: Cycle) -> int:
        """The number, and one more after each series of rounds."""
        return self.count + self._rounds(cycle) // self._series

    @property
    def _series(self) -> int:
        return _ROUNDS << 2 * min(self.holds, 10)

    def _rounds(self, cycle: Cycle) -> int:
        return (self.through + cycle.successes) // self.count

    def at(self, now_s: float, cycle: Cycle) -> "AtOnce":  # noqa: ARG002
        """The same."""
        return self

    def is_borne(self, cycle: Cycle) -> bool:
        """Whether the number was let through for several rounds."""
        return cycle.successes >= 6 * self.count

    def is_as_before(self, cycle: Cycle) -> bool:
        """Whether the goodput is that of the cycle before: refusals by chance would change it."""
        return self.per_s is not None and abs(cycle.goodput_per_s - self.per_s) < _SAME * self.per_s

    def held(self, cycle: Cycle) -> "AtOnce":
        """The number after a refusal: one less if it was raised just before, else the same: the refusal was chance."""
        most, strikes = self.most(cycle), self.strikes + 1 if cycle.is_one_flight else 0
        known = replace(
            self, tries=0, per_s=cycle.goodput_per_s, is_known=self.is_known or cycle.successes >= _KNOWN * self.count
        )
        if strikes > 1:
            return replace(known, count=max(1, min(self.count - 1, cycle.successes)), strikes=0, through=0)
        if most > self.count and self._rounds(cycle) % self._series <= _SOON:
            return replace(known, count=most - 1, holds=self.holds + 1, strikes=0, strays=0, through=0)
        through = self.through + cycle.successes if most == self.count else 0
        return replace(known, count=most, strikes=strikes, strays=self.strays + 1, through=through)

    def fewer(self, cycle: Cycle) -> "AtOnce":
        """Fewer than what was let through."""
        count = max(1, int(0.8 * min(self.count, cycle.successes)))
        return replace(self, count=count, tries=self.tries + 1, strikes=0, through=0)

    def belief(self) -> Belief:
        """A limit of requests at once."""
        return Belief("at-once", self.per_s, self.count)
