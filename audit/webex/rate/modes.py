"""The ways to send requests, one for each cause of throttles; `steady` has another."""

import math
from dataclasses import dataclass, replace
from typing import Protocol

from audit.webex.rate.belief import Belief
from audit.webex.rate.cycle import Cycle

#: Seconds in which the rate doubles while nothing is throttled.
_DOUBLING_S = 0.15
#: Requests that start together while the limit is unknown: those after a refused one tell noise from a limit.
_TRAIN = 3
#: Requests in flight before the first answer.
_FIRST_AT_ONCE = 25
#: A pause of this length is that of a window: a burst after it is cheap, and a steady rate would be a loss.
LONG_S = 5.0
#: A burst after a long pause is spread over this part of the pause.
_SPREAD = 0.05
#: A burst is bounded by the requests in flight alone.
_UNBOUNDED_PER_S = 1e5
#: Rounds of successes after which more requests at once are tried; each refusal makes it four times as many.
_ROUNDS = 20


class Mode(Protocol):
    """A way to send requests."""

    @property
    def train(self) -> int:
        """Requests that start together."""

    def rate_per_s(self, now_s: float, cycle: Cycle) -> float:
        """Requests in a second, at this time."""

    def most(self, cycle: Cycle) -> int:
        """The most requests in flight."""

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

    def again(self, cycle: Cycle) -> "Ramp":
        """The same, with longer trains: they say more of the cause."""
        return Ramp(self.rate_per_s(0.0, cycle) / 2, 2 * self.train, self.tries + 1)

    def belief(self) -> Belief:
        """Nothing yet."""
        return Belief()


@dataclass(frozen=True)
class Burst:
    """Keeps as many requests in flight as possible: refusals are random, or a window gives a burst after each pause.

    Attributes:
        at_once: requests in flight at the beginning of a cycle; another for each answer.
        edge: the number of requests after which a limit was spent: beyond it, one after the other feels for the limit.
        window_s: seconds from one spent limit to the next, if the pause is long.
        spread_s: seconds over which the burst is spread.
        through: requests that were let through.
        refused: requests that were refused.
        cycles: the number of cycles in this mode.
        per_s: the goodput of the last cycles.
    """

    at_once: int
    edge: int | None = None
    window_s: float = 0.0
    spread_s: float = 0.0
    through: int = 0
    refused: int = 0
    cycles: int = 0
    per_s: float | None = None
    train: int = 1

    @classmethod
    def of_window(cls, at_once: int, cycle: Cycle) -> "Burst":
        """For a window that the cycle has spent."""
        return cls(at_once, max(1, cycle.successes), cycle.length_s, _SPREAD * cycle.pause_s)

    def rate_per_s(self, now_s: float, cycle: Cycle) -> float:  # noqa: ARG002
        """Without a bound, or spread."""
        return self.edge / self.spread_s if self.edge and self.spread_s else _UNBOUNDED_PER_S

    def most(self, cycle: Cycle) -> int:
        """As many as before, and another for each answer; beyond the edge, the same from 1 on."""
        if self.edge is None or cycle.sent < self.edge:
            return self.at_once + cycle.successes
        return 1 + max(0, cycle.successes - self.edge)

    def grown(self, cycle: Cycle, most: int, per_s: float) -> "Burst":
        """The same after a cycle, with more in flight, at most `most`."""
        is_long = cycle.pause_s >= LONG_S
        return replace(
            self,
            at_once=min(most, self.at_once + cycle.successes),
            edge=None if self.edge is None else max(self.edge, cycle.successes),
            window_s=cycle.length_s if is_long else 0.0,
            spread_s=_SPREAD * cycle.pause_s if is_long else 0.0,
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
        per_s: the goodput of the last cycle.
    """

    count: int
    holds: int = 0
    tries: int = 0
    per_s: float | None = None
    train: int = 1

    def rate_per_s(self, now_s: float, cycle: Cycle) -> float:  # noqa: ARG002
        """As answers come."""
        return _UNBOUNDED_PER_S

    def most(self, cycle: Cycle) -> int:
        """The number, and now and then one more."""
        return self.count + cycle.successes // (_ROUNDS * self.count << 2 * min(self.holds, 10))

    def is_confirmed(self, cycle: Cycle) -> bool:
        """Whether the number was let through for several rounds."""
        return cycle.successes >= 6 * self.count

    def held(self, cycle: Cycle) -> "AtOnce":
        """One less than what was refused."""
        return AtOnce(max(1, self.most(cycle) - 1), self.holds + 1, per_s=cycle.goodput_per_s)

    def fewer(self, cycle: Cycle) -> "AtOnce":
        """Fewer than what was let through."""
        return AtOnce(max(1, int(0.8 * min(self.count, cycle.successes))), tries=self.tries + 1)

    def belief(self) -> Belief:
        """A limit of requests at once."""
        return Belief("at-once", self.per_s, self.count)
