"""How many requests a run has made, kept while it works: the manifest counts those of killed attempts, too."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import msgspec

from audit.clock import Clock
from audit.errors import AuditError
from audit.output.draft import Draft
from audit.snapshot.manifest import Requests
from audit.threads import in_thread
from audit.webex.client import Client

log = logging.getLogger(__name__)

#: Seconds between two writes: requests made since the last one are not counted where a run is killed.
_EVERY_S = 1.0


@asynccontextmanager
async def tallied(draft: Draft, client: Client, clock: Clock) -> AsyncIterator[None]:
    """Keep the count of requests in a draft while the block runs, and when it ends.

    Args:
        draft: where to.
        client: whose requests, and those of the clients beside it.
        clock: the time.
    """
    keeping = asyncio.create_task(_keep(draft, client, clock))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await _write(draft, requests_of(client))


async def _keep(draft: Draft, client: Client, clock: Clock) -> None:
    kept = Requests(0, 0, 0)
    while True:
        await clock.sleep(_EVERY_S)
        if (now := requests_of(client)) != kept:
            await _write(draft, now)
            kept = now


async def _write(draft: Draft, requests: Requests) -> None:
    try:
        await in_thread(draft.save_requests, requests)
    except (AuditError, OSError) as error:
        # A count that is too low ends no run; where the disk is full, a part will say so.
        log.debug("the count of requests can't be kept: %s", error)


def requests_of(client: Client) -> Requests:
    """The requests that a client, and those beside it, have made."""
    return msgspec.convert(client.count, Requests, from_attributes=True)


def total(requests: Iterable[Requests]) -> Requests:
    """The requests of all writers together."""
    each = list(requests)
    return Requests(
        sum(one.total for one in each), sum(one.retried for one in each), sum(one.throttled for one in each)
    )
