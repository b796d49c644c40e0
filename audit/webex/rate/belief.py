"""What a pace believes of the limit of an API."""

import math
from typing import Literal

import msgspec

from audit.untrusted.decoding import prepared

#: Figures that differ by less than a quarter are the same for a user.
_NOTICEABLE = math.log(1.25)

BeliefKind = Literal["none", "rate", "window", "at-once", "noise"]


@prepared
class Belief(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the limit is, as far as the throttles reveal it.

    Attributes:
        kind: the cause of throttles; `none` before the first.
        per_s: requests per second that it lets through, pauses included; None if unknown.
        count: requests of a window, or at once.
        window_s: the length of a window, in seconds.
        part: the part of the requests that is throttled at random, from 0 to 1.
    """

    kind: BeliefKind = "none"
    per_s: float | None = None
    count: int | None = None
    window_s: float | None = None
    part: float | None = None

    def is_news_after(self, other: "Belief") -> bool:
        """Whether it differs noticeably from another belief."""
        if self.kind != other.kind:
            return True
        figures = ((self.per_s, other.per_s), (self.count, other.count)) if self.kind != "noise" else ()
        return any(abs(math.log((new or 1) / (old or 1))) > _NOTICEABLE for new, old in figures)

    def __str__(self) -> str:
        if self.kind == "rate" and self.per_s is not None:
            return f"limited to about {self.per_s:.3g}/s"
        if self.kind == "window" and self.window_s is not None:
            return f"limited to about {self.count} in {self.window_s:.0f} s"
        if self.kind == "at-once":
            return f"limited to about {self.count} at once"
        if self.kind == "noise":
            return f"throttled at random: {self.part:.1%}" if self.part else "throttled at random"
        return "no limit met"
