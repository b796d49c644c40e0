"""Sends one request when the pace allows it, with the current token, and judges the answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import aiohttp
import msgspec
from yarl import URL

from audit.clock import Clock
from audit.outcome import Outcome
from audit.redaction import redact_answer
from audit.untrusted.bounds import ANSWER_BYTES, ERROR_BYTES
from audit.webex import wire
from audit.webex.answer import RequestCount
from audit.webex.body import without_numbers
from audit.webex.pace import Pace
from audit.webex.room import Room, TooLongError, room_of_task
from audit.webex.shared_token import SharedToken
from audit.webex.tokens import Token
from audit.webex.unreached import reason_of
from audit.webex.verdict import Verdict, judge


class Asked(NamedTuple):
    """A request.

    Attributes:
        url: the whole URL, percent-encoded.
        has_pins: the answer may hold a PIN, so error messages lose their numbers.
    """

    url: str
    has_pins: bool = False


class Try(msgspec.Struct, frozen=True):
    """The result of one request, whether or not another follows.

    Attributes:
        verdict: the meaning of the answer.
        status: the HTTP status; None without an answer.
        is_empty: the answer had no body at all.
        link: the `Link` header.
        retry_after_s: the seconds to wait that the answer asks for.
        sent_at_s: when the request was sent, on the clock.
        token: the token of the request; None if no answer came.
    """

    verdict: Verdict
    status: int | None = None
    is_empty: bool = False
    link: str | None = None
    retry_after_s: float | None = None
    sent_at_s: float = 0.0
    token: Token | None = None

    @property
    def is_throttled(self) -> bool:
        """Whether the API asked to come back later (429, 423)."""
        return self.verdict.outcome is Outcome.THROTTLED

    @property
    def is_failure(self) -> bool:
        """Whether no answer came, or one that may not be the API's: a 5xx, or a body that is not the API's JSON."""
        return self.verdict.is_retryable and not self.is_throttled

    @property
    def is_silence(self) -> bool:
        """Whether nothing was answered, or only that a server is in trouble."""
        return self.is_failure and (self.status is None or self.status >= 500)

    @property
    def is_token_refused(self) -> bool:
        """Whether the API itself refuses the token (401)."""
        return self.status == 401 and self.verdict.outcome is Outcome.FORBIDDEN


@dataclass(frozen=True)
class Exchange:
    """Sends requests with the token of a run.

    Attributes:
        session: sends the requests.
        token: the token to send.
        clock: the time.
    """

    session: aiohttp.ClientSession
    token: SharedToken
    clock: Clock

    async def send(self, asked: Asked, pace: Pace, count: RequestCount, *, is_probe: bool) -> Try:
        """Send one request when the pace allows it.

        Args:
            asked: the request.
            pace: the gate.
            count: counts the request when it is sent, because a run that is stopped may not see the answer.
            is_probe: pass the gate even while it is held (`Pace.hold`).

        Raises:
            AuditError: there is no token to send (`SharedToken.get`).
        """
        sent_at_s = await pace.enter(is_probe=is_probe)
        room, is_kept = room_of_task(), False
        try:
            tried = await self._send(asked, count, sent_at_s, room)
            is_kept = tried.verdict.outcome is Outcome.OK and not room.is_lone
        finally:
            pace.leave()
            if not is_kept:
                # Another try may be a long time away.
                room.leave()
        if tried.status and tried.token and tried.status < 500 and tried.status != 429:
            pace.on_success(self.clock.monotonic_s(), sent_at_s)
            self.token.on_answer(tried.token, tried.status, sent_at_s)
        return tried

    async def _send(self, asked: Asked, count: RequestCount, sent_at_s: float, room: Room) -> Try:
        try:
            # Not earlier: a token may expire during the wait.
            sent = await self.token.get()
            headers = {"Authorization": sent.authorization()}
            count.total += 1
            url = URL(asked.url, encoded=True)
            async with self.session.get(url, headers=headers, allow_redirects=False) as response:
                body = redact_answer(await read_answer(response, room, ANSWER_BYTES))
        except TimeoutError:
            return not_answered(sent_at_s, "no answer in time")
        except TooLongError as error:
            # It is as long the next time, and each time costs memory.
            return Try(Verdict(Outcome.INVALID_RESPONSE, message=str(error)), 200, sent_at_s=sent_at_s)
        except (aiohttp.ClientError, OSError) as error:
            message = f"connection failed: {reason_of(error)}"
            return not_answered(sent_at_s, without_numbers(message) if asked.has_pins else message)
        return Try(
            judge(response.status, response.headers, body, has_pins=asked.has_pins),
            response.status,
            not body,
            ", ".join(response.headers.getall("Link", [])) or None,
            asked_wait_s(response.headers, self.clock),
            sent_at_s,
            sent,
        )


def not_answered(sent_at_s: float, message: str) -> Try:
    """The result of a request that was not answered or could not be sent, at that time on the clock."""
    return Try(Verdict(Outcome.TIMEOUT, is_retryable=True, message=message), sent_at_s=sent_at_s)


def asked_wait_s(headers: Mapping[str, str], clock: Clock) -> float | None:
    """The seconds to wait that an answer asks for (`Retry-After`); None if it asks for no wait."""
    value = headers.get("Retry-After")
    return wire.retry_after_s(value, wire.answer_time(headers, clock.now())) if value else None


async def read_answer(response: aiohttp.ClientResponse, room: Room | None, limit: int) -> bytes:
    """Read the body of an answer; of an error, the begin, which is enough: its status says the most.

    Args:
        response: the answer.
        room: the memory for the body; None for an answer of which there is one at a time.
        limit: the most bytes, decompressed.

    Raises:
        TooLongError: the answer is not an error, and larger.
    """
    is_error = response.status // 100 != 2
    chunks: list[bytes] = []
    size = 0
    while chunk := await response.content.readany():
        chunks.append(chunk)
        size += len(chunk)
        if is_error and size > ERROR_BYTES:
            # The connection is useless now: the rest may be endless.
            response.close()
            return b"".join(chunks)[:ERROR_BYTES]
        if size > limit:
            raise TooLongError(f"the answer has more than {limit} bytes, the most that are read")
        if room:
            await room.grow(size)
    return b"".join(chunks)
