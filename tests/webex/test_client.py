"""The client against real HTTP: retries, pauses, paging, and where the token goes."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from conftest import FastClock

from audit.errors import StoppedError, UsageError
from audit.outcome import Outcome
from audit.simulator.app import ADMIN_TOKEN, Simulation, serve
from audit.simulator.faults import PASSING, parse
from audit.simulator.organization import Organization
from audit.webex.client import Answer, Client, connect
from audit.webex.errors import ForeignLinkError, ScopeError, TokenRefusedError, UnansweredError
from audit.webex.pace import Pace
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import Token

Use = Callable[[Client], Awaitable[Any]]


def use(simulation: Simulation, clock: FastClock, work: Use, *, token: str = ADMIN_TOKEN, timeout_s: float = 5) -> Any:
    async def main() -> Any:
        pace = Pace(10_000, clock)
        async with (
            serve(simulation) as url,
            connect(url, Token(token), pace, concurrency=5, timeout_s=timeout_s, clock=clock) as client,
        ):
            return await work(client)

    return asyncio.run(main())


async def get_me(client: Client) -> tuple[Answer, Any]:
    return await client.get("/people/me"), client.count


def listing(params: dict[str, str]) -> Use:
    async def list_all(client: Client) -> list[str]:
        return [
            item["id"]
            async for page in client.pages("/workspaces", params, "items", scope="a-scope", probe=True)
            for item in page
        ]

    return list_all


@pytest.mark.parametrize("kind", PASSING)
def test_a_fault_that_passes_is_retried(kind: str, clock: FastClock) -> None:
    answer, count = use(Simulation(faults=parse(f"{kind}@1,{kind}@2")), clock, get_me)
    assert (answer.outcome, answer.status, answer.attempts) == (Outcome.OK, 200, 3)
    assert (count.total, count.retried) == (3, 2)
    assert count.throttled == (2 if kind.startswith("4") else 0)


@pytest.mark.parametrize(
    ("kind", "outcome", "attempts"),
    [
        ("400", Outcome.BAD_REQUEST, 1),
        ("403", Outcome.FORBIDDEN, 1),
        ("404", Outcome.NOT_FOUND, 1),
        ("409", Outcome.BAD_REQUEST, 1),
        ("500", Outcome.SERVER_ERROR, 6),
        ("reset", Outcome.TIMEOUT, 6),
        ("truncated", Outcome.TIMEOUT, 6),
        ("malformed", Outcome.INVALID_RESPONSE, 6),
        ("429", Outcome.THROTTLED, 30),
        ("423", Outcome.THROTTLED, 30),
    ],
)
def test_a_fault_that_lasts_ends_in_its_outcome(kind: str, outcome: Outcome, attempts: int, clock: FastClock) -> None:
    answer, count = use(Simulation(faults=parse(f"{kind}=1!")), clock, get_me)
    assert (answer.outcome, answer.attempts, count.total) == (outcome, attempts, attempts)
    assert answer.message
    assert answer.body == b""


def test_an_answer_that_comes_too_late_is_a_timeout(clock: FastClock) -> None:
    simulation = Simulation(faults=parse("slow=1!"), slow_s=5)
    answer, _ = use(simulation, clock, get_me, timeout_s=0.02)
    assert (answer.outcome, answer.status, answer.message) == (Outcome.TIMEOUT, None, "no answer in time")


@pytest.mark.parametrize(
    ("kind", "pause_s"), [("429", 1), ("429-zero", 1), ("429-absent", 5), ("429-nonsense", 5), ("429-long", 194)]
)
def test_a_retry_after_is_waited_out_by_all(kind: str, pause_s: float, clock: FastClock) -> None:
    async def work(client: Client) -> None:
        await asyncio.gather(*(client.get("/people/me") for _ in range(5)))

    began_s = clock.elapsed_s
    use(Simulation(faults=parse(f"{kind}@1")), clock, work)
    assert clock.slept_s.count(pytest.approx(pause_s)) >= 1
    assert clock.elapsed_s - began_s >= pause_s


def test_backoff_has_full_jitter_below_a_doubling_cap() -> None:
    policy = RetryPolicy(base_s=1, cap_s=8)
    for failures, ceiling_s in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (500, 8)):
        delays = [policy.delay_s(failures) for _ in range(300)]
        assert 0 <= min(delays) < ceiling_s * 0.1
        assert ceiling_s * 0.9 < max(delays) <= ceiling_s


def test_a_refused_token_stops_at_once_and_is_not_shown(clock: FastClock) -> None:
    simulation = Simulation()
    secret = f"expired-{7 * 11}"
    with pytest.raises(TokenRefusedError, match="401") as caught:
        use(simulation, clock, get_me, token=secret)
    assert simulation.log == ["GET /v1/people/me"]
    assert secret not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "quirks", ["", "quirks", "duplicate", "empty-page", "max-null", "no-blank", "valueless", "endless", "no-link"]
)
@pytest.mark.parametrize("workspaces", [0, 1, 20, 45])
def test_a_listing_is_whole_whatever_its_quirks(quirks: str, workspaces: int, clock: FastClock) -> None:
    organization = Organization(workspaces)
    simulation = Simulation(organization, parse(quirks), max_page=10)
    ids = use(simulation, clock, listing({"max": "10"}))
    assert set(ids) == {organization.workspace(index)["id"] for index in range(workspaces)}
    assert len(ids) == workspaces or "duplicate" in quirks or quirks in ("quirks", "endless")


def test_a_listing_that_never_ends_empty_is_ended(clock: FastClock) -> None:
    class Endless(Organization):
        def workspace(self, index: int) -> dict[str, Any]:
            raise AssertionError

    simulation = Simulation(Endless(0), parse("endless"))
    assert use(simulation, clock, listing({"max": "10"})) == []
    assert len(simulation.log) <= 3


def test_a_next_link_to_another_host_is_refused_and_not_followed(clock: FastClock) -> None:
    simulation = Simulation(Organization(20), parse("foreign-link"), max_page=10)
    with pytest.raises(ForeignLinkError, match=r"webexapis\.example\.net: the token was not sent there"):
        use(simulation, clock, listing({"max": "10"}))


def test_a_lost_org_id_is_added_again(clock: FastClock) -> None:
    organization = Organization(20)
    simulation = Simulation(organization, parse("lost-org"), max_page=10)
    use(simulation, clock, listing({"max": "10", "orgId": organization.org_id}))
    assert all(f"orgId={organization.org_id}" in line for line in simulation.log)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("403", ScopeError), ("500", UnansweredError), ("reset", UnansweredError), ("html", UnansweredError)],
)
def test_a_listing_that_breaks_off_stops_the_run(kind: str, error: type[StoppedError], clock: FastClock) -> None:
    plan = ",".join(f"{kind}@{number}" for number in range(2, 9))
    with pytest.raises(error, match=r"workspaces|does not answer"):
        use(Simulation(Organization(20), parse(plan), max_page=10), clock, listing({"max": "10"}))


def test_a_server_that_is_not_there_is_named(clock: FastClock) -> None:
    async def main() -> None:
        async with serve(Simulation()) as url:
            pass
        async with connect(url, Token("t"), Pace(100, clock), concurrency=1, timeout_s=1, clock=clock) as client:
            await anext(client.pages("/workspaces", {}, "items", scope="a-scope"))

    with pytest.raises(UnansweredError, match=r"http://127\.0\.0\.1:\d+/v1 does not answer \(6 tries\)"):
        asyncio.run(main())


def test_a_ca_bundle_that_can_not_be_used_is_named(clock: FastClock) -> None:
    async def main() -> None:
        async with connect("https://h", Token("t"), Pace(1, clock), concurrency=1, timeout_s=1, ca_file="/nowhere.pem"):
            pass

    with pytest.raises(UsageError, match=r"webex\.ca_file /nowhere\.pem"):
        asyncio.run(main())


def test_a_proxy_of_the_environment_is_for_https_only(clock: FastClock, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    answer, _ = use(Simulation(), clock, get_me)
    assert answer.outcome is Outcome.OK

    async def main() -> Answer:
        async with connect(
            "https://webexapis.invalid", Token("t"), Pace(100, clock), concurrency=1, timeout_s=5, clock=clock
        ) as client:
            return await client.get("/people/me")

    assert ":9" in (asyncio.run(main()).message or "")
