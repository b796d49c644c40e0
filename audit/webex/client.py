"""Moves bytes to and from the Webex API under a pace; what they mean is said in `wire`."""

import logging
import random
import ssl
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import msgspec
from yarl import URL

from audit import __version__
from audit.clock import Clock
from audit.errors import UsageError
from audit.outcome import Outcome
from audit.webex import wire
from audit.webex.errors import ForeignLinkError, ScopeError, TokenRefusedError, UnansweredError
from audit.webex.pace import Pace
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import Token

log = logging.getLogger(__name__)

#: Pages in a row that may be empty before a listing that still names a next one is taken to be over.
_MAX_EMPTY_PAGES = 3


class Answer(msgspec.Struct, frozen=True):
    """The last answer to one read, after all retries.

    Attributes:
        outcome: what it means.
        status: the HTTP status; None where no answer came.
        body: the raw JSON object of an answer with outcome `ok`; else empty.
        message: what the API, or the network, said of a failure.
        tracking_id: the API's own name for this answer, for its support.
        attempts: requests made for it.
        fetched_at: when it came, in UTC.
        link: its `Link` header.
    """

    outcome: Outcome
    status: int | None
    body: bytes
    message: str | None
    tracking_id: str | None
    attempts: int
    fetched_at: datetime
    link: str | None = None


class RequestCount(msgspec.Struct):
    """Requests made so far: all, those that repeated another, those answered with 429 or 423."""

    total: int = 0
    retried: int = 0
    throttled: int = 0


class _Try(msgspec.Struct, frozen=True):
    """One request and what came of it, before it is known whether another follows."""

    verdict: wire.Verdict
    status: int | None = None
    body: bytes = b""
    link: str | None = None
    retry_after_s: float | None = None


