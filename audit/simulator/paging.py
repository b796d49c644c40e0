"""Pages of a listing by offset or by cursor, with the known quirks of the API."""

import base64
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from audit.simulator.access import refused
from audit.simulator.seed import Json, webex_id

_DEFAULT_PAGE = 100
#: By quirk, the item without a usable id that ends each page.
_INVALID_ITEMS: dict[str, Any] = {
    "null-item": None,
    "text-item": "Y2lzY29zcGFyazovL3VzL1BMQUNFLzE",
    "no-id": {"displayName": "no id"},
    "blank-id": {"id": "  ", "displayName": "blank id"},
    "long-id": {"id": "x" * 1001, "displayName": "long id"},
    "control-id": {"id": "a\nb", "displayName": "line break in the id"},
    "surrogate-id": {"id": "a\ud800", "displayName": "lone surrogate in the id"},
}
#: By quirk, the parameter that next links lose.
_LOST = {"lost-org": "orgId", "lost-devices": "includeDevices"}


@dataclass(frozen=True)
class Listing:
    """A listing.

    Attributes:
        total: number of items.
        item: makes the item of an index.
        key: the field of a page that holds the items.
        by_cursor: an opaque `after` names a page instead of `start`.
        extra: further fields of a page.
        start: the parameter that skips items.
    """

    total: int
    item: Callable[[int], Any]
    key: str = "items"
    by_cursor: bool = False
    extra: Json | None = None
    start: str = "start"


def page(request: web.Request, listing: Listing, *, max_page: int, quirks: frozenset[str]) -> web.Response:
    """The page of a listing that a request asks for.

    Raises:
        RefusedError: the page is not valid.
    """
    try:
        start = _cursor_start(request) if listing.by_cursor else _start(request, listing, quirks)
        size = min(int(request.query.get("max", str(_DEFAULT_PAGE))), max_page)
    except ValueError as err:
        raise refused(400) from err
    if quirks & {"empty-page", "empty-body-page"} and start and "resumed" not in request.query:
        link = _link(request, _place(listing, start, size) | {"resumed": "1"}, quirks)
        text = "" if "empty-body-page" in quirks else f'{{"{listing.key}": []}}'
        return web.Response(text=text, content_type="application/json", headers={"Link": link})
    first = start - 1 if "duplicate" in quirks and start else start
    end = min(start + size, listing.total)
    headers = {}
    is_lost = "no-link" in quirks or ("lost-link" in quirks and start > 0)
    if not is_lost and (end < listing.total or quirks & {"endless", "circle", "fresh-circle"}):
        following = end if end < listing.total or "endless" in quirks else 0
        headers["Link"] = _link(request, _place(listing, following, size), quirks)
    items = [listing.item(index) for index in range(first, end)]
    items += invalid_items(quirks) if items else []
    return web.json_response({listing.key: items, **(listing.extra or {})}, headers=headers)


def invalid_items(quirks: frozenset[str]) -> list[Any]:
    """The items that name nothing, of the quirks that add any."""
    return [item for quirk, item in _INVALID_ITEMS.items() if quirk in quirks]


def _start(request: web.Request, listing: Listing, quirks: frozenset[str]) -> int:
    return 0 if "no-start" in quirks else int(request.query.get(listing.start, "0"))


def _cursor_start(request: web.Request) -> int:
    cursor = request.query.get("after", "")
    uri = base64.b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    return int(uri.rpartition("/")[2]) if cursor else 0


def _place(listing: Listing, start: int, size: int) -> dict[str, str]:
    place = {"after": webex_id("CURSOR", str(start))} if listing.by_cursor else {listing.start: str(start)}
    return place | {"max": str(size)}


def _link(request: web.Request, place: dict[str, str], quirks: frozenset[str]) -> str:
    dropped = {*place, "resumed", "fresh", "pad"}
    dropped |= {name for quirk, name in _LOST.items() if quirk in quirks}
    kept = [(name, value) for name, value in request.query.items() if name not in dropped]
    if "max-null" in quirks:
        place = place | {"max": "null"}
    if "fresh-circle" in quirks:
        place = place | {"fresh": uuid.uuid4().hex}
    if "long-link" in quirks:
        place = place | {"pad": "a" * 20_000}
    text = urlencode([*place.items(), *kept]) + ("&before" if "valueless" in quirks else "")
    origin = "https://webexapis.example.net" if "foreign-link" in quirks else f"http://{request.host}"
    return _spelled(f"{origin}{request.path}?{text}", quirks)


def _spelled(url: str, quirks: frozenset[str]) -> str:
    if "unreadable-link" in quirks:
        return "more to come"
    blank = "" if "no-blank" in quirks else " "
    before = f'<{url}&last>; title="page;rel=next"; rel="last", ' if "title-next" in quirks else ""
    target = url if "no-brackets" in quirks else f"<{url}>"
    title = f';{blank}title="a, \\"b\\"; rel=\'x\'"' if "odd-title" in quirks else ""
    rel = "'next'" if "single-quotes" in quirks else '"next"'
    return f"{before}{target}{title};{blank}rel={rel}"
