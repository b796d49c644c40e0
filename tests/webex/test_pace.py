import asyncio
import math
import random
from typing import Any

import pytest
from harness import run_virtually
from hypothesis import given, settings
from hypothesis import strategies as st
from race import Server
from random_limits import LIMITS

from audit.clock import Clock
from audit.webex.pace import Ceiling, Pace
from audit.webex.rate import Belief


async def starts(pace: Pace, count: int, on_start: Any = None) -> list[float]:
    loop = asyncio.get_running_loop()
    begun: list[float] = []

    async def request() -> None:
        await pace.enter()
        begun.append(loop.time())
        if on_start:
            on_start(len(begun))
        pace.leave()

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(request())
    return begun


@pytest.mark.parametrize("rate_per_s", [0.05, 0.5, 3, 5, 50, 97, 1000])
@pytest.mark.slow
def test_no_second_sees_more_requests_than_the_ceiling(rate_per_s: float) -> None:
    window = max(1, int(rate_per_s))
    count = 3 * window + 1

    async def main() -> list[float]:
        return await starts(Pace(Clock(), Ceiling(1000, rate_per_s), start_per_s=rate_per_s), count)

    begun = run_virtually(main())
    gaps = [later - earlier for earlier, later in zip(begun, begun[window:], strict=False)]
    assert min(gaps) >= window / max(rate_per_s, 1) - 1e-6
    assert begun[-1] - begun[0] == pytest.approx((count - 1) / rate_per_s, rel=0.03)


@settings(max_examples=30)
@given(
    st.integers(1, 10_000),
    st.lists(st.tuples(st.integers(1, 40), st.floats(0, 3), st.floats(0, 0.05)), min_size=1, max_size=6),
)
@pytest.mark.slow
def test_no_second_sees_more_whenever_requests_come_and_however_late_timers_are(
    rate_per_s: int, crowds: list[tuple[int, float, float]]
) -> None:
    async def main() -> list[float]:
        ceiling = Ceiling(1000, rate_per_s)
        paces = [Pace(Clock(), ceiling, start_per_s=1e6) for _ in range(2)]
        loop: Any = asyncio.get_running_loop()
        begun: list[float] = []
        for size, idle_s, late_s in crowds:

            def be_late(nth: int, late_s: float = late_s) -> None:
                loop.now_s += late_s * (nth % 7 == 0)

            found = await asyncio.gather(*(starts(pace, size, be_late) for pace in paces))
            begun += [each for of_pace in found for each in of_pace]
            await asyncio.sleep(idle_s)
        return sorted(begun)

    begun = run_virtually(main())
    gaps = [later - earlier for earlier, later in zip(begun, begun[rate_per_s:], strict=False)]
    assert all(gap >= 1 - 1e-6 for gap in gaps)


def test_time_in_which_nothing_was_sent_is_no_credit() -> None:
    async def main() -> list[float]:
        pace = Pace(Clock(), Ceiling(1000, 20), start_per_s=20)
        await starts(pace, 5)
        await asyncio.sleep(60)
        return await starts(pace, 21)

    begun = run_virtually(main())
    assert begun[-1] - begun[0] >= 1


@pytest.mark.slow
def test_late_timers_do_not_slow_a_fast_pace() -> None:
    async def main() -> float:
        pace = Pace(Clock(), Ceiling(1000, 500), start_per_s=500)
        loop: Any = asyncio.get_running_loop()
        began_s = loop.time()

        def be_late(_: int) -> None:
            loop.now_s += random.uniform(0, 0.002)

        await starts(pace, 1000, be_late)
        return float(loop.time() - began_s)

    assert run_virtually(main()) == pytest.approx(2.0, rel=0.05)


def test_a_throttled_request_pauses_all() -> None:
    async def main() -> list[float]:
        pace = Pace(Clock(), Ceiling(1000, 10), start_per_s=10)
        now_s = asyncio.get_running_loop().time
        return await starts(pace, 20, lambda nth: pace.on_throttled(now_s(), 194) if nth == 5 else None)

    begun = run_virtually(main())
    assert begun[5] - begun[4] >= 194


