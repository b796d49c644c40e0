"""Chooses the way to send requests after a pause, by what the cycle before it shows."""

from dataclasses import replace

from audit.webex.rate.cycle import Cycle, Evidence
from audit.webex.rate.memory import Cause, Memory
from audit.webex.rate.modes import LONG_S, AtOnce, Burst, Mode, Ramp
from audit.webex.rate.steady import FLOOR_PER_S, Steady

#: Requests in flight at the beginning of a burst, at least.
_FEWEST = 4
#: The same, if refusals seem to be random.
_SOME = 32
#: A rate that was confirmed fades by this part with each cycle.
_FADING = 0.97
#: Ramps in a row, each with longer trains, until the cause must be clear.
_RAMPS = 3
#: Bursts are over if they yield less than this part of what a steady rate yielded.
_LOSS = 0.8
#: Cycles with a spent limit between two trials of a limit of requests at once.
_AT_ONCE_EVERY = 8
#: What is let through during an overload, less this part, is the first rate: the measure is rough.
_ROUGHLY = 0.8
#: A burst in small flights lets this many times more through than one flight does, if the limit is of those at once.
_MANY_FLIGHTS = 1.5
#: Refusals in a row without a raise before them, at the same goodput: then the limit is one of the rate.
_STRAYS = 3
#: A rate that was borne for this part of the pause after it is not that of a burst that emptied a window.
_ACTIVE = 0.3
#: Requests that may overtake the last one that a limit lets through.
_OVERTAKEN = 2
#: Trials of a number at once, each with fewer.
_TRIES = 2


def choose(mode: Mode, cycle: Cycle, memory: Memory) -> Mode:
    """The mode for the cycle after this one.

    Args:
        mode: the mode of the cycle.
        cycle: a cycle that is over, with at least one success.
        memory: what is known from the cycles before.
    """
    following = _following(mode, cycle, memory)
    if not isinstance(following, Steady):
        return following
    confirmed_per_s = following.per_s if following.confidence else 0.0
    memory.hope_per_s = max(_FADING * memory.hope_per_s, confirmed_per_s)
    return replace(following, hope_per_s=memory.hope_per_s)


def _following(mode: Mode, cycle: Cycle, memory: Memory) -> Mode:
    if isinstance(mode, Steady):
        return _after_steady(mode, cycle, memory)
    if isinstance(mode, Burst):
        return _after_burst(mode, cycle, memory)
    if isinstance(mode, AtOnce):
        return _after_at_once(mode, cycle, memory)
    found = cycle.evidence()
    cause = memory.cause(cycle, found)
    if cause is Cause.NOISE:
        return _noisy(cycle, memory)
    if isinstance(mode, Ramp) and cause is Cause.UNCLEAR and mode.tries < _RAMPS and not found.through_per_s:
        return mode.again(cycle)
    return _limited(cycle, found, memory)


def _noisy(cycle: Cycle, memory: Memory) -> Burst:
    """The mode for refusals by chance: as many as were in flight, or as many as possible."""
    return Burst(memory.at_once if memory.is_surely_noise else max(_SOME, cycle.peak))


def _limited(cycle: Cycle, found: Evidence, memory: Memory) -> Mode:
    """The mode for a limit that is spent: bursts for a window with a long pause, else a rate."""
    memory.forget_evidence()
    if cycle.pause_s >= LONG_S and memory.share == 1 and cycle.successes >= _FEWEST:
        return Burst.of_window(max(_FEWEST, cycle.peak), cycle)
    goodput = cycle.goodput_per_s
    return Steady(max(goodput, _ROUGHLY * found.through_per_s, FLOOR_PER_S), goodput, memory.share)


def _after_steady(mode: Steady, cycle: Cycle, memory: Memory) -> Mode:
    memory.steady.note(cycle)
    if _is_loss(cycle, memory):
        memory.refuted += 1
        return Burst(memory.at_once)
    if mode.is_worth_it(cycle) or (mode.trial and memory.refuted):
        memory.refuted = max(0, memory.refuted - 1)
        return mode.measured(cycle)
    is_long = cycle.pause_s >= LONG_S
    is_rate = cycle.active_s >= _ACTIVE * cycle.pause_s
    if mode.confidence and (is_rate if is_long else not mode.early):
        return mode.forgiving()
    found = cycle.evidence()
    cause = memory.cause(cycle, found)
    if is_long and cause is not Cause.NOISE:
        return mode.slower(cycle, _ROUGHLY) if is_rate else _limited(cycle, found, memory)
    return _after_loss(mode, cycle, memory, cause)


