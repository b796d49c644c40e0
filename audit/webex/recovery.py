"""Waits out an outage: all requests of a client wait, and one request at a time probes the API."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from audit.clock import Clock
from audit.webex.errors import ApiGoneError, OutageError
from audit.webex.exchange import Asked, Try
from audit.webex.outage import Outage, Witnesses
from audit.webex.pace import Pace

log = logging.getLogger(__name__)


class Recovery:
    """Waits until an API that answers no request answers again.

    Args:
        stall_s: the longest outage to wait out, in seconds.
        pace: the gate to hold during an outage.
        clock: the time.
        send: sends a probe, and gives the result without secrets.
        wait: waits for these seconds; or raises DeadlineError, whose text begins with the given one, if the wait
            would end after the deadline.
        is_gone: finds out, at the end of the longest outage, whether the API answers nothing else either.

    Attributes:
        outage: whether there is an outage.
    """

    def __init__(
        self,
        stall_s: float,
        pace: Pace,
        clock: Clock,
        send: Callable[[Asked], Awaitable[Try]],
        wait: Callable[[float, str], Awaitable[None]],
        is_gone: Callable[[], Awaitable[bool]],
    ) -> None:
        self.outage = Outage(stall_s)
        self._stall_s = stall_s
        self._pace = pace
        self._clock = clock
        self._send = send
        self._wait = wait
        self._is_gone = is_gone
        self._witnesses = Witnesses()
        self._probing = asyncio.Lock()
        self._last_error: str | None = None

    def on_answer(self, asked: Asked, now_s: float, *, is_witness: bool) -> None:
        """Note an answer, at that time on the clock.

        Args:
            asked: the request.
            now_s: the time.
            is_witness: a probe may repeat the request.
        """
        self.outage.on_answer(now_s)
        if is_witness:
            self._witnesses.on_answer(asked)

    def on_failure(self, asked: Asked, sent_at_s: float) -> None:
        """Note that a request, sent at that time on the clock, was not answered."""
        self.outage.on_failure(sent_at_s)
        self._witnesses.on_failure(asked)

    async def wait_out(self, asked: Asked, sent_at_s: float, subject: str) -> None:
        """Probe until the API has answered a request since this one failed.

        Args:
            asked: the failed request.
            sent_at_s: when it was sent, on the clock.
            subject: the name of what does not answer, for messages.

        Raises:
            OutageError: the outage lasts too long.
            DeadlineError: the next probe would be after the deadline.
        """
        async with self._probing:
            try:
                while not self.outage.has_answered_since(sent_at_s):
                    await self._probe(asked, subject)
            finally:
                self._pace.go_on()

    async def _probe(self, failed: Asked, subject: str) -> None:
        """Send a probe; during an outage, when it is due."""
        now_s = self._clock.monotonic_s()
        if self.outage.is_on:
            if now_s >= self.outage.end_s:
                raise await self._error(subject)
            wait_s = max(self.outage.probe_in_s(now_s), self._pace.pause_s)
            await self._wait(wait_s, f"{subject} has not answered since {self._since}; the next probe is after")
        probe = await self._send(self._witnesses.choose(failed, self.outage.probes))
        if not probe.is_failure:
            if self.outage.is_on:
                log.warning("%s answers again, after %.0f s: the run goes on", subject, self._silent_s)
            self.outage.on_answer(self._clock.monotonic_s(), is_probe=True)
        elif not self.outage.has_answered_since(now_s):
            self._on_probe_failure(probe, subject)

    def _on_probe_failure(self, probe: Try, subject: str) -> None:
        self.outage.on_probe_failure()
        self._last_error = probe.verdict.message
        if self.outage.probes == 1:
            self._pace.hold()
            log.warning(
                "%s has not answered since %s: one request probes, the run goes on when it is answered, and ends "
                "after %.0f s (run.stall_s); the last error: %s",
                subject,
                self._since,
                self._stall_s,
                self._last_error,
            )

    async def _error(self, subject: str) -> OutageError:
        message = (
            f"{subject} has not answered for {self._silent_s:.0f} s, the longest wait (run.stall_s); the last "
            f"error: {self._last_error}; check the network and status.webex.com"
        )
        return ApiGoneError(message) if await self._is_gone() else OutageError(message)

    @property
    def _silent_s(self) -> float:
        return self._clock.monotonic_s() - self.outage.since_s

    @property
    def _since(self) -> str:
        return f"{(self._clock.now() - timedelta(seconds=self._silent_s)).astimezone():%H:%M:%S}"
