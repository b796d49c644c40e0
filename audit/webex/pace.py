"""When a request may start: the gate that all requests of a (token, organization) pass.

`rate` decides how many a second; the gate spaces them, and closes for all while the API asks
for a pause. What several paces have in common, requests at once and a second, is a `Ceiling`: its
rate never changes, so that aiolimiter keeps it.
"""

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from aiolimiter import AsyncLimiter

from audit.clock import Clock
from audit.webex.rate import START_PER_S, AdaptiveRate

#: A timer wakes up to a millisecond late: so much lateness may be caught up, and no more.
_SLACK_S = 0.01


class _Spacing:
    """Lets one after the other pass, at a rate that may change; time in which nobody came is no credit."""

    def __init__(self) -> None:
        self._last_s = -math.inf

    async def wait(self, clock: Clock, rate_of: Callable[[float], float], now_s: float) -> float:
        """Wait for one's turn, at the rate that is told for each time; takes and returns the time on the clock."""
        while (wait_s := self._last_s + 1 / rate_of(now_s) - now_s) > 0:
            await clock.sleep(wait_s)
            now_s = clock.monotonic_s()
        self._last_s = max(now_s + wait_s, now_s - _SLACK_S)
        return now_s


def _limiter(rate_per_s: float) -> AsyncLimiter:
    """Lets so many start in any second: what comes at once, by the slack, is taken off the rate."""
    at_once = max(1.0, rate_per_s * _SLACK_S)
    return AsyncLimiter(at_once, at_once / (rate_per_s * (1 - _SLACK_S)))


