"""Workspaces: `GET /workspaces`, which names the calling type of many."""

from collections.abc import Mapping

from audit.entity import Entity, EntityType
from audit.inventory.listing import PAGE_SIZE, Json, Listing
from audit.outcome import Outcome
from audit.webex import wire

#: The documented values of `calling.type` (`GET /workspaces`) other than `webexCalling`. A workspace with an unknown
#: value is read: skip only those certainly without Webex Calling.
_WITHOUT_WEBEX_CALLING = frozenset(
    {"freeCalling", "hybridCalling", "webexEdgeForDevices", "thirdPartySipCalling", "none"}
)


def _read(item: Json, _: Mapping[str, str]) -> Entity:
    calling = item.get("calling")
    calling_type = wire.text(calling.get("type")) if isinstance(calling, dict) else None
    is_without = calling_type in _WITHOUT_WEBEX_CALLING
    return Entity(
        EntityType.WORKSPACE,
        item["id"],
        wire.text(item.get("displayName")),
        wire.text(item.get("locationId")),
        known_outcome=Outcome.NOT_LICENSED if is_without else None,
        known_reason=f"the inventory says calling type {calling_type}" if is_without else None,
    )


# `/workspaces` declares no Link.
WORKSPACES = Listing("/workspaces", "items", "spark-admin:workspaces_read", _read, {"max": PAGE_SIZE}, probe=True)