@pytest.mark.parametrize(("at_once", "waiting"), [(5, 5), (20, 40), (25, 26)])
def test_after_a_pause_all_start_before_an_answer_is_read(at_once: int, waiting: int) -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        pace = Pace(Clock(), Ceiling(at_once))
        pace.start_from(Belief("noise", part=0.1))
        begun: list[float] = []
        at_first_answer: list[int] = []

        async def request() -> None:
            await pace.enter()
            if not begun:
                loop.call_soon(lambda: at_first_answer.append(len(begun)))
            begun.append(loop.time())
            await asyncio.sleep(1)
            pace.leave()

        pace.pause(10)
        async with asyncio.TaskGroup() as group:
            for _ in range(waiting):
                group.create_task(request())
        return at_first_answer[0]

    assert run_virtually(main()) == at_once


def test_a_shorter_wait_never_shortens_a_pause() -> None:
    async def main() -> None:
        pace = Pace(Clock(), Ceiling(1000, 10))
        now_s = asyncio.get_running_loop().time()
        pace.on_throttled(now_s, 60)
        pace.on_throttled(now_s, 1)
        assert pace.pause_s == 60
        assert repr(pace) == "<Pace 9.9/s, pause 60.0 s, 0 in flight, <AdaptiveRate no limit met; Ramp>>"
        await pace.enter()
        assert (pace.in_flight, pace.pause_s) == (1, 0)
        pace.leave()
        assert pace.in_flight == 0

    run_virtually(main())


def test_a_remembered_rate_is_where_a_run_starts() -> None:
    async def main() -> list[float]:
        pace = Pace(Clock())
        assert pace.belief is None
        pace.start_from(Belief("rate", 80.0))
        return await starts(pace, 80)

    begun = run_virtually(main())
    assert begun[-1] - begun[0] == pytest.approx(1.0, rel=0.1)


def test_there_is_a_pace_without_a_ceiling() -> None:
    async def main() -> float:
        pace = Pace(Clock(), start_per_s=1e6)
        assert math.isfinite(pace.rate_per_s)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await starts(pace, 100)
        return loop.time() - began_s

    assert run_virtually(main()) < 0.1


def test_no_request_starts_at_once_beyond_the_ceiling_or_in_a_pause_or_while_the_gate_is_held() -> None:
    async def main() -> None:
        pace = Pace(Clock(), Ceiling(3), start_per_s=1e6)
        loop = asyncio.get_running_loop()
        for _ in range(3):
            await pace.enter()
        waiting = asyncio.create_task(pace.enter())
        await asyncio.sleep(1)
        assert (waiting.done(), pace.in_flight) == (False, 3)
        pace.leave()
        await waiting
        pace.leave()
        paused_at_s = loop.time()
        pace.pause(60)
        assert await pace.enter() >= paused_at_s + 60
        pace.leave()
        pace.hold()
        held = asyncio.create_task(pace.enter())
        await asyncio.sleep(5)
        assert not held.done()
        pace.go_on()
        await held
        assert pace.in_flight == 3

    run_virtually(main())


@settings(max_examples=12)
@given(LIMITS, st.integers(2, 100))
@pytest.mark.slow
def test_whatever_the_limit_the_gate_keeps_to_pauses_and_ceiling(limit: tuple[Server, float], max_rate: int) -> None:
    server, at_once, reads = limit[0], 20, 60
    begun: list[tuple[float, float]] = []

    async def main() -> None:
        clock = Clock()
        pace = Pace(clock, Ceiling(at_once, max_rate))
        left = iter(range(10_000))
        through = 0

        async def read() -> None:
            nonlocal through
            while through < reads and next(left) is not None:
                sent_at_s = await pace.enter()
                begun.append((sent_at_s, pace.resume_at_s))
                assert pace.in_flight <= at_once
                wait_s = server.take(sent_at_s)
                await asyncio.sleep(0.04 if wait_s is None else 0.02)
                pace.leave()
                if wait_s is None:
                    server.leave()
                    through += 1
                    pace.on_success(clock.monotonic_s(), sent_at_s)
                else:
                    pace.on_throttled(sent_at_s, wait_s)

        async with asyncio.TaskGroup() as workers:
            for _ in range(at_once):
                workers.create_task(read())

    run_virtually(main())
    assert all(at_s >= resume_at_s for at_s, resume_at_s in begun)
    starts_s = [at_s for at_s, _ in begun]
    assert all(later - earlier >= 1 - 1e-6 for earlier, later in zip(starts_s, starts_s[max_rate:], strict=False))
