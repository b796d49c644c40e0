"""A session with one API origin: TLS, proxy, time limits, no cookies."""

import ssl
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp

from audit import __version__
from audit.clock import Clock
from audit.errors import UsageError
from audit.webex.client import Client
from audit.webex.oauth import OAuthTokens
from audit.webex.pace import Pace
from audit.webex.retry import RetryPolicy
from audit.webex.shared_token import SharedToken
from audit.webex.terms import Terms
from audit.webex.tokens import TokenSource

#: A next link may be long, and is one header.
_MAX_HEADER = 65_536


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
    """A client of one API origin, closed at the end.

    Args:
        base_url: `https`, or `http` to this machine; the token goes to its origin only.
        tokens: where the access token comes from.
        pace: the gate of its requests.
        concurrency: connections at once.
        timeout_s: seconds for one whole request.
        ca_file: a CA bundle (PEM) to verify TLS with, instead of the system's.
        retry: the policy for repeated requests.
        clock: the time.
        terms: what the client keeps to; by default, it has no deadline and informs nobody.

    Raises:
        UsageError: the CA bundle can't be used.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency, ssl=_tls(ca_file)),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept": "application/json", "User-Agent": f"webex-audit/{__version__}"},
        proxy=_proxy_for(base_url),
        max_line_size=_MAX_HEADER,
        max_field_size=_MAX_HEADER,
    )
    # aiohttp repeats a GET on a lost connection by itself, past the pace and the count, and has no
    # public way to say no (aiohttp issue 10790).
    session._retry_connection = False  # noqa: SLF001
    async with session:
        if isinstance(tokens, OAuthTokens):
            tokens.use(session)
        yield Client(session, base_url, SharedToken(tokens), pace, retry, clock, terms or Terms())


def _tls(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"webex.ca_file {ca_file}: {error.strerror or error}: name a PEM bundle") from None


def _proxy_for(base_url: str) -> str | None:
    # aiohttp's own trust_env reads ~/.netrc too, whose entries collide with the Authorization header.
    parts = urlsplit(base_url)
    if parts.scheme != "https" or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get("https")
