"""What a pace remembers beyond one cycle: the cause of the refusals, and what each way of sending yields."""

import math
from dataclasses import dataclass, field
from enum import StrEnum

from audit.webex.rate.cycle import Cycle, Evidence

#: Evidence of earlier cycles counts by this part for each cycle since.
_KEPT = 0.6
#: Seconds after which a measured goodput counts by 1/e.
_MEMORY_S = 20.0
#: Seconds for which a goodput is compared with another.
_FRESH_S = 120.0
#: After a refusal by chance, the next request is refused as often as any other; after a limit is spent, far more often.
_FAR_MORE = 3.0
_ABOUT_AS_OFTEN = 2.0
#: A limit refuses at least this part of the requests after the first refused one, and noise less.
_LIMIT = 0.3
#: No noise refuses more than this part of the requests: else nothing would be left to do.
_MOST_NOISE = 0.25
#: Numbers of successes that differ by less are the same; after this many repetitions, it is a limit.
_SAME = 0.03
_AGAIN = 2
#: This many requests that were let through after a refusal prove noise.
_SURELY = 6


class Cause(StrEnum):
    """The cause of a refusal."""

    NOISE = "noise"
    LIMIT = "limit"
    UNCLEAR = "unclear"


@dataclass
class Goodput:
    """The goodput of a way of sending: successes and seconds, pauses included; old ones fade."""

    _successes: float = 0.0
    _seconds: float = 0.0
    _until_s: float = -math.inf

    def note(self, cycle: Cycle) -> None:
        """Count a cycle."""
        self._until_s = cycle.resume_at_s
        kept = math.exp(-cycle.length_s / _MEMORY_S)
        self._successes = kept * self._successes + cycle.successes
        self._seconds = kept * self._seconds + cycle.length_s

    @property
    def per_s(self) -> float:
        """Successes in a second; 0 if nothing was measured."""
        return self._successes / self._seconds if self._seconds else 0.0

    def recent_per_s(self, now_s: float) -> float:
        """The same; 0 if the last cycle is long ago."""
        return self.per_s if now_s < self._until_s + _FRESH_S else 0.0


@dataclass
class Memory:
    """What outlasts a mode.

    Attributes:
        at_once: the most requests in flight.
        share: the part of a limit to use.
        is_noisy: some refusals were random.
        refuted: how often a steady rate turned out to be a loss, less the times that it did not.
        spent: bursts that ended with a spent limit since the last steady rate.
        at_once_in: cycles with a spent limit until a limit of requests at once may be tried again.
        hope_per_s: the highest rate that was confirmed; it fades.
        steady: the goodput at a steady rate, or number at once.
        burst: the goodput of bursts.
    """

    at_once: int
    share: float = 1.0
    is_noisy: bool = False
    refuted: int = 0
    spent: int = 0
    at_once_in: int = 0
    hope_per_s: float = 0.0
    steady: Goodput = field(default_factory=Goodput)
    burst: Goodput = field(default_factory=Goodput)
    _before: float = 0.0
    _firsts: float = 0.0
    _through: float = 0.0
    _refused: float = 0.0
    _successes: int = 0
    _same: int = 0

    def cause(self, cycle: Cycle, found: Evidence) -> Cause:
        """The cause of the refusals, by this cycle and those before, in the same mode."""
        is_same = abs(cycle.successes - self._successes) <= max(1, _SAME * cycle.successes)
        self._same = self._same + 1 if is_same else 0
        self._successes = cycle.successes
        cause = self._cause(found)
        # Chance does not stop after the same number of requests again and again.
        return Cause.LIMIT if cause is Cause.UNCLEAR and self.is_repeated else cause

    def _cause(self, found: Evidence) -> Cause:
        self._before = _KEPT * self._before + found.before
        self._firsts = _KEPT * self._firsts + 1
        self._through = _KEPT * self._through + found.through
        self._refused = _KEPT * self._refused + found.refused
        after = self._through + self._refused
        by_chance = after * min(self._firsts / self._before, _MOST_NOISE)
        # The evidence of one cycle counts whole only in that cycle, so "2" is a little less.
        if self._refused >= 1.9 and self._refused > max(_FAR_MORE * by_chance, _LIMIT * after):
            return Cause.LIMIT
        if self._through >= 2 and self._refused < min(1 + _ABOUT_AS_OFTEN * by_chance, _LIMIT * after):
            self.is_noisy = self.is_noisy or self.is_surely_noise
            return Cause.NOISE
        return Cause.UNCLEAR

    @property
    def is_repeated(self) -> bool:
        """Whether the same number of requests was let through in each of the last cycles."""
        return self._same >= _AGAIN

    @property
    def is_surely_noise(self) -> bool:
        """Whether so much was let through after refusals that it can't be the rest of a limit."""
        return self._through >= _SURELY

    def forget_evidence(self) -> None:
        """Begin anew: the requests are sent in another way from now on."""
        self._before = self._firsts = self._through = self._refused = 0.0
        self._successes = self._same = 0
