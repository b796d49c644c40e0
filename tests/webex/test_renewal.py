import asyncio
import gzip
import logging
import traceback
import tracemalloc
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from harness import VirtualClock
from token_endpoint import GOOD, HTML, REFRESH, SECRET, Answer, Endpoint, granted, with_endpoint

from audit.errors import DeadlineError, StoppedError
from audit.webex.errors import TokenRefusedError, UnansweredError
from audit.webex.oauth import OAuthTokens
from audit.webex.retry import RetryPolicy
from audit.webex.terms import Terms
from audit.webex.tokens import Token

Secrets = tuple[Path, Path]
#: When the virtual loop begins, on its clock.
LOOP_BEGINS_S = 1000.0


@pytest.mark.parametrize("status", [408, 425, 429, 423, 499, 500, 502, 503, 504, 520, 522, 599, 302, 307])
def test_a_status_that_may_pass_is_asked_again(secrets: Secrets, status: int) -> None:
    endpoint = Endpoint([(status, ""), (status, '{"message": "later", "trackingId": "T"}'), (200, GOOD)])
    assert with_endpoint(endpoint, secrets) == Token("a")
    assert endpoint.used == [REFRESH] * 3


@pytest.mark.parametrize("status", [200, 202, 204, 206, 400, 401, 403, 404, 407, 418, 451])
@pytest.mark.parametrize("body", ["", HTML, "{}", '{"access_token": 5}', '{"access_token": "two words"}'])
def test_what_is_not_of_the_endpoint_ends_no_night(secrets: Secrets, status: int, body: str) -> None:
    answered = (status, b"" if status == 204 else body)
    assert with_endpoint(Endpoint([answered, answered, (200, GOOD)]), secrets) == Token("a")


@pytest.mark.parametrize("status", [429, 423, 503, 403, 200, 302])
@pytest.mark.parametrize(
    ("asked", "wait_s"), [("20", 20), ("0", 1), ("7.4", 7), ("194", 194), ("date", 30), ("past", 1)]
)
def test_a_wait_is_obeyed_whatever_the_status(secrets: Secrets, status: int, asked: str, wait_s: int) -> None:
    async def answer(_: web.Request) -> web.Response:
        shift = {"date": 30, "past": -60}.get(asked)
        date = VirtualClock().now()
        value = format_datetime(date + timedelta(seconds=shift), usegmt=True) if shift else asked
        headers = {"Retry-After": value, "Date": format_datetime(date, usegmt=True)}
        return web.Response(status=status, text=HTML, headers=headers)

    endpoint = Endpoint([answer, (200, GOOD)])
    paused: list[float] = []
    assert with_endpoint(endpoint, secrets, terms=Terms(on_pause=paused.append)) == Token("a")
    assert endpoint.waits == [pytest.approx(wait_s, abs=1)]
    assert paused == [pytest.approx(wait_s, abs=1)]


@pytest.mark.parametrize("nonsense", ["rand(30),add(30)", "soon", "-5", "1e3", "", "99999999999"])
def test_a_wait_that_means_nothing_becomes_the_usual_one(secrets: Secrets, nonsense: str) -> None:
    endpoint = Endpoint([(429, "", {"Retry-After": nonsense}), (429, ""), (200, GOOD)])
    assert with_endpoint(endpoint, secrets) == Token("a")
    assert endpoint.waits == [5, 5]


@pytest.mark.parametrize("status", [429, 503, 403])
def test_a_wait_beyond_the_deadline_stops_the_run_at_once(secrets: Secrets, status: int) -> None:
    endpoint = Endpoint([(status, "", {"Retry-After": "600"}), (200, GOOD)])

    async def work(tokens: OAuthTokens) -> float:
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(DeadlineError, match=r"access_token asks to wait 600 s \(Retry-After\), which is beyond"):
            await tokens.get()
        return asyncio.get_running_loop().time() - began_s

    assert with_endpoint(endpoint, secrets, work, terms=Terms(deadline_at_s=LOOP_BEGINS_S + 599)) < 10
    assert len(endpoint.forms) == 1


def test_tries_are_counted_as_those_of_every_request(secrets: Secrets) -> None:
    policy = RetryPolicy(attempts=3, throttled_attempts=7, budget=0)
    for answer, tries in [((503, HTML), 3), ((403, HTML), 3), ((429, ""), 7), ((423, ""), 7)]:
        endpoint = Endpoint([answer])
        with pytest.raises(
            UnansweredError, match=rf"gives no access token \({tries} tries\); the last error: HTTP {answer[0]}"
        ):
            with_endpoint(endpoint, secrets, retry=policy)
        assert len(endpoint.forms) == tries


def test_a_wait_still_holds_after_the_last_try(secrets: Secrets) -> None:
    endpoint = Endpoint([(503, "", {"Retry-After": "30"}), (503, "", {"Retry-After": "40"}), (200, GOOD)])

    async def work(tokens: OAuthTokens) -> Any:
        with pytest.raises(UnansweredError):
            await tokens.get()
        return await tokens.get()

    assert with_endpoint(endpoint, secrets, work, retry=RetryPolicy(2, 2, 0)) == Token("a")
    assert endpoint.waits == [30, 40]


