"""Decides how often, and after which wait, a request is repeated."""

import random

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True):
    """Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter").

    Attributes:
        attempts: the most tries of one request, including the first, that end in 5xx, a lost connection, a timeout
            or a body that is not JSON.
        throttled_attempts: the most tries of one request that end in 429 or 423. There are more of them, because the
            API says when to come back, and many requests share its limit.
        budget: the most retries of all requests together that successes have not earned back.
        stall_s: the longest outage to wait out (`audit.webex.outage`), and the longest time that a single request
            waits because the API asks it to (`audit.webex.waits`), both in seconds; 0 to wait out none.
        base_s: the longest wait before the second try, in seconds; it doubles with each further try.
        cap_s: the longest wait of all, in seconds.
    """

    attempts: int
    throttled_attempts: int
    budget: int
    stall_s: float = 600.0
    base_s: float = 0.5
    cap_s: float = 30.0

    def delay_s(self, failures: int) -> float:
        """A random wait in seconds after this many failures (1 or more), whose limit doubles with each failure."""
        return random.uniform(0, min(self.cap_s, self.base_s * 2 ** min(failures - 1, 30)))  # noqa: S311


class RetryBudget:
    """The retries that are left: a retry spends one, a success earns one back (AWS SDK retry quota).

    A run survives an API that answers half of the requests, and ends with an API that fails far more often than it
    answers. Throttles and outages spend nothing: the API says how long a throttle lasts, and a run waits out an outage.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._left = size

    def spend(self) -> bool:
        """Take one retry; False if none is left."""
        self._left -= 1
        return self._left >= 0

    def earn(self) -> None:
        """Give one back, up to the size."""
        self._left = min(self.size, max(self._left, 0) + 1)

    def __repr__(self) -> str:
        return f"<RetryBudget {max(self._left, 0)} of {self.size}>"
