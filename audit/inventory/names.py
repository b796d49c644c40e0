"""Reads listings that only add names, within a bounded time: an audit goes on without the names."""

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from audit.errors import DeadlineError, Reach, RefusedError, StoppedError
from audit.untrusted.bounds import NAMES_BYTES
from audit.webex import wire
from audit.webex.client import Client
from audit.webex.errors import ScopeError, UnansweredError
from audit.webex.paging import pages

log = logging.getLogger(__name__)

#: The longest that a listing may take, with all its pages and retries.
LIMIT_S = 60.0
#: Bytes that an entry of a `dict` takes beside its texts.
_ENTRY_BYTES = 100
#: Every token may read this, or gets a 403 for a missing scope.
_ME = "/people/me"


@dataclass(frozen=True)
class NameListing:
    """A listing that is read for its names.

    Attributes:
        path: the path of the listing, below the base URL.
        scope: the scope that the token needs.
        loss: the consequence of a failure, for messages.
        name: the key of the name in an item.
        key: turns the id of an item into the key of its name; None if the id is not usable.
        most_bytes: the memory for the names.
    """

    path: str
    scope: str
    loss: str
    name: str = "name"
    key: Callable[[str], str | None] = str
    most_bytes: int = NAMES_BYTES


@dataclass
class Names:
    """The names of a listing.

    Attributes:
        by_key: the names by the key of their item.
        is_whole: the listing was read to its end, so a name that is missing here does not exist.
    """

    by_key: dict[str, str] = field(default_factory=dict)
    is_whole: bool = False


async def read_names(client: Client, listing: NameListing, params: Mapping[str, str]) -> Names:
    """Read the names of a listing, or as many of them as it gives before it fails.

    Raises:
        TokenRefusedError: the API refuses the token.
        DeadlineError: the whole API is away until the deadline of the run.
        OutageError: the whole API is away for too long.
    """
    names, error = await _attempt(client, listing, params)
    if isinstance(error, StoppedError) and await _is_to_repeat(client):
        names, error = await _attempt(client, listing, params)
    if error:
        level = logging.INFO if isinstance(error, ScopeError) else logging.WARNING
        subject = f"{client.organization}: " if client.organization else ""
        log.log(level, "%s%s: %s", subject, listing.loss, error)
    return names


async def _is_to_repeat(client: Client) -> bool:
    """Wait as long as the whole run has to. Returns whether it had to."""
    if (pause_s := client.pace.pause_s) > LIMIT_S:
        await client.clock.sleep(pause_s)
        return True
    if not client.is_known:
        # A run does not wait for an API that has never answered.
        return False
    try:
        answer = await client.get(_ME)
    except UnansweredError:
        return False
    return answer.attempts > 1 and not answer.outcome.is_unanswered


async def _attempt(
    client: Client, listing: NameListing, params: Mapping[str, str]
) -> tuple[Names, RefusedError | StoppedError | None]:
    names = Names()
    hurried = client.hurried(LIMIT_S)
    try:
        await _read(hurried, listing, params, names)
    except (RefusedError, StoppedError) as error:
        if error.reach is Reach.RUN:
            raise
        return names, error
    finally:
        # The API asks all requests to wait, not only those for names; but names are worth no deadline.
        if client.clock.monotonic_s() + (pause_s := hurried.pace.pause_s) < client.terms.deadline_at_s:
            client.pace.pause(pause_s)
    return names, None


async def _read(client: Client, listing: NameListing, params: Mapping[str, str], names: Names) -> None:
    size = 0
    try:
        async with asyncio.timeout(LIMIT_S) as limit:
            async for page in pages(client, listing.path, params, "items", scope=listing.scope):
                for item in wire.objects(page):
                    key, name = listing.key(wire.text(item.get("id")) or ""), wire.name(item.get(listing.name))
                    if key and name:
                        names.by_key[key] = name
                        size += sys.getsizeof(key) + sys.getsizeof(name) + _ENTRY_BYTES
                    if size > listing.most_bytes:
                        raise UnansweredError(f"{listing.path} lists more than {listing.most_bytes >> 20} MiB of names")
    except TimeoutError:
        if not limit.expired():
            raise
        raise DeadlineError(f"{listing.path} is not read after {LIMIT_S:.0f} s") from None
    names.is_whole = True
