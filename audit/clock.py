"""The time, as an argument: tests hand in a clock that takes no time."""

import asyncio
import time
from datetime import UTC, datetime

#: Counts the time that the machine is suspended, too, where the system has such a clock (Linux, clock_gettime(2)).
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


def boot_s() -> float:
    """Seconds on a clock that never jumps and never stops: a lease goes on while the machine sleeps."""
    return time.monotonic() if _BOOT_CLOCK is None else time.clock_gettime(_BOOT_CLOCK)


class Clock:
    """The real clock."""

    def now(self) -> datetime:
        """The wall-clock time, in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds on the event loop's clock, which never jumps."""
        return asyncio.get_running_loop().time()

    async def sleep(self, delay_s: float) -> None:
        """Wait `delay_s` seconds."""
        await asyncio.sleep(delay_s)
