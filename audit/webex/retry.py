"""How often, and after what wait, a request is made again."""

import random

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True):
    """Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter").

    Attributes:
        attempts: tries of one request that end in 5xx, a lost connection, a timeout or a body that
            is not JSON, the first one included.
        throttled_attempts: tries of one request that end in 429 or 423. More of them, since the
            API says when to come back and a crowd of requests shares its limit.
        budget: retries of all requests together that successes have not paid for.
        stall_s: seconds that an outage is waited out (`audit.webex.outage`).
        base_s: the longest wait before the second try; it doubles with each further one.
        cap_s: the longest wait of all.
    """

    attempts: int
    throttled_attempts: int
    budget: int
    stall_s: float = 600.0
    base_s: float = 0.5
    cap_s: float = 30.0

    def delay_s(self, failures: int) -> float:
        """A random wait after so many failures (1 or more), between none and the doubled base."""
        return random.uniform(0, min(self.cap_s, self.base_s * 2 ** min(failures - 1, 30)))  # noqa: S311


class RetryBudget:
    """Retries that are left: each spends one, each success earns one back (AWS SDK retry quota).

    An API that answers half of the time is served to the end; one that fails far more often than it answers ends
    the run. Throttles and outages do not spend: the API says how long a throttle lasts, and an outage is waited out.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._left = size

    def spend(self) -> bool:
        """Take one retry; False where none is left."""
        self._left -= 1
        return self._left >= 0

    def earn(self) -> None:
        """Give one back, up to the size."""
        self._left = min(self.size, max(self._left, 0) + 1)

    def __repr__(self) -> str:
        return f"<RetryBudget {max(self._left, 0)} of {self.size}>"
