"""Reads listings page by page along their `Link` headers, despite the known quirks of the API.

Raises if a listing may be incomplete, because a run audits only the entities that the listings name.
"""

import logging
import math
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import msgspec

from audit.outcome import Outcome
from audit.text import count_of
from audit.threads import in_thread
from audit.untrusted.bounds import PAGE_BYTES, PAGE_VALUES
from audit.untrusted.decoding import may_hold_more
from audit.webex import wire
from audit.webex.body import page_error, page_items
from audit.webex.client import Client
from audit.webex.errors import ForeignLinkError, PageTooLongError, UnansweredError
from audit.webex.link import BadLinkError, denies_end, is_readable, next_url
from audit.webex.seen import SeenIds

log = logging.getLogger(__name__)

#: The most pages in a row that name nothing, while the listing still has a next page.
_MAX_EMPTY_PAGES = 100


class _Page(NamedTuple):
    """A page of a listing.

    Attributes:
        items: its items.
        link: its `Link` header.
        is_named: its items have ids.
        is_news: an item has an id that no page before has.
        size: the number of its items.
        digest: the same for equal items; None if they have ids.
    """

    items: list[Any]
    link: str | None = None
    is_named: bool = False
    is_news: bool = False
    size: int = 0
    digest: int | None = None


class Rules(NamedTuple):
    """What differs from one listing to the next.

    Attributes:
        start: the parameter that skips items.
        is_end_needed: a full page that nothing proves to be the last one is an error, not a warning.
        most_bytes: the largest page that is read.
    """

    start: str = "start"
    is_end_needed: bool = False
    most_bytes: int = PAGE_BYTES


_ORDINARY = Rules()


async def pages(
    client: Client,
    path: str,
    params: Mapping[str, str],
    key: str,
    *,
    scope: str,
    probe: bool = False,
    rules: Rules = _ORDINARY,
) -> AsyncIterator[list[Any]]:
    """The pages of a listing, each as its list of items, whatever these are.

    Args:
        client: the API.
        path: the path of the listing.
        params: the query.
        key: the key of the list in a page.
        scope: the scope that the listing needs, for the error after a 403.
        probe: the listing takes `start`: where its end is in doubt, request what follows its last item.
        rules: what differs from ordinary listings.

    Raises:
        TokenRefusedError: the API refuses the token (401), and there is no other.
        ScopeError: the token may not read the listing (403).
        UnansweredError: a page could not be read, or the listing runs in circles.
        ForeignLinkError: a next link leads to another origin.
    """
    with SeenIds() as seen:
        listing = _Listing(client, path, params, key, scope, seen, takes_start=probe, rules=rules)
        while (page := await listing.next_page()) is not None:
            yield page


