"""Organizations as tasks of a real cluster of several processes: the same tables, whichever process dies."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest
from harness import Result, visible

pytest.importorskip("distributed")

import distributed
import hypothesis.strategies as st
import psutil
from dask_processes import Processes, wait_until
from hypothesis import given

from audit.errors import StoppedError
from audit.output.held import Held as HeldLock
from audit.run.cluster.driver import shares
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import Faults, parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.webex.ids import uuid_of

pytestmark = pytest.mark.slow

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
OWN, ONE, TWO = (Organization(size, seed=seed, people=5) for seed, size in enumerate((30, 110, 50), 1))
TABLES = ("push_to_talk", "push_to_talk_members", "workspace_devices")
WHOLE: dict[str, Any] = {}


class Held(Faults):
    """Answers to an organization's reads, from the n-th on, that do not come until they are let go."""

    def __init__(self, behind: int) -> None:
        super().__init__()
        self.behind = behind
        self.asked = 0

    def next(self, url: str) -> str | None:
        if "pushToTalk" not in url:
            return None
        self.asked += 1
        return "slow" if self.asked > self.behind else None

    def let_go(self) -> None:
        self.behind = sys.maxsize


def errors_in(result: Result) -> int:
    """The lines on standard error that are not warnings, such as that of a scheduler without TLS."""
    return sum(not line.startswith("webex-audit: warning: ") for line in result.err.splitlines())


@pytest.fixture(scope="module")
def start_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Processes]]:
    started: list[Processes] = []

    def start() -> Processes:
        started.append(Processes(tmp_path_factory.mktemp("dask")))
        started[-1].wait()
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="module")
def shared(start_processes: Callable[[], Processes]) -> Processes:
    return start_processes()


@pytest.fixture
def cluster(shared: Processes) -> Processes:
    """A scheduler with two workers, also where a test before has killed one."""
    for name in [name for name, process in shared.workers.items() if process.poll() is not None]:
        del shared.workers[name]
    while len(shared.workers) < 2:
        shared.add_worker()
    return shared


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.run.engine._SPREAD_S", 0.01)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    # With few requests at once, reads follow the inventory closely, and a batch is complete before the next begins.
    monkeypatch.setenv("WEBEX_AUDIT_CONCURRENCY", "10")


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text(ADMIN_TOKEN)
    return path


def partner(**options: Any) -> Simulation:
    return Simulation(OWN, customers=(ONE, TWO), **options)


def uuid(organization: Organization) -> str:
    return uuid_of(organization.org_id) or ""


def content(snapshot: Snapshot) -> dict[str, Any]:
    digests: dict[str, Any] = {name: table.digest for name, table in snapshot.manifest.tables.items()}
    return digests | {f"{name}.csv": (snapshot.path / f"{name}.csv").read_bytes() for name in TABLES}


@pytest.fixture
def whole(api: Api, webex_audit: Command, tmp_path: Path) -> dict[str, Any]:
    """What the local engine leaves of the same organizations."""
    if WHOLE:
        return WHOLE
    (tmp_path / "local-token").write_text(ADMIN_TOKEN)
    arguments = ("--base-url", api(partner()), "--token-file", "local-token", "--output", "local", "--all-orgs")
    assert webex_audit("run", *arguments).code == 0
    WHOLE.update(content(list_snapshots(tmp_path / "local")[0]))
    return WHOLE


@pytest.fixture
def run_on(webex_audit: Command, token_file: Path) -> Command:
    def run_on(processes: Processes, url: str, *arguments: str) -> Result:
        engine = ("--engine", "dask", "--scheduler", processes.address)
        return webex_audit("run", *engine, "--base-url", url, "--token-file", str(token_file), "--all-orgs", *arguments)

    return run_on


def taken(tmp_path: Path) -> Snapshot:
    (snapshot,) = list_snapshots(tmp_path / "snapshots")
    return snapshot


