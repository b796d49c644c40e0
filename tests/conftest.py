"""A simulator on a real socket, and the command line, for all tests."""

import asyncio
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from chromium import started
from harness import Result, VirtualClock, run_virtually
from object_stores import S3, credentials, serve_s3
from sampling import sample_of
from scratch import keep_bytecode, keep_in_memory
from signing_in import SECRET

from audit import redaction
from audit.cli import cli, process
from audit.cli.console import set_up_logging
from audit.config import FLAGS, Settings, load
from audit.inventory import Users
from audit.run.job import Job
from audit.run.retried import retried_scope
from audit.run.run import run
from audit.run.scope import scope_of
from audit.simulator.app import ADMIN_TOKEN, Simulation, serve
from audit.snapshot.catalog import Snapshot
from audit.snapshot.manifest import Seal
from audit.snapshot.proof.signing import public_key_of, seal_with
from audit.snapshot.source import verified
from audit.webex.tokens import StaticTokens, Token

keep_bytecode()
keep_in_memory()

# A busy machine is slow, and no fault of a test. A change is judged by the same examples each time.
hypothesis.settings.register_profile(
    "patient",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("patient")


def pytest_xdist_auto_num_workers() -> int:
    """Tests wait for processes and servers, so four run at once also on two cores; each worker may need 1 GB."""
    return min(max(4, os.cpu_count() or 1), 8)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    """Of a test with the mark `few`, the cases that are not in the sample get the mark `faults`."""
    made = yield
    cases = [item for item in made if isinstance(item, pytest.Function)] if isinstance(made, list) else []
    if cases and (mark := cases[0].get_closest_marker("few")):
        taken = sample_of([case.callspec.indices for case in cases], *mark.args)
        for place in {*range(len(cases))} - {*taken}:
            cases[place].add_marker(pytest.mark.faults)
    return made


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


@pytest.fixture(autouse=True)
def _no_pytz(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for users: a tool of development brings pytz, without which DuckDB gives Python no times with a zone."""
    monkeypatch.setitem(sys.modules, "pytz", None)


@pytest.fixture(autouse=True)
def _no_secrets() -> None:
    """No test removes from its texts what another test has called a secret."""
    redaction.forget_all()


@pytest.fixture(autouse=True)
def _no_verbosity() -> Iterator[None]:
    """No test logs more or less than it has asked for."""
    log = logging.getLogger("audit")
    before = log.level
    yield
    log.setLevel(before)


@pytest.fixture
def obeys_hangup() -> Iterator[None]:
    """Commands that the test starts obey SIGHUP, also if the tests run under nohup(1)."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


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
        seal: Seal | None = None,
        **flags: object,
    ) -> Snapshot:
        async def main(stack: ExitStack) -> Snapshot:
            simulation.now_s = asyncio.get_running_loop().time
            async with serve(simulation, port=ports[0] if ports else 0) as base_url:
                ports.append(int(base_url.rpartition(":")[2].partition("/")[0]))
                given = settings(base_url, **flags)
                key_file = given.sign.key_file
                key = public_key_of(key_file)
                earlier = stack.enter_context(verified(retry_failed, key)) if retry_failed else None
                scope = retried_scope(earlier) if earlier else scope_of(given, wanted, users)
                tokens = StaticTokens(Token(token))
                return await run(
                    Job(given, tokens, scope, clock=clock), is_resuming=is_resuming, seal=seal or seal_with(key_file)
                )

        with ExitStack() as stack:
            return run_virtually(main(stack))

    return audit


@pytest.fixture(scope="module")
def _kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def once(_kept: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder once for all tests of a module; each test gets a copy of its own, and may change it."""

    def once(make: Callable[[], object], name: str = "out") -> Path:
        folder, kept = tmp_path / name, _kept / name
        if not kept.exists():
            make()
            folder.rename(kept)
        shutil.copytree(kept, folder, symlinks=True)
        return folder

    return once


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


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the admin token, start requests fast, and repeat none."""
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    monkeypatch.setenv("WEBEX_AUDIT_RETRY_ATTEMPTS", "1")


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """The file of a client secret."""
    path = tmp_path / "client-secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A browser, by the address of its DevTools."""
    with started(tmp_path_factory.mktemp("chromium")) as address:
        yield address


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
