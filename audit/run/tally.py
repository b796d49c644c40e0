"""Keeps the number of requests while a run works, so that the manifest also counts those of a killed process."""

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

#: Seconds between two writes: when a run is killed, requests after the last write are not counted.
_EVERY_S = 1.0


@asynccontextmanager
async def tallied(draft: Draft, client: Client, clock: Clock) -> AsyncIterator[None]:
    """Write the number of requests to a draft while the block runs, and when it ends.

    Args:
        draft: keeps the number.
        client: its requests are counted, and those of the clients beside it.
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
        # A count that is too low does not stop a run; if the disk is full, writing a part fails and says so.
        log.debug("the number of requests can't be written: %s", error)


def requests_of(client: Client) -> Requests:
    """The requests of a client and of the clients beside it."""
    return msgspec.convert(client.count, Requests, from_attributes=True)


def total(requests: Iterable[Requests]) -> Requests:
    """The sum of the requests of all writers."""
    each = list(requests)
    return Requests(
        sum(one.total for one in each), sum(one.retried for one in each), sum(one.throttled for one in each)
    )
