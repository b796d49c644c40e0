"""Reads listings page by page along their `Link` headers, despite the known quirks of the API.

Raises if a listing may be incomplete, because a run audits only the entities that the listings name.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

from audit.outcome import Outcome
from audit.webex import wire
from audit.webex.client import Answer, Client
from audit.webex.errors import ForeignLinkError, UnansweredError

log = logging.getLogger(__name__)

#: The most empty pages in a row while a listing still names a next page.
_MAX_EMPTY_PAGES = 100


async def pages(
    client: Client, path: str, params: Mapping[str, str], key: str, *, scope: str, probe: bool = False
) -> AsyncIterator[list[Any]]:
    """The pages of a listing, each as its list of items.

    Args:
        client: the API.
        path: the path of the listing.
        params: the query.
        key: the key of the list in a page.
        scope: the scope that the listing needs, for the error after a 403.
        probe: the listing takes `start`: if no page had a `Link`, request further pages until one is empty.

    Raises:
        TokenRefusedError: the API refuses the token (401), and there is no other.
        ScopeError: the token may not read the listing (403).
        UnansweredError: a page could not be read.
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
            # The API is known to send an empty last page that still has a next link.
            return
        if is_known or empty > _MAX_EMPTY_PAGES:
            raise UnansweredError(f"{path}: the listing runs in circles after {listed} items, so its end is unknown")
        url = following


async def _page(client: Client, path: str, url: str, key: str, scope: str) -> tuple[Answer, list[Any]]:
    for _ in range(client.retry.attempts):
        answer = await client.get_url(url)
        if answer.outcome is Outcome.INVALID_RESPONSE and answer.link and answer.is_empty:
            log.warning("listing %s: a page is empty after all tries; continuing with the next page", path)
            return answer, []
        if answer.outcome is not Outcome.OK:
            raise client.unanswered(path, answer, scope)
        items = wire.page_items(answer.body, key)
        if items is not None:
            return answer, items
        await client.clock.sleep(client.retry.delay_s(1))
    raise UnansweredError(f"{path} can't be listed: a page has no list {key!r} ({client.retry.attempts} tries)")


def _following(path: str, answer: Answer, url: str, params: Mapping[str, str]) -> str | None:
    try:
        return wire.next_url(answer.link, url, params)
    except wire.BadLinkError as error:
        raise ForeignLinkError(f"{path}: the next link is not a usable URL: {error}") from None


def _has_news(items: list[Any], known: set[int]) -> bool:
    """Whether a page has other ids than every page before it. Always false for a listing that ignores `start`."""
    before = len(known)
    # A hash for each page, because all ids of a listing would need too much memory.
    known.add(hash(frozenset(wire.text(item.get("id")) for item in wire.objects(items))))
    return len(known) > before
