"""Paging groups: `GET /telephony/config/paging`, whose items name the location that a read needs."""

from collections.abc import Mapping

from audit.entity import Entity, EntityType
from audit.inventory.listing import PAGE_SIZE, Json, Listing
from audit.outcome import Outcome
from audit.webex import ids, wire


def _read(item: Json, _: Mapping[str, str]) -> Entity:
    location_id = ids.usable(item.get("locationId"))
    return Entity(
        EntityType.PAGING_GROUP,
        item["id"],
        wire.name(item.get("name")),
        location_id,
        wire.name(item.get("locationName")),
        known_outcome=None if location_id else Outcome.INVALID_RESPONSE,
        known_reason=None if location_id else "the listing does not name the location, which the read needs",
    )


PAGING_GROUPS = Listing(
    "/telephony/config/paging",
    "locationPaging",
    "spark-admin:telephony_config_read",
    _read,
    {"max": PAGE_SIZE},
    probe=True,
)
