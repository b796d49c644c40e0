import pytest

from audit.simulator.limit import FixedWindow, Limit, TokenBucket


class Time:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def passed(limit: Limit, time: Time, *, offered_per_s: int, seconds: int) -> int:
    count = 0
    for tick in range(offered_per_s * seconds):
        time.now_s = tick / offered_per_s
        count += limit.take() == 0
    return count


def test_a_bucket_lets_its_rate_through_and_a_burst_once() -> None:
    time = Time()
    assert passed(TokenBucket(10, 20, time), time, offered_per_s=100, seconds=10) == pytest.approx(120, abs=1)


def test_a_window_lets_its_count_through_in_each() -> None:
    time = Time()
    assert passed(FixedWindow(10, 1.0, time), time, offered_per_s=100, seconds=10) == 100


def test_a_limit_says_when_to_come_back() -> None:
    time = Time()
    for limit in (TokenBucket(1, 1, time), FixedWindow(1, 1.0, time)):
        time.now_s = 0.25
        while (wait_s := limit.take()) == 0:
            pass
        time.now_s += wait_s + 1e-9
        assert limit.take() == 0
