"""Rate limits of the two common kinds."""

import math
from collections.abc import Callable
from typing import Literal, Protocol

LimitKind = Literal["bucket", "window"]


class Limit(Protocol):
    """A limit on the rate of requests."""

    def take(self) -> float:
        """Count a request: 0 if it may pass, otherwise the seconds until the next request may."""


class TokenBucket:
    """Refills steadily; a burst may spend the saved tokens."""

    def __init__(self, rate_per_s: float, burst: float, now_s: Callable[[], float]) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._now_s = now_s
        self._tokens = burst
        self._filled_at_s = now_s()

    def take(self) -> float:
        """Count a request: 0 if it may pass, otherwise the seconds until the next request may."""
        now_s = self._now_s()
        self._tokens = min(self._burst, self._tokens + (now_s - self._filled_at_s) * self._rate_per_s)
        self._filled_at_s = now_s
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate_per_s


class FixedWindow:
    """A fixed number of requests in each window of time; every window counts from zero."""

    def __init__(self, rate_per_s: float, window_s: float, now_s: Callable[[], float]) -> None:
        self._allowed = max(1, round(rate_per_s * window_s))
        self._window_s = window_s
        self._now_s = now_s
        self._window = math.floor(now_s() / window_s)
        self._count = 0

    def take(self) -> float:
        """Count a request: 0 if it may pass, otherwise the seconds until the next request may."""
        now_s = self._now_s()
        window = math.floor(now_s / self._window_s)
        if window != self._window:
            self._window, self._count = window, 0
        self._count += 1
        return 0.0 if self._count <= self._allowed else (window + 1) * self._window_s - now_s
