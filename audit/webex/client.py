"""Moves bytes to and from the Webex API under a pace; what they mean is said in `wire`."""

import logging
import math
import random
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import msgspec
from yarl import URL

from audit.clock import Clock
from audit.errors import DeadlineError
from audit.outcome import Outcome
from audit.webex import wire
from audit.webex.errors import ForeignLinkError, NotListedError, ScopeError, UnansweredError, needed
from audit.webex.pace import Pace
from audit.webex.retry import RetryBudget, RetryPolicy
from audit.webex.tokens import SharedToken, Token

log = logging.getLogger(__name__)

#: Bytes of one answer, decompressed; the largest known are pages of 1,000 workspaces, about a megabyte.
_MAX_BODY = 64 * 1024 * 1024


class Answer(msgspec.Struct, frozen=True):
    """The last answer to one read, after all retries.

    Attributes:
        outcome: what it means.
        status: the HTTP status; None where no answer came.
        body: the raw JSON object of an answer with outcome `ok`; else empty.
        message: what the API, or the network, said of a failure.
        tracking_id: the API's own name for this answer, for its support.
        attempts: requests made for it.
        fetched_at: when it came, in UTC; None where nothing was asked.
        link: its `Link` header.
        is_empty: it had no body at all.
    """

    outcome: Outcome
    status: int | None
    body: bytes
    message: str | None
    tracking_id: str | None
    attempts: int
    fetched_at: datetime | None
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
    token: Token | None = None


class Client:
    """Reads from one API origin. Made by `audit.webex.connection.connect`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        token: SharedToken,
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
        self._token = token
        self.retry = retry
        self._budget = RetryBudget(retry.budget)
        self.clock = clock

    def beside(self, pace: Pace) -> "Client":
        """Another client of the same session and token, with a pace and a retry budget of its own."""
        other = Client(self._session, self.base_url, self._token, pace, self.retry, self.clock)
        other.count = self.count
        other.deadline_at_s = self.deadline_at_s
        other.on_pause = self.on_pause
        return other

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, has_pins: bool = False) -> Answer:
        """GET a path (percent-encoded, below the base URL), retried as the policy says.

        Args:
            path: the path.
            params: the query.
            has_pins: the answer may hold a PIN: what is said of a failure is kept without its numbers.

        Raises:
            TokenRefusedError: the token is refused (401), and there is no other.
        """
        return await self._get(self.url_of(path, params or {}), has_pins=has_pins)

    def unanswered(self, path: str, answer: Answer, scope: str) -> ScopeError | UnansweredError:
        """The error to stop with where a run can't do without this answer, which needs that scope."""
        if answer.outcome is Outcome.FORBIDDEN:
            return ScopeError(f"the token may not read {path} (403): {needed(scope)}; the API says: {answer.message}")
        if answer.status is None:
            return UnansweredError(
                f"{self.base_url} does not answer ({answer.attempts} tries): {answer.message}; check the network and "
                "webex.base_url"
            )
        kind = NotListedError if answer.outcome in (Outcome.NOT_FOUND, Outcome.BAD_REQUEST) else UnansweredError
        return kind(f"{path} can't be read: HTTP {answer.status} after {answer.attempts} tries: {answer.message}")

    def url_of(self, path: str, params: Mapping[str, str]) -> str:
        """The URL of a path (percent-encoded, below the base URL) with a query."""
        query = f"?{urlencode(params, quote_via=quote, safe='')}" if params else ""
        return f"{self.base_url}{path}{query}"

    async def get_url(self, url: str, *, has_pins: bool = False) -> Answer:
        """GET a whole URL, such as that of a next page, as `get` does.

        Raises:
            ForeignLinkError: it leads to another origin; nothing was sent there.
            TokenRefusedError: the token is refused (401), and there is no other.
        """
        if wire.origin_of(url) != self._origin:
            host = self._redacted(urlsplit(url).hostname)
            raise ForeignLinkError(
                f"a next link leads to another host, {host}: the token was not sent there "
                f"(it goes to {urlsplit(self.base_url).hostname} only)"
            )
        return await self._get(url, has_pins=has_pins)

    async def _get(self, url: str, *, has_pins: bool) -> Answer:
        failures = throttles = 0
        while True:
            tried = await self._try(url, has_pins=has_pins)
            self.count.total += 1
            if tried.status == 401 and tried.token:
                await self._token.renew(tried.token)
                continue
            if tried.verdict.outcome is Outcome.THROTTLED:
                self.count.throttled += 1
                throttles += 1
            elif tried.verdict.is_retryable:
                failures += 1
            attempts = throttles + failures + (not tried.verdict.is_retryable)
            if (
                not tried.verdict.is_retryable
                or failures >= self.retry.attempts
                or throttles >= self.retry.throttled_attempts
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
            await self.clock.sleep(random.uniform(0, wire.DEFAULT_RETRY_AFTER_S))  # noqa: S311
        else:
            await self.clock.sleep(self.retry.delay_s(failures))

    def _check_deadline(self, wait_s: float) -> None:
        if self.clock.monotonic_s() + wait_s > self.deadline_at_s:
            raise DeadlineError(f"the API asks to wait {wait_s:.0f} s (Retry-After), which is beyond the deadline")

    async def _try(self, url: str, *, has_pins: bool) -> _Try:
        sent_at_s = await self.pace.enter()
        try:
            # Not before the wait, which may outlive a token.
            token = await self._token.get()
            headers = {"Authorization": token.authorization()}
            async with self._session.get(URL(url, encoded=True), headers=headers, allow_redirects=False) as response:
                body = token.redact_bytes(await _read(response))
        except TimeoutError:
            return _Try(wire.Verdict(Outcome.TIMEOUT, is_retryable=True, message="no answer in time"))
        except (aiohttp.ClientError, OSError) as error:
            message = f"connection failed: {error or type(error).__name__}"
            message = wire.without_numbers(message) if has_pins else message
            return _Try(wire.Verdict(Outcome.TIMEOUT, is_retryable=True, message=message))
        finally:
            self.pace.leave()
            self.last_answer_at_s = self.clock.monotonic_s()
        if response.status < 500 and response.status != 429:
            self.pace.on_success(self.last_answer_at_s)
            self._token.on_answer(token, response.status)
            self._budget.earn()
            self.last_success_at_s = self.last_answer_at_s
        return _Try(
            wire.judge(response.status, response.headers, body, has_pins=has_pins),
            response.status,
            not body,
            ", ".join(response.headers.getall("Link", [])) or None,
            self._retry_after_s(response.headers),
            sent_at_s,
            token,
        )

    def _retry_after_s(self, headers: Mapping[str, str]) -> float | None:
        value = headers.get("Retry-After")
        return wire.retry_after_s(value, wire.answer_time(headers, self.clock.now())) if value else None

    def _answer(self, tried: _Try, attempts: int) -> Answer:
        verdict = tried.verdict
        return Answer(
            outcome=verdict.outcome,
            status=tried.status,
            body=verdict.body,
            message=self._redacted(verdict.message),
            tracking_id=self._redacted(verdict.tracking_id),
            attempts=attempts,
            fetched_at=self.clock.now(),
            link=tried.link,
            is_empty=tried.is_empty,
        )

    def _redacted(self, message: str | None) -> str | None:
        return self._token.redact(message) if message else message


async def _read(response: aiohttp.ClientResponse) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := await response.content.readany():
        chunks.append(chunk)
        size += len(chunk)
        if size > _MAX_BODY:
            raise aiohttp.ClientPayloadError(f"an answer of more than {_MAX_BODY} bytes")
    return b"".join(chunks)
