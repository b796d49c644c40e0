"""The policy of the pace against limits that it does not know, in a simulation that takes no time.

`benchmarks/limits.py` compares it with other clients in the same simulation, `benchmarks/pace.py` over real HTTP.
"""

import math
import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kinds import Kind, at_once, bucket, free, gateways, noise, noisy_bucket, window
from race import Ours, Plain, Result, Server, race
from random_limits import LIMITS
from servers import AtOnce, Bucket, Limit, Window

from audit.webex.rate import AdaptiveRate, Belief

LATENCIES_S = (0.02, 0.2)


def ours(
    server: Server, reads: int, latency_s: float = 0.02, *, seed: int = 7, rate: AdaptiveRate | None = None
) -> Result:
    return race(Ours(50, rate), server, reads, latency_s, seed)


def best_plain_s(make: Callable[[int], Server], reads: int, latency_s: float, seed: int) -> float:
    return min(race(Plain(n), make(seed), reads, latency_s, seed).wall_s for n in (5, 10, 20, 40))


@pytest.mark.parametrize("rate_per_s", [5, 20, 100])
def test_an_unknown_bucket_is_used_to_the_full_from_a_cold_start(rate_per_s: int) -> None:
    reads = max(240 * rate_per_s, 2000)
    rate = AdaptiveRate(0.0)
    done = ours(Bucket(rate_per_s, rate_per_s), reads, rate=rate)
    assert done.wall_s / (reads / rate_per_s) <= 1.03
    assert done.throttled / reads < (0.004 if rate_per_s > 5 else 0.015)
    assert rate.belief.per_s == pytest.approx(rate_per_s, rel=0.04)


@pytest.mark.parametrize("rate_per_s", [5, 20, 100])
def test_an_unknown_window_is_used_nearly_to_the_full(rate_per_s: int) -> None:
    reads = max(240 * rate_per_s, 2000)
    done = ours(Window(rate_per_s, 1.0, 0.3), reads)
    assert done.wall_s / (reads / rate_per_s) <= 1.1
    assert done.throttled / reads < (0.01 if rate_per_s > 5 else 0.015)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("part", "wait_s", "reads"), [(0.1, 1.0, 200), (0.03, 3.0, 300), (0.02, 1.0, 500), (0.2, 2.0, 400)]
)
@pytest.mark.parametrize("latency_s", LATENCIES_S)
def test_noise_does_not_slow_it_down(part: float, wait_s: float, reads: int, latency_s: float) -> None:
    kind, seeds = noise(part, wait_s, reads), range(20, 30)
    results = [ours(kind.make(seed), reads, latency_s, seed=seed) for seed in seeds]
    plain_s = sum(best_plain_s(kind.make, reads, latency_s, seed) for seed in seeds)
    assert sum(result.wall_s for result in results) <= 1.25 * plain_s
    assert {result.belief.partition(":")[0] for result in results} == {"throttled at random"}


@pytest.mark.parametrize(
    "kind", [noisy_bucket(0.03, 40, 400), gateways(5, 50, 600), at_once(9, 900)], ids=lambda kind: kind.name
)
def test_it_is_as_fast_as_the_best_plain_client(kind: Kind) -> None:
    seeds = range(20, 30)
    ours_s = sum(ours(kind.make(seed), kind.reads, 0.2, seed=seed).wall_s for seed in seeds)
    assert ours_s <= 1.2 * sum(best_plain_s(kind.make, kind.reads, 0.2, seed) for seed in seeds)


@pytest.mark.parametrize(("count", "window_s"), [(100, 10.0), (200, 20.0), (300, 60.0)])
def test_a_long_window_is_emptied_at_once_and_waited_for(count: int, window_s: float) -> None:
    done = ours(Window(count, window_s, 3.0), 4 * count)
    # The last window need not be over.
    assert done.wall_s <= 3 * window_s + 2
    assert done.throttled / (4 * count) < 0.02
    assert done.belief.startswith(f"limited to about {count} in ")


@pytest.mark.parametrize("count", [4, 8, 20])
def test_a_limit_of_requests_at_once_is_not_taken_for_a_rate(count: int) -> None:
    done = ours(AtOnce(count), 2000, 0.2)
    assert done.throttled / 2000 < 0.04
    assert done.per_s(done.wall_s - 5, done.wall_s) >= 0.7 * count / 0.2


@pytest.mark.few(4)
@pytest.mark.parametrize(("rate_per_s", "burst"), [(98, 5), (80, 5), (100, 6), (90, 7)])
@pytest.mark.parametrize("seed", [5, 54, 63])
def test_a_bucket_that_saves_little_is_not_taken_for_a_number_at_once(rate_per_s: int, burst: int, seed: int) -> None:
    done = ours(Bucket(rate_per_s, burst), 80 * rate_per_s, 0.1, seed=seed)
    assert done.per_s(0, 60) >= 0.6 * rate_per_s
    assert done.belief.startswith("limited to about ")
    assert done.belief.endswith("/s")


