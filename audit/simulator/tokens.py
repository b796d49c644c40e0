"""The token endpoint (RFC 6749 sections 4.1.3 and 6), its odd grants and its faults."""

import asyncio
import hashlib
import json
import uuid
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, NamedTuple

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


class Granted(NamedTuple):
    """What an authorization code is good for, once.

    Attributes:
        client_id: the integration that asked.
        scopes: what the person agreed to.
        redirect_uri: where the code went.
        challenge: the challenge of PKCE; None without one.
    """

    client_id: str
    scopes: frozenset[str]
    redirect_uri: str
    challenge: str | None


class TokenEndpoint:
    """Gives an access token for a refresh token, or for an authorization code.

    Args:
        simulation: knows the access tokens that are given, and the faults.

    Attributes:
        codes: the authorization codes that are good.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self.codes: dict[str, Granted] = {}
        #: The scopes of the refresh tokens of logins; any other has all of them.
        self._scopes: dict[str, frozenset[str]] = {}
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
        form = {name: str(value) for name, value in (await request.post()).items()}
        if form.get("grant_type") == "authorization_code":
            return self._redeemed(form, kind)
        refresh_token = form.get("refresh_token", "")
        if form.get("grant_type") != "refresh_token" or not all(form.get(name) for name in _NEEDED):
            return refused_grant("invalid_request", "A parameter is missing")
        if self._good not in (None, refresh_token):
            return refused_grant("invalid_grant", "The refresh token provided is expired")
        if self._simulation.client_secret not in (None, form["client_secret"]):
            return refused_grant("invalid_client", "Client authentication failed", status=401)
        scopes = self._scopes.get(refresh_token, ADMIN_SCOPES)
        if "token-rotate" in self._simulation.faults.quirks:
            self._good = refresh_token = f"simulated-refresh-token-{uuid.uuid4().hex}"
        return self.issue(scopes, refresh_token, kind)

    def _redeemed(self, form: Mapping[str, str], kind: str) -> web.Response:
        granted = self.codes.pop(form.get("code", ""), None)
        if granted is None:
            return refused_grant("invalid_grant", "The code is not known, expired, or was used")
        if not form.get("client_secret") or self._simulation.client_secret not in (None, form["client_secret"]):
            return refused_grant("invalid_client", "Client authentication failed", status=401)
        if (granted.client_id, granted.redirect_uri) != (form.get("client_id"), form.get("redirect_uri")):
            return refused_grant("invalid_grant", "The code belongs to another client or redirect URI")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if granted.challenge not in (None, urlsafe_b64encode(digest).rstrip(b"=").decode()):
            return refused_grant("invalid_grant", "The code verifier does not match")
        return self.issue(granted.scopes, kind=kind)

    def issue(self, scopes: frozenset[str], refresh_token: str | None = None, kind: str = "") -> web.Response:
        """A grant.

        Args:
            scopes: those of the access token.
            refresh_token: the refresh token; a new one by default, which has these scopes.
            kind: of an odd grant.
        """
        quirks = self._simulation.faults.quirks
        is_login = refresh_token is None
        refresh_token = refresh_token or f"simulated-refresh-token-{uuid.uuid4().hex}"
        self._scopes[refresh_token] = scopes
        if is_login and self._good is not None:
            self._good = refresh_token
        token = f"simulated-token-{uuid.uuid4().hex}"
        self._simulation.tokens[token] = scopes
        grant = {
            "access_token": token,
            "expires_in": 1_209_599,
            "refresh_token": refresh_token,
            "refresh_token_expires_in": 7_776_000,
            "token_type": "Bearer",
        }
        if is_login and "login-no-scope" not in quirks:
            grant["scope"] = " ".join(sorted(scopes))
        if is_login and "login-no-refresh" in quirks:
            del grant["refresh_token"]
        odd = _ODD_GRANTS[kind](grant) if kind else {}
        text = json.dumps(grant | odd).replace('"1e400, as a number"', "1e400")
        return web.Response(text=text, content_type="application/json")


def refused_grant(code: str, description: str, status: int = 400) -> web.Response:
    """A refusal in the shape of RFC 6749."""
    return web.json_response({"error": code, "error_description": description}, status=status)


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
    "invalid-grant": lambda: refused_grant("invalid_grant", "The refresh token provided is expired"),
    "invalid-client": lambda: refused_grant("invalid_client", "Client authentication failed"),
    "bomb": _bomb,
}
