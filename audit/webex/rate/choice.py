"""Chooses the way to send requests after a pause, by what the cycle before it shows."""

from dataclasses import replace

from audit.webex.rate.cycle import Cycle, Evidence
from audit.webex.rate.memory import Cause, Memory
from audit.webex.rate.modes import LONG_S, AtOnce, Burst, Mode, Ramp
from audit.webex.rate.steady import FLOOR_PER_S, Steady

#: Requests in flight at the beginning of a burst, at least.
_FEWEST = 4
#: The same, if refusals seem to be random.
_SOME = 16
#: Bursts are over if they yield less than this part of what a steady rate yielded.
_LOSS = 0.8
#: Cycles with a spent limit between two trials of a limit of requests at once.
_AT_ONCE_EVERY = 8
#: What is let through during an overload, less this part, is the first rate: the measure is rough.
_ROUGHLY = 0.8
#: Trials of a number at once, each with fewer.
_TRIES = 2


def choose(mode: Mode, cycle: Cycle, memory: Memory) -> Mode:
    """The mode for the cycle after this one.

    Args:
        mode: the mode of the cycle.
        cycle: a cycle that is over, with at least one success.
        memory: what is known from the cycles before.
    """
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
    if isinstance(mode, Ramp) and cause is Cause.UNCLEAR and mode.tries < 1 and not found.through_per_s:
        return mode.again(cycle)
    return _limited(cycle, found, memory)


def _noisy(cycle: Cycle, memory: Memory) -> Burst:
    """The mode for refusals by chance: as many as were in flight, or as many as possible."""
    return Burst(memory.at_once if memory.is_surely_noise else max(_SOME, cycle.peak))


def _limited(cycle: Cycle, found: Evidence, memory: Memory) -> Mode:
    """The mode for a limit that is spent: bursts for a window with a long pause, else a rate."""
    memory.at_once_in = max(0, memory.at_once_in - 1)
    memory.forget_evidence()
    if cycle.pause_s >= LONG_S and memory.share == 1:
        return Burst.of_window(max(_FEWEST, cycle.peak), cycle)
    goodput = cycle.goodput_per_s
    return Steady(max(goodput, _ROUGHLY * found.through_per_s, FLOOR_PER_S), goodput, memory.share)


def _after_steady(mode: Steady, cycle: Cycle, memory: Memory) -> Mode:
    memory.steady.note(cycle)
    if mode.is_worth_it(cycle):
        memory.refuted = max(0, memory.refuted - 1)
        return mode.measured(cycle)
    if mode.confidence and (cycle.pause_s >= LONG_S or not mode.early):
        return mode.forgiving()
    found = cycle.evidence()
    cause = memory.cause(cycle, found)
    if cycle.pause_s >= LONG_S and cause is not Cause.NOISE:
        return _limited(cycle, found, memory)
    return _after_loss(mode, cycle, memory, cause)


def _after_loss(mode: Steady, cycle: Cycle, memory: Memory, cause: Cause) -> Mode:
    """The mode after a steady rate that yields less than before: the limit has dropped, or is of another kind."""
    memory.refuted += 1
    found = cycle.evidence()
    if cause is Cause.NOISE or memory.is_noisy:
        return Burst(memory.at_once)
    if not memory.at_once_in and found.load >= _FEWEST:
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
    steady_per_s = memory.steady.per_s
    if grown.cycles > 2 and memory.burst.per_s < _LOSS * steady_per_s:
        return Steady(steady_per_s, steady_per_s / memory.share, memory.share)
    if cause is Cause.NOISE and memory.is_surely_noise:
        return replace(grown, at_once=memory.at_once)
    if cause is not Cause.LIMIT:
        return grown
    is_long = cycle.pause_s >= LONG_S
    if cycle.is_one_flight and cycle.successes < mode.at_once and not memory.at_once_in and not is_long:
        memory.at_once_in = _AT_ONCE_EVERY
        return AtOnce(cycle.successes)
    memory.spent += 1
    if not is_long and memory.spent >= 4**memory.refuted:
        memory.spent = 0
        return _limited(cycle, found, memory)
    return Burst(grown.at_once, cycle.successes, grown.window_s, grown.spread_s, cycles=grown.cycles, per_s=grown.per_s)


def _after_at_once(mode: AtOnce, cycle: Cycle, memory: Memory) -> Mode:
    memory.steady.note(cycle)
    found = cycle.evidence()
    cause = memory.cause(cycle, found)
    if mode.is_confirmed(cycle):
        return mode.held(cycle)
    if cycle.is_one_flight and cycle.successes < mode.count and mode.tries < _TRIES:
        return mode.fewer(cycle)
    if cause is Cause.NOISE:
        return _noisy(cycle, memory)
    return _limited(cycle, found, memory)
