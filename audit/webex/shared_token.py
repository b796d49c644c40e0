"""Holds the access token of all requests of a run, and decides what its refusal (401) means.

A refused token is renewed once. If the API still refuses it for one request and accepts it for others, the refusal
belongs to what was requested: an organization, or an entity. Only a token that the API also refuses for
`GET /people/me` ends a run.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable

from audit.webex.errors import TokenRefusedError
from audit.webex.tokens import Token, TokenSource, refusal


class SharedToken:
    """The access token of all clients of a run. A refused token is renewed once for all requests.

    Args:
        tokens: the source of the token.
    """

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens
        self._settling = asyncio.Lock()
        self._token: Token | None = None
        #: The token that came from a renewal; and that token, as long as the API has not accepted it.
        self._renewed: Token | None = None
        self._unproven: Token | None = None
        #: A token that the API refuses for some requests and accepts for others, so that a renewal changes nothing.
        self._good: Token | None = None
        #: When the latest request was sent for which the API accepted the token, on the clock.
        self._accepted_at_s = -math.inf

    async def get(self) -> Token:
        """The token to send now.

        Raises:
            UsageError: there is no token.
            TokenRefusedError: the token is due for renewal, and the API refuses the renewal.
            UnansweredError: the token is due for renewal, and the API does not answer.
        """
        token = await self._tokens.get()
        if token != self._token:
            self._token, self._accepted_at_s = token, -math.inf
        return token

    def on_answer(self, token: Token, status: int, sent_at_s: float) -> None:
        """Note the status of the answer to a request with a token, sent at that time on the clock."""
        if token == self._token and status != 401:
            self._unproven = None
            if status == 200:
                self._accepted_at_s = max(self._accepted_at_s, sent_at_s)

    async def on_refused(
        self, refused: Token, since_s: float, *, is_first: bool, is_accepted: Callable[[], Awaitable[bool]]
    ) -> bool:
        """Find out what a refusal means, and renew the token if that may help.

        Args:
            refused: the token.
            since_s: when the request was sent, on the clock.
            is_first: the same request was not refused before.
            is_accepted: finds out whether the API accepts the token for another request.

        Returns:
            Whether to repeat the request; False if the refusal belongs to what was requested.

        Raises:
            TokenRefusedError: the API refuses the token everywhere, and accepts no other.
            UnansweredError: the API does not answer a renewal.
        """
        async with self._settling:
            if await self.get() != refused:
                return True
            refusal_of_renewal: TokenRefusedError | None = None
            if is_first and refused not in (self._renewed, self._good):
                try:
                    return await self._renew(refused)
                except TokenRefusedError as error:
                    refusal_of_renewal = error
            if self._accepted_at_s >= since_s or await is_accepted() or self._accepted_at_s >= since_s:
                self._good = refused
                return is_first
            if refusal_of_renewal:
                raise refusal_of_renewal
            if refused == self._unproven:
                raise refusal("the renewed token is refused too")
            return await self._renew(refused)

    async def _renew(self, refused: Token) -> bool:
        renewed = await self._tokens.renew(refused)
        if renewed == refused:
            raise refusal("the renewal gives the same token again")
        self._token = self._renewed = self._unproven = renewed
        self._accepted_at_s = -math.inf
        return True
