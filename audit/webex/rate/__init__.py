"""Finds out what an unpublished limit allows: a pure state machine without a clock.

A throttle has many causes, and each wants another answer: a limit on the rate wants a lower rate, a window wants a
burst after its pause, a limit of requests at once wants fewer at once, and noise (a gateway that refuses by chance)
wants no change at all, because slowing down only loses time. So each cause has a mode of sending (`modes`, `steady`).
A cycle (`cycle`) lasts from the end of one pause to the end of the next; when it is over, `choice` takes the mode for
the next cycle by two questions:

* **What became of the requests that were sent just after the refused one?** If they were let through, the refusal was
  chance. If they were refused too, a limit is spent.
* **What does the mode yield, pauses included?** Goodput over whole cycles decides, as in PCC (NSDI 2015): if a lower
  rate lowers the goodput, the rate was not the cause.

`benchmarks/limits.py` tests this against thirty kinds of limit.
"""

from audit.webex.rate.adaptive import SLACK_S, START_PER_S, AdaptiveRate
from audit.webex.rate.belief import Belief, BeliefKind

__all__ = ["SLACK_S", "START_PER_S", "AdaptiveRate", "Belief", "BeliefKind"]
