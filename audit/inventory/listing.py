"""What the listing of a kind of entity is: data and two functions, in one file a kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.entity import Entity

#: Asked for a page; where the API allows less, it says so with a next link.
PAGE_SIZE = "1000"

Json = dict[str, Any]


@dataclass(frozen=True)
class Listing:
    """The listing of a kind of entity.

    Attributes:
        path: of the listing.
        key: of the list in a page.
        scope: what the token needs.
        read: an item with an id, and the names of the organization's licences by id (none where they are not
            known) → the entity.
        params: its query.
        probe: it takes `start`, and may page without `Link`.
        needs_licences: `read` wants to know the licences.
    """

    path: str
    key: str
    scope: str
    read: Callable[[Json, Mapping[str, str]], Entity]
    params: Mapping[str, str] = field(default_factory=dict)
    probe: bool = False
    needs_licences: bool = False
