"""The faulty answers of the API: errors, requests to wait, and unusable bodies."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: The messages of the API, by status.
MESSAGES = {
    "400": "The request could not be understood by the server due to malformed syntax.",
    "401": "The request requires a valid access token set in the Authorization request header.",
    "403": (
        "The server understood the request, but refused to fulfill it because the access token is missing required "
        "scopes or the user is missing required roles or licenses."
    ),
    "404": "The requested resource could not be found.",
    "409": "The request could not be processed because it conflicts with some established rule of the system.",
    "500": "Something went wrong on the server.",
    "504": "An upstream server failed to respond on time.",
}


def error(status: int, message: str, *, code: int | None = None, headers: dict[str, str] | None = None) -> web.Response:
    """An error in the shape of the calling configuration API, with `errorCode` if there is a code."""
    description: dict[str, Any] = {"description": message}
    body: dict[str, Any] = {"message": message, "errors": [description], "trackingId": f"ROUTERGW_{uuid.uuid4()}"}
    if code is not None:
        description["errorCode"] = body["errorCode"] = code
    all_headers = {"TrackingID": body["trackingId"], **(headers or {})}
    return web.Response(status=status, text=json.dumps(body), content_type="application/json", headers=all_headers)


async def _cut_off(request: web.Request, beginning: bytes | None) -> web.StreamResponse:
    """Break the connection: at once, or during an answer."""
    response = web.StreamResponse(headers={"Content-Length": "100000", "Content-Type": "application/json"})
    if beginning is not None:
        await response.prepare(request)
        await response.write(beginning)
    if request.transport is not None:
        request.transport.abort()
    return response


def _wait(status: int, retry_after: str | None) -> web.Response:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return error(status, "Too many requests." if status == 429 else "Locked.", headers=headers)


def _in_a_second() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)


def _text(text: str, content_type: str = "application/json", status: int = 200) -> web.Response:
    return web.Response(text=text, content_type=content_type, status=status)


def _page(status: int) -> web.Response:
    return _text(f"<html><head><title>{status}</title></head><body>{status}</body></html>", "text/html", status)


#: The answer of each kind of fault (`audit.simulator.faults.KINDS`), except those that break, delay or alter an answer.
FAULTY_ANSWERS: dict[str, Callable[[], web.Response]] = {
    "429": lambda: _wait(429, "1"),
    "429-date": lambda: _wait(429, _in_a_second()),
    "429-zero": lambda: _wait(429, "0"),
    "429-absent": lambda: _wait(429, None),
    "429-nonsense": lambda: _wait(429, "rand(30),add(30)"),
    "429-long": lambda: _wait(429, "194"),
    "423": lambda: _wait(423, None),
    "423-seconds": lambda: _wait(423, "1"),
    "423-date": lambda: _wait(423, _in_a_second()),
    "423-long": lambda: _wait(423, "600"),
    "423-hours": lambda: _wait(423, "14400"),
    "400": lambda: error(400, MESSAGES["400"]),
    "401": lambda: error(401, MESSAGES["401"]),
    "403": lambda: error(403, MESSAGES["403"]),
    "404": lambda: error(404, MESSAGES["404"]),
    "409": lambda: error(409, MESSAGES["409"]),
    "405-text": lambda: error(405, "Invalid Professional Place"),
    "405-wxc": lambda: error(405, "WXC-25409: this place is not professional"),
    "401-html": lambda: _page(401),
    "403-html": lambda: _page(403),
    "404-html": lambda: _page(404),
    "404-empty": lambda: web.Response(status=404),
    "404-json": lambda: web.json_response({"status": 404, "error": "Not Found", "path": "/v1"}, status=404),
    "404-message": lambda: web.json_response({"message": "no Route matched", "request_id": "5b1"}, status=404),
    "408": lambda: _page(408),
    "425": lambda: web.Response(status=425),
    "499": lambda: _page(499),
    "520": lambda: _page(520),
    "501": lambda: error(501, "Not implemented."),
    "204": lambda: web.Response(status=204),
    "202": lambda: web.Response(status=202),
    "302": lambda: web.Response(status=302, headers={"Location": "https://login.example.net/"}),
    "200-message": lambda: web.json_response({"message": "Please try again later.", "trackingId": "ROUTERGW_0"}),
    "500": lambda: error(500, MESSAGES["500"]),
    "500-long": lambda: error(500, MESSAGES["500"], headers={"Retry-After": "120"}),
    "502": lambda: _page(502),
    "503": lambda: web.Response(status=503, headers={"Retry-After": "1"}),
    "503-long": lambda: web.Response(status=503, headers={"Retry-After": "120"}),
    "503-bare": lambda: _page(503),
    "504": lambda: error(504, MESSAGES["504"]),
    "html": lambda: _text("<html>Sign in</html>", "text/html"),
    "empty": lambda: _text(""),
    "malformed": lambda: _text('{"allowAutoAnswer": tru'),
    "array": lambda: _text("[]"),
    "mistyped": lambda: _text('{"allowAutoAnswer": {"on": 1}, "connectionType": [], "accessType": "ALLOW_MEMBERS"}'),
}


def _with_unknown(body: bytes, value: bytes) -> bytes:
    return body.replace(b"{", b'{"unknownField": ' + value + b", ", 1)


def _with_null_member(body: bytes) -> bytes:
    content = json.loads(body)
    if "members" in content:
        content["members"].insert(0, None)
    return json.dumps(content).encode()


#: What each of these kinds of fault makes of the body of a good answer.
ALTERATIONS: dict[str, Callable[[bytes], bytes]] = {
    "bom": lambda body: b"\xef\xbb\xbf" + body,
    "odd-number": lambda body: _with_unknown(body, b"1e400"),
    "odd-text": lambda body: _with_unknown(body, rb'"\ud800"'),
    "null-member": _with_null_member,
}


async def _endless(request: web.Request) -> web.StreamResponse:
    """An answer that goes on until the client has enough."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b" " * 1_000_000)


async def fail(kind: str, request: web.Request, handler: Handler, slow_s: float) -> web.StreamResponse:
    """Answer with a fault, or alter, delay or break the answer of the handler.

    Args:
        kind: the kind of fault.
        request: the request.
        handler: gives the answer without a fault.
        slow_s: the delay of a slow answer in seconds.
    """
    if kind in FAULTY_ANSWERS:
        return FAULTY_ANSWERS[kind]()
    if kind in ALTERATIONS:
        return _altered(await handler(request), ALTERATIONS[kind])
    if kind == "too-long":
        return await _endless(request)
    if kind in ("slow", "hang"):
        await (asyncio.sleep(slow_s) if kind == "slow" else asyncio.Event().wait())
        return await handler(request)
    return await _cut_off(request, b'{"items": [' if kind == "truncated" else None)


def _altered(response: web.StreamResponse, alter: Callable[[bytes], bytes]) -> web.StreamResponse:
    if not isinstance(response, web.Response) or response.status != 200 or not isinstance(response.body, bytes):
        return response
    headers = {
        name: value for name, value in response.headers.items() if name not in ("Content-Length", "Content-Type")
    }
    return web.Response(body=alter(response.body), headers=headers, content_type="application/json")
