"""The job of a run, a dry run or the doctor: settings, tokens, scope, progress and clock in one value."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from audit.clock import Clock
from audit.config import Settings
from audit.crawl.progress import Progress
from audit.errors import DeadlineError
from audit.run.scope import RunScope
from audit.webex.client import Client
from audit.webex.connection import connect
from audit.webex.pace import Ceiling, Pace
from audit.webex.retry import RetryPolicy
from audit.webex.terms import Terms
from audit.webex.tokens import TokenSource


@dataclass(frozen=True)
class Job:
    """What to audit, and how.

    Attributes:
        settings: the configuration.
        tokens: where the access token comes from.
        scope: what to audit.
        progress: informed of each step; by default, it shows nothing.
        clock: the time.
    """

    settings: Settings
    tokens: TokenSource
    scope: RunScope
    progress: Progress = field(default_factory=Progress)
    clock: Clock = field(default_factory=Clock)

    def connect(self, terms: Terms | None = None) -> AbstractAsyncContextManager[Client]:
        """A client as the settings want it (`audit.webex.connection.connect`).

        Args:
            terms: what the client keeps to; by default, the deadline of the job alone.
        """
        webex, pace, retry = self.settings.webex, self.settings.pace, self.settings.retry
        return connect(
            webex.base_url,
            self.tokens,
            Pace(self.clock, Ceiling(pace.concurrency, pace.max_rate), pace.share, pace.start_rate),
            concurrency=pace.concurrency,
            timeout_s=webex.timeout_s,
            ca_file=webex.ca_file,
            retry=RetryPolicy(retry.attempts, retry.throttled_attempts, retry.budget, self.settings.run.stall_s),
            clock=self.clock,
            terms=terms or Terms(self.deadline_at_s()),
        )

    def deadline_at_s(self) -> float:
        """When the job must be over if it begins now, on the clock; infinite without a deadline."""
        return self.clock.monotonic_s() + self.settings.run.deadline_s

    @asynccontextmanager
    async def deadline(self) -> AsyncIterator[None]:
        """Stop the block at the deadline; a client stops at once when a wait would end after it.

        Raises:
            DeadlineError: the deadline is over.
        """
        deadline_s = self.settings.run.deadline_s
        try:
            async with asyncio.timeout(deadline_s if math.isfinite(deadline_s) else None) as within:
                yield
        except TimeoutError:
            if not within.expired():
                raise
            raise DeadlineError(f"the deadline of {self.settings.run.deadline} is over") from None
