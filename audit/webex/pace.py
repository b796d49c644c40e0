"""Decides when a request may start: the gate that all requests for a (token, organization) pass.

`rate` says when the next request may start. The gate waits until then, and closes while the API asks for a pause.
Several paces share a `Ceiling` of requests at once and of requests in a second. Its rate never changes, so aiolimiter
keeps it.
"""

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from aiolimiter import AsyncLimiter

from audit.clock import Clock
from audit.webex.rate import SLACK_S, START_PER_S, AdaptiveRate, Belief

#: Without a ceiling, whoever sends the requests bounds those at once.
_ANY_NUMBER = 1000


def _ignore(_: Belief) -> None:
    pass


def _limiter(rate_per_s: float) -> AsyncLimiter:
    """Never lets more than `rate_per_s` start in any second; the burst is deducted."""
    at_once = max(1.0, rate_per_s * SLACK_S)
    return AsyncLimiter(at_once, at_once / (rate_per_s * (1 - SLACK_S)))


class Ceiling:
    """The limits of all paces of a run together.

    Attributes:
        concurrency: the most requests at once.
        max_rate_per_s: the most requests in any second; None for no limit.
    """

    def __init__(self, concurrency: int, max_rate_per_s: float | None = None) -> None:
        self.max_rate_per_s = max_rate_per_s
        self.concurrency = concurrency
        self._at_work = 0
        self._slots = asyncio.Semaphore(concurrency)
        self._limiter = None if max_rate_per_s is None else _limiter(max_rate_per_s)

    @property
    def share(self) -> int:
        """Requests at once for each working pace, so that a pace whose answers hang leaves room for the others."""
        return max(1, self.concurrency // max(1, self._at_work))

    @property
    def has_room(self) -> bool:
        """Whether a request may start without a wait."""
        return self._limiter is None and not self._slots.locked()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Count a pace as working while the block runs."""
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1

    async def enter(self) -> None:
        """Wait until a request may start. Call `leave` when the request is over."""
        await self._slots.acquire()
        try:
            if self._limiter:
                await self._limiter.acquire()
        except BaseException:
            self._slots.release()
            raise

    def leave(self) -> None:
        """Note that a request that has entered is over."""
        self._slots.release()


class Pace:
    """The gate of a (token, organization).

    Args:
        clock: the time.
        ceiling: the limits shared with the paces of other organizations; None for none.
        share: the part of the measured limit to use (0 to 1).
        start_per_s: the rate to start at.

    Attributes:
        in_flight: the number of requests that have entered and not left.
        on_belief: receives what is believed of the limit, whenever that changes noticeably.
        resume_at_s: when the last pause ends, on the clock.
    """

    def __init__(
        self, clock: Clock, ceiling: Ceiling | None = None, share: float = 1.0, start_per_s: float = START_PER_S
    ) -> None:
        self.in_flight = 0
        self.on_belief: Callable[[Belief], None] = _ignore
        self._told = Belief()
        self._why = ""
        self._clock = clock
        self._ceiling = ceiling
        self._share = share
        self._start_per_s = start_per_s
        max_rate_per_s = ceiling.max_rate_per_s if ceiling else None
        # Lateness that is caught up comes on top of the rate, so the rate must leave room for it.
        self._ceiling_per_s = math.inf if max_rate_per_s is None else max_rate_per_s * (1 - SLACK_S)
        #: When `hold` closed the gate, on the clock, and the seconds that it was closed before.
        self._held_at_s = math.inf
        self._held_s = 0.0
        self._rate = self._make_rate(None)
        self._turn = asyncio.Lock()
        self._left = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self.resume_at_s = -math.inf

    def at_work(self) -> AbstractContextManager[None]:
        """Count as working for the shared ceiling while the block runs."""
        return self._ceiling.at_work() if self._ceiling else nullcontext()

    def beside(self) -> "Pace":
        """A pace for another organization, under the same ceiling."""
        return Pace(self._clock, self._ceiling, self._share, self._start_per_s)

    def start_from(self, remembered: Belief) -> None:
        """Start with what an earlier run believed of the limit, unless the API has throttled this run already."""
        if self.belief is None:
            self._rate = self._make_rate(remembered)

    @property
    def belief(self) -> Belief | None:
        """What is believed of the limit, also for the next run; None before the first throttle."""
        return self._rate.belief if self._rate.is_throttled else None

    @property
    def rate_per_s(self) -> float:
        """The current number of requests in a second."""
        return self._rate.rate_per_s(self._rate_time_s(self._clock.monotonic_s()))

    @property
    def pause_s(self) -> float:
        """Seconds until requests may start again; 0 without a pause."""
        return max(0.0, self.resume_at_s - self._clock.monotonic_s())

    async def enter(self, *, is_probe: bool = False) -> float:
        """Wait until a request may start. Call `leave` when the request is over.

        Args:
            is_probe: overtake waiting requests, even while the gate is held; only pauses and the ceiling apply.

        Returns:
            The time on the clock, for `on_throttled`.
        """
        while True:
            await self._wait_for_gate(is_probe=is_probe)
            if not is_probe and self._may_start_at_once(now_s := self._clock.monotonic_s()):
                # Most requests of a run without a limit, and all that waited for the end of a pause: no lock, no event.
                if self._ceiling:
                    await self._ceiling.enter()
                return self._started(now_s)
            async with nullcontext() if is_probe else self._turn:
                if await self._take_turn(is_probe=is_probe):
                    return self._started(self._clock.monotonic_s())

    async def _wait_for_gate(self, *, is_probe: bool) -> None:
        """Wait for the end of a pause without a place in the line, so that all may start at once then."""
        while self._is_closed(is_probe=is_probe):
            if not is_probe:
                await self._open.wait()
            await self._clock.sleep(self.pause_s)

    def _is_closed(self, *, is_probe: bool) -> bool:
        return self.pause_s > 0 or not (is_probe or self._open.is_set())

    def _may_start_at_once(self, now_s: float) -> bool:
        """Whether a request may start without a wait, and overtakes no other."""
        if self._turn.locked() or self.resume_at_s > now_s or not self._open.is_set():
            return False
        if self._ceiling and not (self._ceiling.has_room and self.in_flight < self._ceiling.share):
            return False
        at_s = self._rate_time_s(now_s)
        return self._rate.start_at_s(at_s, self.in_flight) <= at_s

    def _started(self, now_s: float) -> float:
        self.in_flight += 1
        self._rate.on_sent(self._rate_time_s(now_s), self.in_flight)
        self._tell_belief()
        return now_s

    async def _take_turn(self, *, is_probe: bool) -> bool:
        """Wait for the rate and the ceiling. Returns whether the gate is still open."""
        if not is_probe:
            await self._wait_for_rate()
        if self._is_closed(is_probe=is_probe):
            return False
        if self._ceiling:
            while self.in_flight >= self._ceiling.share:
                await self._wait_for_leave()
            await self._ceiling.enter()
            if self._is_closed(is_probe=is_probe):
                self._ceiling.leave()
                return False
        return True

    async def _wait_for_rate(self) -> None:
        """Wait until the rate lets a request start, or the gate closes."""
        at_s = self._rate_time_s(self._clock.monotonic_s())
        while (
            not self._is_closed(is_probe=False) and (wait_s := self._rate.start_at_s(at_s, self.in_flight) - at_s) > 0
        ):
            if wait_s == math.inf:
                await self._wait_for_leave()
            else:
                await self._clock.sleep(wait_s)
            at_s = self._rate_time_s(self._clock.monotonic_s())

    async def _wait_for_leave(self) -> None:
        self._left.clear()
        await self._left.wait()

    def _tell_belief(self) -> None:
        if self._rate.why is self._why:
            return
        self._why = self._rate.why
        belief = self._rate.belief
        if belief.kind != "none" and belief.is_news_after(self._told):
            self._told = belief
            self.on_belief(belief)

    def leave(self) -> None:
        """Note that a request that has entered is over."""
        self.in_flight -= 1
        self._left.set()
        if self._ceiling:
            self._ceiling.leave()

    def on_success(self, now_s: float, sent_at_s: float) -> None:
        """Note an answer, at that time on the clock, to a request, sent at that time, that the limit let through."""
        self._rate.on_success(self._rate_time_s(now_s), self._rate_time_s(sent_at_s))

    def hold(self) -> None:
        """Let only probes start until `go_on`. The rate does not change meanwhile, because nothing is measured."""
        if self._open.is_set():
            self._open.clear()
            self._held_at_s = self._clock.monotonic_s()

    def go_on(self) -> None:
        """Open the gate after `hold`: waiting requests start one after the other, at the same rate as before."""
        if not self._open.is_set():
            self._held_s += self._clock.monotonic_s() - self._held_at_s
            self._held_at_s = math.inf
            self._open.set()
            if self.pause_s == 0:
                self._rate.end_pause(self._rate_time_s(self._clock.monotonic_s()))

    def pause(self, pause_s: float) -> None:
        """Pause all requests of this pace. A shorter pause never shortens the current one."""
        self.resume_at_s = max(self.resume_at_s, self._clock.monotonic_s() + pause_s)

    def on_throttled(self, sent_at_s: float, retry_after_s: float) -> None:
        """Note that a request, sent at that time, was throttled: pause, and slow down."""
        self.pause(retry_after_s)
        now_s = self._rate_time_s(self._clock.monotonic_s())
        self._rate.on_throttled(now_s, self._rate_time_s(sent_at_s), retry_after_s)

    def _rate_time_s(self, now_s: float) -> float:
        """A time, on a clock that stands still while the gate is held."""
        return min(now_s, self._held_at_s) - self._held_s

    def _make_rate(self, remembered: Belief | None) -> AdaptiveRate:
        return AdaptiveRate(
            self._rate_time_s(self._clock.monotonic_s()),
            ceiling_per_s=self._ceiling_per_s,
            start_per_s=self._start_per_s,
            remembered=remembered,
            share=self._share,
            at_once=self._ceiling.concurrency if self._ceiling else _ANY_NUMBER,
        )

    def __repr__(self) -> str:
        return f"<Pace {self.rate_per_s:.1f}/s, pause {self.pause_s:.1f} s, {self.in_flight} in flight, {self._rate!r}>"
