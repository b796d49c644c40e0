"""Servers with a limit, for a simulation in virtual time: each lets a request through or refuses it."""

import math
import random
from collections import deque
from collections.abc import Callable

from race import Server


def whole(wait_s: float) -> float:
    """A `Retry-After` as most servers give it: in whole seconds, at least one."""
    return max(1.0, math.ceil(wait_s - 1e-9))


class Limit:
    """No limit: a base for those that refuse."""

    def take(self, now_s: float) -> float | None:  # noqa: ARG002
        """Let all through."""
        return None

    def service_s(self, now_s: float, work_s: float) -> float:  # noqa: ARG002
        """The work alone."""
        return work_s

    def leave(self) -> None:
        """Nothing to note."""


class Bucket(Limit):
    """Refills at a rate, which may change with time; a burst may spend the saved tokens."""

    def __init__(self, rate: float | Callable[[float], float], burst: float) -> None:
        self._rate = rate if callable(rate) else lambda _: rate
        self._burst = self._tokens = burst
        self._at_s = 0.0

    def take(self, now_s: float) -> float | None:
        """Spend a token."""
        rate = self._rate(now_s)
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * rate)
        self._at_s = now_s
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        return whole((1 - self._tokens) / rate) if rate else 1.0


class Window(Limit):
    """A number of requests in each window of time; every window counts from zero."""

    def __init__(self, count: int, window_s: float, offset_s: float) -> None:
        self._count, self._window_s, self._offset_s = count, window_s, offset_s
        self._window, self._taken = -1, 0

    def take(self, now_s: float) -> float | None:
        """Count a request that is let through."""
        window, past = divmod(now_s + self._offset_s, self._window_s)
        if window != self._window:
            self._window, self._taken = int(window), 0
        if self._taken < self._count:
            self._taken += 1
            return None
        return whole(self._window_s - past)


class Sliding(Limit):
    """A number of requests in any window of time."""

    def __init__(self, count: int, window_s: float) -> None:
        self._window_s = window_s
        self._taken: deque[float] = deque(maxlen=count)

    def take(self, now_s: float) -> float | None:
        """Count a request that is let through."""
        if len(self._taken) == self._taken.maxlen and now_s - self._taken[0] < self._window_s:
            return whole(self._taken[0] + self._window_s - now_s)
        self._taken.append(now_s)
        return None


class Noise(Limit):
    """Refuses a part of all requests, whatever the rate; a part that may change with time."""

    def __init__(self, part: float | Callable[[float], float], wait_s: float, seed: int) -> None:
        self._part = part if callable(part) else lambda _: part
        self._wait_s = wait_s
        self._dice = random.Random(seed)  # noqa: S311

    def take(self, now_s: float) -> float | None:
        """Throw the dice."""
        return self._wait_s if self._dice.random() < self._part(now_s) else None


class AtOnce(Limit):
    """Refuses, or queues, what exceeds a number of requests at once."""

    def __init__(self, most: int, *, queues: bool = False) -> None:
        self._most, self._queues = most, queues
        self._busy = 0
        self._free_s: list[float] = [0.0] * most

    def take(self, now_s: float) -> float | None:  # noqa: ARG002
        """Take a place."""
        if self._busy >= self._most and not self._queues:
            return 1.0
        self._busy += 1
        return None

    def service_s(self, now_s: float, work_s: float) -> float:
        """The work, after the wait for a place."""
        if not self._queues:
            return work_s
        place = self._free_s.index(min(self._free_s))
        self._free_s[place] = max(now_s, self._free_s[place]) + work_s
        return self._free_s[place] - now_s

    def leave(self) -> None:
        """Give the place back."""
        self._busy -= 1


class Loaded(Limit):
    """Work takes the longer the more requests are at work."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._busy = 0

    def service_s(self, now_s: float, work_s: float) -> float:  # noqa: ARG002
        """The work, stretched by the load."""
        self._busy += 1
        return work_s * max(1.0, self._busy / self._at_once)

    def leave(self) -> None:
        """Lighten the load."""
        self._busy -= 1


class Any(Limit):
    """One of several servers takes each request, by chance: gateways with a limit each."""

    def __init__(self, limits: list[Server], seed: int) -> None:
        self._limits = limits
        self._dice = random.Random(seed)  # noqa: S311

    def take(self, now_s: float) -> float | None:
        """Ask a server."""
        return self._dice.choice(self._limits).take(now_s)


class All(Limit):
    """All limits must let a request through; the first that refuses it answers."""

    def __init__(self, *limits: Server) -> None:
        self._limits = limits

    def take(self, now_s: float) -> float | None:
        """Ask one after the other."""
        for limit in self._limits:
            if (wait_s := limit.take(now_s)) is not None:
                return wait_s
        return None

    def service_s(self, now_s: float, work_s: float) -> float:
        """The longest work."""
        return max(limit.service_s(now_s, work_s) for limit in self._limits)

    def leave(self) -> None:
        """Pass it on."""
        for limit in self._limits:
            limit.leave()


class Wrong(Limit):
    """Answers with a `Retry-After` of its own, whatever the limit says."""

    def __init__(self, limit: Server, wait_s: float) -> None:
        self._limit, self._wait_s = limit, wait_s

    def take(self, now_s: float) -> float | None:
        """Replace the time to wait."""
        return None if self._limit.take(now_s) is None else self._wait_s
