import asyncio
import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from harness import VirtualClock, run_virtually
from token_endpoint import HTML, REFRESH, Answer, Endpoint, granted, with_endpoint

from audit.errors import UsageError
from audit.webex.errors import TokenRefusedError, UnansweredError
from audit.webex.oauth import OAuthTokens
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import Token

Secrets = tuple[Path, Path]


class Clocked(VirtualClock):
    """A wall clock that tests can move forward."""

    shift = timedelta()

    def now(self) -> datetime:
        return super().now() + self.shift


def got_at(clock: Clocked, *hours: float) -> Any:
    """Gets the token at these times, in hours from the start."""

    async def work(tokens: OAuthTokens) -> list[Token]:
        found = []
        for hour in hours:
            clock.shift = timedelta(hours=hour)
            found.append(await tokens.get())
        return found

    return work


def test_a_token_is_had_once_and_renewed_before_its_end(secrets: Secrets) -> None:
    endpoint, clock = Endpoint([granted("a", expires_in=1209599), granted("b")]), Clocked()
    found = with_endpoint(endpoint, secrets, got_at(clock, 0, 1, 14 * 24 - 0.1, 14 * 24 - 0.08), clock)
    assert found == [Token("a"), Token("a"), Token("a"), Token("b")]
    assert len(endpoint.forms) == 2


def test_a_lifetime_as_a_text_is_one(secrets: Secrets) -> None:
    endpoint, clock = Endpoint([granted("a", expires_in="3600"), granted("b", expires_in="3600")]), Clocked()
    assert with_endpoint(endpoint, secrets, got_at(clock, 0, 0.9, 0.95), clock) == [Token("a"), Token("a"), Token("b")]


@pytest.mark.parametrize(
    "lifetime", [0, -5, "0", "-1", "NaN", "soon", None, True, 999999999999, 10**400, "1e400", 1, 0.001]
)
def test_no_lifetime_makes_a_storm_of_renewals(secrets: Secrets, lifetime: object) -> None:
    endpoint, clock = Endpoint([granted("a", expires_in=lifetime)]), Clocked()
    with_endpoint(endpoint, secrets, got_at(clock, *(second / 3600 for second in range(55))), clock)
    assert len(endpoint.forms) == 1


def test_a_refused_token_is_renewed_once_for_all_who_were_refused(secrets: Secrets) -> None:
    async def work(tokens: OAuthTokens) -> list[Token]:
        refused = await tokens.get()
        return list(await asyncio.gather(*(tokens.renew(refused) for _ in range(10))))

    endpoint = Endpoint([granted("a"), granted("b"), granted("c")])
    assert set(with_endpoint(endpoint, secrets, work)) == {Token("b")}
    assert len(endpoint.forms) == 2


@pytest.mark.parametrize(
    ("answer", "error", "requests"),
    [
        ((503, ""), UnansweredError, 5),
        ((403, HTML), UnansweredError, 5),
        ((400, '{"error": "invalid_grant"}'), TokenRefusedError, 1),
    ],
)
def test_a_renewal_that_fails_is_tried_once_for_all_who_wait(
    secrets: Secrets, answer: Answer, error: type[Exception], requests: int
) -> None:
    async def work(tokens: OAuthTokens) -> list[Any]:
        return list(await asyncio.gather(*(tokens.get() for _ in range(20)), return_exceptions=True))

    endpoint = Endpoint([answer])
    assert {type(each) for each in with_endpoint(endpoint, secrets, work)} == {error}
    assert len(endpoint.forms) == requests


@pytest.mark.parametrize(
    "answer", [(503, ""), (403, HTML), (200, ""), (429, "", {"Retry-After": "90"}), (400, '{"error": "invalid_grant"}')]
)
def test_a_token_that_is_still_good_outlasts_a_renewal_that_fails(
    secrets: Secrets, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint, clock = Endpoint([granted("a", expires_in=3600), answer, granted("b")]), Clocked()
    with caplog.at_level(logging.WARNING):
        found = with_endpoint(endpoint, secrets, got_at(clock, 0, 0.95, 0.951, 0.952, 0.98), clock)
    assert found[:4] == [Token("a")] * 4
    assert len(endpoint.forms) == (2 if answer[0] == 429 else 3)  # type: ignore[index]
    assert "can't be renewed yet" in caplog.text
    assert REFRESH not in caplog.text


def test_it_is_renewed_with_patience_when_it_is_refused(secrets: Secrets) -> None:
    async def work(tokens: OAuthTokens) -> Token:
        return await tokens.renew(await tokens.get())

    endpoint = Endpoint([granted("a"), *[(503, HTML)] * 4, granted("b")])
    assert with_endpoint(endpoint, secrets, work) == Token("b")
    with pytest.raises(UnansweredError):
        with_endpoint(Endpoint([granted("a"), *[(503, HTML)] * 4]), secrets, work, retry=RetryPolicy(4, 4, 0))


def test_what_is_missing_is_told(secrets: Secrets) -> None:
    secrets[0].write_text("")
    with pytest.raises(UsageError, match=r"client secret file .* is empty"):
        with_endpoint(Endpoint([granted()]), secrets)
    secrets[0].write_text("x")
    secrets[1].unlink()
    with pytest.raises(UsageError, match=r"refresh token file .*: No such file"):
        with_endpoint(Endpoint([granted()]), secrets)


def test_a_server_that_is_not_there_is_told(secrets: Secrets) -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            tokens = OAuthTokens("http://127.0.0.1:9/v1", "C0ffee", *secrets, VirtualClock())
            tokens.use(session)
            await tokens.get()

    with pytest.raises(UnansweredError, match=r"gives no access token \(5 tries\); the last error: connection failed"):
        run_virtually(main())
