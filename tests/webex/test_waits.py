"""A wait that the API asks for holds up those whom it concerns, and nobody else."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pyarrow.dataset as ds
import pytest
from aiohttp import web
from harness import Result, VirtualClock, Where, run_virtually, without

from audit.errors import DeadlineError
from audit.outcome import Outcome
from audit.simulator.answers import FAULTY_ANSWERS
from audit.simulator.app import ADMIN_TOKEN, Simulation, serve
from audit.simulator.faults import KINDS, Faults, parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.webex.answer import Answer
from audit.webex.client import Client
from audit.webex.connection import connect
from audit.webex.errors import UnansweredError
from audit.webex.exchange import Try
from audit.webex.pace import Pace
from audit.webex.paging import pages
from audit.webex.retry import RetryPolicy
from audit.webex.terms import Terms
from audit.webex.tokens import StaticTokens, Token
from audit.webex.verdict import Verdict
from audit.webex.waits import Patience, Wait, Whose, asked_wait

Audit = Callable[..., Snapshot]
OWN, ONE, TWO = (Organization(size, seed=seed, people=30) for seed, size in enumerate((40, 60, 50), 1))
ALL: dict[str, Any] = {"scope__all_orgs": True}
LOCKED, OTHER = "/people/me", "/organizations"


@pytest.fixture
def stall_s() -> float:
    """The default of `run.stall_s`."""
    return 600.0


def use(faults: Faults, clock: VirtualClock, work: Callable[[Client], Awaitable[Any]], **options: Any) -> Any:
    given: dict[str, Any] = {"retry": RetryPolicy(6, 30, 300), "terms": Terms(is_known=True)} | options

    async def main() -> Any:
        async with (
            serve(Simulation(faults=faults, now_s=clock.monotonic_s)) as url,
            connect(
                url,
                StaticTokens(Token(ADMIN_TOKEN)),
                Pace(clock, start_per_s=200),
                concurrency=5,
                timeout_s=5,
                clock=clock,
                **given,
            ) as client,
        ):
            return await work(client)

    return run_virtually(main())


def side_by_side(
    clock: VirtualClock, *, is_answered_before: bool = False
) -> Callable[[Client], Awaitable[tuple[Answer, list[float]]]]:
    """One request that has to wait, and others after it; each time is in seconds since the beginning."""

    async def work(client: Client) -> tuple[Answer, list[float]]:
        if is_answered_before:
            await client.get(OTHER)
        began_s = clock.monotonic_s()
        locked = asyncio.create_task(client.get(LOCKED))
        await clock.sleep(0.1)
        took_s = []
        for _ in range(10):
            await client.get(OTHER)
            took_s.append(clock.monotonic_s() - began_s)
        return await locked, [*took_s, clock.monotonic_s() - began_s]

    return work


def answers(status: int, **headers: str) -> Callable[[], web.Response]:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda: web.json_response({"message": "Not now."}, status=status, headers=named)


def tried(status: int, retry_after_s: float | None = None, *, is_retryable: bool = True) -> Try:
    verdict = Verdict(Outcome.THROTTLED if status in (423, 429) else Outcome.SERVER_ERROR, is_retryable)
    return Try(verdict, status, retry_after_s=retry_after_s)


@pytest.mark.parametrize("status", [408, 423, 425, 499, 500, 502, 504, 520, 599])
def test_a_wait_concerns_the_request_alone(status: int) -> None:
    assert asked_wait(tried(status, 9)) == Wait(Whose.REQUEST, 9)


@pytest.mark.parametrize(("status", "whose"), [(429, Whose.LIMIT), (503, Whose.ORGANIZATION)])
def test_a_wait_concerns_all_requests(status: int, whose: Whose) -> None:
    assert asked_wait(tried(status, 9)) == Wait(whose, 9)


def test_an_answer_without_a_time_asks_for_a_wait_only_if_it_says_so_otherwise() -> None:
    assert asked_wait(tried(429)) == Wait(Whose.LIMIT, 5)
    waits = [asked_wait(tried(423)) for _ in range(50)]
    assert {wait.whose for wait in waits if wait} == {Whose.REQUEST}
    assert all(wait and 0 <= wait.wait_s <= 5 for wait in waits)
    assert [asked_wait(tried(status)) for status in (408, 500, 503)] == [None] * 3


@pytest.mark.parametrize("status", [200, 403, 404])
def test_an_answer_that_is_final_asks_for_no_wait(status: int) -> None:
    assert asked_wait(tried(status, 9, is_retryable=False)) is None


def test_patience_is_for_the_waits_of_one_request_together() -> None:
    patience, wait = Patience(100, Terms(1000)), Wait(Whose.REQUEST, 40)
    for _ in range(2):
        assert patience.refusal(wait, 0) is None
        patience.spend(wait)
    assert "a request waits 100 s at most (run.stall_s)" in (patience.refusal(wait, 0) or "")
    assert "beyond the deadline" in (Patience(100, Terms(1000)).refusal(wait, 956) or "")
    assert Patience(100, Terms(1000)).refusal(wait, 955) is None
    assert all(patience.refusal(Wait(whose, 9e9), 0) is None for whose in (Whose.LIMIT, Whose.ORGANIZATION))
    assert patience.refusal(None, 0) is None


@pytest.mark.parametrize(
    ("kind", "least_s"), [("423", 0), ("423-seconds", 1), ("423-date", 0), ("423-long", 600), ("500-long", 120)]
)
def test_a_request_that_has_to_wait_holds_up_no_other(
    kind: str, least_s: float, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "audit")
    pauses: list[float] = []
    terms = Terms(on_pause=pauses.append, is_known=True)
    answer, times_s = use(parse(f"{kind}@1"), clock, side_by_side(clock), terms=terms)
    assert (answer.outcome, answer.attempts, pauses) == (Outcome.OK, 2, [])
    assert times_s[-2] < 0.6
    assert least_s <= times_s[-1] < least_s + 6
    logged = [f"the API asks a request to wait {least_s:.0f} s; the others go on"] if least_s > 30 else []
    assert [line for line in caplog.messages if "to wait" in line] == logged


@pytest.mark.parametrize("status", [500, 502, 504, 520])
def test_a_server_error_other_than_503_speaks_of_its_request(
    status: int, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAULTY_ANSWERS, "500", answers(status, Retry_After="33"))
    answer, times_s = use(parse("500@1"), clock, side_by_side(clock))
    assert (answer.outcome, answer.attempts) == (Outcome.OK, 2)
    assert times_s[-2] < 0.6
    assert 33 <= times_s[-1] < 34


@pytest.mark.parametrize(
    ("kind", "pause_s"), [("503", 1), ("503-long", 120), ("429", 1), ("429-absent", 5), ("429-long", 194)]
)
def test_a_limit_and_a_503_hold_up_all_requests(kind: str, pause_s: float, clock: VirtualClock) -> None:
    pauses: list[float] = []
    beliefs: list[object] = []

    async def work(client: Client) -> Any:
        try:
            return await side_by_side(clock)(client)
        finally:
            beliefs.append(client.pace.belief)

    terms = Terms(on_pause=pauses.append, is_known=True)
    answer, times_s = use(parse(f"{kind}@1"), clock, work, terms=terms)
    assert answer.outcome is Outcome.OK
    assert pauses == [pytest.approx(pause_s, abs=0.01)]
    assert times_s[0] >= pause_s
    # Only a limit teaches the pace something.
    assert (beliefs[0] is not None) == kind.startswith("429")


@pytest.mark.parametrize(
    ("kind", "deadline_s", "attempts", "reason"),
    [
        ("423-hours", float("inf"), 1, "14400 s (Retry-After), and a request waits 600 s at most"),
        ("423-hours", 3600, 1, "14400 s (Retry-After), which is beyond the deadline"),
        ("423-long", float("inf"), 2, "a request waits 600 s at most"),
        ("423-seconds", 10, 6, "beyond the deadline"),
        ("423-seconds", float("inf"), 30, ""),
    ],
)
def test_a_request_that_is_locked_for_good_is_given_up(
    kind: str, deadline_s: float, attempts: int, reason: str, clock: VirtualClock
) -> None:
    async def work(client: Client) -> tuple[Answer, float]:
        began_s = clock.monotonic_s()
        answer = await client.get(LOCKED)
        assert client.count.retried == client.count.total - 1
        return answer, clock.monotonic_s() - began_s

    terms = Terms(deadline_at_s=1000.2 + deadline_s, is_known=True)
    answer, took_s = use(Where(kind, LOCKED), clock, work, terms=terms)
    assert (answer.outcome, answer.status, answer.attempts) == (Outcome.THROTTLED, 423, attempts)
    assert (answer.message or "").startswith("Locked.")
    assert reason in (answer.message or "")
    assert took_s < min(deadline_s, 660) + 0.1


def test_a_server_error_with_a_wait_of_hours_is_given_up_as_one(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAULTY_ANSWERS, "500", answers(500, Retry_After="7200"))
    answer, times_s = use(Where("500", LOCKED), clock, side_by_side(clock, is_answered_before=True))
    assert (answer.outcome, answer.attempts) == (Outcome.SERVER_ERROR, 1)
    assert "Not now.; the API asks to wait 7200 s (Retry-After)" in (answer.message or "")
    assert times_s[-1] < 1


@pytest.mark.parametrize("kind", ["503-long", "429-long"])
def test_a_wait_of_all_requests_beyond_the_deadline_ends_them(kind: str, clock: VirtualClock) -> None:
    with pytest.raises(DeadlineError, match=r"asks to wait \d+ s \(Retry-After\), which is beyond the deadline"):
        use(parse(f"{kind}@1"), clock, side_by_side(clock), terms=Terms(deadline_at_s=1060, is_known=True))


def test_a_pause_of_a_gateway_that_answers_nothing_else_is_obeyed_by_the_probes(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAULTY_ANSWERS, "500", answers(502, Retry_After="50"))
    faults = parse("500@2+120")

    async def work(client: Client) -> tuple[list[Answer], int]:
        await client.get(OTHER)
        found = await asyncio.gather(*(client.get(f"{OTHER}?n={number}") for number in range(20)))
        return found, client.count.total

    found, requests = use(faults, clock, work)
    assert {answer.outcome for answer in found} == {Outcome.OK}
    assert requests < 21 + 20 + 6


class Timed(Faults):
    """One kind of fault for the first requests of a kind, and the time of each answer without a fault."""

    def __init__(self, kind: str, text: str = "", times: float = 0) -> None:
        super().__init__()
        self._kind, self._text, self._left = kind, text.lower(), times
        self.answered_s: list[float] = []

    def next(self, url: str) -> str | None:
        if self._text in url.lower() and self._left > 0:
            self._left -= 1
            return self._kind
        self.answered_s.append(self.now_s())
        return None


@pytest.mark.parametrize("path", ["/workspaces?", "/locations", "/licenses"])
def test_a_locked_listing_is_waited_for(path: str, audit: Audit) -> None:
    snapshot = audit(Simulation(Organization(30), Timed("423-long", path, 1)))
    assert snapshot.manifest.status == "complete"


def test_a_listing_that_is_locked_for_hours_is_told(clock: VirtualClock) -> None:
    async def work(client: Client) -> None:
        async for _ in pages(client, "/workspaces", {}, "items", scope="a-scope"):
            pass

    reason = r"/workspaces can't be read: HTTP 423 after 1 try: Locked\.; the API asks to wait 14400 s"
    with pytest.raises(UnansweredError, match=reason):
        use(Where("423-hours", "/workspaces"), clock, work)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("kind", "text", "waits_s"),
    [
        ("503-long", "pushToTalk", 120),
        ("429-long", "pushToTalk", 194),
        ("423-long", "/workspaces?", 600),
        ("503-long", "/workspaces?", 120),
        ("429-long", "/locations", 194),
    ],
)
@pytest.mark.slow
def test_a_wait_of_one_organization_holds_up_no_other(kind: str, text: str, waits_s: float, audit: Audit) -> None:
    waiting, others = Timed(kind, text, 1), Timed("")
    snapshot = audit(Simulation(OWN, others, customers=(ONE, TWO), faults_of={ONE.org_id: waiting}), **ALL)
    assert snapshot.manifest.status == "complete"
    assert others.answered_s[-1] - others.answered_s[0] < 60
    assert waiting.answered_s[-1] - others.answered_s[0] > waits_s


def test_the_other_rooms_of_an_organization_wait_for_a_503_of_one_of_them(audit: Audit) -> None:
    timed = Timed("503-long", "pushToTalk", 1)
    audit(Simulation(Organization(60), timed), pace__start_rate=200)
    gaps_s = [later - earlier for earlier, later in zip(timed.answered_s, timed.answered_s[1:], strict=False)]
    assert max(gaps_s) > 119


def test_the_doctor_does_not_wait_for_a_locked_listing(
    webex_audit: Callable[..., Result], api: Callable[[Simulation], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    url = api(Simulation(Organization(5), Where("423-long", "/workspaces"), tokens=without()))
    result = webex_audit("doctor", "--base-url", url)
    assert result.code in (3, 4, 5)
    assert "/workspaces can't be read: HTTP 423 after 1 try: Locked.; the API asks to wait 600 s" in result.out


def test_the_simulator_explains_every_answer_that_it_has() -> None:
    assert set(FAULTY_ANSWERS) < set(KINDS)


def test_an_entity_that_is_given_up_has_its_reason_in_the_coverage(audit: Audit) -> None:
    organization = Organization(30, odd=False)
    room = str(organization.workspace(3)["id"])
    snapshot = audit(Simulation(organization, Where("423-hours", room)), run__deadline="1h")
    rows = ds.dataset(snapshot.path / "coverage", partitioning="hive").to_table().to_pylist()
    (row,) = [row for row in rows if row["outcome"] == "throttled"]
    assert (row["entity_id"], row["http_status"], row["attempts"]) == (room, 423, 1)
    assert "asks to wait 14400 s (Retry-After), which is beyond the deadline" in row["error_message"]
