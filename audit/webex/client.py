"""Sends requests to the Webex API under a pace, and repeats failed ones; `verdict` decides what answers mean."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import quote, urlencode

import msgspec

from audit.outcome import Outcome
from audit.redaction import redact
from audit.webex import wire
from audit.webex.answer import Answer, RequestCount
from audit.webex.errors import ForeignLinkError, ScopeError, UnansweredError
from audit.webex.exchange import Asked, Exchange, Try, not_answered
from audit.webex.failure import error_for
from audit.webex.pace import Pace
from audit.webex.recovery import Recovery
from audit.webex.retry import RetryBudget, RetryPolicy
from audit.webex.terms import Terms
from audit.webex.waits import Patience, Wait, Waits, Whose, asked_wait

__all__ = ["Answer", "Client", "RequestCount"]

log = logging.getLogger(__name__)

#: Every accepted token may read this, or gets a 403 for a missing scope.
_ME = "/people/me"


class Client:
    """Reads from one API origin. Made by `audit.webex.connection.connect`."""

    def __init__(
        self,
        exchange: Exchange,
        base_url: str,
        pace: Pace,
        retry: RetryPolicy,
        terms: Terms,
    ) -> None:
        self.clock = exchange.clock
        self.base_url = base_url.rstrip("/")
        self.terms = terms
        self.count = terms.count
        self.pace = pace
        self.waits = Waits(pace, terms, self.clock)
        self.last_answer_at_s = self.clock.monotonic_s()
        #: Like `Terms.is_known`; also true from the first answer on.
        self.is_known = terms.is_known
        self._is_beside = False
        self._recovery = Recovery(retry.stall_s, pace, self.clock)
        self.outage = self._recovery.outage
        self._exchange = exchange
        self._origin = wire.origin_of(self.base_url)
        self._token = exchange.token
        self.retry = retry
        self._budget = RetryBudget(retry.budget)

    @property
    def organization(self) -> str | None:
        """The name of the organization, for messages; None for requests without one."""
        return self.terms.organization

    @property
    def subject(self) -> str:
        """The name of what an outage is of, for messages."""
        return (self.organization if self._is_beside else None) or self.base_url

    def beside(self, pace: Pace, organization: str, on_pause: Callable[[float], None]) -> "Client":
        """Another client with the same session and token, but its own pace, outage and retry budget.

        Args:
            pace: the gate of its requests.
            organization: the name of its organization, for messages.
            on_pause: receives the seconds of each pause of all its requests.
        """
        terms = replace(self.terms, organization=organization, on_pause=on_pause, is_known=self.is_known)
        other = Client(self._exchange, self.base_url, pace, self.retry, terms)
        other._is_beside = True
        return other

    def hurried(self, within_s: float) -> "Client":
        """A client for what a run can do without: it waits out no outage, and its waits end within these seconds.

        Its own pace may be throttled without slowing down this one.
        """
        retry = msgspec.structs.replace(self.retry, stall_s=0.0)
        terms = self.terms.hurried(self.clock.monotonic_s(), within_s)
        return Client(self._exchange, self.base_url, self.pace.beside(), retry, terms)

    def asking(self, organization: str) -> "Client":
        """Name the organization of this client in messages from now on. Returns the client.

        Args:
            organization: the name of the organization, for messages.
        """
        self.terms = replace(self.terms, organization=organization)
        return self

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, has_pins: bool = False) -> Answer:
        """GET a path, and retry as the policy says.

        Args:
            path: the path, percent-encoded, below the base URL.
            params: the query.
            has_pins: the answer may hold a PIN, so error messages lose their numbers.

        Raises:
            TokenRefusedError: the API refuses the token (401) everywhere, and there is no other.
            OutageError: the API has answered nothing for `RetryPolicy.stall_s`.
            DeadlineError: a wait of all requests would end after the deadline.
            UnansweredError: the retry budget is spent.
        """
        return await self._get(self.url_of(path, params or {}), has_pins=has_pins)

    def unanswered(self, path: str, answer: Answer, scope: str) -> ScopeError | UnansweredError:
        """The error for an answer that a run can't do without.

        Args:
            path: the path of the request.
            answer: its answer.
            scope: the scope that it needs.
        """
        return error_for(answer, path, scope, self.base_url, self.organization)

    def url_of(self, path: str, params: Mapping[str, str]) -> str:
        """The URL of a path (percent-encoded, below the base URL) and a query."""
        query = f"?{urlencode(params, quote_via=quote, safe='')}" if params else ""
        return f"{self.base_url}{path}{query}"

    async def get_url(self, url: str, *, has_pins: bool = False) -> Answer:
        """GET a whole URL, such as that of a next page, like `get`.

        Raises:
            ForeignLinkError: the URL leads to another origin; nothing was sent there.
            AuditError: like `get`.
        """
        if wire.origin_of(url) != self._origin:
            raise ForeignLinkError(
                f"a next link leads to {wire.origin_text(url)}: the token was not sent there "
                f"(it goes to {wire.origin_text(self.base_url)} only)"
            )
        return await self._get(url, has_pins=has_pins)

    async def _get(self, url: str, *, has_pins: bool) -> Answer:
        asked = Asked(url, has_pins)
        # The deadline alone bounds the waits of a client that waits out no outage.
        patience = Patience(self.retry.stall_s or math.inf, self.terms)
        failed_at_s: list[float] = []
        is_refused = False
        attempts = throttles = 0
        while True:
            tried = await self._try(asked)
            attempts += 1
            if tried.verdict.outcome is Outcome.OK:
                return self._answer(tried, attempts)
            tried, is_settled = await self._settled(tried, asked, is_first=not is_refused)
            is_refused = is_refused or tried.is_token_refused
            wait = asked_wait(tried)
            refusal = patience.refusal(wait, self.clock.monotonic_s())
            failures = await self._wait_out(asked, tried, failed_at_s, is_last=bool(refusal)) if tried.is_failure else 0
            throttles += tried.is_throttled
            must_wait = bool(failures) or tried.is_throttled
            is_last = failures >= self.retry.attempts or throttles >= self.retry.throttled_attempts
            if is_settled and (is_last or (refusal and must_wait) or not tried.verdict.is_retryable):
                return self._answer(tried, attempts, refusal)
            self.count.retried += 1
            log.debug("retry after try %d: %s (%s)", attempts, url, tried.verdict.message)
            if failures and not self._budget.spend():
                raise self._budget_spent(tried)
            if must_wait:
                await self._wait(wait, tried.sent_at_s, failures, patience)

    async def _settled(self, tried: Try, asked: Asked, *, is_first: bool = True) -> tuple[Try, bool]:
        """Renew a refused token.

        Args:
            tried: the result of the request.
            asked: the request.
            is_first: the API has not refused a token for the request before.

        Returns:
            The result of the request, and whether it is final as far as the token is concerned.
        """
        if not tried.is_token_refused or tried.token is None:
            return tried, True
        me = Asked(self.url_of(_ME, {}))

        async def is_accepted() -> bool:
            if asked == me:
                return False
            tried_me = await self._try(me, is_probe=True)
            if tried_me.verdict.is_retryable:
                self.waits.pause_others(tried_me, is_for_all=True)
                raise UnansweredError(f"{_ME} is not answered: {tried_me.verdict.message}")
            return not tried_me.is_token_refused

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

    async def _wait(self, wait: Wait | None, sent_at_s: float, failures: int, patience: Patience) -> None:
        if wait is None:
            await self.waits.wait_alone(self.retry.delay_s(failures))
        elif wait.whose is Whose.REQUEST:
            patience.spend(wait)
            await self.waits.wait_alone(wait.wait_s)
        else:
            self.waits.pause_all(wait, sent_at_s)

    def _budget_spent(self, tried: Try) -> UnansweredError:
        return UnansweredError(
            f"{self.base_url} fails too often: the budget of {self._budget.size} retries is spent; the last "
            f"error: {tried.verdict.message}"
        )

    async def _wait_out(self, asked: Asked, tried: Try, failed_at_s: list[float], *, is_last: bool) -> int:
        """Wait out an outage, if there is one. Returns how many failures of the request count."""
        failed_at_s.append(tried.sent_at_s)
        if self.is_known and self.outage.is_suspected(is_last=is_last or len(failed_at_s) >= self.retry.attempts):
            self.waits.pause_others(tried)
            await self._recovery.wait_out(self, asked, tried.sent_at_s)
        failed_at_s[:] = [sent_at_s for sent_at_s in failed_at_s if not self.outage.covers(sent_at_s)]
        return len(failed_at_s)

    async def send_probe(self, asked: Asked) -> Try:
        """Send a request past the gate, for `Recovery`. The message of the result has no secrets."""
        probe, _ = await self._settled(await self._try(asked, is_probe=True), asked)
        # While nothing is answered, the wait of a probe holds up no request that could go on.
        is_for_all = probe.is_failure and not self.outage.has_answered_since(probe.sent_at_s)
        self.waits.pause_others(probe, is_for_all=is_for_all)
        message = _redacted(probe.verdict.message)
        return msgspec.structs.replace(probe, verdict=msgspec.structs.replace(probe.verdict, message=message))

    async def wait_for_probe(self, wait_s: float, reason: str) -> None:
        """Wait for these seconds, for `Recovery`.

        Raises:
            DeadlineError: the wait would end after the deadline. The message begins with `reason`.
        """
        self.waits.check_deadline(wait_s, reason)
        self.terms.on_pause(wait_s)
        await self.clock.sleep(wait_s)

    async def is_api_gone(self) -> bool:
        """Whether the API answers nothing, not even for other organizations."""
        me = await self._try(Asked(self.url_of(_ME, {})), is_probe=True)
        return not self._is_beside or me.is_failure

    async def _try(self, asked: Asked, *, is_probe: bool = False) -> Try:
        began_s = self.clock.monotonic_s()
        try:
            tried = await self._exchange.send(asked, self.pace, self.count, is_probe=is_probe)
        except UnansweredError as error:
            return self._without_token(asked, began_s, error)
        self.last_answer_at_s = self.clock.monotonic_s()
        self.count.throttled += tried.is_throttled
        if tried.is_failure:
            self._recovery.on_failure(asked, tried.sent_at_s, is_silence=tried.is_silence)
            return tried
        self.is_known = True
        is_witness = not (is_probe or tried.is_throttled or tried.is_token_refused)
        self._recovery.on_answer(asked, self.last_answer_at_s, is_witness=is_witness)
        if not tried.is_throttled:
            self._budget.earn()
        return tried

    def _without_token(self, asked: Asked, sent_at_s: float, error: UnansweredError) -> Try:
        """The result of a request for which there was no token. Raises the error if the API has never answered."""
        if not self.is_known:
            raise error
        self._recovery.on_failure(asked, sent_at_s)
        return not_answered(sent_at_s, str(error))

    def _answer(self, tried: Try, attempts: int, refusal: str | None = None) -> Answer:
        verdict = tried.verdict
        return Answer(
            outcome=verdict.outcome,
            status=tried.status,
            body=verdict.body,
            message=_redacted("; ".join(filter(None, (verdict.message, refusal))) or None),
            tracking_id=_redacted(verdict.tracking_id),
            attempts=attempts,
            fetched_at=self.clock.now(),
            link=tried.link,
            is_empty=tried.is_empty,
        )


def _redacted(message: str | None) -> str | None:
    return redact(message) if message else message
