"""Bodies that can't be read: the message says why, in one line."""

import gzip

import pytest
from aiohttp import web
from api import use_answers

from audit.outcome import Outcome
from audit.webex.verdict import judge

PLAIN = b'{"orgId": "O"}'


def coded(coding: str, body: bytes = PLAIN) -> web.Response:
    """An answer with a `Content-Encoding`, and with this body unchanged."""
    return web.Response(body=body, headers={"Content-Encoding": coding})


@pytest.mark.parametrize(
    ("coding", "body", "reason"),
    [
        ("gzip", PLAIN, "the answer is not coded as its Content-Encoding says"),
        ("deflate", b"\x78\x9cnonsense", "the answer is not coded as its Content-Encoding says"),
        ("br", PLAIN, "the answer has a Content-Encoding that was not asked for"),
        ("zstd", PLAIN, "the answer has a Content-Encoding that was not asked for"),
    ],
)
def test_a_body_that_is_not_coded_as_agreed_is_named(coding: str, body: bytes, reason: str) -> None:
    answer, asked = use_answers(lambda *_: coded(coding, body), lambda client: client.get("/people/me"))
    assert (answer.outcome, answer.message, len(asked)) == (Outcome.TIMEOUT, f"connection failed: {reason}", 4)


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_a_body_that_is_coded_as_agreed_is_read(coding: str) -> None:
    body = gzip.compress(PLAIN) if coding == "gzip" else PLAIN
    answer, _ = use_answers(lambda *_: coded(coding, body), lambda client: client.get("/people/me"))
    assert (answer.outcome, answer.body) == (Outcome.OK, PLAIN)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"no healthy upstream", "a text"),
        (b"404 page not found", "a text"),
        (b"true lies", "a text"),
        (b"-", "a text"),
        (b'"Not Found"', "JSON of another kind"),
        (b"404", "JSON of another kind"),
        (b'{"status": 404}', "JSON of another kind"),
    ],
)
def test_a_message_says_what_came_in_place_of_the_answer(body: bytes, kind: str) -> None:
    assert judge(503, {}, body).message == f"HTTP 503 with {kind} in place of the API's answer"
