"""A run waits out an outage of the API or of one organization, and does not mistake an entity's fault for one."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from harness import Result, VirtualClock, Where, run_virtually, visible

from audit.errors import DeadlineError, StoppedError
from audit.simulator.app import ADMIN_TOKEN, Simulation, serve
from audit.simulator.faults import Faults, parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.webex.connection import connect
from audit.webex.errors import ApiGoneError, UnansweredError
from audit.webex.exchange import Asked
from audit.webex.outage import Outage, Witnesses
from audit.webex.pace import Ceiling, Pace
from audit.webex.rate import Belief
from audit.webex.retry import RetryPolicy
from audit.webex.terms import Terms
from audit.webex.tokens import StaticTokens, Token

Audit = Callable[..., Snapshot]
ROOMS = 120
OWN, ONE, TWO = (Organization(size, seed=seed, people=30) for seed, size in enumerate((40, 60, 50), 1))
ALL: dict[str, Any] = {"scope__all_orgs": True}
BEGIN, END = "has not answered since", "answers again, after"


@pytest.fixture
def stall_s() -> float:
    """The default of `run.stall_s`."""
    return 600.0


def content(snapshot: Snapshot) -> dict[str, Any]:
    """The tables, and the columns of coverage that do not depend on time."""
    coverage = ds.dataset(snapshot.path / "coverage", partitioning="hive").to_table()
    kept = [name for name in coverage.column_names if name not in ("tracking_id", "attempts", "fetched_at")]
    digests: dict[str, Any] = {name: table.digest for name, table in snapshot.manifest.tables.items()}
    return digests | {"coverage": coverage.select(kept).to_pylist()}


def statuses(snapshot: Snapshot) -> list[str]:
    """The status of the own organization, then those of the customers."""
    by_id = {org.webex_id or org.org_id: org for org in snapshot.manifest.orgs}
    by_name = {org.name: org.status for org in by_id.values()}
    return [by_name[each.name] for each in (OWN, ONE, TWO)]


#: Content of an undisturbed run, made once in each process of tests.
UNDISTURBED: list[dict[str, Any]] = []


@pytest.fixture
def undisturbed(audit: Audit, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """What a run over `ROOMS` workspaces leaves if nothing goes wrong."""
    if not UNDISTURBED:
        snapshot = audit(Simulation(Organization(ROOMS)), output__path=str(tmp_path / "undisturbed"))
        assert snapshot.manifest.status == "complete"
        UNDISTURBED.append(content(snapshot))
        caplog.clear()
    return UNDISTURBED[0]


class Timed(Faults):
    """Faults of a specification, and the time of each request that has none."""

    def __init__(self, spec: str = "") -> None:
        super().__init__(outages=parse(spec).outages)
        self.answered_s: list[float] = []
        self.failed_s: list[float] = []

    def next(self, url: str) -> str | None:
        kind = super().next(url)
        (self.failed_s if kind else self.answered_s).append(self.now_s())
        return kind


class Unread(Timed):
    """The same, for the settings of entities alone."""

    def next(self, url: str) -> str | None:
        return super().next(url) if "pushToTalk" in url else None


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        ("reset", 10),
        ("reset", 60),
        ("reset", 300),
        ("502", 60),
        ("503", 60),
        ("503-bare", 10),
        ("503-bare", 300),
        ("504", 60),
        ("html", 60),
        ("truncated", 60),
        ("hang", 60),
    ],
)
def test_the_tables_after_an_outage_are_those_of_an_undisturbed_run(
    kind: str, seconds: float, audit: Audit, undisturbed: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    simulation = Simulation(Organization(ROOMS), parse(f"{kind}@60+{seconds}"))
    snapshot = audit(simulation, webex__timeout_s=5.0, pace__start_rate=200)
    assert snapshot.manifest.status == "complete"
    assert content(snapshot) == undisturbed
    # Only the requests under way at the beginning, and probes at growing intervals.
    assert len(simulation.log) - ROOMS < 50 + 5 + 8 + seconds / 20
    assert [line for line in caplog.messages if BEGIN in line and "run.stall_s" in line] != []
    assert len([line for line in caplog.messages if BEGIN in line]) == 1
    assert len([line for line in caplog.messages if END in line]) == 1


@pytest.mark.few(3)
@pytest.mark.parametrize("at", [2, 3, 5, 9])
@pytest.mark.parametrize("kind", ["reset", "503-bare"])
def test_an_outage_in_the_midst_of_a_listing_is_waited_out(
    kind: str, at: int, audit: Audit, undisturbed: dict[str, Any]
) -> None:
    snapshot = audit(Simulation(Organization(ROOMS), parse(f"{kind}@{at}+60"), max_page=20))
    assert (snapshot.manifest.status, content(snapshot)) == ("complete", undisturbed)
    assert snapshot.manifest.orgs[0].name == Organization(ROOMS).name


@pytest.mark.few(3)
@pytest.mark.parametrize("concurrency", [1, 3, 50])
@pytest.mark.parametrize("attempts", [1, 6])
def test_an_outage_costs_no_tries_however_few_there_are(
    attempts: int, concurrency: int, audit: Audit, undisturbed: dict[str, Any]
) -> None:
    # Below a ceiling, time passes between requests: an answer that came after a request was sent would be no outage.
    given = {"retry__attempts": attempts, "retry__budget": 10, "pace__concurrency": concurrency, "pace__max_rate": 20}
    assert content(audit(Simulation(Organization(ROOMS), parse("reset@30+45")), **given)) == undisturbed


def test_an_outage_of_what_was_never_answered_is_one_too(audit: Audit, undisturbed: dict[str, Any]) -> None:
    snapshot = audit(Simulation(Organization(ROOMS), Unread("503-bare@1+45")))
    assert content(snapshot) == undisturbed


@pytest.mark.slow
def test_an_api_that_comes_and_goes_is_crawled_while_it_is_there(audit: Audit, undisturbed: dict[str, Any]) -> None:
    class Flapping(Faults):
        def next(self, url: str) -> str | None:
            return "reset" if "pushToTalk" in url and self.now_s() % 15 > 5 else None

    snapshot = audit(Simulation(Organization(ROOMS), Flapping()), pace__max_rate=4)
    assert content(snapshot) == undisturbed


@pytest.mark.parametrize("kind", ["reset", "hang", "500"])
@pytest.mark.slow
def test_an_outage_that_lasts_too_long_ends_the_run_and_is_resumed(
    kind: str, audit: Audit, undisturbed: dict[str, Any]
) -> None:
    simulation = Simulation(Organization(ROOMS), parse(f"{kind}@60+100000"))
    with pytest.raises(
        StoppedError, match=r"has not answered for 6\d\d s, .*run\.stall_s.*status\.webex\.com"
    ) as ended:
        audit(simulation, webex__timeout_s=5.0)
    assert (ended.value.exit_code, ended.value.is_resumable) == (5, True)
    assert len(simulation.log) < 200
    assert content(audit(Simulation(Organization(ROOMS)), is_resuming=True)) == undisturbed


@pytest.mark.parametrize("kind", ["reset", "503-bare", "hang"])
def test_an_api_that_never_answered_is_not_waited_for(kind: str, audit: Audit, tmp_path: Path) -> None:
    simulation = Simulation(Organization(5), parse(f"{kind}=1!"))
    with pytest.raises(StoppedError, match=r"after 6 tries|does not answer \(6 tries\)") as ended:
        audit(simulation, webex__timeout_s=1.0, run__deadline="2m")
    assert not isinstance(ended.value, DeadlineError)
    assert len(simulation.log) == 6
    assert visible(tmp_path / "out") == []


def test_the_next_probe_is_not_waited_for_beyond_the_deadline(audit: Audit, clock: VirtualClock) -> None:
    faults = Unread("reset@20+100000")
    with pytest.raises(
        DeadlineError, match=r"has not answered since .*; the next probe is after the deadline"
    ) as ended:
        audit(Simulation(Organization(ROOMS), faults), run__deadline="60s")
    assert ended.value.is_resumable
    assert 15 < faults.failed_s[-1] - faults.failed_s[0] < 60


@pytest.mark.parametrize("concurrency", [1, 50])
def test_a_single_entity_that_fails_for_ever_is_no_outage(
    concurrency: int, audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    organization = Organization(30, odd=False)
    ids = sorted(organization.workspace(index)["id"] for index in range(30))
    broken = [ids[0], ids[15], ids[29]]
    simulation = Simulation(organization, Where("500", *broken))
    snapshot = audit(simulation, pace__concurrency=concurrency, run__deadline="5m")
    assert snapshot.manifest.outcomes["push_to_talk"]["server_error"] == 3
    assert BEGIN not in caplog.text
    asked = [line for line in simulation.log if any(each in line for each in broken)]
    assert len(asked) == 3 * 6
    rows = ds.dataset(snapshot.path / "coverage", partitioning="hive").to_table().to_pylist()
    assert {row["attempts"] for row in rows if row["outcome"] == "server_error"} == {6}


def test_a_run_over_one_entity_that_fails_for_ever_ends_with_its_outcome(audit: Audit) -> None:
    organization = Organization(30, odd=False)
    wanted = [organization.workspace(3)["id"]]
    snapshot = audit(Simulation(organization, Where("500", "pushToTalk")), wanted=wanted, run__deadline="5m")
    assert snapshot.manifest.outcomes == {"push_to_talk": {"server_error": 1}}


@pytest.mark.slow
def test_an_outage_of_one_organization_pauses_only_that_one(audit: Audit, caplog: pytest.LogCaptureFixture) -> None:
    whole = audit(Simulation(OWN, customers=(ONE, TWO)), **ALL)
    out, others = Timed("503-bare@20+90"), Timed()
    snapshot = audit(Simulation(OWN, others, customers=(ONE, TWO), faults_of={ONE.org_id: out}), **ALL)
    assert statuses(snapshot) == ["complete"] * 3
    assert content(snapshot) == content(whole)
    assert out.answered_s[-1] - out.failed_s[0] > 90
    assert others.answered_s[-1] - out.failed_s[0] < 60
    (told,) = [line for line in caplog.messages if BEGIN in line]
    assert told.startswith(f"{ONE.name} (")


@pytest.mark.parametrize(("at", "status"), [(1, "unanswered"), (25, "partial")])
@pytest.mark.slow
def test_an_organization_that_stays_away_leaves_the_others_complete(at: int, status: str, audit: Audit) -> None:
    simulation = Simulation(OWN, customers=(ONE, TWO), faults_of={ONE.org_id: parse(f"reset@{at}+100000")})
    snapshot = audit(simulation, **ALL)
    assert statuses(snapshot) == ["complete", status, "complete"]
    (message,) = [org.message or "" for org in snapshot.manifest.orgs if org.status == status]
    assert message.startswith(f"{ONE.name} (")
    assert "has not answered for 600 s" in message


@pytest.mark.slow
def test_an_outage_of_the_whole_api_ends_the_run_of_many_organizations_once(audit: Audit) -> None:
    many = tuple(Organization(5, seed=seed, people=1) for seed in range(2, 26))
    faults = Timed("reset@40+100000")
    with pytest.raises(ApiGoneError, match="has not answered for") as ended:
        audit(Simulation(OWN, faults, customers=many), **ALL)
    assert ended.value.is_resumable
    assert faults.failed_s[-1] - faults.failed_s[0] < 700
    snapshot = audit(Simulation(OWN, customers=many), is_resuming=True, **ALL)
    assert {org.status for org in snapshot.manifest.orgs} == {"complete"}


def test_a_wait_for_the_api_is_shown_as_a_pause() -> None:
    pauses: list[float] = []

    async def main() -> None:
        clock = VirtualClock()
        simulation = Simulation(faults=parse("reset@2+40"), now_s=asyncio.get_running_loop().time)
        async with (
            serve(simulation) as url,
            connect(
                url,
                StaticTokens(Token(ADMIN_TOKEN)),
                Pace(clock),
                concurrency=5,
                timeout_s=5,
                retry=RetryPolicy(6, 30, 300),
                clock=clock,
                terms=Terms(on_pause=pauses.append),
            ) as client,
        ):
            await client.get("/people/me")
            assert (await client.get("/people/me")).status == 200

    run_virtually(main())
    assert sum(pauses) > 9  # the rest of the 40 s are random waits between the first tries
    assert max(pauses) <= 30
    assert pauses == sorted(pauses)


def test_those_who_waited_start_one_after_the_other() -> None:
    async def main() -> list[float]:
        clock = VirtualClock()
        pace = Pace(clock, Ceiling(100, 20), start_per_s=20)
        begun: list[float] = []

        async def request() -> None:
            await pace.enter()
            begun.append(clock.monotonic_s())
            pace.leave()

        pace.hold()
        tasks = [asyncio.create_task(request()) for _ in range(40)]
        await asyncio.sleep(60)
        assert begun == []
        await pace.enter(is_probe=True)
        pace.leave()
        pace.go_on()
        await asyncio.gather(*tasks)
        return begun

    begun = run_virtually(main())
    assert min(later - earlier for earlier, later in zip(begun, begun[20:], strict=False)) >= 1 - 1e-6


def test_the_rate_after_an_outage_is_that_before() -> None:
    async def main() -> tuple[float, float]:
        pace = Pace(VirtualClock())
        pace.start_from(Belief("rate", 80.0))
        before = pace.rate_per_s
        pace.hold()
        await asyncio.sleep(3600)
        pace.go_on()
        return before, pace.rate_per_s

    before, after = run_virtually(main())
    assert before == after


def test_probes_are_sent_at_a_growing_distance_until_the_end() -> None:
    outage = Outage(stall_s=100)
    outage.on_failure(sent_at_s=10)
    assert outage.probe_in_s(11) == 0
    distances = []
    for _ in range(8):
        outage.on_probe_failure()
        distances.append(outage.probe_in_s(11))
    for distance_s, most_s in zip(distances, (1, 2, 4, 8, 16, 30, 30, 30), strict=True):
        assert 0.75 * most_s <= distance_s <= most_s
    assert outage.probe_in_s(109) <= 1
    assert (outage.end_s, outage.is_on) == (110, True)
    assert repr(outage) == "<Outage on, 1 failures in a row, 8 probes>"
    outage.on_answer(50)
    assert outage.is_on, "an answer may have been under way"
    outage.on_answer(60, is_probe=True)
    assert not outage.is_on
    assert [outage.covers(at_s) for at_s in (9, 10, 60, 61)] == [False, True, True, False]
    assert repr(outage) == "<Outage off, 0 failures in a row, 0 probes>"


def test_failures_are_suspected_in_a_row_or_at_the_last_try() -> None:
    outage = Outage()
    for _ in range(10):
        outage.on_failure(1)
        outage.on_answer(2)
    assert not outage.is_suspected(is_last=False)
    assert outage.is_suspected(is_last=True)
    assert outage.has_answered_since(1)
    assert not outage.has_answered_since(3)
    for _ in range(5):
        outage.on_failure(3)
    assert outage.is_suspected(is_last=False)


def test_a_probe_asks_for_what_was_answered() -> None:
    def read(number: int, what: str = "pushToTalk") -> Asked:
        return Asked(f"https://h/v1/workspaces/{number:040d}/{what}?orgId=x")

    me = Asked("https://h/v1/people/me")
    witnesses = Witnesses()
    assert witnesses.choose(read(1), 0) == read(1)
    witnesses.on_answer(me)
    witnesses.on_failure(read(1))
    assert witnesses.choose(read(1), 0) == me
    for number in range(30):
        witnesses.on_failure(read(number))
    assert witnesses.choose(read(1), 0) == read(1)
    for number in range(100, 103):
        witnesses.on_answer(read(number))
    assert [witnesses.choose(read(1), turn) for turn in range(4)] == [read(102), read(101), read(100), read(102)]
    assert witnesses.choose(read(1, "other"), 0) == read(102)
    assert repr(witnesses) == "<Witnesses 4 answered, 20 failed>"


def test_a_renewal_of_the_token_that_is_not_answered_is_waited_for() -> None:
    class Renewed(StaticTokens):
        failures = 10

        async def renew(self, refused: Token) -> Token:
            self.failures -= 1
            if self.failures > 0:
                raise UnansweredError("the token endpoint does not answer")
            self._token = Token(ADMIN_TOKEN)
            return self._token

    async def main() -> Any:
        clock = VirtualClock()
        simulation = Simulation(now_s=asyncio.get_running_loop().time)
        tokens = Renewed(Token("expires"))
        simulation.tokens["expires"] = simulation.tokens[ADMIN_TOKEN]
        async with (
            serve(simulation) as url,
            connect(
                url, tokens, Pace(clock), concurrency=5, timeout_s=5, retry=RetryPolicy(2, 30, 300), clock=clock
            ) as client,
        ):
            await client.get("/people/me")
            del simulation.tokens["expires"]
            return [answer.status for answer in await asyncio.gather(*(client.get("/people/me") for _ in range(20)))]

    assert run_virtually(main()) == [200] * 20


@pytest.mark.slow
def test_a_real_process_waits_for_a_real_server(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stack = AsyncExitStack()
    simulation = Simulation(Organization(1500, odd=False))

    def call(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(timeout=30)

    try:
        url = call(stack.enter_async_context(serve(simulation)))
        command = [sys.executable, "-m", "audit", "run", "--base-url", url, "--output", str(tmp_path / "out")]
        environment = {"WEBEX_ACCESS_TOKEN": ADMIN_TOKEN, "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            while len(simulation.log) < 60:
                time.sleep(0.01)
            call(stack.aclose())
            time.sleep(2.5)
            call(stack.enter_async_context(serve(simulation, port=int(url.rpartition(":")[2].partition("/")[0]))))
            _, told = process.communicate(timeout=60)
    finally:
        call(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert process.returncode == 0, told
    assert told.count(BEGIN) == told.count(END) == 1


def test_the_command_says_how_long_it_waited_and_how_to_go_on(
    api: Callable[[Simulation], str], webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_RUN_STALL_S", "1")
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    url = api(Simulation(Organization(ROOMS), parse("reset@50+1000")))
    result = webex_audit("run", "--base-url", url)
    assert result.code == 5
    assert "has not answered for 1 s, the longest wait (run.stall_s)" in result.err
    assert "go on with: webex-audit run" in result.err
