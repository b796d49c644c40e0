"""A clock that takes no time, faults for some URLs, and the result of a command."""

import asyncio
import os
import selectors
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from audit.clock import Clock
from audit.simulator.app import ADMIN_TOKEN
from audit.simulator.faults import Faults
from audit.simulator.simulation import ADMIN_SCOPES

T = TypeVar("T")


#: How long the virtual loop waits in real time for a socket or a thread before it advances its clock to the
#: next timer.
_GRACE_S = 0.002


_GRACE_OF_THREAD_S = 0.25


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that advances its clock instead of waiting, with real sockets and threads."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._at_work = 0
        loop = self

        class Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
            def select(self, timeout: float | None = None) -> Any:
                if timeout is None:
                    return super().select(None)
                # Apart from the pipe by which threads wake the loop, there may be no socket.
                grace_s = _GRACE_OF_THREAD_S if loop._at_work else _GRACE_S if len(self.get_map()) > 1 else 0
                if events := super().select(min(timeout, grace_s)):
                    return events
                loop.now_s += max(timeout, 1e-9)
                return []

        super().__init__(Selector())

    def time(self) -> float:
        return self.now_s

    def run_in_executor(self, *args: Any) -> Any:
        def leave(_: Any) -> None:
            self._at_work -= 1

        self._at_work += 1
        future = super().run_in_executor(*args)
        future.add_done_callback(leave)
        return future

    async def shutdown_default_executor(self, *_: Any) -> None:
        # Without the timeout of asyncio.Runner (Python 3.12 and newer): threads end in real time, and the virtual clock
        # would reach any timer first. The timeout of pytest ends a thread that hangs.
        await super().shutdown_default_executor()


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class VirtualClock(Clock):
    """A wall clock that follows the clock of the virtual loop."""

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 19, 9, tzinfo=UTC) + timedelta(seconds=self.monotonic_s())


class Where(Faults):
    """One kind of fault for every URL that contains one of the texts."""

    def __init__(self, kind: str, *texts: str) -> None:
        super().__init__()
        self._fault = (kind, [text.lower() for text in texts])

    def next(self, url: str) -> str | None:
        kind, texts = self._fault
        return kind if any(text in url.lower() for text in texts) else None


@dataclass(frozen=True)
class Result:
    """The result of a command: exit code, standard output and standard error."""

    code: int
    out: str
    err: str


def environment() -> dict[str, str]:
    """The environment of a run in its own process, with the token and without coverage, which a kill would lose."""
    given = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}
    return given | {"WEBEX_ACCESS_TOKEN": ADMIN_TOKEN, "PYTHONPATH": os.pathsep.join(sys.path)}


def visible(folder: Path) -> list[str]:
    """The content of an output folder, except for the lock file and the record of pruned snapshots."""
    stays = {".lock", "pruned.json", "pruned.dsse.json"}
    return sorted({path.name for path in folder.iterdir()} - stays) if folder.exists() else []


def without(*scopes: str) -> dict[str, frozenset[str]]:
    """The admin token without some of its scopes."""
    return {ADMIN_TOKEN: ADMIN_SCOPES - set(scopes)}