@pytest.mark.parametrize(("rate_per_s", "burst", "seed"), [(66.2, 5, 100), (91, 5.2, 76), (93.4, 5.2, 89)])
def test_a_bucket_whose_first_refusal_looked_random_does_not_starve(rate_per_s: float, burst: float, seed: int) -> None:
    done = ours(Bucket(rate_per_s, burst), int(80 * rate_per_s), 0.1, seed=seed)
    assert done.per_s(0, 60) >= 0.5 * rate_per_s


@pytest.mark.few(3)
@pytest.mark.parametrize(("before", "after"), [(100, 50), (100, 200), (30, 90)])
@pytest.mark.parametrize("latency_s", LATENCIES_S)
def test_a_limit_that_changes_is_followed_within_a_minute(before: int, after: int, latency_s: float) -> None:
    server = Bucket(lambda now_s: before if now_s < 100 else after, before)
    done = ours(server, 100 * before + 120 * after, latency_s)
    assert done.per_s(160, 210) >= 0.9 * after


@pytest.mark.parametrize(("low", "high"), [(0.5, 20), (1, 60), (0.2, 5)])
@pytest.mark.parametrize("latency_s", LATENCIES_S)
def test_a_rate_that_was_next_to_nothing_grows_again(low: float, high: float, latency_s: float) -> None:
    server = Bucket(lambda now_s: low if 10 <= now_s < 130 else high, high)
    done = ours(server, int(110 * high), latency_s)
    assert done.per_s(170, 210) >= 0.8 * high


@pytest.mark.few(3)
@pytest.mark.parametrize(("rate_per_s", "for_s"), [(40, 120), (100, 120), (20, 300)])
@pytest.mark.parametrize("latency_s", LATENCIES_S)
def test_after_an_incident_it_is_as_fast_as_before_within_ten_seconds(
    rate_per_s: int, for_s: int, latency_s: float
) -> None:
    server = Bucket(lambda now_s: 0.0 if 30 <= now_s < 30 + for_s else float(rate_per_s), rate_per_s)
    done = ours(server, 120 * rate_per_s, latency_s)
    assert done.per_s(30 + for_s + 10, 30 + for_s + 25) >= 0.9 * rate_per_s
    # One request after the other asks whether it is over.
    assert done.throttled <= for_s + 100


def test_a_cold_start_is_over_within_three_seconds_if_nothing_throttles() -> None:
    done = ours(Limit(), 4000, 0.2)
    assert done.per_s(3, 6) >= 0.9 * 50 / 0.2
    assert done.per_s(1, 3) >= 0.9 * 50 / 0.2
    assert done.throttled == 0
    assert done.belief == "no limit met"


def test_fifty_reads_are_soon_done() -> None:
    kind = free(50)
    assert ours(kind.make(1), 50, 0.2).wall_s <= 1.3 * best_plain_s(kind.make, 50, 0.2, 7)


def test_a_share_leaves_room_for_others() -> None:
    done = ours(Bucket(50, 50), 12_000, rate=AdaptiveRate(0.0, share=0.5))
    assert 0.4 < 12_000 / 50 / done.wall_s < 0.7


@pytest.mark.parametrize(
    ("belief", "kind"),
    [
        (Belief("rate", 100.0), bucket(100, 1000)),
        (Belief("at-once", 60.0, count=8), at_once(12, 600)),
        (Belief("noise", 27.0, part=0.05), noise(0.05, 2.0, 300)),
        (Belief("window", 15.0, count=150, window_s=10.0), window(150, 10.0, 450)),
    ],
    ids=["rate", "at-once", "noise", "window"],
)
def test_what_an_earlier_run_believed_helps(belief: Belief, kind: Kind) -> None:
    cold = [ours(kind.make(seed), kind.reads, 0.2, seed=seed) for seed in range(5)]
    warm = [
        ours(kind.make(seed), kind.reads, 0.2, seed=seed, rate=AdaptiveRate(0.0, remembered=belief))
        for seed in range(5)
    ]
    assert sum(each.throttled for each in warm) <= sum(each.throttled for each in cold)
    # A cold start spends what the bucket has saved at once, a warm one bit by bit.
    assert sum(each.wall_s for each in warm) <= 1.1 * sum(each.wall_s for each in cold)


def test_a_start_is_gentle_and_idle_time_does_not_end_it() -> None:
    rate = AdaptiveRate(0.0, start_per_s=10)
    assert rate.rate_per_s(0.0) == rate.rate_per_s(1000.0) == 10
    for in_flight in range(1, 26):
        rate.on_sent(1000.0, in_flight)
    # Nothing is answered, so nothing more starts.
    assert rate.start_at_s(1000.0, 25) == math.inf
    assert not rate.is_throttled


def test_it_says_what_it_believes_and_why() -> None:
    rate = AdaptiveRate(0.0)
    assert repr(rate) == "<AdaptiveRate no limit met; Ramp>"
    ours(Bucket(50, 50), 2000, rate=rate)
    assert repr(rate).startswith("<AdaptiveRate limited to about 50.")
    assert " through and 1 throttled in " in repr(rate)
    assert repr(rate).endswith(" s, then a pause of 1 s; Steady>")


