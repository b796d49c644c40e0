"""Gets access tokens of integrations and service apps with a refresh token (RFC 6749 section 6).

`POST /access_token` is form-encoded. If the answer brings a new refresh token, it is stored at once (Webex:
"Integrations & Authorization", "Service Apps").
"""

import asyncio
import logging
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp

from audit.clock import Clock
from audit.errors import AuditError
from audit.webex.renewal import Renewal
from audit.webex.retry import RetryPolicy
from audit.webex.terms import Terms
from audit.webex.tokens import Token

log = logging.getLogger(__name__)

#: Renew a token this long before it expires.
_MARGIN = timedelta(minutes=5)
#: Renew a token that is not refused no sooner than this, whatever lifetime the answer claims.
_INTERVAL = timedelta(minutes=1)


class OAuthTokens:
    """Tokens from a refresh token.

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
        login: str = "webex-audit login",
        timeout_s: float = 30.0,
    ) -> None:
        files = (client_secret_file, refresh_token_file)
        self._renewal = Renewal(base_url, client_id, *files, clock, login=login, timeout_s=timeout_s)
        self._clock = clock
        self._token: Token | None = None
        self._renew_at: datetime | None = None
        self._lock = asyncio.Lock()
        #: Renewals that failed, and the error of the last one.
        self._failures = 0
        self._error: AuditError | None = None

    def use(self, session: aiohttp.ClientSession, retry: RetryPolicy | None = None, terms: Terms | None = None) -> None:
        """Send the requests through this session.

        Args:
            session: the session.
            retry: how often a request is repeated.
            terms: the deadline, and who hears of pauses.
        """
        self._renewal.use(session, retry, terms)

    async def close(self) -> None:
        """Store a new refresh token that could not be stored when it came."""
        await self._renewal.store()

    async def get(self) -> Token:
        """The token; a new one if it is about to expire.

        Raises:
            UsageError: the file of a secret can't be read.
            TokenRefusedError: the API refuses the refresh token.
            UnansweredError: the API does not answer.
            DeadlineError: the API asks to wait for longer than the deadline allows.
        """
        return await self._newer(None)

    async def renew(self, refused: Token) -> Token:
        """A token other than the refused one.

        Raises:
            TokenRefusedError: the API refuses the refresh token too.
            UnansweredError: the API does not answer.
            DeadlineError: the API asks to wait for longer than the deadline allows.
        """
        return await self._newer(refused)

    async def _newer(self, refused: Token | None) -> Token:
        failures = self._failures
        async with self._lock:
            if self._token is None or self._token == refused:
                if self._error and self._failures != failures:
                    # Else all requests that waited meanwhile would try in vain, one after the other.
                    raise self._error
                return await self._renewed()
            if refused is None and self._is_due():
                return await self._renewed_early(self._token)
            return self._token

    def _is_due(self) -> bool:
        return self._renew_at is not None and self._clock.now() >= self._renew_at

    async def _renewed(self, *, is_once: bool = False) -> Token:
        try:
            grant = await self._renewal.grant(is_once=is_once)
        except AuditError as error:
            self._failures, self._error = self._failures + 1, error
            raise
        self._token, self._renew_at = grant.access_token, self._renewal_time(grant.lifetime_s)
        log.info("the access token was renewed")
        return self._token

    async def _renewed_early(self, token: Token) -> Token:
        """A new token, or the token that is still good if that fails."""
        if self._renewal.is_asked_to_wait:
            return token
        try:
            return await self._renewed(is_once=True)
        except AuditError as error:
            self._renew_at = self._clock.now() + _INTERVAL
            log.warning("the access token is about to expire and can't be renewed yet: %s", error)
            return token

    def _renewal_time(self, lifetime_s: float | None) -> datetime | None:
        """When to renew a token; None for not before it is refused."""
        if lifetime_s is None:
            return None
        lifetime = timedelta(seconds=lifetime_s)
        return self._clock.now() + max(lifetime - _MARGIN, lifetime / 2, _INTERVAL)