class _Listing:
    """A listing that is being read."""

    def __init__(
        self,
        client: Client,
        path: str,
        params: Mapping[str, str],
        key: str,
        scope: str,
        seen: SeenIds,
        *,
        takes_start: bool,
        rules: Rules,
    ) -> None:
        self._client = client
        self._path = path
        self._params = params
        self._size = int(params.get("max", "0")) or math.inf
        self._key = key
        self._scope = scope
        self._seen = seen
        self._takes_start = takes_start
        self._rules = rules
        self._url: str | None = client.url_of(path, params)
        self._asked: set[int] = set()
        self._last = _Page([])
        self._is_probing = self._has_links = False
        self._listed = self._empty = 0

    async def next_page(self) -> list[Any] | None:
        """The items of the next page; None after the last one."""
        if self._url is None:
            return None
        self._asked.add(hash(self._url))
        page = await self._read(self._url)
        if page is None or (self._is_probing and self._is_repeated(page)):
            self._check_end(is_proven=page is None)
            return None
        self._listed += len(page.items)
        self._url = self._following(self._url, page)
        # Its items are the caller's, who is to decide how long they take memory.
        self._last = page._replace(items=[])
        return page.items

    async def _read(self, url: str) -> _Page | None:
        """The page at a URL; None if nothing is there, which is an error unless the URL is a probe."""
        error = None
        for _ in range(self._client.retry.attempts):
            answer = await self._client.get_url(url)
            if answer.outcome is Outcome.INVALID_RESPONSE and answer.link and answer.is_empty:
                log.warning("listing %s: a page is empty after all tries; continuing with the next page", self._path)
                return _Page([], answer.link)
            if self._is_probing and answer.outcome in (Outcome.NOT_FOUND, Outcome.BAD_REQUEST):
                return None
            if answer.outcome is not Outcome.OK:
                raise self._client.unanswered(self._path, answer, self._scope)
            if len(answer.body) > self._rules.most_bytes or may_hold_more(answer.body, PAGE_VALUES):
                most = f"{self._rules.most_bytes >> 20} MiB or {PAGE_VALUES:,} values"
                raise PageTooLongError(f"{self._path} can't be listed: a page holds more than {most}")
            items, error = page_items(answer.body, self._key), page_error(answer.body)
            if items or (items is not None and not error):
                if error:
                    log.warning("%s: items may be missing, because a page also holds an error: %s", self._path, error)
                ids = [webex_id for item in wire.objects(items) if (webex_id := wire.text(item.get("id")))]
                new = await in_thread(self._seen.add, ids) if ids else 0
                digest = None if ids else hash(msgspec.json.encode(items))
                return _Page(items, answer.link, bool(ids), new > 0, len(items), digest)
            await self._client.clock.sleep(self._client.retry.delay_s(1))
        tries = count_of(self._client.retry.attempts, "try", "tries")
        said = f"; the API says: {error}" if error else ""
        raise UnansweredError(f"{self._path} can't be listed: a page has no list {self._key!r} ({tries}){said}")

    def _is_repeated(self, page: _Page) -> bool:
        """Whether a page holds items, and none that is new: the API ignores `start`."""
        return bool(page.items) and not page.is_news and (page.is_named or page.digest == self._last.digest)

    def _check_end(self, *, is_proven: bool) -> None:
        """Doubt the end of a listing that ignores `start`, so that nothing proves its end."""
        if self._last.link and not is_readable(self._last.link):
            raise UnansweredError(f"{self._path}: the Link header can't be read, so the end of the listing is unknown")
        if (is_proven and self._takes_start) or self._has_links:
            return
        start = self._rules.start
        doubt = f"{self._path} has no next link and ignores {start}: it may hold more than {self._listed} items"
        if not self._rules.is_end_needed:
            log.warning("%s", doubt)
        elif self._last.size >= self._size:
            raise UnansweredError(doubt)

    def _following(self, url: str, page: _Page) -> str | None:
        """The URL of the page after this one; None if this is the last one."""
        following = self._linked(url, page.link)
        is_known = following is not None and hash(following) in self._asked
        if is_known and not page.items:
            # The API is known to send an empty last page that still has a next link.
            return None
        is_full = page.size >= self._last.size
        is_stale = page.is_named and not page.is_news and (following is not None or is_full)
        self._empty = 0 if page.is_news else self._empty + 1
        if is_known or is_stale or self._empty > _MAX_EMPTY_PAGES:
            raise UnansweredError(
                f"{self._path}: the listing repeats itself after {self._listed} items, so its end is unknown"
            )
        is_doubtful = self._is_doubtful(url, page) or (self._has_links and is_full)
        self._has_links = self._has_links or following is not None
        if following is not None:
            # What a probe leads to is a probe as well, until it brings something new.
            self._is_probing = self._is_probing and not page.is_news
            return following
        self._is_probing = bool(page.items) and is_doubtful
        return self._after(self._listed) if self._is_probing else None

    def _is_doubtful(self, url: str, page: _Page) -> bool:
        """Whether a page without a next link leaves the end of the listing in doubt."""
        if self._takes_start:
            return page.link is not None or not self._has_links
        if page.link is not None:
            return not is_readable(page.link) or denies_end(page.link, url)
        # A page that holds all that was asked for looks the same if a gateway has dropped the header.
        return not self._has_links and len(page.items) >= self._size

    def _linked(self, url: str, link: str | None) -> str | None:
        try:
            return next_url(link, url, self._params)
        except BadLinkError:
            raise ForeignLinkError(f"{self._path}: the next link is not a usable URL") from None

    def _after(self, listed: int) -> str:
        return self._client.url_of(self._path, {**self._params, self._rules.start: str(listed)})
