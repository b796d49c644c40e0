import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from token_endpoint import HTML

from audit.webex.grant import Grant, Refusal, Trouble, judge_grant, lifetime_s_of
from audit.webex.tokens import Token


def judged(status: int, **members: object) -> Grant | Refusal | Trouble:
    return judge_grant(status, {}, json.dumps(members).encode())


@pytest.mark.parametrize(
    ("value", "lifetime_s"),
    [
        (1209599, 1209599),
        ("1209599", 1209599),
        (" 3600.5 ", 3600.5),
        (0.5, 0.5),
        *(
            (value, None)
            for value in (0, -1, "0", "-3600", "", "soon", "NaN", "inf", "1h", None, True, False, [60], {})
        ),
        *((value, None) for value in (999999999999, 10**400, float("inf"), float("nan"), "1e400", "9" * 5000)),
    ],
)
def test_a_lifetime_is_a_positive_number_or_nothing(value: object, lifetime_s: float | None) -> None:
    assert lifetime_s_of(value) == lifetime_s


@pytest.mark.parametrize("text", ["1e400", "-1e400", "NaN", "Infinity", "9" * 5000, "1.5e3", '"\\ud800"', "[[]]"])
def test_no_lifetime_costs_the_grant(text: str) -> None:
    answer = judge_grant(200, {}, f'{{"access_token": "a", "expires_in": {text}, "more": {text}}}'.encode())
    assert isinstance(answer, Grant)
    assert answer.access_token == Token("a")


@pytest.mark.parametrize("status", [200, 201, 203])
@pytest.mark.parametrize("blank", [" ", "\r\n", "\t\u00a0"])
def test_blanks_around_tokens_are_left_out(status: int, blank: str) -> None:
    answer = judged(status, access_token=f"{blank}a{blank}", refresh_token=f"r{blank}")
    assert answer == Grant(Token("a"), "r")


@pytest.mark.parametrize(
    "token", ["", " ", "two words", "a\nb", "tök", "\ud800", "a\x00", 5, None, True, ["a"], {"a": 1}]
)
def test_a_grant_without_a_usable_access_token_may_pass_and_its_refresh_token_is_kept(token: object) -> None:
    answer = judged(200, access_token=token, refresh_token="r")
    assert isinstance(answer, Trouble)
    assert (answer.is_retryable, answer.refresh_token) == (True, "r")


@pytest.mark.parametrize("token", ["", "\t", "a\nb", "tök", 5, None, False, ["r"], {}])
def test_what_can_not_be_a_refresh_token_is_ignored(token: object) -> None:
    assert judged(200, access_token="a", refresh_token=token) == Grant(Token("a"))


@pytest.mark.parametrize(
    ("status", "members"),
    [
        (400, {"error": "invalid_grant"}),
        (400, {"error": "invalid_client", "error_description": "no such client"}),
        (401, {"message": "no", "trackingId": "T"}),
        (403, {"errors": [{"description": "no"}]}),
        (400, {"trackingId": "T"}),
        (422, {"error": "invalid_grant"}),
        (404, {"error": "unauthorized_client"}),
        (200, {"error": "invalid_grant"}),
    ],
)
def test_a_refusal_is_believed_from_json_of_the_endpoint(status: int, members: dict[str, object]) -> None:
    answer = judged(status, **members)
    assert isinstance(answer, Refusal)
    assert answer.message.startswith(f"{status}: ")
    assert answer.is_of_app == (members.get("error") in ("invalid_client", "unauthorized_client"))


@pytest.mark.parametrize(
    "status", [200, 202, 204, 302, 307, 400, 401, 403, 404, 405, 407, 418, 451, 500, 502, 520, 599]
)
@pytest.mark.parametrize(
    "body",
    ["", HTML, "null", "[]", '"invalid_grant"', "invalid_grant", '{"error": "Forbidden"}', '{"error": null}', "{}",
     '{"error": {"code": 400}}', '{"message": 5}', '{"message": ""}', '{"errors": []}',
     '{"error": ""}', "[" * 100_000, '{"a": "\ud800"'],
)  # fmt: skip
def test_nothing_else_is_a_refusal(status: int, body: str) -> None:
    answer = judge_grant(status, {}, body.encode("utf-8", "surrogatepass"))
    assert isinstance(answer, Trouble)
    assert answer.is_retryable


@pytest.mark.parametrize("status", [408, 423, 425, 429, 499, 500, 503, 302])
def test_a_status_that_passes_is_no_refusal_whatever_the_body_says(status: int) -> None:
    for members in ({"error": "invalid_grant"}, {"message": "no", "trackingId": "T"}):
        answer = judged(status, **members)
        assert isinstance(answer, Trouble)
        assert (answer.is_retryable, answer.is_throttled) == (True, status in (423, 429))


@pytest.mark.parametrize("code", ["temporarily_unavailable", "server_error", "slow_down"])
def test_a_code_that_blames_the_server_is_no_refusal(code: str) -> None:
    assert isinstance(judged(400, error=code), Trouble)


def test_what_lasts_is_not_asked_again() -> None:
    for status in (501, 505):
        answer = judge_grant(status, {}, HTML.encode())
        assert isinstance(answer, Trouble)
        assert not answer.is_retryable
    assert judged(404, message="no such page") == Trouble("HTTP 404: no such page", is_retryable=False)


_NAMES = (
    "access_token",
    "expires_in",
    "refresh_token",
    "error",
    "error_description",
    "message",
    "errors",
    "trackingId",
)
_ANYTHING = st.recursive(st.none() | st.booleans() | st.text() | st.integers() | st.floats(), st.lists)


@given(st.integers(100, 599), st.binary() | st.dictionaries(st.sampled_from(_NAMES), _ANYTHING).map(json.dumps))
@example(200, b"\xef\xbb\xbf{}")
@example(200, '{"access_token": "a"}'.encode("utf-16"))
@pytest.mark.slow
def test_no_answer_is_a_surprise(status: int, body: bytes | str) -> None:
    content = body if isinstance(body, bytes) else body.encode()
    assert isinstance(judge_grant(status, {}, content), Grant | Refusal | Trouble)
