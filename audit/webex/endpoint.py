"""Sends a form to an endpoint of OAuth: answers are bounded, redacted and judged, and `Retry-After` is remembered."""

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

import aiohttp

from audit.clock import Clock
from audit.errors import StoppedError
from audit.redaction import redact_answer
from audit.untrusted.bounds import GRANT_BYTES
from audit.webex import wire
from audit.webex.exchange import asked_wait_s, read_answer
from audit.webex.grant import Refusal, Trouble
from audit.webex.room import TooLongError
from audit.webex.unreached import reason_of

_Meaning = TypeVar("_Meaning")
#: Finds the meaning of an answer in its status, headers and body.
Judge = Callable[[int, Mapping[str, str], bytes], _Meaning]


class Endpoint:
    """An endpoint of OAuth.

    Args:
        url: its URL; the secrets in a form go there only.
        clock: the time.
        timeout_s: seconds for one request.
    """

    def __init__(self, url: str, clock: Clock, timeout_s: float) -> None:
        self.url = url
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        #: When the endpoint wants to be asked again, on the clock.
        self.not_before_s = -math.inf

    def use(self, session: aiohttp.ClientSession) -> None:
        """Send the requests through this session."""
        self._session = session

    async def post(
        self, form: Mapping[str, str], judge: Judge[_Meaning], authorization: str | None = None
    ) -> _Meaning | Trouble:
        """Send a form once.

        Args:
            form: the fields.
            judge: finds the meaning of the answer. It gets the answer as it came; if that is a refusal or trouble, it
                gets it again without secrets, because messages may be cut, and half a secret is not recognized.
            authorization: the value of the `Authorization` header, for an endpoint that wants the secret there.

        Raises:
            StoppedError: there is no session.
        """
        if self._session is None:
            raise StoppedError("no connection to renew the access token with")
        headers = {"Authorization": authorization} if authorization else None
        try:
            async with self._session.post(
                self.url, data=form, headers=headers, allow_redirects=False, timeout=self._timeout
            ) as response:
                body = await read_answer(response, None, GRANT_BYTES)
        except TimeoutError:
            return Trouble("no answer in time")
        except TooLongError as error:
            return Trouble(str(error))
        except (aiohttp.ClientError, OSError) as error:
            return Trouble(f"connection failed: {reason_of(error)}")
        answer = judge(response.status, response.headers, body)
        if _is_message(answer):
            answer = judge(response.status, response.headers, redact_answer(body))
        if isinstance(answer, Trouble):
            default_s = wire.DEFAULT_RETRY_AFTER_S if response.status == 429 else -math.inf
            wait_s = asked_wait_s(response.headers, self._clock) or default_s
            self.not_before_s = self._clock.monotonic_s() + wait_s
        return answer


def _is_message(answer: object) -> bool:
    """Whether an answer is nothing but a message."""
    return isinstance(answer, Refusal) or (isinstance(answer, Trouble) and answer.refresh_token is None)
