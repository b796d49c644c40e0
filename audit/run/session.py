"""What run, dry run and doctor begin with: a client, its deadline, and the organizations."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from audit.clock import Clock
from audit.config import Settings
from audit.errors import DeadlineError, UsageError
from audit.inventory.organizations import (
    Organization,
    all_organizations,
    named_organizations,
    own_organization,
    retried_organizations,
)
from audit.run.scope import RunScope
from audit.webex.client import Client
from audit.webex.connection import connect
from audit.webex.pace import Ceiling, Pace
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import TokenSource

log = logging.getLogger(__name__)

_LONG_PAUSE_S = 60.0


def connect_as(settings: Settings, tokens: TokenSource, clock: Clock) -> AbstractAsyncContextManager[Client]:
    """A client as the settings want it (`audit.webex.connection.connect`)."""
    ceiling = Ceiling(settings.pace.concurrency, settings.pace.max_rate)
    pace = Pace(clock, ceiling, settings.pace.share, settings.pace.start_rate)
    retry = RetryPolicy(
        settings.retry.attempts, settings.retry.throttled_attempts, settings.retry.budget, settings.run.stall_s
    )
    return connect(
        settings.webex.base_url,
        tokens,
        pace,
        concurrency=settings.pace.concurrency,
        timeout_s=settings.webex.timeout_s,
        ca_file=settings.webex.ca_file,
        retry=retry,
        clock=clock,
    )


@asynccontextmanager
async def deadline(settings: Settings, client: Client, clock: Clock) -> AsyncIterator[None]:
    """Stop what is in the block at the deadline, or at once when a wait would end behind it.

    Raises:
        DeadlineError: it is over.
    """
    deadline_s = settings.run.deadline_s
    client.deadline_at_s = clock.monotonic_s() + deadline_s
    try:
        async with asyncio.timeout(deadline_s if math.isfinite(deadline_s) else None) as within:
            yield
    except TimeoutError:
        if not within.expired():
            raise
        raise DeadlineError(f"the deadline of {settings.run.deadline} is over") from None


async def find_organizations(client: Client, scope: RunScope) -> list[Organization]:
    """The organizations of a scope.

    Raises:
        UsageError: a dataset of it can't be read of an organization that is not the token's own.
        RefusedError: the token is refused, or lacks the scope to tell them.
        StoppedError: they can't be found out.
    """
    if scope.is_by_user:
        own = await own_organization(client)
        if others := [each for each in await named_organizations(client, scope.org_ids) if each.org_id != own.org_id]:
            raise UsageError(
                f"audio-options of organization {others[0].org_id} can't be read: the API takes no orgId there, and "
                f"this token is of organization {own.org_id}: use a token of that organization"
            )
        return [own]
    if scope.organizations == "own":
        return [await own_organization(client)]
    if scope.organizations == "named":
        return await named_organizations(client, scope.org_ids)
    if scope.retry_failed:
        return await retried_organizations(client, scope.retry_failed.manifest.orgs)
    return await all_organizations(client, scope.excluded)


def clients_of(client: Client, organizations: list[Organization]) -> list[Client]:
    """A client for each organization, with a pace of its own where there are several."""
    if len(organizations) == 1:
        clients = [client]
    else:
        clients = [client.beside(client.pace.beside()) for _ in organizations]
        for each, organization in zip(clients, organizations, strict=True):
            each.on_pause = partial(tell_pause, organization)
    for each, organization in zip(clients, organizations, strict=True):
        each.organization = organization.title
    return clients


def tell_pause(organization: Organization, pause_s: float) -> None:
    """Tell of a pause that one would wonder about; it holds no other organization back."""
    if pause_s >= _LONG_PAUSE_S:
        name = organization.name or organization.org_id
        log.info("%s: the API asks to wait: its requests pause %.0f s", name, pause_s)
