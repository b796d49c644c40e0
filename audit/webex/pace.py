"""How fast requests start: a ceiling on the rate, and the pauses that the API asks for.

Concurrency is bounded by the number of the crawl's workers, not here.
"""

from types import TracebackType

from aiolimiter import AsyncLimiter

from audit.clock import Clock


class Pace:
    """The gate that every request passes; one for each (token, organization).

    Args:
        max_rate_per_s: requests a second that are never exceeded, in any second.
        clock: the time.
    """

    def __init__(self, max_rate_per_s: float, clock: Clock) -> None:
        self.max_rate_per_s = max_rate_per_s
        self.in_flight = 0
        self._clock = clock
        # One request a period, not max_rate a second: a bucket of max_rate would let a burst of
        # twice the ceiling through in the first second.
        self._limiter = AsyncLimiter(1, 1 / max_rate_per_s)
        self._resume_at_s = clock.monotonic_s()

    @property
    def pause_s(self) -> float:
        """Seconds until requests may start again; 0 where there is no pause."""
        return max(0.0, self._resume_at_s - self._clock.monotonic_s())

    def on_throttled(self, retry_after_s: float) -> None:
        """Pause all who share this pace; a shorter wait never shortens a pause that runs."""
        self._resume_at_s = max(self._resume_at_s, self._clock.monotonic_s() + retry_after_s)

    async def __aenter__(self) -> None:
        while True:
            while (pause_s := self.pause_s) > 0:
                await self._clock.sleep(pause_s)
            await self._limiter.acquire()
            if self.pause_s <= 0:
                self.in_flight += 1
                return

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.in_flight -= 1

    def __repr__(self) -> str:
        return f"<Pace ≤ {self.max_rate_per_s:g}/s, pause {self.pause_s:.1f} s, {self.in_flight} in flight>"
