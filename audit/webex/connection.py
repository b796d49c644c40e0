"""Opens a session with one API origin: TLS, proxy, time limits, no cookies."""

import os
import ssl
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict

from audit import __version__
from audit.clock import Clock
from audit.errors import UsageError, words_of
from audit.untrusted.bounds import HEADER_BYTES
from audit.webex.client import Client
from audit.webex.exchange import Exchange
from audit.webex.oauth import OAuthTokens
from audit.webex.pace import Pace
from audit.webex.proxy import Proxy, proxy_for
from audit.webex.retry import RetryPolicy
from audit.webex.shared_token import SharedToken
from audit.webex.terms import Terms
from audit.webex.tokens import TokenSource


@asynccontextmanager
async def connect(
    base_url: str,
    tokens: TokenSource,
    pace: Pace,
    *,
    concurrency: int,
    timeout_s: float,
    ca_file: str | None = None,
    retry: RetryPolicy,
    clock: Clock,
    terms: Terms | None = None,
) -> AsyncIterator[Client]:
    """Open a client of one API origin, and close it at the end of the block.

    Args:
        base_url: `https`, or `http` to this machine; the token goes to its origin only.
        tokens: the source of the access token.
        pace: the gate of the requests.
        concurrency: the number of connections at once.
        timeout_s: seconds for one whole request.
        ca_file: a CA bundle (PEM) that replaces the system's for TLS.
        retry: the policy for repeated requests.
        clock: the time.
        terms: the terms of the client; by default, there is no deadline, and nobody hears of pauses.

    Raises:
        UsageError: the CA bundle or the proxy of the environment can't be used.
    """
    async with open_session(base_url, concurrency, timeout_s, ca_file) as session:
        terms = terms or Terms()
        exchange = Exchange(session, SharedToken(tokens), clock)
        async with AsyncExitStack() as at_end:
            if isinstance(tokens, OAuthTokens):
                tokens.use(session, retry, terms)
                at_end.push_async_callback(tokens.close)
            yield Client(exchange, base_url, pace, retry, terms)


def open_session(base_url: str, concurrency: int, timeout_s: float, ca_file: str | None) -> aiohttp.ClientSession:
    """A session with an API origin, without a token; arguments and errors as of `connect`."""
    tls, proxy = _tls(ca_file), _proxy(base_url)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency, ssl=tls),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept": "application/json", "User-Agent": f"webex-audit/{__version__}"},
        proxy=proxy.url if proxy else None,
        middlewares=[_authorized(proxy.authorization)] if proxy and proxy.authorization else [],
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
    )
    # aiohttp itself repeats a GET after a lost connection, past the pace and the count, and has no public way to
    # turn that off (aiohttp issue 10790).
    session._retry_connection = False  # noqa: SLF001
    return session


def _tls(ca_file: str | None) -> ssl.SSLContext:
    if ca_file is None:
        return _tls_of_system(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        reason = "no certificate in it can be read" if isinstance(error, ssl.SSLError) else words_of(error)
        raise UsageError(f"webex.ca_file {ca_file}: {reason}: name a PEM bundle") from None


@lru_cache
def _tls_of_system(*_places: str | None) -> ssl.SSLContext:
    """TLS by the certificates that OpenSSL finds: to parse them takes 30 ms, for which the event loop stands still."""
    return ssl.create_default_context()


def _proxy(base_url: str) -> Proxy | None:
    # aiohttp's own trust_env also reads ~/.netrc, whose entries collide with the Authorization header.
    found = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    if not found and not urllib.request.proxy_bypass(urlsplit(base_url).hostname or ""):
        # macOS and Windows have a proxy in their settings; elsewhere, nothing comes of this.
        found = {"HTTPS_PROXY": urllib.request.getproxies().get("https", "")}
    return proxy_for(base_url, found)


def _authorized(authorization: str) -> aiohttp.ClientMiddlewareType:
    """Add the login of the proxy to what it alone reads. A session has no other place for it than the proxy's URL."""

    async def add(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        own = {"Proxy-Authorization": authorization}
        request.proxy_headers = CIMultiDict({**(request.proxy_headers or {}), **own})
        return await send(request)

    return add