def _after_loss(mode: Steady, cycle: Cycle, memory: Memory, cause: Cause) -> Mode:
    """The mode after a steady rate that yields less than before: the limit has dropped, or is of another kind."""
    memory.refuted += 1
    found = cycle.evidence()
    if cause is Cause.NOISE or memory.is_noisy:
        return Burst(memory.at_once)
    if not memory.at_once_in and found.load >= _FEWEST and cycle.throttled > 1:
        memory.at_once_in = _AT_ONCE_EVERY
        return AtOnce(3 * (found.load - 1) // 4)
    if cause is Cause.LIMIT:
        return _limited(cycle, found, memory)
    return Ramp(mode.per_s)


def _after_burst(mode: Burst, cycle: Cycle, memory: Memory) -> Mode:
    memory.burst.note(cycle)
    found = cycle.evidence()
    cause = memory.cause(cycle, found)
    grown = mode.grown(cycle, memory.at_once, memory.burst.per_s)
    steady_per_s = memory.steady.recent_per_s(cycle.resume_at_s)
    if grown.cycles > 2 and memory.burst.per_s < _LOSS * steady_per_s:
        return Steady(steady_per_s, steady_per_s / memory.share, memory.share)
    if not _is_spent(mode, cycle, found, memory, cause):
        return replace(grown, at_once=memory.at_once) if memory.is_surely_noise else grown
    is_long = cycle.pause_s >= LONG_S
    count = _count_at_once(mode, cycle, found)
    if count and not memory.at_once_in and not is_long and (mode.edge or not memory.is_noisy):
        memory.at_once_in = _AT_ONCE_EVERY
        return AtOnce(count)
    memory.at_once_in = max(0, memory.at_once_in - 1)
    memory.spent += 1
    if not is_long and memory.spent >= 4 ** max(memory.refuted, memory.is_noisy):
        memory.spent = 0
        return _limited(cycle, found, memory)
    return replace(mode.spent(cycle), at_once=grown.at_once, cycles=grown.cycles, per_s=grown.per_s)


def _count_at_once(mode: Burst, cycle: Cycle, found: Evidence) -> int:
    """The number at once that may be the limit: one flight was too large, or many small ones were not. Else 0."""
    if cycle.is_one_flight and cycle.successes < mode.at_once and found.refused > 1:
        return cycle.successes
    if mode.edge and cycle.successes >= _MANY_FLIGHTS * mode.edge and cycle.throttled > 1:
        return max(1, min(mode.edge, found.load - 1))
    return 0


def _is_spent(mode: Burst, cycle: Cycle, found: Evidence, memory: Memory, cause: Cause) -> bool:
    """Whether a burst spent a limit: where it did before, or because hardly anything was let through afterwards."""
    if mode.window_s and cycle.pause_s < LONG_S:
        return False
    if mode.edge:
        if memory.is_repeated and found.refused:
            return True
        is_end = mode.is_at_edge(cycle) and found.through <= _OVERTAKEN
        return is_end or (cause is Cause.LIMIT and found.refused > 1)
    return cause is Cause.LIMIT and found.refused > 0 and cycle.successes >= _FEWEST


def _after_at_once(mode: AtOnce, cycle: Cycle, memory: Memory) -> Mode:
    memory.steady.note(cycle)
    found = cycle.evidence()
    cause = memory.cause(cycle, found)
    if mode.per_s and _is_loss(cycle, memory):
        return Burst(memory.at_once)
    is_rate = mode.strays >= _STRAYS and mode.is_as_before(cycle)
    is_chance = cycle.throttled == 1 and (mode.is_known or mode.strikes == 0 or memory.is_noisy)
    if not is_rate and (mode.is_borne(cycle) or is_chance):
        return mode.held(cycle)
    if cycle.is_one_flight and cycle.successes < mode.count and mode.tries < _TRIES:
        return _rate_of(mode, memory) if mode.is_known else mode.fewer(cycle)
    if cause is Cause.NOISE or memory.is_noisy:
        return _noisy(cycle, memory)
    return _limited(cycle, found, memory)


def _rate_of(mode: AtOnce, memory: Memory) -> Steady:
    """The rate of a number at once that was borne for long, but not after a pause: a bucket with a small burst."""
    memory.forget_evidence()
    per_s = max(mode.per_s or 0.0, FLOOR_PER_S)
    return Steady(per_s, per_s, memory.share)


def _is_loss(cycle: Cycle, memory: Memory) -> bool:
    """Whether bursts yielded more, lately."""
    return memory.share == 1 and memory.steady.per_s < _LOSS * memory.burst.recent_per_s(cycle.resume_at_s)
