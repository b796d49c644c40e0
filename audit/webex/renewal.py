"""Gets a grant from the token endpoint, by the rules of every request: waits, retries, deadline, bounded answers."""

import asyncio
import logging
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec

from audit.clock import Clock
from audit.errors import DeadlineError
from audit.redaction import redact
from audit.text import count_of, duration_of
from audit.threads import in_thread
from audit.webex.endpoint import Endpoint
from audit.webex.errors import TokenRefusedError, UnansweredError
from audit.webex.grant import Grant, Refusal, Trouble, judge_grant
from audit.webex.refresh_token import RefreshToken, SecretFile
from audit.webex.retry import RetryPolicy
from audit.webex.terms import Terms

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

#: Another process, which can't lock the file, has this long to store the refresh token that it has renewed.
_SETTLE_S = 1.0
#: A run that is stopped waits this long for a grant that is under way, so that a new refresh token is stored.
_GRACE_S = 10.0
#: A wait in seconds that a user would wonder about.
_LONG_S = 60.0
#: A refresh token that ends sooner than this, although it has just been used, is warned of.
_SOON_S = 14 * 86_400.0
#: Refused secrets, after which changes of the files are no longer looked at.
_MAX_REFUSALS = 5


class Renewal:
    """Exchanges the refresh token for a grant.

    Args:
        base_url: the API; the secrets go to its origin only.
        client_id: the id of the integration or service app.
        client_secret_file: the file of the client secret.
        refresh_token_file: the file of the refresh token; rewritten when a new refresh token comes.
        clock: the time.
        login: the command that signs in again.
        timeout_s: seconds for one request.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret_file: Path,
        refresh_token_file: Path,
        clock: Clock,
        *,
        login: str,
        timeout_s: float,
    ) -> None:
        self._login = login
        self._endpoint = Endpoint(f"{base_url.rstrip('/')}/access_token", clock, timeout_s)
        self._client_id = client_id
        self._client_secret = SecretFile(client_secret_file, "client secret file")
        self._refresh_token = RefreshToken(refresh_token_file, clock)
        self._clock = clock
        #: Other processes hold the lock for one request at most.
        self._patience_s = max(60.0, 2 * timeout_s)
        self._retry = RetryPolicy(attempts=5, throttled_attempts=5, budget=5)
        self._terms = Terms()
        self._is_end_told = False

    def use(self, session: aiohttp.ClientSession, retry: RetryPolicy | None, terms: Terms | None) -> None:
        """Send the requests through this session, under these terms."""
        self._endpoint.use(session)
        self._retry, self._terms = retry or self._retry, terms or self._terms

    @property
    def is_asked_to_wait(self) -> bool:
        """Whether the endpoint has asked to come back later than now."""
        return self._clock.monotonic_s() < self._endpoint.not_before_s

    async def store(self) -> None:
        """Store a new refresh token that could not be stored when it came."""
        await in_thread(self._refresh_token.store, is_last_chance=True)

    async def grant(self, *, is_once: bool = False) -> Grant:
        """A grant, after as many tries as the policy allows.

        Args:
            is_once: try once.

        Raises:
            UsageError: the file of a secret can't be read.
            TokenRefusedError: the endpoint refuses the refresh token.
            UnansweredError: the endpoint gives no grant.
            DeadlineError: it asks to wait for longer than the deadline allows.
        """
        refused: dict[tuple[str, str], Refusal] = {}
        failures = throttles = 0
        while True:
            await self._wait_as_asked()
            answer = await self._try(refused)
            if isinstance(answer, Grant):
                self._warn_of_end(answer)
                return answer
            if isinstance(answer, Refusal):
                await self._clock.sleep(_SETTLE_S)
                continue
            log.debug("no access token from %s: %s", self._endpoint.url, answer.message)
            throttles += answer.is_throttled
            failures += not answer.is_throttled
            is_last = failures >= self._retry.attempts or throttles >= self._retry.throttled_attempts
            if is_once or is_last or not answer.is_retryable:
                raise self._unanswered(answer, failures + throttles)
            if not self.is_asked_to_wait:
                await self._clock.sleep(self._retry.delay_s(max(failures, 1)))

    def _warn_of_end(self, grant: Grant) -> None:
        """Warn, once, if using the refresh token has not put off its end: the run of that night would fail."""
        left_s = grant.refresh_lifetime_s
        if left_s is None or left_s >= _SOON_S or self._is_end_told:
            return
        self._is_end_told = True
        log.warning(
            "the refresh token expires in %s: before that, run '%s', or put a new refresh token into %s",
            duration_of(left_s),
            self._login,
            self._refresh_token.path,
        )

    def _unanswered(self, trouble: Trouble, tries: int) -> UnansweredError:
        advice = "" if trouble.is_retryable else "; check webex.base_url and webex.client_id"
        return UnansweredError(
            f"{self._endpoint.url} gives no access token ({count_of(tries, 'try', 'tries')}); the last error: "
            f"{trouble.message}{advice}"
        )

    async def _wait_as_asked(self) -> None:
        wait_s = self._endpoint.not_before_s - self._clock.monotonic_s()
        if wait_s <= 0:
            return
        if self._endpoint.not_before_s > self._terms.deadline_at_s:
            raise DeadlineError(
                f"{self._endpoint.url} asks to wait {wait_s:.0f} s (Retry-After), which is beyond the deadline"
            )
        if wait_s >= _LONG_S:
            log.warning("%s asks to wait %.0f s (Retry-After): the run goes on then", self._endpoint.url, wait_s)
        self._terms.on_pause(wait_s)
        await self._clock.sleep(wait_s)

    async def _try(self, refused: dict[tuple[str, str], Refusal]) -> Grant | Refusal | Trouble:
        """Use the newest secrets that are not refused yet. No other process uses them meanwhile."""
        async with self._refresh_token.locked(self._patience_s):
            secrets = await in_thread(self._choose, refused)
            answer = await to_its_end(self._exchange(*secrets))
        if isinstance(answer, Refusal):
            refused[secrets] = answer
        return answer

    def _choose(self, refused: dict[tuple[str, str], Refusal]) -> tuple[str, str]:
        self._refresh_token.check()
        client_secret = self._client_secret.read()
        for refresh_token in self._refresh_token.read():
            secrets = (client_secret, refresh_token)
            if secrets not in refused and len(refused) < _MAX_REFUSALS:
                return secrets
        raise self._refusal([*refused.values()][-1])

    def _refusal(self, refusal: Refusal) -> TokenRefusedError:
        if refusal.is_of_app:
            return TokenRefusedError(
                f"the client id or its secret is refused ({refusal.message}): check webex.client_id and put the client "
                f"secret of the same app into {self._client_secret.path}"
            )
        return TokenRefusedError(
            f"the refresh token is refused ({refusal.message}): authorize the app again with '{self._login}', or "
            f"put a new refresh token into {self._refresh_token.path}"
        )

    async def _exchange(self, client_secret: str, refresh_token: str) -> Grant | Refusal | Trouble:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._client_id,
            "client_secret": client_secret,
            "refresh_token": refresh_token,
        }
        answer = await self._endpoint.post(form, judge_grant)
        if isinstance(answer, Grant):
            await in_thread(self._refresh_token.keep, answer.refresh_token or refresh_token)
            return answer
        if isinstance(answer, Trouble) and answer.refresh_token:
            await in_thread(self._refresh_token.keep, answer.refresh_token)
        return msgspec.structs.replace(answer, message=redact(answer.message))


async def to_its_end(work: Awaitable[_Result]) -> _Result:
    """Wait for work that must not stop half way; cancelled, it still has a little time to end."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        done, _ = await asyncio.wait([task], timeout=_GRACE_S)
        # An error of it changes nothing any more, but asyncio would print it.
        _ = [each.exception() for each in done if not each.cancelled()]
        raise
    finally:
        if not task.done():
            task.cancel()
