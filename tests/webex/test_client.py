"""The client against real HTTP: retries, pauses, paging, and where the token goes."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from harness import VirtualClock, Where, run_virtually

from audit.errors import StoppedError, UsageError
from audit.outcome import Outcome
from audit.simulator.app import ADMIN_TOKEN, Simulation, serve
from audit.simulator.faults import PASSING, parse
from audit.simulator.organization import Organization
from audit.webex import exchange as exchange_module
from audit.webex.client import Answer, Client
from audit.webex.connection import connect
from audit.webex.errors import ForeignLinkError, ScopeError, TokenRefusedError, UnansweredError
from audit.webex.pace import Pace
from audit.webex.paging import pages
from audit.webex.retry import RetryPolicy
from audit.webex.terms import Terms
from audit.webex.tokens import StaticTokens, Token

Use = Callable[[Client], Awaitable[Any]]

TOKENS = StaticTokens(Token(ADMIN_TOKEN))
OPTIONS: dict[str, Any] = {"concurrency": 5, "timeout_s": 5, "retry": RetryPolicy(6, 30, 300)}


def use(
    simulation: Simulation,
    clock: VirtualClock,
    work: Use,
    *,
    token: str = ADMIN_TOKEN,
    timeout_s: float = 5,
    terms: Terms | None = None,
) -> Any:
    async def main() -> Any:
        pace = Pace(clock)
        async with (
            serve(simulation) as url,
            connect(
                url, StaticTokens(Token(token)), pace, **(OPTIONS | {"timeout_s": timeout_s}), clock=clock, terms=terms
            ) as client,
        ):
            return await work(client)

    return run_virtually(main())


async def get_me(client: Client) -> tuple[Answer, Any]:
    return await client.get("/people/me"), client.count


def listing(params: dict[str, str]) -> Use:
    async def list_all(client: Client) -> list[str]:
        return [
            item["id"]
            async for page in pages(client, "/workspaces", params, "items", scope="a-scope", probe=True)
            for item in page
        ]

    return list_all


@pytest.mark.few(10)
@pytest.mark.parametrize("kind", PASSING)
def test_a_fault_that_passes_is_retried(kind: str, clock: VirtualClock) -> None:
    answer, count = use(Simulation(faults=parse(f"{kind}@1,{kind}@2")), clock, get_me)
    assert (answer.outcome, answer.status, answer.attempts) == (Outcome.OK, 200, 3)
    assert (count.total, count.retried) == (3, 2)
    assert count.throttled == (2 if kind.startswith(("423", "429")) else 0)


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
        ("404-html", Outcome.INVALID_RESPONSE, 6),
        ("404-empty", Outcome.INVALID_RESPONSE, 6),
        ("404-json", Outcome.INVALID_RESPONSE, 6),
        ("401-html", Outcome.INVALID_RESPONSE, 6),
        ("302", Outcome.INVALID_RESPONSE, 6),
        ("204", Outcome.INVALID_RESPONSE, 6),
        ("200-message", Outcome.INVALID_RESPONSE, 6),
        ("499", Outcome.TIMEOUT, 6),
        ("501", Outcome.SERVER_ERROR, 1),
        ("405-text", Outcome.NOT_LICENSED, 1),
        ("405-wxc", Outcome.NOT_LICENSED, 1),
        ("429", Outcome.THROTTLED, 30),
        ("423", Outcome.THROTTLED, 30),
    ],
)
def test_a_fault_that_lasts_ends_in_its_outcome(
    kind: str, outcome: Outcome, attempts: int, clock: VirtualClock
) -> None:
    answer, count = use(Simulation(faults=parse(f"{kind}=1!")), clock, get_me)
    assert (answer.outcome, answer.attempts, count.total) == (outcome, attempts, attempts)
    assert answer.message
    assert answer.body == b""


def test_an_answer_that_comes_too_late_is_a_timeout(clock: VirtualClock) -> None:
    simulation = Simulation(faults=parse("slow=1!"), slow_s=5)
    answer, _ = use(simulation, clock, get_me, timeout_s=0.02)
    assert (answer.outcome, answer.status, answer.message) == (Outcome.TIMEOUT, None, "no answer in time")


@pytest.mark.parametrize(
    ("kind", "pause_s"), [("429", 1), ("429-zero", 1), ("429-absent", 5), ("429-nonsense", 5), ("429-long", 194)]
)
def test_a_retry_after_is_waited_out_by_all(kind: str, pause_s: float, clock: VirtualClock) -> None:
    async def work(client: Client) -> float:
        began_s = clock.monotonic_s()
        await asyncio.gather(*(client.get("/people/me") for _ in range(5)))
        return clock.monotonic_s() - began_s

    assert use(Simulation(faults=parse(f"{kind}@1")), clock, work) >= pause_s


def test_backoff_has_full_jitter_below_a_doubling_cap() -> None:
    policy = RetryPolicy(6, 30, 300, base_s=1, cap_s=8)
    for failures, ceiling_s in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (500, 8)):
        delays = [policy.delay_s(failures) for _ in range(300)]
        assert 0 <= min(delays) < ceiling_s * 0.1
        assert ceiling_s * 0.9 < max(delays) <= ceiling_s


@pytest.mark.attack("redaction")
def test_a_refused_token_stops_at_once_and_is_not_shown(clock: VirtualClock) -> None:
    simulation = Simulation()
    secret = f"expired-{7 * 11}"
    with pytest.raises(TokenRefusedError, match="401") as caught:
        use(simulation, clock, get_me, token=secret)
    assert simulation.log == ["GET /v1/people/me"]
    assert secret not in "".join(traceback.format_exception(caught.value))


class TokensOf(StaticTokens):
    """Gives these tokens, one after the other, and counts the renewals."""

    def __init__(self, *secrets: str) -> None:
        super().__init__(Token(secrets[0]))
        self.left = list(secrets[1:])
        self.renewals = 0

    async def renew(self, refused: Token) -> Token:
        self.renewals += 1
        await asyncio.sleep(0.01)
        if not self.left:
            raise TokenRefusedError("401: no other")
        self._token = Token(self.left.pop(0))
        return self._token


def use_tokens(tokens: TokensOf, clock: VirtualClock) -> list[Answer]:
    async def main() -> list[Answer]:
        async with serve(Simulation()) as url, connect(url, tokens, Pace(clock), **OPTIONS, clock=clock) as client:
            return await asyncio.gather(*(client.get("/people/me") for _ in range(20)))

    return run_virtually(main())


def test_a_refused_token_is_renewed_once_for_all(clock: VirtualClock) -> None:
    tokens = TokensOf("expired", ADMIN_TOKEN)
    assert {answer.outcome for answer in use_tokens(tokens, clock)} == {Outcome.OK}
    assert tokens.renewals == 1


def test_a_renewed_token_that_is_refused_as_well_ends_it(clock: VirtualClock) -> None:
    tokens = TokensOf("expired", *(f"revoked{number}" for number in range(100)))

    async def main() -> None:
        async with serve(Simulation()) as url, connect(url, tokens, Pace(clock), **OPTIONS, clock=clock) as client:
            await client.get("/people/me")

    with pytest.raises(TokenRefusedError, match="the renewed token is refused too"):
        run_virtually(main())
    assert tokens.renewals == 1


def test_requests_that_wait_at_the_pace_take_the_token_of_the_day(clock: VirtualClock) -> None:
    tokens = TokensOf("first", "second", ADMIN_TOKEN)
    simulation = Simulation()
    scopes = simulation.tokens[ADMIN_TOKEN]
    simulation.tokens = {"first": scopes}

    class ShortLived(Organization):
        """Each token lives for 40 requests."""

        def person(self, index: int, *, calling_data: bool = False) -> Any:
            simulation.tokens = {["first", "second", ADMIN_TOKEN][min(len(simulation.log) // 40, 2)]: scopes}
            return super().person(index, calling_data=calling_data)

    simulation.organization = ShortLived()

    async def main() -> list[Answer]:
        async with serve(simulation) as url, connect(url, tokens, Pace(clock), **OPTIONS, clock=clock) as client:
            return await asyncio.gather(*(client.get("/people/me") for _ in range(150)))

    answers = run_virtually(main())
    assert {answer.outcome for answer in answers} == {Outcome.OK}
    assert tokens.renewals == 2
    assert len(simulation.log) < 150 + 30


@pytest.mark.attack("redaction")
def test_a_token_that_a_server_echoes_is_kept_nowhere(clock: VirtualClock) -> None:
    class Echo(Organization):
        def workspace(self, index: int) -> dict[str, Any]:
            return super().workspace(index) | {"displayName": f"<{ADMIN_TOKEN}>"}

    async def names(client: Client) -> list[str]:
        found = pages(client, "/workspaces", {}, "items", scope="a-scope")
        return [item["displayName"] async for page in found for item in page]

    assert use(Simulation(Echo(2)), clock, names) == ["<[secret]>"] * 2


def test_an_answer_of_any_length_fills_no_memory(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "ANSWER_BYTES", 100)
    answer, _ = use(Simulation(), clock, get_me)
    assert (answer.outcome, answer.attempts) == (Outcome.INVALID_RESPONSE, 1)
    assert "more than 100 bytes" in (answer.message or "")


@pytest.mark.parametrize("kind", ["mistyped", "array"])
def test_a_page_without_its_list_is_asked_again_and_never_taken_for_an_empty_one(
    kind: str, clock: VirtualClock
) -> None:
    simulation = Simulation(Organization(20), parse(f"{kind}@2"), max_page=10)
    assert len(use(simulation, clock, listing({"max": "10"}))) == 20
    simulation = Simulation(Organization(20), Where(kind, "start=10"), max_page=10)
    with pytest.raises(UnansweredError, match=r"has no list 'items'|not a JSON object"):
        use(simulation, clock, listing({"max": "10"}))


def test_an_empty_page_is_followed_by_its_link(clock: VirtualClock) -> None:
    async def list_all(client: Client) -> list[str]:
        found = pages(client, "/workspaces", {"max": "10"}, "items", scope="a-scope")
        return [item["id"] async for page in found for item in page]

    simulation = Simulation(Organization(20), parse("empty-body-page"), max_page=10)
    assert len(use(simulation, clock, list_all)) == 20


@pytest.mark.parametrize("quirk", ["circle", "fresh-circle", "circle,fresh-circle,empty-page"])
def test_a_listing_in_circles_is_not_a_whole_one(quirk: str, clock: VirtualClock) -> None:
    with pytest.raises(UnansweredError, match=r"repeats itself after \d+ items"):
        use(Simulation(Organization(20), parse(quirk), max_page=10), clock, listing({"max": "10"}))


@pytest.mark.parametrize("kind", ["bom", "odd-number", "odd-text"])
def test_an_oddity_of_a_body_costs_nothing(kind: str, clock: VirtualClock) -> None:
    simulation = Simulation(Organization(15), Where(kind, "/"), max_page=10)
    assert len(use(simulation, clock, listing({"max": "10"}))) == 15
    assert len(simulation.log) == 2


def test_a_listing_that_ignores_start_ends(clock: VirtualClock) -> None:
    simulation = Simulation(Organization(10), parse("no-link,no-start"), max_page=10)
    assert len(set(use(simulation, clock, listing({"max": "10"})))) == 10
    assert len(simulation.log) == 2


@pytest.mark.few(20)
@pytest.mark.parametrize(
    "quirks",
    [
        *("", "quirks", "duplicate", "empty-page", "max-null", "no-blank", "valueless", "endless", "no-link"),
        *("single-quotes", "odd-title", "no-brackets", "long-link", "title-next", "unreadable-link", "lost-link"),
    ],
)
@pytest.mark.parametrize("workspaces", [0, 1, 20, 45])
def test_a_listing_is_whole_whatever_its_quirks(quirks: str, workspaces: int, clock: VirtualClock) -> None:
    organization = Organization(workspaces)
    simulation = Simulation(organization, parse(quirks), max_page=10)
    ids = use(simulation, clock, listing({"max": "10"}))
    assert set(ids) == {organization.workspace(index)["id"] for index in range(workspaces)}
    assert len(ids) == workspaces or "duplicate" in quirks or quirks in ("quirks", "endless")


def test_a_listing_that_never_ends_empty_is_ended(clock: VirtualClock) -> None:
    class Endless(Organization):
        def workspace(self, index: int) -> dict[str, Any]:
            raise AssertionError

    simulation = Simulation(Endless(0), parse("endless"))
    assert use(simulation, clock, listing({"max": "10"})) == []
    assert len(simulation.log) <= 3


@pytest.mark.attack("token")
def test_a_next_link_to_another_host_is_refused_and_not_followed(clock: VirtualClock) -> None:
    simulation = Simulation(Organization(20), parse("foreign-link"), max_page=10)
    with pytest.raises(ForeignLinkError, match=r"webexapis\.example\.net: the token was not sent there"):
        use(simulation, clock, listing({"max": "10"}))


def test_a_lost_org_id_is_added_again(clock: VirtualClock) -> None:
    organization = Organization(20)
    simulation = Simulation(organization, parse("lost-org"), max_page=10)
    use(simulation, clock, listing({"max": "10", "orgId": organization.org_id}))
    assert all(f"orgId={organization.org_id}" in line for line in simulation.log)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("403", ScopeError), ("500", UnansweredError), ("reset", UnansweredError), ("html", UnansweredError)],
)
def test_a_listing_that_breaks_off_stops_the_run(kind: str, error: type[StoppedError], clock: VirtualClock) -> None:
    with pytest.raises(error, match=r"workspaces|does not answer"):
        use(Simulation(Organization(20), Where(kind, "start=10"), max_page=10), clock, listing({"max": "10"}))


def test_a_server_that_is_not_there_is_named(clock: VirtualClock) -> None:
    async def main() -> None:
        async with serve(Simulation()) as url:
            pass
        async with connect(url, StaticTokens(Token("t")), Pace(clock), **OPTIONS, clock=clock) as client:
            await anext(pages(client, "/workspaces", {}, "items", scope="a-scope"))

    with pytest.raises(UnansweredError, match=r"http://127\.0\.0\.1:\d+/v1 does not answer \(6 tries\)"):
        run_virtually(main())


def test_a_ca_bundle_that_can_not_be_used_is_named(clock: VirtualClock) -> None:
    async def main() -> None:
        async with connect(
            "https://h", StaticTokens(Token("t")), Pace(clock), ca_file="/nowhere.pem", **OPTIONS, clock=clock
        ):
            pass

    with pytest.raises(UsageError, match=r"webex\.ca_file /nowhere\.pem"):
        run_virtually(main())


def test_a_proxy_of_the_environment_is_for_https_only(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    answer, _ = use(Simulation(), clock, get_me)
    assert answer.outcome is Outcome.OK

    async def main() -> Answer:
        async with connect("https://webexapis.invalid", TOKENS, Pace(clock), **OPTIONS, clock=clock) as client:
            return await client.get("/people/me")

    assert ":9" in (run_virtually(main()).message or "")
