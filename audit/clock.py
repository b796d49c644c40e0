"""The time as an argument, so that tests can pass a clock that takes no time."""

import asyncio
import time
from datetime import UTC, datetime

#: Also counts the time while the machine is suspended (Linux, clock_gettime(2)); None on systems without such a clock.
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


def boot_s() -> float:
    """Seconds on a clock that never jumps and never stops: a lease runs out even while the machine sleeps."""
    return time.monotonic() if _BOOT_CLOCK is None else time.clock_gettime(_BOOT_CLOCK)


class Clock:
    """The real clock."""

    def now(self) -> datetime:
        """The wall-clock time in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds on the event loop's clock, which never jumps."""
        return asyncio.get_running_loop().time()

    async def sleep(self, delay_s: float) -> None:
        """Wait `delay_s` seconds."""
        await asyncio.sleep(delay_s)
