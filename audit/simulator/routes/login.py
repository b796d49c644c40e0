"""The pages to sign in: `/authorize` (RFC 6749 section 4.1, RFC 7636) and `/device/…` (RFC 8628), as Webex has them."""

import html
import secrets
from base64 import b64decode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from audit.simulator.answers import error
from audit.simulator.simulation import Simulation
from audit.simulator.tokens import Granted, TokenEndpoint, refused_grant

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{body}</html>"""
_FORM = """<form method="post">{fields}
<button name="decision" value="accept">Accept</button>
<button name="decision" value="decline">Decline</button></form>"""
_ASKED = ("client_id", "redirect_uri", "scope", "state", "code_challenge")
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_HOSTILE = "<script>document.title='run'</script>\x1b[2J\x1b]0;owned\x07"
_SLOW_POLLS = 2
#: Why a poll brings no grant, by what became of the device code.
_REFUSALS = {
    "slow-down": ("slow_down", "Poll less often"),
    "pending-400": ("authorization_pending", "The user has not decided yet"),
    "expired": ("expired_token", "The device code has expired"),
    "decline": ("access_denied", "The user denied access"),
}


class _Device(NamedTuple):
    """A device code: who asked, for what, and what became of it (`accept`, `decline`; empty while nobody decided)."""

    client_id: str
    scopes: frozenset[str]
    user_code: str
    decision: str = ""
    polls: int = 0


class LoginRoutes:
    """Serves the pages, and hands what was granted to the token endpoint."""

    def __init__(self, simulation: Simulation, tokens: TokenEndpoint) -> None:
        self._simulation = simulation
        self._tokens = tokens
        self._devices: dict[str, _Device] = {}

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the pages."""
        router.add_get("/v1/authorize", self._page, allow_head=False)
        router.add_post("/v1/authorize", self._decide)
        router.add_post("/v1/device/authorize", self._begin_on_device)
        router.add_get("/v1/device/verify", self._verify_page, allow_head=False)
        router.add_post("/v1/device/verify", self._verify)
        router.add_post("/v1/device/token", self._poll)

    @property
    def _quirks(self) -> frozenset[str]:
        return self._simulation.faults.quirks

    async def _page(self, request: web.Request) -> web.Response:
        asked = request.query
        if asked.get("response_type") != "code" or not all(asked.get(name) for name in _ASKED[:3]):
            return _html("This request is not valid", "A parameter is missing.", status=400)
        if "code_challenge" in asked and asked.get("code_challenge_method") != "S256":
            return _html("This request is not valid", "Only S256 is simulated.", status=400)
        fields = _hidden({name: asked[name] for name in _ASKED if name in asked})
        scopes = "".join(f"<li>{html.escape(scope)}</li>" for scope in asked["scope"].split())
        title = f"{html.escape(asked['client_id'])} asks for access"
        return _html(title, f"<ul>{scopes}</ul>{_FORM.format(fields=fields)}")

    async def _decide(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        answer = {"state": form["state"]} if "state" in form else {}
        if "login-hostile-error" in self._quirks:
            answer |= {"error": _HOSTILE, "error_description": _HOSTILE}
        elif form.get("decision") == "accept":
            code = f"simulated-code-{secrets.token_hex(8)}"
            granted = self._granted(form["scope"])
            self._tokens.codes[code] = Granted(
                form["client_id"], granted, form["redirect_uri"], form.get("code_challenge")
            )
            answer |= {"code": code}
        else:
            answer |= {"error": "access_denied", "error_description": "The user denied access"}
        raise web.HTTPFound(f"{form['redirect_uri']}?{urlencode(answer)}")

    def _granted(self, scope: str) -> frozenset[str]:
        asked = sorted(scope.split())
        return frozenset(asked[:-1] if "login-fewer-scopes" in self._quirks else asked)

    async def _begin_on_device(self, request: web.Request) -> web.Response:
        form = await request.post()
        client_id, scope = str(form.get("client_id") or ""), str(form.get("scope") or "")
        if not client_id or not scope:
            return error(400, "The request could not be understood by the server due to malformed syntax.")
        code, user_code = secrets.token_hex(16), f"{secrets.randbelow(10**6):06d}"
        self._devices[code] = _Device(client_id, self._granted(scope), user_code)
        uri = str(request.url.with_path("/v1/device/verify").with_query({}))
        return web.json_response(
            {
                "device_code": code,
                "expires_in": 300,
                "user_code": user_code,
                "verification_uri": uri,
                "verification_uri_complete": f"{uri}?userCode={user_code}",
                "interval": 2,
            }
        )

    async def _verify_page(self, request: web.Request) -> web.Response:
        code = html.escape(request.query.get("userCode", ""))
        field = f'<label>Code <input name="userCode" value="{code}"></label>'
        return _html("Enter the code", _FORM.format(fields=field))

    async def _verify(self, request: web.Request) -> web.Response:
        form = await request.post()
        for code, device in self._devices.items():
            if device.user_code == form.get("userCode") and not device.decision:
                self._devices[code] = device._replace(decision=str(form.get("decision")))
                return _html("Done", "Go back to your device.")
        return _html("No such code", "Start again.", status=400)

    async def _poll(self, request: web.Request) -> web.Response:
        form = await request.post()
        code = str(form.get("device_code"))
        device = self._devices.get(code)
        if form.get("grant_type") != _DEVICE_GRANT or device is None:
            return refused_grant("invalid_grant", "The device code is not known")
        if not self._is_authorized(request, device):
            return refused_grant("invalid_client", "Client authentication failed", status=401)
        self._devices[code] = device = device._replace(polls=device.polls + 1)
        state = self._state_of(device)
        if state == "accept":
            del self._devices[code]
            return self._tokens.issue(device.scopes)
        if state == "pending":
            return error(428, "The request is still pending: authorization_pending")
        return refused_grant(*_REFUSALS[state])

    def _state_of(self, device: _Device) -> str:
        """What became of a device code: `accept`, `pending` or one of the refusals."""
        if "device-slow-down" in self._quirks and device.polls <= _SLOW_POLLS:
            return "slow-down"
        decided = next((each for each in ("expired", "decline") if f"device-{each}" in self._quirks), device.decision)
        return decided or ("pending-400" if "device-pending-400" in self._quirks else "pending")

    def _is_authorized(self, request: web.Request, device: _Device) -> bool:
        try:
            given = b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        except (KeyError, ValueError):
            return False
        login, _, secret = given.partition(":")
        return login == device.client_id and bool(secret) and self._simulation.client_secret in (None, secret)


def _html(title: str, body: str, status: int = 200) -> web.Response:
    return web.Response(status=status, text=_PAGE.format(title=title, body=body), content_type="text/html")


def _hidden(fields: Mapping[str, str]) -> str:
    return "".join(f'<input type="hidden" name="{name}" value="{html.escape(text)}">' for name, text in fields.items())