class Ceiling:
    """What all paces of a run stay below together.

    Args:
        concurrency: requests at once.
        max_rate_per_s: requests in any second; None for no such ceiling.
    """

    def __init__(self, concurrency: int, max_rate_per_s: float | None = None) -> None:
        self.max_rate_per_s = max_rate_per_s
        self._concurrency = concurrency
        self._at_work = 0
        self._slots = asyncio.Semaphore(concurrency)
        self._limiter = None if max_rate_per_s is None else _limiter(max_rate_per_s)

    @property
    def share(self) -> int:
        """Requests at once for each pace that is at work, so that one whose answers hang leaves room for the others."""
        return max(1, self._concurrency // max(1, self._at_work))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A pace takes part while the block runs."""
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1

    async def enter(self) -> None:
        """Wait until a request may start; each call is followed by one of `leave`."""
        await self._slots.acquire()
        try:
            if self._limiter:
                await self._limiter.acquire()
        except BaseException:
            self._slots.release()
            raise

    def leave(self) -> None:
        """A request that had entered is over."""
        self._slots.release()


class Pace:
    """The gate of a (token, organization).

    Args:
        clock: the time.
        ceiling: shared with the paces of other organizations; None for none.
        share: of the limit that is found, what to use.
        start_per_s: the rate to start at.
    """

    def __init__(
        self, clock: Clock, ceiling: Ceiling | None = None, share: float = 1.0, start_per_s: float = START_PER_S
    ) -> None:
        self.in_flight = 0
        self._clock = clock
        self._ceiling = ceiling
        self._share = share
        self._start_per_s = start_per_s
        max_rate_per_s = ceiling.max_rate_per_s if ceiling else None
        # What is caught up comes on top of the rate, so that the rate must leave room for it.
        self._ceiling_per_s = math.inf if max_rate_per_s is None else max_rate_per_s * (1 - _SLACK_S)
        #: When `hold` closed the gate, on the clock; and for how many seconds it was closed before.
        self._held_at_s = math.inf
        self._held_s = 0.0
        self._rate = self._make_rate(None)
        self._spacing = _Spacing()
        self._turn = asyncio.Lock()
        self._left = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        #: On the clock: when the last pause ends.
        self.resume_at_s = -math.inf

    def at_work(self) -> AbstractContextManager[None]:
        """It takes part in what it shares with others while the block runs."""
        return self._ceiling.at_work() if self._ceiling else nullcontext()

    def beside(self) -> "Pace":
        """A pace for another organization, below the same ceiling."""
        return Pace(self._clock, self._ceiling, self._share, self._start_per_s)

    def start_from(self, remembered_per_s: float) -> None:
        """Start at the rate that an earlier run settled at, unless this one has already been throttled."""
        if self._rate.settled_per_s is None:
            self._rate = self._make_rate(remembered_per_s)

    @property
    def settled_per_s(self) -> float | None:
        """The rate to remember for the next run, if one was found."""
        return self._rate.settled_per_s

    @property
    def rate_per_s(self) -> float:
        """Requests a second, now."""
        return self._rate_at(self._clock.monotonic_s())

    @property
    def pause_s(self) -> float:
        """Seconds until requests may start again; 0 where there is no pause."""
        return max(0.0, self.resume_at_s - self._clock.monotonic_s())

    async def enter(self, *, is_probe: bool = False) -> float:
        """Wait until a request may start; returns the time on the clock, for `on_throttled`.

        Each call is followed by one of `leave`.

        Args:
            is_probe: pass by those who wait, also while the gate is held; only pauses and the ceiling apply.
        """
        while True:
            if not is_probe:
                await self._open.wait()
            async with nullcontext() if is_probe else self._turn:
                if not (is_probe or self._open.is_set()):
                    continue
                now_s = await self._take_turn(is_probe=is_probe)
                if self.resume_at_s <= now_s and (is_probe or self._open.is_set()):
                    self.in_flight += 1
                    return now_s
                if self._ceiling:
                    self._ceiling.leave()

    async def _take_turn(self, *, is_probe: bool) -> float:
        now_s = self._clock.monotonic_s()
        while (pause_s := self.resume_at_s - now_s) > 0:
            await self._clock.sleep(pause_s)
            now_s = self._clock.monotonic_s()
        if not is_probe:
            now_s = await self._spacing.wait(self._clock, self._rate_at, now_s)
        if self._ceiling:
            while self.in_flight >= self._ceiling.share:
                self._left.clear()
                await self._left.wait()
            await self._ceiling.enter()
            now_s = self._clock.monotonic_s()
        return now_s

    def leave(self) -> None:
        """A request that had entered is over."""
        self.in_flight -= 1
        self._left.set()
        if self._ceiling:
            self._ceiling.leave()

    def on_success(self, now_s: float) -> None:
        """An answer came, at that time on the clock, that the limit let through."""
        self._rate.on_success(self._rate_time_s(now_s))

    def hold(self) -> None:
        """Let nothing but probes start, until `go_on`. The rate stands still meanwhile, as nothing is measured."""
        if self._open.is_set():
            self._open.clear()
            self._held_at_s = self._clock.monotonic_s()

    def go_on(self) -> None:
        """End what `hold` began: those who wait start one after the other, at the rate of before."""
        if not self._open.is_set():
            self._held_s += self._clock.monotonic_s() - self._held_at_s
            self._held_at_s = math.inf
            self._open.set()

    def pause(self, pause_s: float) -> None:
        """Pause all who share this pace; a shorter wait never shortens a pause that runs."""
        self.resume_at_s = max(self.resume_at_s, self._clock.monotonic_s() + pause_s)

    def on_throttled(self, sent_at_s: float, retry_after_s: float) -> None:
        """A request sent at that time was throttled: pause, and slow down."""
        self.pause(retry_after_s)
        now_s = self._rate_time_s(self._clock.monotonic_s())
        self._rate.on_throttled(now_s, self._rate_time_s(sent_at_s), retry_after_s)

    def _rate_time_s(self, now_s: float) -> float:
        """A time on a clock that stands still while the gate is held."""
        return min(now_s, self._held_at_s) - self._held_s

    def _rate_at(self, now_s: float) -> float:
        return self._rate.rate_per_s(self._rate_time_s(now_s))

    def _make_rate(self, remembered_per_s: float | None) -> AdaptiveRate:
        return AdaptiveRate(
            self._rate_time_s(self._clock.monotonic_s()),
            ceiling_per_s=self._ceiling_per_s,
            start_per_s=self._start_per_s,
            remembered_per_s=remembered_per_s,
            share=self._share,
        )

    def __repr__(self) -> str:
        return f"<Pace {self.rate_per_s:.1f}/s, pause {self.pause_s:.1f} s, {self.in_flight} in flight, {self._rate!r}>"