class Timed(Faults):
    """No faults, and the times of all reads."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def next(self, url: str) -> str | None:
        self.times.append(monotonic())
        return None


def test_the_tables_are_those_of_the_local_engine_and_the_ceiling_holds(
    cluster: Processes, run_on: Command, api: Api, whole: dict[str, Any], tmp_path: Path
) -> None:
    simulation = partner(faults=Timed())
    result = run_on(cluster, api(simulation), "--max-rate", "60")
    assert result.code == 0, result.err
    assert content(taken(tmp_path)) == whole
    times = simulation.faults.times  # type: ignore[attr-defined]
    # Requests may arrive a little closer together than they were sent.
    assert max(bisect_left(times, begun + 0.95) - place for place, begun in enumerate(times)) <= 60
    assert taken(tmp_path).manifest.requests.total == len(simulation.log)
    assert "inventory of " in result.err
    assert "190 of 190 entities" in result.err
    assert ADMIN_TOKEN not in result.out + result.err + cluster.printed


def in_background(run: Callable[[], Result]) -> Callable[[], Result]:
    """Begin a command; what is returned waits for its end."""
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(run()))
    thread.start()

    def end() -> Result:
        thread.join(60)
        return results[0]

    return end


def parts_of(tmp_path: Path, organization: Organization) -> list[Path]:
    return list((tmp_path / "snapshots").glob(f"*/parts/{uuid(organization)}/*/*/0*.coverage.arrow"))


def reads_of(simulation: Simulation, organization: Organization) -> list[str]:
    return [line for line in simulation.log if organization.org_id in line and "pushToTalk" in line]


def are_kept(tmp_path: Path, reads: list[str]) -> bool:
    """Whether the answers to these reads are in files that wait for the part of their batch."""
    files = (tmp_path / "snapshots").glob("*/parts/*/*/*/*.answers")
    kept = b""
    for file in files:
        with suppress(FileNotFoundError):
            kept += file.read_bytes()
    return all(read.partition("/pushToTalk")[0].rpartition("/")[2].encode() in kept for read in reads)


def worker_at(client: "distributed.Client", organization: Organization) -> str:
    """The name of the worker that an organization is at."""
    names = {address: worker["name"] for address, worker in client.scheduler_info()["workers"].items()}
    at = [names[address] for address, keys in client.processing().items() if uuid(organization) in str(keys)]
    return str(at[0])


def test_a_worker_that_dies_loses_nothing_and_doubles_nothing(
    cluster: Processes, run_on: Command, api: Api, whole: dict[str, Any], tmp_path: Path
) -> None:
    held = Held(70)
    simulation = partner(faults_of={ONE.org_id: held}, slow_s=1000)
    url = api(simulation)
    end = in_background(lambda: run_on(cluster, url))
    wait_until(lambda: len(parts_of(tmp_path, ONE)) >= 2)
    with distributed.Client(cluster.address, set_as_default=False) as client:

        def tasks(dask_scheduler: Any) -> bytes:
            return pickle.dumps([(str(task.key), task.run_spec) for task in dask_scheduler.tasks.values()])

        graph = client.run_on_scheduler(tasks)
        assert uuid(ONE).encode() in graph
        assert ADMIN_TOKEN.encode() not in graph
        dying = cluster.workers[worker_at(client, ONE)]
        told = str(client.get_events()) + str(client.get_worker_logs()) + str(client.get_scheduler_logs())
        assert ADMIN_TOKEN not in told
    # All that the worker may ask at once is held, and all that was answered before is kept.
    wait_until(lambda: held.asked == 80 and are_kept(tmp_path, reads_of(simulation, ONE)[65:70]))
    held.let_go()
    dying.kill()
    result = end()
    assert result.code == 0, result.err
    assert content(taken(tmp_path)) == whole
    assert visible(tmp_path / "snapshots") == [taken(tmp_path).path.name]
    reads = Counter(reads_of(simulation, ONE))
    assert sum(reads.values()) == len(reads) + 10
    assert taken(tmp_path).manifest.requests.total <= len(simulation.log)


def test_a_worker_that_was_only_believed_dead_writes_into_no_snapshot(
    cluster: Processes, run_on: Command, api: Api, webex_audit: Command, whole: dict[str, Any], tmp_path: Path
) -> None:
    held = Held(70)
    end = in_background(lambda: run_on(cluster, api(partner(faults_of={ONE.org_id: held}, slow_s=1000))))
    wait_until(lambda: len(parts_of(tmp_path, ONE)) >= 2)
    with distributed.Client(cluster.address, set_as_default=False) as client:
        name = worker_at(client, ONE)
        paused = cluster.workers.pop(name)
        paused.send_signal(signal.SIGSTOP)

        async def believe_dead(dask_scheduler: Any) -> None:
            (address,) = [each.address for each in dask_scheduler.workers.values() if each.name == name]
            await dask_scheduler.remove_worker(address, stimulus_id="no-heartbeat", close=False)

        client.run_on_scheduler(believe_dead)
        held.let_go()
        result = end()
    assert result.code == 0, result.err
    snapshot = taken(tmp_path)
    before = {path: path.read_bytes() for path in snapshot.path.rglob("*") if path.is_file()}
    paused.send_signal(signal.SIGCONT)
    # The worker goes on with its organization and notices that the driver no longer waits.
    paused.terminate()
    with suppress(subprocess.TimeoutExpired):
        paused.wait(10)
    paused.kill()
    paused.wait()
    assert {path: path.read_bytes() for path in snapshot.path.rglob("*") if path.is_file()} == before
    assert content(snapshot) == whole
    assert webex_audit("verify", "latest").code == 0
    assert visible(tmp_path / "snapshots") == [snapshot.path.name]


def test_an_organization_whose_workers_die_leaves_the_others_complete(
    cluster: Processes, run_on: Command, api: Api, webex_audit: Command, tmp_path: Path, whole: dict[str, Any]
) -> None:
    held = Held(50)
    url = api(partner(faults_of={ONE.org_id: held}, slow_s=1000))
    end = in_background(lambda: run_on(cluster, url))
    wait_until(lambda: len(parts_of(tmp_path, ONE)) >= 2)

    def allow(failures: int) -> Callable[[Any], int]:
        def set_on(dask_scheduler: Any) -> int:
            before, dask_scheduler.allowed_failures = dask_scheduler.allowed_failures, failures
            return int(before)

        return set_on

    with distributed.Client(cluster.address, set_as_default=False) as client:
        allowed = client.run_on_scheduler(allow(0))
        cluster.workers[worker_at(client, ONE)].kill()
        result = end()
        client.run_on_scheduler(allow(allowed))
    assert result.code == 3, result.err
    statuses = {org.org_id: (org.status, org.message or "") for org in taken(tmp_path).manifest.orgs}
    assert {org_id: status for org_id, (status, _) in statuses.items()} == {
        uuid(OWN): "complete",
        uuid(ONE): "partial",
        uuid(TWO): "complete",
    }
    assert "its worker died once, last at " in statuses[uuid(ONE)][1]
    held.let_go()
    again = webex_audit("run", "--retry-failed", "latest", "--base-url", url, "--token-file", "token")
    assert again.code == 0, again.err
    assert content(list_snapshots(tmp_path / "snapshots")[-1]) == whole


def test_what_a_worker_can_not_do_stops_the_run_in_one_line(
    cluster: Processes, run_on: Command, api: Api, webex_audit: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Revoked(Organization):
        def push_to_talk(self, index: int) -> Any:
            simulation.tokens.clear()
            return super().push_to_talk(index)

    simulation = Simulation(OWN, customers=(ONE, Revoked(50, seed=3)))
    refused = run_on(cluster, api(simulation))
    assert refused.code == 4
    assert "the access token is refused (401)" in refused.err
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    engine = ("--engine", "dask", "--scheduler", cluster.address)
    without = webex_audit("run", *engine, "--base-url", api(partner()), "--all-orgs", "--quiet")
    assert (without.code, errors_in(without)) == (2, 1)
    assert "error: worker tcp://127.0.0.1:" in without.err
    assert "no access token: 'webex-audit login'" in without.err


def test_one_failing_organization_leaves_the_others_complete(
    cluster: Processes,
    run_on: Command,
    api: Api,
    whole: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEBEX_AUDIT_RUN_STALL_S", "2")
    dead = partner(faults_of={ONE.org_id: parse("500=1!")}, refused_organizations=frozenset({TWO.org_id}))
    result = run_on(cluster, api(dead))
    assert result.code == 3, result.err
    statuses = {org.org_id: org.status for org in taken(tmp_path).manifest.orgs}
    assert statuses == {uuid(OWN): "complete", uuid(ONE): "unanswered", uuid(TWO): "refused"}
    assert f"organization {uuid(TWO)}" in result.err
    again = run_on(cluster, api(partner()), "--retry-failed", "latest")
    assert again.code == 0, again.err
    assert content(list_snapshots(tmp_path / "snapshots")[-1]) == whole


def test_a_worker_of_another_version_is_refused(
    start_processes: Callable[[], Processes], run_on: Command, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "other" / "webex_audit-0.0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: webex-audit\nVersion: 0.0.1\n")
    processes = start_processes()
    monkeypatch.setattr("audit.run.cluster.connection._FIRST_WORKER_S", 0.1)
    lonely = run_on(processes, api(partner()), "--quiet")
    assert (lonely.code, errors_in(lonely)) == (5, 1)
    assert "has no workers after" in lonely.err
    monkeypatch.setattr("audit.run.cluster.connection._FIRST_WORKER_S", 60.0)
    processes.add_worker(PYTHONPATH=str(info.parent))
    result = run_on(processes, api(partner()), "--quiet")
    assert (result.code, errors_in(result)) == (2, 1)
    assert "has webex-audit 0.0.1, this machine has" in result.err


def test_a_cluster_that_has_lost_all_workers_ends_the_run_resumably(
    start_processes: Callable[[], Processes], run_on: Command, api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("audit.run.cluster.driver._LOOK_EVERY_S", 0.1)
    processes = start_processes()
    name = processes.add_worker()
    url = api(partner(faults_of={ONE.org_id: Held(50)}, slow_s=1000))
    monkeypatch.setenv("WEBEX_AUDIT_RUN_STALL_S", "3")
    end = in_background(lambda: run_on(processes, url, "--quiet"))
    wait_until(lambda: len(parts_of(tmp_path, ONE)) >= 2)
    processes.workers[name].kill()
    result = end()
    assert (result.code, errors_in(result)) == (5, 1), result.err
    assert "the Dask cluster has had no workers for 3 s; go on with: webex-audit run" in result.err


def test_a_run_that_has_lost_its_lock_ends_its_workers_too(
    cluster: Processes, run_on: Command, api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    is_lost = threading.Event()

    class Lock(HeldLock):
        def check(self) -> None:
            if is_lost.is_set():
                raise StoppedError("the lock was lost")

    @contextmanager
    def lock(output: Path, **_: bool) -> Iterator[Lock]:
        output.mkdir()
        yield Lock()

    monkeypatch.setattr("audit.run.run.lock", lock)
    monkeypatch.setattr("audit.run.cluster.driver._LOOK_EVERY_S", 0.1)
    url = api(partner(faults_of={ONE.org_id: Held(50)}, slow_s=1000))
    end = in_background(lambda: run_on(cluster, url, "--quiet"))
    wait_until(lambda: len(parts_of(tmp_path, ONE)) >= 2)
    is_lost.set()
    result = end()
    assert result.code == 5, result.err
    assert "the lock was lost" in result.err.splitlines()[-1]
    assert list_snapshots(tmp_path / "snapshots") == []


def test_a_scheduler_that_dies_or_never_was_ends_the_run_resumably(
    start_processes: Callable[[], Processes],
    run_on: Command,
    api: Api,
    whole: dict[str, Any],
    webex_audit: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("audit.run.cluster.connection._CONNECT_S", 2.0)
    processes = start_processes()
    processes.add_worker()
    held = Held(50)
    url = api(partner(faults_of={ONE.org_id: held}, slow_s=1000))
    end = in_background(lambda: run_on(processes, url, "--quiet"))
    wait_until(lambda: len(parts_of(tmp_path, ONE)) >= 2)
    processes.scheduler.kill()
    result = end()
    assert (result.code, errors_in(result)) == (5, 1), result.err
    assert "the Dask scheduler is gone; go on with: webex-audit run" in result.err
    gone = run_on(processes, url, "--quiet", "--output", "elsewhere")
    assert (gone.code, errors_in(gone)) == (5, 1)
    assert "has not answered for 2 s" in gone.err
    held.let_go()
    resumed = webex_audit("run", "--resume", "--base-url", url, "--token-file", "token", "--all-orgs")
    assert resumed.code == 0, resumed.err
    assert content(taken(tmp_path)) == whole


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A run on a cluster of its own, in a process group of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(url: str, *arguments: str) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "audit",
            "run",
            "--engine",
            "dask",
            "--base-url",
            url,
            "--all-orgs",
            *arguments,
        ]
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # The files of a killed process are removed with the test.
        environment = os.environ | {"WEBEX_ACCESS_TOKEN": ADMIN_TOKEN, "TMPDIR": str(tmp_path)}
        started.append(
            subprocess.Popen(command, text=True, cwd=tmp_path, env=environment, start_new_session=True, **pipes)
        )
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def test_a_cluster_of_this_machine_leaves_the_same_tables_and_no_process(
    driver: Callable[..., subprocess.Popen[str]], api: Api, whole: dict[str, Any], tmp_path: Path
) -> None:
    run = driver(api(partner()), "--json")
    out, err = run.communicate(timeout=100)
    assert run.returncode == 0, err
    assert json.loads(out)["status"] == "complete"
    assert content(taken(tmp_path)) == whole
    assert all(line.startswith("webex-audit: ") for line in err.splitlines())
    wait_until(lambda: not members_of(run.pid))
    assert not list(tmp_path.glob("dask-*")) + list(tmp_path.glob("webex-audit-*"))


def members_of(session: int) -> list[psutil.Process]:
    """The processes of a session."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return found


