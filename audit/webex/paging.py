"""Listings: all pages by `Link`, opaque URLs, in a loop, with the quirks that the API is known for.

A listing that can't be known to be whole raises: what it names is all that a run asks for.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

from audit.outcome import Outcome
from audit.webex import wire
from audit.webex.client import Answer, Client
from audit.webex.errors import ForeignLinkError, UnansweredError

log = logging.getLogger(__name__)

#: Pages in a row that may be empty while a listing still names a next one.
_MAX_EMPTY_PAGES = 100


async def pages(
    client: Client, path: str, params: Mapping[str, str], key: str, *, scope: str, probe: bool = False
) -> AsyncIterator[list[Any]]:
    """The pages of a listing, each as its list of items.

    Args:
        client: the API.
        path: path of the listing.
        params: its query.
        key: the key of the list in a page.
        scope: the scope that it needs, for the error that a 403 becomes.
        probe: the listing takes `start`, and may page without `Link` (`/workspaces` declares
            none): where no page had one, ask on behind the last page until one is empty.

    Raises:
        TokenRefusedError: the token is refused (401), and there is no other.
        ScopeError: the token may not list this (403).
        UnansweredError: a page could not be had.
        ForeignLinkError: a next link leads to another origin.
    """
    url: str | None = client.url_of(path, params)
    seen: set[int] = set()
    contents: set[int] = set()
    empty = listed = 0
    while url:
        seen.add(hash(url))
        answer, items = await _page(client, path, url, key, scope)
        yield items
        listed += len(items)
        empty = 0 if items else empty + 1
        following = _following(path, answer, url, params)
        probe = probe and answer.link is None
        if probe and items and _has_news(items, contents):
            following = client.url_of(path, {**params, "start": str(listed)})
        is_known = hash(following) in seen
        if is_known and not items:
            # Known of this API: an empty last page that still links on.
            return
        if is_known or empty > _MAX_EMPTY_PAGES:
            raise UnansweredError(
                f"{path}: the listing runs in circles behind {listed} items, so that its end is unknown"
            )
        url = following


async def _page(client: Client, path: str, url: str, key: str, scope: str) -> tuple[Answer, list[Any]]:
    for _ in range(client.retry.attempts):
        answer = await client.get_url(url)
        if answer.outcome is Outcome.INVALID_RESPONSE and answer.link and answer.is_empty:
            log.warning("listing %s: a page is empty, tries included; going on behind it", path)
            return answer, []
        if answer.outcome is not Outcome.OK:
            raise client.unanswered(path, answer, scope)
        items = wire.page_items(answer.body, key)
        if items is not None:
            return answer, items
        await client.clock.sleep(client.retry.delay_s(1))
    raise UnansweredError(f"{path}: a page has no list {key!r} ({client.retry.attempts} tries), so it can't be listed")


def _following(path: str, answer: Answer, url: str, params: Mapping[str, str]) -> str | None:
    try:
        return wire.next_url(answer.link, url, params)
    except wire.BadLinkError as error:
        raise ForeignLinkError(f"{path}: its next link is no URL that can be followed: {error}") from None


def _has_news(items: list[Any], known: set[int]) -> bool:
    """Whether a page names other ids than each one before did: a listing that ignores `start` does not."""
    before = len(known)
    # All ids of a listing would be too much to remember.
    known.add(hash(frozenset(wire.text(item.get("id")) for item in wire.objects(items))))
    return len(known) > before