class Client:
    """Reads from one API origin with one token. Made by `connect`."""

    def __init__(
        self, session: aiohttp.ClientSession, base_url: str, token: Token, pace: Pace, retry: RetryPolicy, clock: Clock
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.count = RequestCount()
        self.pace = pace
        self._session = session
        self._origin = wire.origin_of(self.base_url)
        self._token = token
        self._retry = retry
        self._clock = clock

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        """GET a path (percent-encoded, below the base URL), retried as the policy says.

        Raises:
            TokenRefusedError: the token is refused (401).
        """
        return await self._get(self._url(path, params or {}))

    async def pages(
        self, path: str, params: Mapping[str, str], key: str, *, scope: str, probe: bool = False
    ) -> AsyncIterator[list[Any]]:
        """The pages of a listing, each as its list of items.

        Args:
            path: path of the listing.
            params: its query.
            key: the key of the list in a page.
            scope: the scope that it needs, for the error that a 403 becomes.
            probe: the listing takes `start`, and may page without `Link` (`/workspaces` declares
                none): where no page had one, ask on behind the last page until one is empty.

        Raises:
            TokenRefusedError: the token is refused (401).
            ScopeError: the token may not list this (403).
            UnansweredError: a page could not be had.
            ForeignLinkError: a next link leads to another origin.
        """
        url: str | None = self._url(path, params)
        seen: set[str] = set()
        empty = listed = 0
        while url:
            seen.add(url)
            answer = await self._get(url)
            if answer.outcome is not Outcome.OK:
                raise self.unanswered(path, answer, scope)
            items = wire.page_items(answer.body, key)
            yield items
            listed += len(items)
            empty = 0 if items else empty + 1
            probe = probe and answer.link is None
            following = wire.next_url(answer.link, url, params)
            if following is None and probe and items:
                following = self._url(path, {**params, "start": str(listed)})
            if following in seen or (following and empty >= _MAX_EMPTY_PAGES):
                log.warning("listing %s: its next link leads nowhere new, taken as its end", path)
                return
            url = following

    def unanswered(self, path: str, answer: Answer, scope: str) -> ScopeError | UnansweredError:
        """The error to stop with where a run can't do without this answer, which needs that scope."""
        if answer.outcome is Outcome.FORBIDDEN:
            return ScopeError(
                f"the token may not read {path} (403): it needs the scope {scope} and an administrator role; "
                f"the API says: {answer.message}"
            )
        if answer.status is None:
            return UnansweredError(
                f"{self.base_url} does not answer ({answer.attempts} tries): {answer.message}; check the network and "
                "webex.base_url"
            )
        return UnansweredError(f"{path}: HTTP {answer.status} after {answer.attempts} tries: {answer.message}")

    def _url(self, path: str, params: Mapping[str, str]) -> str:
        query = urlencode(params, quote_via=quote, safe="")
        return f"{self.base_url}{path}{'?' if query else ''}{query}"

    async def _get(self, url: str) -> Answer:
        if wire.origin_of(url) != self._origin:
            raise ForeignLinkError(
                f"a next link leads to another host, {urlsplit(url).hostname}: the token was not sent there "
                f"(it goes to {urlsplit(self.base_url).hostname} only)"
            )
        failures = throttles = 0
        while True:
            self.count.total += 1
            tried = await self._try(url)
            if tried.verdict.outcome is Outcome.THROTTLED:
                self.count.throttled += 1
                throttles += 1
            elif tried.verdict.is_retryable:
                failures += 1
            attempts = throttles + failures + (not tried.verdict.is_retryable)
            if (
                not tried.verdict.is_retryable
                or failures >= self._retry.attempts
                or throttles >= self._retry.throttled_attempts
            ):
                return self._answer(tried, attempts)
            self.count.retried += 1
            log.debug("again after try %d: %s (%s)", attempts, url, tried.verdict.message)
            await self._wait(tried, failures)

    async def _wait(self, tried: _Try, failures: int) -> None:
        retry_after_s = tried.retry_after_s
        if tried.status == 429:
            # The limit is shared, so the pause is too; the pace holds this request back with the rest.
            self.pace.on_throttled(wire.DEFAULT_RETRY_AFTER_S if retry_after_s is None else retry_after_s)
        elif tried.status == 423 and retry_after_s is None:
            await self._clock.sleep(random.uniform(0, wire.DEFAULT_RETRY_AFTER_S))  # noqa: S311
        else:
            backoff_s = self._retry.delay_s(failures) if failures else 0.0
            await self._clock.sleep(max(backoff_s, retry_after_s or 0.0))

    async def _try(self, url: str) -> _Try:
        headers = {"Authorization": self._token.authorization()}
        try:
            async with (
                self.pace,
                self._session.get(URL(url, encoded=True), headers=headers, allow_redirects=False) as response,
            ):
                body = await response.read()
        except TimeoutError:
            return _Try(wire.Verdict(Outcome.TIMEOUT, is_retryable=True, message="no answer in time"))
        except (aiohttp.ClientError, OSError) as error:
            message = f"connection failed: {self._token.redact(str(error)) or type(error).__name__}"
            return _Try(wire.Verdict(Outcome.TIMEOUT, is_retryable=True, message=message))
        if response.status == 401:
            raise TokenRefusedError(
                "the access token is refused (401): it is expired, revoked or not a Webex token; get a new one "
                "and set it again"
            )
        now = wire.answer_time(response.headers, self._clock.now())
        return _Try(
            wire.judge(response.status, response.headers, body),
            response.status,
            body,
            ", ".join(response.headers.getall("Link", [])) or None,
            wire.retry_after_s(response.headers.get("Retry-After"), now),
        )

    def _answer(self, tried: _Try, attempts: int) -> Answer:
        verdict = tried.verdict
        return Answer(
            outcome=verdict.outcome,
            status=tried.status,
            body=tried.body if verdict.outcome is Outcome.OK else b"",
            message=self._token.redact(verdict.message) if verdict.message else None,
            tracking_id=verdict.tracking_id,
            attempts=attempts,
            fetched_at=self._clock.now(),
            link=tried.link,
        )


@asynccontextmanager
async def connect(
    base_url: str,
    token: Token,
    pace: Pace,
    *,
    concurrency: int,
    timeout_s: float,
    ca_file: str | None = None,
    retry: RetryPolicy | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Client]:
    """A client of one API origin, closed at the end.

    Args:
        base_url: `https`, or `http` to this machine; the token goes to its origin only.
        token: the access token.
        pace: the gate of all its requests.
        concurrency: connections at once.
        timeout_s: seconds for one whole request.
        ca_file: a CA bundle (PEM) to verify TLS with, instead of the system's.
        retry: the policy for repeated requests.
        clock: the time.

    Raises:
        UsageError: the CA bundle can't be used.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency, ssl=_tls(ca_file)),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept": "application/json", "User-Agent": f"webex-audit/{__version__}"},
        proxy=_proxy_for(base_url),
    )
    # aiohttp repeats a GET on a lost connection by itself, past the pace and the count, and has no
    # public way to say no (aiohttp issue 10790).
    session._retry_connection = False  # noqa: SLF001
    async with session:
        yield Client(session, base_url, token, pace, retry or RetryPolicy(), clock or Clock())


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
