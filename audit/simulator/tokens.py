"""The token endpoint (RFC 6749 section 6), its odd grants and its faults."""

import asyncio
import json
import uuid
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from audit.simulator.answers import fail
from audit.simulator.simulation import ADMIN_SCOPES, Simulation

_PREFIX = "token-"
_NEEDED = ("client_id", "client_secret", "refresh_token")
#: What takes the place of members of a grant, by kind of fault.
_ODD_GRANTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "unusable": lambda _: {"access_token": "two words"},
    "blanks": lambda grant: {name: f" {grant[name]}\r\n" for name in ("access_token", "refresh_token")},
    "expires-text": lambda _: {"expires_in": "1209599"},
    "expires-zero": lambda _: {"expires_in": 0},
    "expires-negative": lambda _: {"expires_in": -1},
    "expires-huge": lambda _: {"expires_in": "1e400, as a number"},
}


class TokenEndpoint:
    """Gives an access token for a refresh token.

    Args:
        simulation: knows the access tokens that are given, and the faults.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        #: The refresh token that is good; None if any is.
        self._good: str | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer `POST /access_token`."""
        faults = self._simulation.faults.of_tokens
        if faults:
            faults.now_s = self._simulation.now_s
        kind = (faults.next(str(request.rel_url)) if faults else None) or ""
        kind = kind.removeprefix(_PREFIX)
        if not kind or kind in _ODD_GRANTS:
            return await self._grant(request, kind)
        if kind in _FAULTY_ANSWERS:
            return _FAULTY_ANSWERS[kind]()
        if kind == "drip":
            return await _drip(request, self._simulation.slow_s)
        return await fail(kind, request, self._grant, self._simulation.slow_s)

    async def _grant(self, request: web.Request, kind: str = "") -> web.Response:
        form = await request.post()
        refresh_token = str(form.get("refresh_token"))
        if form.get("grant_type") != "refresh_token" or not all(form.get(name) for name in _NEEDED):
            return _refused("invalid_request", "A parameter is missing")
        if self._good not in (None, refresh_token):
            return _refused("invalid_grant", "The refresh token provided is expired")
        if "token-rotate" in self._simulation.faults.quirks:
            self._good = refresh_token = f"simulated-refresh-token-{uuid.uuid4().hex}"
        token = f"simulated-token-{uuid.uuid4().hex}"
        self._simulation.tokens[token] = ADMIN_SCOPES
        grant = {
            "access_token": token,
            "expires_in": 1_209_599,
            "refresh_token": refresh_token,
            "refresh_token_expires_in": 7_776_000,
            "token_type": "Bearer",
        }
        odd = _ODD_GRANTS[kind](grant) if kind else {}
        text = json.dumps(grant | odd).replace('"1e400, as a number"', "1e400")
        return web.Response(text=text, content_type="application/json")


def _refused(code: str, description: str) -> web.Response:
    return web.json_response({"error": code, "error_description": description}, status=400)


def _bomb() -> web.Response:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(256)) + packer.flush()
    return web.Response(body=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})


def _in_five_seconds() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=5), usegmt=True)


async def _drip(request: web.Request, pause_s: float) -> web.StreamResponse:
    """Answer without end, with a byte after each pause."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(pause_s)


#: The answer of each kind of fault (`audit.simulator.faults.KINDS`) that only this endpoint has.
_FAULTY_ANSWERS: dict[str, Callable[[], web.Response]] = {
    "503-date": lambda: web.Response(status=503, headers={"Retry-After": _in_five_seconds()}),
    "invalid-grant": lambda: _refused("invalid_grant", "The refresh token provided is expired"),
    "invalid-client": lambda: _refused("invalid_client", "Client authentication failed"),
    "bomb": _bomb,
}