@pytest.mark.few(2)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_signal_ends_driver_and_workers_resumably(
    number: signal.Signals,
    driver: Callable[..., subprocess.Popen[str]],
    api: Api,
    whole: dict[str, Any],
    webex_audit: Command,
    token_file: Path,
    tmp_path: Path,
) -> None:
    held = Held(60)
    url = api(partner(faults_of={ONE.org_id: held}, slow_s=1000))
    run = driver(url, "--quiet")
    wait_until(lambda: list((tmp_path / "snapshots").glob(f"*/parts/{uuid(ONE)}/*/*/inventory.arrow")))
    wait_until(lambda: held.asked > 60)
    if number is signal.SIGINT:
        # On Ctrl-C, the terminal sends the signal to all processes.
        os.killpg(run.pid, number)
    else:
        run.send_signal(number)
    _, err = run.communicate(timeout=60)
    if number is not signal.SIGKILL:
        assert (run.returncode, err.count("\n")) == (5, 1), err
        title = "Ctrl-C" if number is signal.SIGINT else "SIGTERM"
        assert f"stopped ({title}) before the commit; go on with: webex-audit run --engine dask" in err
    wait_until(lambda: members_of(run.pid) == [])
    held.let_go()
    resumed = webex_audit("run", "--resume", "--base-url", url, "--token-file", str(token_file), "--all-orgs")
    assert resumed.code == 0, resumed.err
    assert content(taken(tmp_path)) == whole


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--scheduler", "tcp://127.0.0.1:8786"], "add --engine dask"),
        (["--engine", "dask", "--scheduler", "nonsense://x"], "--scheduler nonsense://x: "),
        (["--engine", "spark"], "--engine: 'spark' is none of local, dask"),
    ],
)
def test_an_engine_that_can_not_be_is_told_in_a_line(
    arguments: list[str], told: str, api: Api, webex_audit: Command, token_file: Path
) -> None:
    url = api(partner())
    result = webex_audit("run", "--quiet", "--base-url", url, "--token-file", str(token_file), "--all-orgs", *arguments)
    assert (result.code, errors_in(result)) == (2, 1), result.err
    assert told in result.err


