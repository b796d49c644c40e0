"""The policy of the pace against limits that it does not know, in a simulation that takes no time.

`benchmarks/pace.py` does the same over real HTTP, in real time.
"""

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.simulator.limit import FixedWindow, Limit, TokenBucket
from audit.webex.rate import AdaptiveRate, LimitKind


class Now:
    s = 0.0

    def __call__(self) -> float:
        return self.s


@dataclass
class Crawl:
    """Send this many requests against a limit; each answer comes after the latency."""

    limit: Callable[[Callable[[], float]], Limit]
    requests: int
    latency_s: float = 0.02
    concurrency: int = 50
    change: tuple[float, Callable[[Callable[[], float]], Limit]] | None = None
    rate: AdaptiveRate = field(default_factory=lambda: AdaptiveRate(0.0))
    throttled: int = 0
    done_at_s: list[float] = field(default_factory=list)

    def run(self) -> "Crawl":
        now, dice = Now(), random.Random(1)
        limit = self.limit(now)
        events: list[tuple[float, int, str, float, float]] = []
        left, next_s, resume_s, order = self.requests, 0.0, 0.0, 0
        while len(self.done_at_s) < self.requests:
            can_send = left > 0 and len(events) < self.concurrency
            send_s = max(now.s, next_s, resume_s) if can_send else math.inf
            order += 1
            if not events or send_s <= events[0][0]:
                now.s = send_s
                left -= 1
                next_s = send_s + 1 / self.rate.rate_per_s(send_s)
                latency_s = self.latency_s * dice.uniform(0.7, 1.3)
                heapq.heappush(events, (send_s + latency_s / 2, order, "arrives", send_s, latency_s))
                continue
            now.s, _, what, sent_s, latency_s = heapq.heappop(events)
            if self.change and now.s >= self.change[0]:
                limit, self.change = self.change[1](now), None
            if what == "arrives":
                wait_s = limit.take()
                answer = "ok" if wait_s == 0 else str(max(1, math.ceil(wait_s)))
                heapq.heappush(events, (now.s + latency_s / 2, order, answer, sent_s, latency_s))
            elif what == "ok":
                self.done_at_s.append(now.s)
                self.rate.on_success(now.s)
            else:
                left += 1
                self.throttled += 1
                resume_s = max(resume_s, now.s + float(what))
                self.rate.on_throttled(now.s, sent_s, float(what))
        return self

    def over_ideal(self, rate_per_s: float) -> float:
        return self.done_at_s[-1] / (self.requests / rate_per_s)

    def throughput_per_s(self, begin_s: float, end_s: float) -> float:
        return sum(begin_s < at_s <= end_s for at_s in self.done_at_s) / (end_s - begin_s)


def bucket(rate_per_s: float) -> Callable[[Callable[[], float]], Limit]:
    return lambda now_s: TokenBucket(rate_per_s, rate_per_s, now_s)


def window(rate_per_s: float) -> Callable[[Callable[[], float]], Limit]:
    return lambda now_s: FixedWindow(rate_per_s, 1.0, now_s)


@pytest.mark.parametrize("rate_per_s", [5, 20, 100])
def test_an_unknown_bucket_is_used_to_the_full_from_a_cold_start(rate_per_s: int) -> None:
    crawl = Crawl(bucket(rate_per_s), max(240 * rate_per_s, 2000)).run()
    assert crawl.over_ideal(rate_per_s) <= 1.05
    assert crawl.throttled / crawl.requests < (0.0025 if rate_per_s > 5 else 0.0075)
    assert crawl.rate.kind is LimitKind.BUCKET
    assert crawl.rate.settled_per_s == pytest.approx(rate_per_s, rel=0.05)


@pytest.mark.parametrize("rate_per_s", [5, 20, 100])
def test_an_unknown_window_is_used_nearly_to_the_full(rate_per_s: int) -> None:
    crawl = Crawl(window(rate_per_s), max(240 * rate_per_s, 2000)).run()
    assert crawl.over_ideal(rate_per_s) <= 1.08
    assert crawl.throttled / crawl.requests < (0.01 if rate_per_s > 5 else 0.015)
    assert crawl.rate.settled_per_s == pytest.approx(rate_per_s, rel=0.25)


@pytest.mark.parametrize(("before", "after"), [(100, 50), (100, 200)])
@pytest.mark.parametrize("kind", [bucket, window])
def test_a_limit_that_changes_is_followed_within_a_minute(
    kind: Callable[[float], Callable[[Callable[[], float]], Limit]], before: int, after: int
) -> None:
    crawl = Crawl(kind(before), 100 * before + 120 * after, change=(100.0, kind(after))).run()
    assert crawl.throughput_per_s(160, 215) >= 0.9 * after


def test_a_share_leaves_room_for_others() -> None:
    crawl = Crawl(bucket(50), 12_000, rate=AdaptiveRate(0.0, share=0.5)).run()
    assert 0.4 < 1 / crawl.over_ideal(50) < 0.7


def test_a_remembered_rate_needs_no_warm_up() -> None:
    cold = Crawl(bucket(100), 1000).run()
    warm = Crawl(bucket(100), 1000, rate=AdaptiveRate(0.0, remembered_per_s=100)).run()
    assert warm.throttled <= cold.throttled
    assert warm.over_ideal(100) < min(1.05, cold.over_ideal(100))


def test_a_start_is_gentle_and_doubles_only_what_is_answered() -> None:
    rate = AdaptiveRate(0.0)
    assert rate.rate_per_s(0.0) == 10
    # Nothing is answered, so the clock alone does not speed it up beyond twice the start.
    assert rate.rate_per_s(1000.0) == 20
    assert rate.settled_per_s is None


def test_one_episode_cuts_once() -> None:
    rate = AdaptiveRate(0.0, start_per_s=100)
    for tick in range(200):
        rate.on_success(tick / 100)
    rate.on_throttled(2.0, 1.9, 1.0)
    cut = rate.rate_per_s(3.0)
    assert cut == pytest.approx(0.7 * 100, rel=0.05)
    for sent_s in (1.91, 1.95, 1.99):
        rate.on_throttled(2.05, sent_s, 1.0)
    assert rate.rate_per_s(3.0) == cut


STEP = st.tuples(st.sampled_from(["ok", "throttled", "wait"]), st.floats(0, 1e6), st.floats(0, 1e5))


@given(st.lists(STEP, max_size=60), st.floats(0.01, 1e4), st.none() | st.floats(0.1, 1e4))
def test_whatever_happens_the_rate_stays_between_floor_and_ceiling(
    steps: list[tuple[str, float, float]], ceiling_per_s: float, remembered_per_s: float | None
) -> None:
    rate = AdaptiveRate(0.0, ceiling_per_s=ceiling_per_s, remembered_per_s=remembered_per_s)
    now_s = 0.0
    for what, elapsed_s, wait_s in steps:
        now_s += elapsed_s
        if what == "ok":
            rate.on_success(now_s)
        elif what == "throttled":
            rate.on_throttled(now_s, now_s - min(elapsed_s, 1.0), wait_s)
        assert 0 < rate.rate_per_s(now_s) <= ceiling_per_s
        assert repr(rate)
