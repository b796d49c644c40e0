"""A simulator on a real socket, a clock that takes no time, and the command line, for all tests."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit import process
from audit.cli import cli
from audit.clock import Clock
from audit.config import FLAGS, Settings, load
from audit.console import set_up_logging
from audit.job import run
from audit.simulator.app import ADMIN_TOKEN, Simulation, serve
from audit.snapshot.reader import Snapshot
from audit.webex.tokens import Token


class FastClock(Clock):
    """Sleeping takes no time, but moves this clock; `slept_s` remembers each wait."""

    def __init__(self) -> None:
        self.elapsed_s = 1000.0
        self.slept_s: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 19, 9, tzinfo=UTC) + timedelta(seconds=self.elapsed_s)

    def monotonic_s(self) -> float:
        return self.elapsed_s

    async def sleep(self, delay_s: float) -> None:
        self.slept_s.append(delay_s)
        self.elapsed_s += delay_s
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> FastClock:
    return FastClock()


@pytest.fixture(autouse=True)
def _no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the configuration of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("WEBEX_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings as from flags and the environment, fast enough for a test; `base_url` is filled in by who serves."""

    def make(base_url: str, **flags: object) -> Settings:
        given = {"webex.base_url": base_url, "output.path": str(tmp_path / "out"), "pace.max_rate": 10_000.0}
        given |= {name.replace("__", "."): value for name, value in flags.items()}
        environment = {
            f"WEBEX_AUDIT_{key.replace('.', '_').upper()}": str(given.pop(key))
            for key in list(given)
            if key not in FLAGS
        }
        return load(os.devnull, environment, given)

    return make


@pytest.fixture
def audit(settings: Callable[..., Settings], clock: FastClock) -> Callable[..., Snapshot]:
    """A whole run against a simulation, in this process and at once."""

    def audit(simulation: Simulation, *, wanted: list[str] | None = None, **flags: object) -> Snapshot:
        async def main() -> Snapshot:
            simulation.now_s = clock.monotonic_s
            async with serve(simulation) as base_url:
                return await run(settings(base_url, **flags), Token(ADMIN_TOKEN), wanted=wanted, clock=clock)

        return asyncio.run(main())

    return audit


@pytest.fixture(scope="session")
def _background() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def api(_background: asyncio.AbstractEventLoop) -> Iterator[Callable[[Simulation], str]]:
    """Serves a simulation beside the test until its end; returns the base URL."""
    stack = AsyncExitStack()

    def call(future: "Future[str | None]") -> str:
        return future.result(timeout=30) or ""

    def start(simulation: Simulation) -> str:
        return call(asyncio.run_coroutine_threadsafe(stack.enter_async_context(serve(simulation)), _background))

    yield start
    call(asyncio.run_coroutine_threadsafe(stack.aclose(), _background))


@dataclass(frozen=True)
class Result:
    """What a command left: exit code, standard output and standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def webex_audit(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """The command line, in this process."""

    def webex_audit(*arguments: object) -> Result:
        capfd.readouterr()
        set_up_logging("text", "normal")
        code = process.execute(cli, [str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return webex_audit
