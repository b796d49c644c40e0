"""Moves bytes to and from the Webex API under a pace; what they mean is said in `wire`."""

import asyncio
import logging
import math
import random
import ssl
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import msgspec
from yarl import URL

from audit import __version__
from audit.clock import Clock
from audit.errors import StoppedError, UsageError
from audit.outcome import Outcome
from audit.webex import wire
from audit.webex.errors import ForeignLinkError, NotListedError, ScopeError, UnansweredError
from audit.webex.oauth import OAuthTokens
from audit.webex.pace import Pace
from audit.webex.retry import RetryBudget, RetryPolicy
from audit.webex.tokens import Token, TokenSource, refusal

log = logging.getLogger(__name__)

#: Pages in a row that may be empty while a listing still names a next one.
_MAX_EMPTY_PAGES = 100
#: Bytes of one answer, decompressed; the largest known are pages of 1,000 workspaces, about a megabyte.
_MAX_BODY = 64 * 1024 * 1024
#: A next link may be long, and is one header.
_MAX_HEADER = 65_536


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
        is_empty: it had no body at all.
    """

    outcome: Outcome
    status: int | None
    body: bytes
    message: str | None
    tracking_id: str | None
    attempts: int
    fetched_at: datetime
    link: str | None = None
    is_empty: bool = False


class RequestCount(msgspec.Struct):
    """Requests made so far: all, those that repeated another, those answered with 429 or 423."""

    total: int = 0
    retried: int = 0
    throttled: int = 0


class _Try(msgspec.Struct, frozen=True):
    """One request and what came of it, before it is known whether another follows."""

    verdict: wire.Verdict
    status: int | None = None
    is_empty: bool = False
    link: str | None = None
    retry_after_s: float | None = None
    sent_at_s: float = 0.0


class Client:
    """Reads from one API origin with one token. Made by `connect`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        tokens: TokenSource,
        pace: Pace,
        retry: RetryPolicy,
        clock: Clock,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.count = RequestCount()
        self.pace = pace
        #: On the clock; a wait that would end behind it stops the run at once.
        self.deadline_at_s = math.inf
        self.last_answer_at_s = clock.monotonic_s()
        self.last_success_at_s = -math.inf
        #: Told the seconds of each pause that all requests take.
        self.on_pause: Callable[[float], None] = lambda _: None
        self._session = session
        self._origin = wire.origin_of(self.base_url)
        self._tokens = tokens
        self._renewal = asyncio.Lock()
        self._token: Token | None = None
        self._retry = retry
        self._budget = RetryBudget(retry.budget)
        self._clock = clock

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        """GET a path (percent-encoded, below the base URL), retried as the policy says.

        Raises:
            TokenRefusedError: the token is refused (401), and there is no other.
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
            TokenRefusedError: the token is refused (401), and there is no other.
            ScopeError: the token may not list this (403).
            UnansweredError: a page could not be had.
            ForeignLinkError: a next link leads to another origin.
        """
        url: str | None = self._url(path, params)
        seen: set[str] = set()
        ids: set[object] = set()
        empty = listed = 0
        while url:
            seen.add(url)
            answer, items = await self._page(path, url, key, scope)
            yield items
            listed += len(items)
            empty = 0 if items else empty + 1
            following = self._following(path, answer, url, params)
            probe = probe and answer.link is None
            if probe and items and self._has_news(items, ids):
                following = self._url(path, {**params, "start": str(listed)})
            if following in seen and not items:
                # Known of this API: an empty last page that still links on.
                return
            if following in seen or empty > _MAX_EMPTY_PAGES:
                raise UnansweredError(
                    f"{path}: the listing runs in circles behind {listed} items, so that its end is unknown"
                )
            url = following

    async def _page(self, path: str, url: str, key: str, scope: str) -> tuple[Answer, list[Any]]:
        for _ in range(self._retry.attempts):
            answer = await self._get(url)
            if answer.outcome is Outcome.INVALID_RESPONSE and answer.link and answer.is_empty:
                log.warning("listing %s: a page is empty, tries included; going on behind it", path)
                return answer, []
            if answer.outcome is not Outcome.OK:
                raise self.unanswered(path, answer, scope)
            items = wire.page_items(answer.body, key)
            if items is not None:
                return answer, items
            await self._clock.sleep(self._retry.delay_s(1))
        raise UnansweredError(
            f"{path}: a page has no list {key!r} ({self._retry.attempts} tries), so it can't be listed"
        )

    def _following(self, path: str, answer: Answer, url: str, params: Mapping[str, str]) -> str | None:
        try:
            return wire.next_url(answer.link, url, params)
        except wire.BadLinkError as error:
            raise ForeignLinkError(f"{path}: its next link is no URL that can be followed: {error}") from None

    @staticmethod
    def _has_news(items: list[Any], known: set[object]) -> bool:
        """Whether a page names an id that none before did: a listing that ignores `start` does not."""
        before = len(known)
        known.update(item.get("id") for item in items if isinstance(item, dict))
        return len(known) > before

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
        kind = NotListedError if answer.outcome in (Outcome.NOT_FOUND, Outcome.BAD_REQUEST) else UnansweredError
        return kind(f"{path} can't be read: HTTP {answer.status} after {answer.attempts} tries: {answer.message}")

    def _url(self, path: str, params: Mapping[str, str]) -> str:
        query = urlencode(params, quote_via=quote, safe="")
        return f"{self.base_url}{path}{'?' if query else ''}{query}"

    async def _get(self, url: str) -> Answer:
        if wire.origin_of(url) != self._origin:
            host = self._redacted(urlsplit(url).hostname)
            raise ForeignLinkError(
                f"a next link leads to another host, {host}: the token was not sent there "
                f"(it goes to {urlsplit(self.base_url).hostname} only)"
            )
        failures = throttles = 0
        is_renewed = False
        while True:
            token = await self._current_token()
            self.count.total += 1
            tried = await self._try(url, token)
            if tried.status == 401:
                await self._renew(token, is_renewed=is_renewed)
                is_renewed = True
                continue
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
            if tried.verdict.outcome is not Outcome.THROTTLED and not self._budget.spend():
                raise UnansweredError(
                    f"{self.base_url} fails too often: the budget of {self._budget.size} retries is spent, the last "
                    f"for: {self._redacted(tried.verdict.message)}"
                )
            self.count.retried += 1
            log.debug("again after try %d: %s (%s)", attempts, self._redacted(url), tried.verdict.message)
            await self._wait(tried, failures)

    async def _wait(self, tried: _Try, failures: int) -> None:
        retry_after_s = tried.retry_after_s
        if tried.status == 429:
            # The limit is shared, so the pause is too; the pace holds this request back with the rest.
            wait_s = wire.DEFAULT_RETRY_AFTER_S if retry_after_s is None else retry_after_s
            self._check_deadline(wait_s)
            self.pace.on_throttled(tried.sent_at_s, wait_s)
            self.on_pause(self.pace.pause_s)
        elif retry_after_s is not None:
            self._check_deadline(retry_after_s)
            self.pace.pause(retry_after_s)
            self.on_pause(self.pace.pause_s)
        elif tried.status == 423:
            await self._clock.sleep(random.uniform(0, wire.DEFAULT_RETRY_AFTER_S))  # noqa: S311
        else:
            await self._clock.sleep(self._retry.delay_s(failures))

    def _check_deadline(self, wait_s: float) -> None:
        if self._clock.monotonic_s() + wait_s > self.deadline_at_s:
            raise StoppedError(f"the API asks to wait {wait_s:.0f} s (Retry-After), which is beyond the deadline")

    async def _current_token(self) -> Token:
        self._token = await self._tokens.get()
        return self._token

    async def _renew(self, refused: Token, *, is_renewed: bool) -> None:
        """Renew a refused token, once for all requests that it was refused for.

        Raises:
            TokenRefusedError: there is no other, or the new one is refused as well.
        """
        if is_renewed:
            raise refusal("the one that came instead is refused as well")
        async with self._renewal:
            if await self._current_token() == refused:
                self._token = await self._tokens.renew(refused)

    async def _try(self, url: str, token: Token) -> _Try:
        headers = {"Authorization": token.authorization()}
        sent_at_s = await self.pace.enter()
        try:
            async with self._session.get(URL(url, encoded=True), headers=headers, allow_redirects=False) as response:
                body = token.redact_bytes(await _read(response))
        except TimeoutError:
            return _Try(wire.Verdict(Outcome.TIMEOUT, is_retryable=True, message="no answer in time"))
        except (aiohttp.ClientError, OSError) as error:
            message = f"connection failed: {error or type(error).__name__}"
            return _Try(wire.Verdict(Outcome.TIMEOUT, is_retryable=True, message=message))
        finally:
            self.pace.leave()
            self.last_answer_at_s = self._clock.monotonic_s()
        if response.status < 500 and response.status != 429:
            self.pace.on_success()
            self._budget.earn()
            self.last_success_at_s = self.last_answer_at_s
        now = wire.answer_time(response.headers, self._clock.now())
        return _Try(
            wire.judge(response.status, response.headers, body),
            response.status,
            not body,
            ", ".join(response.headers.getall("Link", [])) or None,
            wire.retry_after_s(response.headers.get("Retry-After"), now),
            sent_at_s,
        )

    def _answer(self, tried: _Try, attempts: int) -> Answer:
        verdict = tried.verdict
        return Answer(
            outcome=verdict.outcome,
            status=tried.status,
            body=verdict.body,
            message=self._redacted(verdict.message),
            tracking_id=self._redacted(verdict.tracking_id),
            attempts=attempts,
            fetched_at=self._clock.now(),
            link=tried.link,
            is_empty=tried.is_empty,
        )

    def _redacted(self, message: str | None) -> str | None:
        return self._token.redact(message) if message and self._token else message


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
) -> AsyncIterator[Client]:
    """A client of one API origin, closed at the end.

    Args:
        base_url: `https`, or `http` to this machine; the token goes to its origin only.
        tokens: where the access token comes from.
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
        max_line_size=_MAX_HEADER,
        max_field_size=_MAX_HEADER,
    )
    # aiohttp repeats a GET on a lost connection by itself, past the pace and the count, and has no
    # public way to say no (aiohttp issue 10790).
    session._retry_connection = False  # noqa: SLF001
    async with session:
        if isinstance(tokens, OAuthTokens):
            tokens.use(session)
        yield Client(session, base_url, tokens, pace, retry, clock)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := await response.content.readany():
        chunks.append(chunk)
        size += len(chunk)
        if size > _MAX_BODY:
            raise aiohttp.ClientPayloadError(f"an answer of more than {_MAX_BODY} bytes")
    return b"".join(chunks)


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