@pytest.mark.parametrize("answer", [(501, ""), (505, HTML), (404, '{"message": "no such page", "trackingId": "T"}')])
def test_what_lasts_is_not_asked_again(secrets: Secrets, answer: Answer) -> None:
    endpoint = Endpoint([answer])
    with pytest.raises(UnansweredError, match=r"\(1 try\).*check webex.base_url"):
        with_endpoint(endpoint, secrets)
    assert len(endpoint.forms) == 1


def slowly(chunk: bytes, pause_s: float, headers: dict[str, str] | None = None) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        while True:
            await response.write(chunk)
            await asyncio.sleep(pause_s)

    return answer


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (slowly(b" " * 65_536, 0), "more than 1048576 bytes"),
        ((200, gzip.compress(bytes(64 * 1024 * 1024)), {"Content-Encoding": "gzip"}), "more than 1048576 bytes"),
        ((400, b'{"error": "' + b"x" * 2_000_000), "HTTP 400 with JSON of another kind"),
        (slowly(b" ", 1), "no answer in time"),
        ((200, b"not gzip", {"Content-Encoding": "gzip"}), "connection failed"),
    ],
)
def test_a_body_takes_neither_memory_nor_time_without_bounds(secrets: Secrets, answer: Answer, error: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(UnansweredError, match=rf"\(1 try\); the last error: .*{error}"):
            with_endpoint(Endpoint([answer]), secrets, retry=RetryPolicy(1, 1, 0))
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_connection_that_breaks_is_tried_again(secrets: Secrets) -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport
        request.transport.abort()
        return web.Response()

    assert with_endpoint(Endpoint([cut, cut, (200, GOOD)]), secrets) == Token("a")


@pytest.mark.attack("token")
def test_a_redirect_takes_no_secret_elsewhere(secrets: Secrets) -> None:
    elsewhere = Endpoint([(200, GOOD)])

    async def work(tokens: OAuthTokens) -> Any:
        async with elsewhere.serve() as url:
            endpoint.answers[0] = (307, "", {"Location": f"{url}/access_token"})
            return await tokens.get()

    endpoint = Endpoint([(0, ""), granted("b")])
    assert with_endpoint(endpoint, secrets, work) == Token("b")
    assert elsewhere.forms == []


@pytest.mark.attack("redaction")
@pytest.mark.parametrize(
    "answer",
    [
        (400, '{"error": "invalid_grant", "error_description": "The refresh token r3fresh is expired"}'),
        (401, '{"message": "CL13NT-S3CRET is wrong", "trackingId": "T"}'),
        (400, '{"error": "invalid_grant", "error_description": "' + "x" * 480 + 'cl13nt-s3cret"}'),
        (200, '{"error": "invalid_grant", "error_description": "r3fresh"}'),
        (403, '{"errors": [{"description": "client_secret=cl13nt%2Ds3cret"}]}'),
        (401, '{"message": "cl13nt\\u002ds3cret ' + "x" * 470 + 'cl13nt\\u002Ds3cret"}'),
    ],
)
def test_a_refused_refresh_token_is_told_without_a_secret(secrets: Secrets, answer: Answer) -> None:
    endpoint = Endpoint([answer])
    with pytest.raises(TokenRefusedError, match=r"authorize the app again .*refresh-token") as caught:
        with_endpoint(endpoint, secrets)
    said = str(caught.value).lower() + "".join(traceback.format_exception(caught.value)[-1:]).lower()
    assert "r3fresh" not in said
    assert "cl13nt" not in said
    assert len(endpoint.forms) == 1


@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client"])
def test_a_refused_app_is_told_as_such(secrets: Secrets, code: str) -> None:
    with pytest.raises(TokenRefusedError, match=rf"client id or its secret is refused \(401: {code}\).*{secrets[0]}"):
        with_endpoint(Endpoint([(401, f'{{"error": "{code}"}}')]), secrets)


def test_the_file_is_read_once_more_before_a_refusal_is_believed(secrets: Secrets) -> None:
    async def rotate(_: web.Request) -> web.Response:
        secrets[1].write_text("of-another-process\n")
        return web.Response(status=400, text='{"error": "invalid_grant"}')

    endpoint = Endpoint([rotate, granted("b")])
    assert with_endpoint(endpoint, secrets) == Token("b")
    assert endpoint.used == [REFRESH, "of-another-process"]


def test_another_process_has_a_moment_to_store_what_it_renewed(secrets: Secrets) -> None:
    async def work(tokens: OAuthTokens) -> Any:
        asyncio.get_running_loop().call_later(0.5, secrets[1].write_text, "of-another-process\n")
        return await tokens.get()

    endpoint = Endpoint([granted("b")], good="of-another-process")
    assert with_endpoint(endpoint, secrets, work) == Token("b")


def test_a_new_client_secret_is_read_too(secrets: Secrets) -> None:
    async def replace(_: web.Request) -> web.Response:
        secrets[0].write_text("new-secret\r\n")
        return web.Response(status=401, text='{"error": "invalid_client"}')

    endpoint = Endpoint([replace, granted("b")])
    assert with_endpoint(endpoint, secrets) == Token("b")
    assert [form["client_secret"] for form in endpoint.forms] == [SECRET, "new-secret"]


def test_a_file_that_changes_without_end_ends_the_run(secrets: Secrets) -> None:
    async def change(_: web.Request) -> web.Response:
        secrets[1].write_text(f"{len(endpoint.forms)}\n")
        return web.Response(status=400, text='{"error": "invalid_grant"}')

    endpoint = Endpoint([change])
    with pytest.raises(TokenRefusedError):
        with_endpoint(endpoint, secrets)
    assert len(endpoint.forms) == 5


@pytest.mark.parametrize(
    "answer", [granted("a", refresh_token="n3w"), (200, '{"access_token": 5, "refresh_token": "n3w"}')]
)
def test_a_new_refresh_token_is_stored_and_used_from_then_on(secrets: Secrets, answer: Answer) -> None:
    async def work(tokens: OAuthTokens) -> Any:
        await tokens.renew(await tokens.get())

    endpoint = Endpoint([answer, granted("b"), granted("c")])
    with_endpoint(endpoint, secrets, work)
    assert endpoint.used[:2] == [REFRESH, "n3w"]
    assert secrets[1].read_text() == "n3w\n"


@pytest.mark.parametrize("loss", ["file", "empty", "folder in its place"])
def test_a_secret_that_is_lost_during_a_run_is_remembered(
    secrets: Secrets, loss: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(tokens: OAuthTokens) -> Any:
        token = await tokens.get()
        for file in secrets:
            file.write_text("") if loss == "empty" else file.unlink()
            if loss == "folder in its place":
                file.mkdir()
        return [await tokens.renew(token), await tokens.renew(Token("b"))]

    endpoint = Endpoint([granted("a"), granted("b"), granted("c", refresh_token="n3w"), granted("d")])
    with caplog.at_level(logging.WARNING):
        assert with_endpoint(endpoint, secrets, work) == [Token("b"), Token("c")]
    assert endpoint.used == [REFRESH] * 3
    assert caplog.text.count("the run goes on with what the file held before") == 2
    if loss == "folder in its place":
        assert f"can't be written to {secrets[1]} (Is a directory)" in caplog.text
    else:
        assert secrets[1].read_text() == "n3w\n"


def test_a_run_that_is_stopped_still_stores_what_it_asked_for(secrets: Secrets) -> None:
    async def late(_: web.Request) -> web.Response:
        asked.set()
        await asyncio.sleep(3)
        return web.json_response({"access_token": "a", "refresh_token": "n3w"})

    async def work(tokens: OAuthTokens) -> None:
        task = asyncio.create_task(tokens.get())
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asked = asyncio.Event()
    with_endpoint(Endpoint([late]), secrets, work)
    assert secrets[1].read_text() == "n3w\n"


def test_a_run_that_is_stopped_waits_for_no_endpoint_that_hangs(secrets: Secrets) -> None:
    async def work(tokens: OAuthTokens) -> None:
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(tokens.get(), 5)
        assert asyncio.get_running_loop().time() - began_s < 20

    with_endpoint(Endpoint([slowly(b" ", 1)]), secrets, work)


def test_no_connection_is_told(secrets: Secrets) -> None:
    with pytest.raises(StoppedError, match="no connection"):
        asyncio.run(OAuthTokens("http://h/v1", "C", *secrets, VirtualClock()).get())


@pytest.mark.parametrize(
    ("left", "said"), [(13 * 86_400, "13 days"), ("172800", "2 days"), (3600, "60 minutes"), (1, "1 second")]
)
def test_a_refresh_token_that_will_end_soon_although_it_was_used_is_warned_of_once(
    left: object, said: str, secrets: Secrets, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(tokens: OAuthTokens) -> None:
        for _ in range(3):
            await tokens.renew(await tokens.get())

    with_endpoint(Endpoint([granted(each, refresh_token_expires_in=left) for each in "abcdefg"]), secrets, work)
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    advice = f"before that, run 'webex-audit login', or put a new refresh token into {secrets[1]}"
    assert told == [f"the refresh token expires in {said}: {advice}"]


@pytest.mark.parametrize("left", [90 * 86_400, 14 * 86_400, 0, -5, None, "soon", 10**400, True])
def test_a_refresh_token_that_lasts_or_whose_end_is_not_known_is_not_warned_of(
    left: object, secrets: Secrets, caplog: pytest.LogCaptureFixture
) -> None:
    with_endpoint(Endpoint([granted(refresh_token_expires_in=left)]), secrets)
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
