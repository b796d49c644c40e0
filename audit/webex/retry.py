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
        base_s: the longest wait before the second try; it doubles with each further one.
        cap_s: the longest wait of all.
    """

    attempts: int = 6
    throttled_attempts: int = 30
    base_s: float = 0.5
    cap_s: float = 30.0

    def delay_s(self, failures: int) -> float:
        """A random wait after so many failures (1 or more), between none and the doubled base."""
        return random.uniform(0, min(self.cap_s, self.base_s * 2 ** min(failures - 1, 30)))  # noqa: S311
