"""Moves bytes to and from the Webex API under a pace; what they mean is said in `wire`."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote, urlencode, urlsplit

import aiohttp

from audit.clock import Clock
from audit.errors import DeadlineError
from audit.outcome import Outcome
from audit.webex import wire
from audit.webex.answer import Answer, RequestCount
from audit.webex.errors import (
    ApiGoneError,
    ForeignLinkError,
    NotAcceptedError,
    NotListedError,
    OutageError,
    ScopeError,
    UnansweredError,
    needed,
)
from audit.webex.exchange import Asked, Try, exchange, not_answered
from audit.webex.outage import Outage, Witnesses
from audit.webex.pace import Pace
from audit.webex.retry import RetryBudget, RetryPolicy
from audit.webex.shared_token import SharedToken
from audit.webex.terms import Terms

__all__ = ["Answer", "Client", "RequestCount"]

log = logging.getLogger(__name__)

#: Any token that is accepted at all may read this, or is told that it lacks a scope (403).
_ME = "/people/me"


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
        terms: Terms,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.terms = terms
        self.count = terms.count
        self.pace = pace
        self.last_answer_at_s = clock.monotonic_s()
        #: As in `Terms`; also true from the first answer on.
        self.is_known = terms.is_known
        self.outage = Outage(retry.stall_s)
        self._is_beside = False
        self._last_error: str | None = None
        self._witnesses = Witnesses()
        self._probing = asyncio.Lock()
        self._session = session
        self._origin = wire.origin_of(self.base_url)
        self._token = token
        self.retry = retry
        self._budget = RetryBudget(retry.budget)
        self.clock = clock

    @property
    def organization(self) -> str | None:
        """How messages name the organization that is asked; None if none is."""
        return self.terms.organization

    def beside(self, pace: Pace, organization: str, on_pause: Callable[[float], None]) -> "Client":
        """Another client of the same session and token, with a pace, an outage and a retry budget of its own.

        Args:
            pace: the gate of its requests.
            organization: how messages name the organization that it asks.
            on_pause: called with the seconds of each pause that all its requests take.
        """
        terms = replace(self.terms, organization=organization, on_pause=on_pause, is_known=self.is_known)
        other = Client(self._session, self.base_url, self._token, pace, self.retry, self.clock, terms)
        other._is_beside = True
        return other

    def asking(self, organization: str) -> "Client":
        """This client; from now on, messages name the organization that it asks.

        Args:
            organization: how messages name the organization.
        """
        self.terms = replace(self.terms, organization=organization)
        return self

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, has_pins: bool = False) -> Answer:
        """GET a path (percent-encoded, below the base URL), retried as the policy says.

        Args:
            path: the path.
            params: the query.
            has_pins: the answer may hold a PIN: what is said of a failure is kept without its numbers.

        Raises:
            TokenRefusedError: the token is refused (401) everywhere, and there is no other.
            OutageError: nothing was answered for `RetryPolicy.stall_s`.
            DeadlineError: the API asks for a wait, or is away, beyond the deadline.
            UnansweredError: the retry budget is spent.
        """
        return await self._get(self.url_of(path, params or {}), has_pins=has_pins)

    def unanswered(self, path: str, answer: Answer, scope: str) -> ScopeError | UnansweredError:
        """The error to stop with where a run can't do without this answer, which needs that scope."""
        if answer.status == 401:
            of = f" of organization {self.organization}" if self.organization else ""
            return NotAcceptedError(
                f"the API refuses the token (401) for {path}{of}, though it accepts it elsewhere: the organization may "
                f"be suspended, or no longer managed with this token; the API says: {answer.message}"
            )
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
            AuditError: as `get`.
        """
        if wire.origin_of(url) != self._origin:
            host = self._redacted(urlsplit(url).hostname)
            raise ForeignLinkError(
                f"a next link leads to another host, {host}: the token was not sent there "
                f"(it goes to {urlsplit(self.base_url).hostname} only)"
            )
        return await self._get(url, has_pins=has_pins)

    async def _get(self, url: str, *, has_pins: bool) -> Answer:
        asked = Asked(url, has_pins)
        failed_at_s: list[float] = []
        is_refused = False
        attempts = throttles = 0
        while True:
            tried, is_settled = await self._settled(await self._try(asked), asked, is_first=not is_refused)
            attempts += 1
            is_refused = is_refused or tried.status == 401
            failures = await self._wait_out(asked, tried, failed_at_s) if tried.is_failure else 0
            throttles += tried.is_throttled
            is_last = failures >= self.retry.attempts or throttles >= self.retry.throttled_attempts
            if is_settled and (is_last or not tried.verdict.is_retryable):
                return self._answer(tried, attempts)
            self.count.retried += 1
            log.debug("again after try %d: %s (%s)", attempts, self._redacted(url), tried.verdict.message)
            if failures and not self._budget.spend():
                raise UnansweredError(
                    f"{self.base_url} fails too often: the budget of {self._budget.size} retries is spent, the last "
                    f"for: {self._redacted(tried.verdict.message)}"
                )
            if failures or tried.is_throttled:
                await self._wait(tried, failures)

    async def _settled(self, tried: Try, asked: Asked, *, is_first: bool = True) -> tuple[Try, bool]:
        """What became of a request, and whether that is final as far as the token goes; renews a refused token.

        Args:
            tried: the request.
            asked: what it asked for.
            is_first: no token was refused for it before.
        """
        if tried.status != 401 or tried.token is None:
            return tried, True
        me = Asked(self.url_of(_ME, {}))

        async def is_accepted() -> bool:
            if asked == me:
                return False
            told = await self._try(me, is_probe=True)
            if told.verdict.is_retryable:
                self._pause_as_asked(told)
                raise UnansweredError(f"{_ME} is not answered: {told.verdict.message}")
            return told.status != 401

        try:
            is_settled = not await self._token.on_refused(
                tried.token,
                tried.sent_at_s,
                is_first=is_first,
                is_accepted=is_accepted,
            )
        except UnansweredError as error:
            return self._without_token(asked, tried.sent_at_s, error), True
        return tried, is_settled

    async def _wait(self, tried: Try, failures: int) -> None:
        if self._pause_as_asked(tried):
            return
        delay_s = random.uniform(0, wire.DEFAULT_RETRY_AFTER_S) if tried.is_throttled else self.retry.delay_s(failures)  # noqa: S311
        await self.clock.sleep(delay_s)

    def _pause_as_asked(self, tried: Try) -> bool:
        """Pause all requests that share the limit, if the API asks for that; the pace holds them back."""
        wait_s = tried.retry_after_s
        if wait_s is None and tried.status == 429:
            wait_s = wire.DEFAULT_RETRY_AFTER_S
        if wait_s is None:
            return False
        self._check_deadline(wait_s, f"the API asks to wait {wait_s:.0f} s (Retry-After), which is beyond")
        if tried.status == 429:
            self.pace.on_throttled(tried.sent_at_s, wait_s)
        else:
            self.pace.pause(wait_s)
        self.terms.on_pause(self.pace.pause_s)
        return True

    def _check_deadline(self, wait_s: float, reason: str) -> None:
        if self.clock.monotonic_s() + wait_s > self.terms.deadline_at_s:
            raise DeadlineError(f"{reason} the deadline")

    async def _wait_out(self, asked: Asked, tried: Try, failed_at_s: list[float]) -> int:
        """Wait until the API answers, if it answers nothing. Returns how many failures of the request count.

        Raises:
            OutageError: the outage lasts too long.
            DeadlineError: the next probe would be after the deadline.
        """
        failed_at_s.append(tried.sent_at_s)
        if self.is_known and self.outage.is_suspected(is_last=len(failed_at_s) >= self.retry.attempts):
            self._pause_as_asked(tried)
            async with self._probing:
                try:
                    while not self.outage.has_answered_since(tried.sent_at_s):
                        await self._probe(asked)
                finally:
                    self.pace.go_on()
        failed_at_s[:] = [sent_at_s for sent_at_s in failed_at_s if not self.outage.covers(sent_at_s)]
        return len(failed_at_s)

    async def _probe(self, failed: Asked) -> None:
        """Send a probe; during an outage, at its time."""
        now_s = self.clock.monotonic_s()
        if self.outage.is_on:
            if now_s >= self.outage.end_s:
                raise await self._gone()
            wait_s = max(self.outage.probe_in_s(now_s), self.pace.pause_s)
            self._check_deadline(
                wait_s, f"{self._subject} has not answered since {self._since}; the next probe is after"
            )
            self.terms.on_pause(wait_s)
            await self.clock.sleep(wait_s)
        chosen = self._witnesses.choose(failed, self.outage.probes)
        probe, _ = await self._settled(await self._try(chosen, is_probe=True), chosen)
        self._pause_as_asked(probe)
        if not probe.is_failure:
            if self.outage.is_on:
                log.warning("%s answers again, after %.0f s: the run goes on", self._subject, self._silent_s)
            self.outage.on_answer(self.clock.monotonic_s(), is_probe=True)
        elif not self.outage.has_answered_since(now_s):
            self.outage.on_probe_failure()
            self._last_error = self._redacted(probe.verdict.message)
            if self.outage.probes == 1:
                self.pace.hold()
                log.warning(
                    "%s has not answered since %s: one request probes, the run goes on when it is answered, and ends "
                    "after %.0f s (run.stall_s); the last error: %s",
                    self._subject,
                    self._since,
                    self.retry.stall_s,
                    self._last_error,
                )

    @property
    def _subject(self) -> str:
        return (self.organization if self._is_beside else None) or self.base_url

    @property
    def _silent_s(self) -> float:
        return self.clock.monotonic_s() - self.outage.since_s

    @property
    def _since(self) -> str:
        return f"{(self.clock.now() - timedelta(seconds=self._silent_s)).astimezone():%H:%M:%S}"

    async def _gone(self) -> OutageError:
        """The error that ends the wait: of this organization, if the API answers others."""
        message = (
            f"{self._subject} has not answered for {self._silent_s:.0f} s, the longest wait (run.stall_s); the last "
            f"error: {self._last_error}; check the network and status.webex.com"
        )
        me = await self._try(Asked(self.url_of(_ME, {})), is_probe=True)
        return OutageError(message) if self._is_beside and not me.is_failure else ApiGoneError(message)

    async def _try(self, asked: Asked, *, is_probe: bool = False) -> Try:
        began_s = self.clock.monotonic_s()
        try:
            tried = await exchange(
                self._session, asked, self._token, self.pace, self.clock, self.count, is_probe=is_probe
            )
        except UnansweredError as error:
            return self._without_token(asked, began_s, error)
        self.last_answer_at_s = self.clock.monotonic_s()
        self.count.throttled += tried.is_throttled
        if tried.is_failure:
            self._on_failure(asked, tried.sent_at_s)
            return tried
        self.is_known = True
        self.outage.on_answer(self.last_answer_at_s)
        if not tried.is_throttled:
            self._budget.earn()
        if not (is_probe or tried.is_throttled or tried.status == 401):
            self._witnesses.on_answer(asked)
        return tried

    def _without_token(self, asked: Asked, sent_at_s: float, error: UnansweredError) -> Try:
        """A request that waits for a token; one without that is not answered at all ends a run."""
        if not self.is_known:
            raise error
        self._on_failure(asked, sent_at_s)
        return not_answered(sent_at_s, str(error))

    def _on_failure(self, asked: Asked, sent_at_s: float) -> None:
        self.outage.on_failure(sent_at_s)
        self._witnesses.on_failure(asked)

    def _answer(self, tried: Try, attempts: int) -> Answer:
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
