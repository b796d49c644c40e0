"""The type of a listing: data and a function. Each kind of entity has a listing in a module of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.entity import Entity, EntityType
from audit.inventory.devices import Listed
from audit.outcome import Outcome
from audit.webex import ids, wire

#: Items to request in a page. If the API allows fewer, its next link leads to the others.
PAGE_SIZE = "1000"

Json = dict[str, Any]


@dataclass(frozen=True)
class Listing:
    """The listing of a kind of entity.

    Attributes:
        path: the path of the listing, below the base URL.
        key: the key of the list in a page.
        scope: the scope that the token needs.
        read: turns an item with an id, and the names of the organization's licenses by id (empty if they are not
            known), into an entity.
        params: the query.
        probe: the listing takes `start`, and may page without `Link`.
        needs_licenses: `read` needs the names of the licenses.
        read_devices: reads the devices of an item, if the listing can have them (`audit.inventory.entities`).
    """

    path: str
    key: str
    scope: str
    read: Callable[[Json, Mapping[str, str]], Entity]
    params: Mapping[str, str] = field(default_factory=dict)
    probe: bool = False
    needs_licenses: bool = False
    read_devices: Callable[[Json], Listed] | None = None


def reader_of_locals(kind: EntityType) -> Callable[[Json, Mapping[str, str]], Entity]:
    """A `Listing.read` for features of a location: each item names its location, without which no read is possible."""

    def read(item: Json, _: Mapping[str, str]) -> Entity:
        location_id = ids.usable(item.get("locationId"))
        return Entity(
            kind,
            item["id"],
            wire.name(item.get("name")),
            location_id,
            wire.name(item.get("locationName")),
            known_outcome=None if location_id else Outcome.INVALID_RESPONSE,
            known_reason=None if location_id else "the listing does not name the location, which the read needs",
        )

    return read