@pytest.mark.parametrize(
    ("belief", "words"),
    [
        (Belief("rate", 5.04), "limited to about 5.04/s"),
        (Belief("window", 5.0, 300, 60.2), "limited to about 300 in 60 s"),
        (Belief("at-once", 40.0, 8), "limited to about 8 at once"),
        (Belief("noise", 30.0, part=0.021), "throttled at random: 2.1%"),
        (Belief(), "no limit met"),
    ],
)
def test_a_belief_is_a_phrase(belief: Belief, words: str) -> None:
    assert str(belief) == words


class Watched(Ours):
    """Notes when requests start, and refuses one in a pause."""

    def __init__(self, rate: AdaptiveRate) -> None:
        super().__init__(50, rate)
        self.begun_s: list[float] = []
        self.resume_at_s = -math.inf
        self.on_sent = self._note
        self.on_throttled = self._pause

    def _note(self, now_s: float, in_flight: int) -> None:
        assert now_s >= self.resume_at_s, "a request in a pause"
        assert in_flight <= 50
        self.begun_s.append(now_s)
        self.rate.on_sent(now_s, in_flight)

    def _pause(self, now_s: float, sent_at_s: float, retry_after_s: float) -> None:
        self.resume_at_s = max(self.resume_at_s, now_s + retry_after_s)
        self.rate.on_throttled(now_s, sent_at_s, retry_after_s)


@settings(max_examples=60, deadline=None)
@given(LIMITS, st.integers(0, 100))
@pytest.mark.slow
def test_whatever_the_limit_pauses_are_obeyed_and_nothing_starves(limit: tuple[Server, float], seed: int) -> None:
    server, offered_per_s = limit
    client = Watched(AdaptiveRate(0.0))
    done = race(client, server, min(6_000, int(offered_per_s * 150)), 0.1, seed)
    for minute in range(int(done.wall_s // 10) - 6):
        assert done.per_s(10 * minute, 10 * minute + 60) >= 0.5 * offered_per_s, repr(client.rate)


@settings(max_examples=40, deadline=None)
@given(LIMITS, st.floats(1, 300), st.integers(0, 100))
def test_whatever_the_limit_no_second_sees_more_than_the_ceiling(
    limit: tuple[Server, float], ceiling_per_s: float, seed: int
) -> None:
    client = Watched(AdaptiveRate(0.0, ceiling_per_s=ceiling_per_s))
    race(client, limit[0], 500, 0.1, seed)
    # Requests that start together come on top here; `Ceiling` lets none of them through too early.
    window = int(ceiling_per_s) + 24
    assert all(later - earlier >= 1 for earlier, later in zip(client.begun_s, client.begun_s[window:], strict=False))


STEP = st.tuples(st.sampled_from(["sent", "ok", "throttled", "wait"]), st.floats(0, 1e6), st.floats(0, 1e5))
BELIEFS = st.none() | st.builds(
    Belief,
    st.sampled_from(["none", "rate", "window", "at-once", "noise"]),
    st.none() | st.floats(0, 1e4),
    st.none() | st.integers(0, 1000),
)


@given(st.lists(STEP, max_size=60), st.floats(0.01, 1e4), BELIEFS, st.floats(0.01, 1))
@example([("throttled", 0.0, 0.0)] * 3, 1.0, None, 1.0)
@example([("sent", 0.0, 0.0)], 1.0, Belief("rate", 5e-324), 0.25)
def test_whatever_happens_the_rate_stays_between_floor_and_ceiling(
    steps: list[tuple[str, float, float]], ceiling_per_s: float, remembered: Belief | None, share: float
) -> None:
    rate = AdaptiveRate(0.0, ceiling_per_s=ceiling_per_s, remembered=remembered, share=share)
    now_s = 0.0
    for what, elapsed_s, wait_s in steps:
        now_s += elapsed_s
        if what == "sent":
            rate.on_sent(now_s, 1)
        elif what == "ok":
            rate.on_success(now_s, now_s - min(elapsed_s, 1.0))
        elif what == "throttled":
            rate.on_throttled(now_s, now_s - min(elapsed_s, 1.0), wait_s)
        assert 0 < rate.rate_per_s(now_s) <= ceiling_per_s
        assert rate.start_at_s(now_s, 0) >= now_s
        assert math.isfinite(rate.start_at_s(now_s, 0))
        assert repr(rate)


def test_throttles_of_requests_from_before_a_pause_say_nothing_new() -> None:
    rate = AdaptiveRate(0.0)
    dice = random.Random(3)
    for tick in range(100):
        rate.on_sent(tick / 100, 5)
        rate.on_success(tick / 100 + dice.uniform(0.01, 0.02), tick / 100)
    rate.on_throttled(2.0, 1.0, 1.0)
    believed = [str(rate.belief)]
    for late_s in (3.5, 3.6):
        rate.on_throttled(late_s, 1.5, 1.0)
        believed.append(str(rate.belief))
    assert all(one == other for one, other in pairwise(believed[1:]))
