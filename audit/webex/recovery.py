"""Waits out an outage: all requests of a client wait, and one request at a time probes the API."""

import asyncio
import logging
from datetime import timedelta
from typing import Protocol

from audit.clock import Clock
from audit.webex.errors import ApiGoneError, OutageError
from audit.webex.exchange import Asked, Try
from audit.webex.outage import Outage, Witnesses
from audit.webex.pace import Pace

log = logging.getLogger(__name__)


class Prober(Protocol):
    """What a recovery needs of the client that waits."""

    @property
    def subject(self) -> str:
        """The name of what does not answer, for messages."""

    async def send_probe(self, asked: Asked) -> Try:
        """Send a request past the gate. The message of the result has no secrets."""

    async def wait_for_probe(self, wait_s: float, reason: str) -> None:
        """Wait for these seconds.

        Raises:
            DeadlineError: the wait would end after the deadline. The message begins with `reason`.
        """

    async def is_api_gone(self) -> bool:
        """Find out, at the end of the longest outage, whether the API answers nothing else either."""


class Recovery:
    """Waits until an API that answers no request answers again.

    Args:
        stall_s: the longest outage to wait out, in seconds.
        pace: the gate to hold during an outage.
        clock: the time.

    Attributes:
        outage: whether there is an outage.
    """

    def __init__(self, stall_s: float, pace: Pace, clock: Clock) -> None:
        self.outage = Outage(stall_s)
        self._stall_s = stall_s
        self._pace = pace
        self._clock = clock
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

    def on_failure(self, asked: Asked, sent_at_s: float, *, is_silence: bool = True) -> None:
        """Note that a request was not answered.

        Args:
            asked: the request.
            sent_at_s: when it was sent, on the clock.
            is_silence: nothing came, or only that a server is in trouble. Anything else, such as a portal's page, is an
                outage only where it also takes the place of what was answered before.
        """
        self.outage.on_failure(sent_at_s)
        if is_silence:
            self._witnesses.on_failure(asked)

    async def wait_out(self, prober: Prober, asked: Asked, sent_at_s: float) -> None:
        """Probe until the API has answered a request since this one failed.

        Args:
            prober: the client of the failed request.
            asked: the failed request.
            sent_at_s: when it was sent, on the clock.

        Raises:
            OutageError: the outage lasts too long.
            DeadlineError: the next probe would be after the deadline.
        """
        async with self._probing:
            try:
                while not self.outage.has_answered_since(sent_at_s):
                    await self._probe(prober, asked)
            finally:
                self._pace.go_on()

    async def _probe(self, prober: Prober, failed: Asked) -> None:
        """Send a probe; during an outage, when it is due."""
        now_s = self._clock.monotonic_s()
        if self.outage.is_on:
            if now_s >= self.outage.end_s:
                raise await self._error(prober)
            wait_s = max(self.outage.probe_in_s(now_s), self._pace.pause_s)
            reason = f"{prober.subject} has not answered since {self._since}; the next probe is after"
            await prober.wait_for_probe(wait_s, reason)
        probe = await prober.send_probe(self._witnesses.choose(failed, self.outage.probes))
        if not probe.is_failure:
            if self.outage.is_on:
                log.warning("%s answers again, after %.0f s: the run goes on", prober.subject, self._silent_s)
            self.outage.on_answer(self._clock.monotonic_s(), is_probe=True)
        elif not self.outage.has_answered_since(now_s):
            self._on_probe_failure(probe, prober.subject)

    def _on_probe_failure(self, probe: Try, subject: str) -> None:
        self.outage.on_probe_failure()
        self._last_error = probe.verdict.message
        if self.outage.probes == 1:
            self._pace.hold()
            log.warning(
                "%s has not answered since %s: one request at a time probes it; the run goes on after an answer, and "
                "ends after %.0f s without one (run.stall_s); the last error: %s",
                subject,
                self._since,
                self._stall_s,
                self._last_error,
            )

    async def _error(self, prober: Prober) -> OutageError:
        message = (
            f"{prober.subject} has not answered for {self._silent_s:.0f} s, the longest wait (run.stall_s); the last "
            f"error: {self._last_error}; check the network and status.webex.com"
        )
        return ApiGoneError(message) if await prober.is_api_gone() else OutageError(message)

    @property
    def _silent_s(self) -> float:
        return self._clock.monotonic_s() - self.outage.since_s

    @property
    def _since(self) -> str:
        return f"{(self._clock.now() - timedelta(seconds=self._silent_s)).astimezone():%H:%M:%S}"
