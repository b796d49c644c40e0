import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

import pytest

from audit.clock import Clock
from audit.webex.pace import Pace


class LoopClock(Clock):
    """The time of the event loop."""

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that waits by moving its clock: aiolimiter itself runs on it, and no time passes."""

    def __init__(self) -> None:
        self.now_s = 0.0
        loop = self

        class Selector(selectors.SelectSelector):
            def select(self, timeout: float | None = None) -> Any:
                loop.now_s += max(timeout or 0, 1e-9)
                return super().select(0)

        super().__init__(Selector())

    def time(self) -> float:
        return self.now_s


def run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


async def starts(pace: Pace, count: int, on_start: Any = None) -> list[float]:
    loop = asyncio.get_running_loop()
    begun: list[float] = []

    async def request() -> None:
        async with pace:
            begun.append(loop.time())
            if on_start:
                on_start(len(begun))

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(request())
    return begun


@pytest.mark.parametrize("rate_per_s", [0.5, 3, 5, 97, 1000])
def test_no_second_sees_more_requests_than_the_ceiling(rate_per_s: float) -> None:
    window = max(1, int(rate_per_s))
    count = 3 * window + 1

    async def main() -> list[float]:
        return await starts(Pace(rate_per_s, LoopClock()), count)

    begun = run(main())
    gaps = [later - earlier for earlier, later in zip(begun, begun[window:], strict=False)]
    assert min(gaps) >= window / rate_per_s - 1e-5
    assert begun[-1] - begun[0] == pytest.approx((count - 1) / rate_per_s, rel=0.01)


def test_a_throttled_request_pauses_all() -> None:
    async def main() -> list[float]:
        pace = Pace(10, LoopClock())
        return await starts(pace, 20, lambda nth: pace.on_throttled(194) if nth == 5 else None)

    begun = run(main())
    assert begun[5] - begun[4] >= 194
    assert begun[-1] - begun[5] == pytest.approx(1.4, abs=0.2)


def test_a_shorter_wait_never_shortens_a_pause() -> None:
    async def main() -> None:
        pace = Pace(10, LoopClock())
        pace.on_throttled(60)
        pace.on_throttled(1)
        assert pace.pause_s == 60
        assert repr(pace) == "<Pace ≤ 10/s, pause 60.0 s, 0 in flight>"
        async with pace:
            assert pace.in_flight == 1
            assert pace.pause_s == 0

    run(main())
