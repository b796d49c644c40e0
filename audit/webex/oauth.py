"""Gets access tokens of integrations and service apps with a refresh token (RFC 6749 section 6).

`POST /access_token` is form-encoded. If the answer brings a new refresh token, it is stored at once (Webex:
"Integrations & Authorization", "Service Apps").
"""

import asyncio
import logging
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec

from audit.clock import Clock
from audit.errors import StoppedError
from audit.files import atomic_file
from audit.webex import wire
from audit.webex.errors import TokenRefusedError, UnansweredError
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import Token, checked_token, read_secret

log = logging.getLogger(__name__)

#: Renew a token this long before it expires.
_MARGIN = timedelta(minutes=5)
_RETRY = RetryPolicy(attempts=5, throttled_attempts=5, budget=5)


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: float | None = None
    refresh_token: str | None = None


class OAuthTokens:
    """Tokens from a refresh token.

    Args:
        base_url: the API; the secrets go to its origin only.
        client_id: the id of the integration or service app.
        client_secret_file: the file of the client secret.
        refresh_token_file: the file of the refresh token; rewritten when a new refresh token comes.
        clock: the time.
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
        timeout_s: float = 30.0,
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/access_token"
        self._client_id = client_id
        self._client_secret_file = client_secret_file
        self._refresh_token_file = refresh_token_file
        self._clock = clock
        self._timeout_s = timeout_s
        self._token: Token | None = None
        self._renew_at: datetime | None = None
        self._session: aiohttp.ClientSession | None = None
        self._lock = asyncio.Lock()
        #: Renewals that the API did not answer.
        self._failures = 0

    def use(self, session: aiohttp.ClientSession) -> None:
        """Send the requests through this session."""
        self._session = session

    async def get(self) -> Token:
        """The token; a new one if it is about to expire.

        Raises:
            UsageError: the file of a secret can't be read.
            TokenRefusedError: the API refuses the refresh token.
            UnansweredError: the API does not answer.
        """
        return await self._newer(None)

    async def renew(self, refused: Token) -> Token:
        """A token other than the refused one.

        Raises:
            TokenRefusedError: the API refuses the refresh token too.
            UnansweredError: the API does not answer.
        """
        return await self._newer(refused)

    async def _newer(self, refused: Token | None) -> Token:
        failures = self._failures
        async with self._lock:
            is_due = self._renew_at is not None and self._clock.now() >= self._renew_at
            if self._token is None or self._token == refused or (refused is None and is_due):
                if self._failures != failures:
                    # Else all requests that waited meanwhile would try in vain, one after the other.
                    raise self._unanswered()
                self._token = await self._refresh()
            return self._token

    def _unanswered(self) -> UnansweredError:
        return UnansweredError(f"{self._url} does not answer ({_RETRY.attempts} tries): no access token was obtained")

    async def _refresh(self) -> Token:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._client_id,
            "client_secret": read_secret(self._client_secret_file, "client secret file"),
            "refresh_token": read_secret(self._refresh_token_file, "refresh token file"),
        }
        for failures in range(1, _RETRY.attempts + 1):
            status, body = await self._post(form)
            if status == 200:
                return self._accept(body, form["refresh_token"])
            if 400 <= status < 500 and status not in (423, 429):
                said = wire.read_error(body).message or "no reason given"
                raise TokenRefusedError(
                    f"the refresh token is refused ({status}: {_without(said, form)}): authorize the app again and put "
                    f"the new refresh token into {self._refresh_token_file}"
                )
            await self._clock.sleep(_RETRY.delay_s(failures))
        self._failures += 1
        raise self._unanswered()

    async def _post(self, form: dict[str, str]) -> tuple[int, bytes]:
        if self._session is None:
            raise StoppedError("no connection to renew the access token with")
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        try:
            async with self._session.post(self._url, data=form, allow_redirects=False, timeout=timeout) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.debug("no answer from %s: %s", self._url, type(error).__name__)
            return 0, b""

    def _accept(self, body: bytes, old_refresh_token: str) -> Token:
        try:
            grant = msgspec.json.decode(body, type=_Grant)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise UnansweredError(f"{self._url} answered with something other than a token") from None
        token = checked_token(grant.access_token, self._url)
        if grant.refresh_token and grant.refresh_token != old_refresh_token:
            with atomic_file(self._refresh_token_file) as file:
                file.write(f"{grant.refresh_token}\n".encode())
        lifetime = timedelta(seconds=grant.expires_in) if grant.expires_in else None
        self._renew_at = self._clock.now() + lifetime - min(_MARGIN, lifetime / 2) if lifetime else None
        log.info("the access token was renewed")
        return token


def _without(text: str, form: dict[str, str]) -> str:
    for name in ("client_secret", "refresh_token"):
        text = text.replace(form[name], f"[{name}]")
    return text