def test_an_address_of_another_server_is_told_in_a_line(api: Api, webex_audit: Command, token_file: Path) -> None:
    url = api(partner())
    arguments = ("--base-url", url, "--token-file", str(token_file), "--all-orgs", "--engine", "dask")
    result = webex_audit("run", "--quiet", *arguments, "--scheduler", f"tcp://{urlsplit(url).netloc}")
    assert (result.code, errors_in(result)) == (2, 1), result.err
    assert "the server there is not a Dask scheduler" in result.err


def test_audio_options_are_read_by_this_process(api: Api, webex_audit: Command, token_file: Path) -> None:
    arguments = ("--base-url", api(partner()), "--token-file", str(token_file), "--dataset", "audio-options")
    assert webex_audit("run", "--engine", "dask", "--scheduler", "tcp://127.0.0.1:1", *arguments).code == 0


@given(st.none() | st.floats(0.01, 10_000), st.integers(1, 300))
def test_shares_stay_below_the_ceiling_together(max_rate: float | None, places: int) -> None:
    found = shares(max_rate, places)
    assert 1 <= len(found) <= places
    if max_rate is None:
        assert found == [None] * places
    else:
        rates = [rate for rate in found if rate is not None]
        assert sum(rates) <= max_rate
        assert sum(rates) > max_rate - 1
        # A ceiling below one request per second says nothing about a single second.
        assert len(rates) == 1 or all(rate >= 1 and rate.is_integer() for rate in rates)
