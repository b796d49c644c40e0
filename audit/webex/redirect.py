"""Receives the answer of a browser that comes back from the page to sign in: a server for one request, on loopback.

Other programs and web pages can reach it too. So it believes a request only if the host is its own address (a page
elsewhere may point its own name to 127.0.0.1), and if the state is that of this login. What it does not believe changes
nothing: the login goes on waiting. Its pages are fixed texts, and show nothing of a request.
"""

import asyncio
import hmac
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from aiohttp import web

from audit.errors import UsageError, words_of
from audit.loopback import serving
from audit.redaction import learn

log = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_PATH = "/callback"
#: Characters of an authorization code that are believed; those of Webex have about 150.
_LONGEST_CODE = 2000
#: Seconds for an answer that is under way when the login ends.
_SHUTDOWN_S = 2.0
#: A browser opens a few. Silent connections of others must not use up what this process may open.
_MOST_CONNECTIONS = 64
_HEADERS = {
    "Cache-Control": "no-store",
    "Connection": "close",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>webex-audit: {title}</title>
<style>body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 4rem auto; padding: 0 1rem }}</style>
<h1>{title}</h1>
<p>{text}</p>
</html>
"""


class Code(NamedTuple):
    """An authorization code, good for one use.

    Attributes:
        text: the code, a secret.
    """

    text: str

    def __repr__(self) -> str:
        return "Code(…)"


class Denied(NamedTuple):
    """The person, or the page, has refused.

    Attributes:
        code: a code of RFC 6749 section 4.1.2.1; empty if it is none of these.
    """

    code: str


_DENIALS = frozenset(
    {
        "access_denied",
        "invalid_request",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_response_type",
    }
)


class Redirect:
    """Waits for the answer of a browser.

    Args:
        port: a port of 127.0.0.1.
        state: the state of this login.
    """

    def __init__(self, port: int, state: str) -> None:
        self._port = port
        self._state = state
        self._is_warned = False
        self._answer: asyncio.Future[Code | Denied] = asyncio.get_running_loop().create_future()

    @property
    def uri(self) -> str:
        """The URI that the integration must have registered."""
        return redirect_uri(self._port)

    async def answer(self) -> Code | Denied:
        """The answer, once it has come."""
        return await asyncio.shield(self._answer)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve while the block runs.

        Raises:
            UsageError: the port can't be served.
        """
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        # The server's own log would quote what anybody sends.
        silent = logging.Logger("silent")  # noqa: LOG001 - a logger of the tree would hand its lines on
        silent.addHandler(logging.NullHandler())
        # Elsewhere, an address that is reused can be taken over by another program.
        reused = os.name == "posix"
        server = serving(
            app,
            _HOST,
            self._port,
            reuse_address=reused,
            most_connections=_MOST_CONNECTIONS,
            logger=silent,
            shutdown_timeout=_SHUTDOWN_S,
        )
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(server)
            except OSError as error:
                raise UsageError(
                    f"port {self._port} of {_HOST} can't be served ({words_of(error)}): another login or program may "
                    f"use it: wait, or choose another port with --port, and register {redirect_uri(self._port + 1)} "
                    "for example"
                ) from None
            yield

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        status, title, text, answer = self._judge(request)
        response = web.Response(
            status=status, text=_PAGE.format(title=title, text=text), content_type="text/html", headers=_HEADERS
        )
        if answer and not self._answer.done():
            # First the page: the server ends soon after the answer is known.
            await response.prepare(request)
            await response.write_eof()
            if not self._answer.done():
                self._answer.set_result(answer)
        return response

    def _judge(self, request: web.Request) -> tuple[int, str, str, Code | Denied | None]:
        """Status, title and text of the page, and the answer if the request brings one."""
        if request.headers.getall("Host", []) != [f"{_HOST}:{self._port}"]:
            return 421, "Not here", "This address belongs to a login of webex-audit on this machine.", None
        if request.path != _PATH:
            return 404, "Not found", "This address belongs to a login of webex-audit.", None
        if request.method != "GET":
            return 405, "Not this way", "This address waits for the page where you sign in to Webex.", None
        states = request.query.getall("state", [])
        if len(states) != 1 or not hmac.compare_digest(states[0].encode("utf-8", "replace"), self._state.encode()):
            if not self._is_warned:
                log.warning("a request that does not belong to this login came to %s: it is ignored", self.uri)
                self._is_warned = True
            text = "This is not the answer to the login that is under way. Start again with webex-audit login."
            return 400, "Not this login", text, None
        if self._answer.done():
            return 409, "Already answered", "This login has its answer. You can close this page.", None
        return _meaning(request.query.getall("code", []), request.query.getall("error", []))


def _meaning(codes: list[str], errors: list[str]) -> tuple[int, str, str, Code | Denied | None]:
    code = codes[0] if len(codes) == 1 and not errors else ""
    if code and len(code) <= _LONGEST_CODE and code.isascii() and code.isprintable():
        learn(code, is_echoed=True)
        text = (
            "Webex has answered. Go back to your terminal: webex-audit says there what you granted, and what is next."
        )
        return 200, "You can close this page", text, Code(code)
    if len(errors) == 1 and not codes:
        text = "Nothing was granted. Go back to your terminal: webex-audit says there what to do."
        return 200, "Not signed in", text, Denied(errors[0] if errors[0] in _DENIALS else "")
    return 400, "Not an answer", "This answer holds no usable code. Go back to your terminal.", None


def redirect_uri(port: int) -> str:
    """The redirect URI of a port; an address, not `localhost`, which may be another machine (RFC 8252 section 8.3)."""
    return f"http://{_HOST}:{port}{_PATH}"
