"""Virtual lines: `GET /telephony/config/virtualLines`, whose items have no display name."""

from collections.abc import Mapping

from audit.entity import Entity, EntityType
from audit.inventory.listing import PAGE_SIZE, Json, Listing
from audit.webex import wire


def _read(item: Json, _: Mapping[str, str]) -> Entity:
    names = [name for key in ("firstName", "lastName") if (name := wire.text(item.get(key)))]
    place = item.get("location")
    location = place if isinstance(place, dict) else {"name": place}
    return Entity(
        EntityType.VIRTUAL_LINE,
        item["id"],
        wire.name(" ".join(names) or None),
        wire.name(location.get("id")),
        wire.name(location.get("name")),
    )


VIRTUAL_LINES = Listing(
    "/telephony/config/virtualLines",
    "virtualLines",
    "spark-admin:telephony_config_read",
    _read,
    {"max": PAGE_SIZE},
    probe=True,
)
