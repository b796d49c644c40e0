"""A simulator on a real socket, a clock that takes no time, and the command line, for all tests."""

import asyncio
import os
import selectors
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest
from object_stores import S3, credentials, serve_s3

from audit.cli import cli, process
from audit.cli.console import set_up_logging
from audit.clock import Clock
from audit.config import FLAGS, Settings, load
from audit.crawl.progress import Progress
from audit.inventory import Users
from audit.run.job import run
from audit.run.scope import retried_scope, scope_of
from audit.simulator.app import ADMIN_TOKEN, Simulation, serve
from audit.simulator.faults import Faults
from audit.snapshot.catalog import Snapshot
from audit.webex.tokens import StaticTokens, Token

T = TypeVar("T")

# A busy machine is slow, and no fault of a test.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")

#: How long the virtual loop waits in real time for what is under way (a socket, a thread) before it
#: moves its clock to the next timer.
_GRACE_S = 0.002
_GRACE_OF_THREAD_S = 0.25


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that waits by moving its clock: real sockets and threads, and no time passes."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._at_work = 0
        loop = self

        class Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
            def select(self, timeout: float | None = None) -> Any:
                if timeout is None:
                    return super().select(None)
                if events := super().select(min(timeout, _GRACE_OF_THREAD_S if loop._at_work else _GRACE_S)):
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
        # Without the timeout of asyncio.Runner (Python 3.12 and newer): threads end in real time, and the clock would
        # reach any timer first. A thread that hangs meets the timeout of pytest.
        await super().shutdown_default_executor()


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


class VirtualClock(Clock):
    """A wall clock that goes with the virtual loop's."""

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 19, 9, tzinfo=UTC) + timedelta(seconds=self.monotonic_s())


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(autouse=True)
def _no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the configuration of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("WEBEX_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def stall_s() -> float:
    """The longest outage. Virtual time costs real time, too: one that no test asks about ends after a minute."""
    return 60.0


@pytest.fixture
def settings(tmp_path: Path, stall_s: float) -> Callable[..., Settings]:
    """Settings as from flags and the environment, fast enough for a test; `base_url` is filled in by who serves."""

    def make(base_url: str, **flags: object) -> Settings:
        given: dict[str, Any] = {"webex.base_url": base_url, "output.path": str(tmp_path / "out")}
        given |= {"run.stall_s": stall_s} | {name.replace("__", "."): value for name, value in flags.items()}
        environment = {
            f"WEBEX_AUDIT_{key.replace('.', '_').upper()}": str(given.pop(key))
            for key in list(given)
            if key not in FLAGS
        }
        return load(os.devnull, environment, given)

    return make


@pytest.fixture
def audit(settings: Callable[..., Settings], clock: VirtualClock) -> Callable[..., Snapshot]:
    """A whole run against a simulation, in this process and at once; each of a test at the same base URL."""
    ports: list[int] = []

    def audit(
        simulation: Simulation,
        *,
        wanted: list[str] | None = None,
        is_resuming: bool = False,
        retry_failed: Snapshot | None = None,
        users: Users | None = None,
        token: str = ADMIN_TOKEN,
        **flags: object,
    ) -> Snapshot:
        async def main() -> Snapshot:
            simulation.now_s = asyncio.get_running_loop().time
            async with serve(simulation, port=ports[0] if ports else 0) as base_url:
                ports.append(int(base_url.rpartition(":")[2].partition("/")[0]))
                given = settings(base_url, **flags)
                scope = retried_scope(retry_failed) if retry_failed else scope_of(given, wanted, users)
                tokens = StaticTokens(Token(token))
                return await run(given, tokens, scope, is_resuming=is_resuming, progress=Progress(), clock=clock)

        return run_virtually(main())

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


@pytest.fixture(scope="session")
def _s3_server() -> Iterator[S3]:
    with serve_s3() as server:
        yield server


@pytest.fixture
def s3(_s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """An S3 server with a bucket, and credentials for it in the environment."""
    for name, value in credentials().items():
        monkeypatch.setenv(name, value)
    return _s3_server


class Where(Faults):
    """One kind of fault, wherever the URL holds one of the texts."""

    def __init__(self, kind: str, *texts: str) -> None:
        super().__init__()
        self._fault = (kind, [text.lower() for text in texts])

    def next(self, url: str) -> str | None:
        kind, texts = self._fault
        return kind if any(text in url.lower() for text in texts) else None


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
        # What --quiet silenced, a later test may want to see.
        set_up_logging("text", "normal")
        return Result(code, captured.out, captured.err)

    return webex_audit


def environment() -> dict[str, str]:
    """That of a run in a process of its own, which has the token. What is paused or killed measures no coverage."""
    given = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}
    return given | {"WEBEX_ACCESS_TOKEN": ADMIN_TOKEN, "PYTHONPATH": os.pathsep.join(sys.path)}


def visible(folder: Path) -> list[str]:
    """What an output folder holds, but for what stays: the lock's file, and the record of what was pruned."""
    stays = {".lock", "pruned.json", "pruned.dsse.json"}
    return sorted({path.name for path in folder.iterdir()} - stays) if folder.exists() else []
