"""Workspaces: `GET /workspaces`, which names the calling type of many."""

from collections.abc import Mapping

from audit.entity import Entity, EntityType
from audit.inventory.devices import listed_devices
from audit.inventory.listing import PAGE_SIZE, Json, Listing
from audit.outcome import Outcome
from audit.webex import wire

#: The documented values of `calling.type` (`GET /workspaces`) other than `webexCalling`. A workspace with an unknown
#: value is read: skip only those certainly without Webex Calling.
_WITHOUT_WEBEX_CALLING = frozenset(
    {"freeCalling", "hybridCalling", "webexEdgeForDevices", "thirdPartySipCalling", "none"}
)


def _read(item: Json, _: Mapping[str, str]) -> Entity:
    reason = _reason(item)
    return Entity(
        EntityType.WORKSPACE,
        item["id"],
        wire.name(item.get("displayName")),
        wire.name(item.get("locationId")),
        known_outcome=Outcome.NOT_LICENSED if reason else None,
        known_reason=reason,
        is_hot_desk=_may_be_hot_desk(item),
    )


def _reason(item: Json) -> str | None:
    """Why a workspace certainly has no call settings; None if that is not certain."""
    calling_type = wire.text(_object(item, "calling").get("type"))
    if calling_type in _WITHOUT_WEBEX_CALLING:
        return f"the inventory says calling type {calling_type}"
    is_told = isinstance(_object(item, "calling").get("webexCalling"), dict)
    if _may_be_hot_desk(item) and calling_type == "webexCalling" and is_told:
        return "the inventory says hot desking on, and Webex Calling without a number"
    return None


def _may_be_hot_desk(item: Json) -> bool:
    """Whether a workspace may be for hot desking only: then it has no number.

    "Hot Desk Only workspace does not support any calling settings" (description of the workspace call settings API).
    """
    numbers = _object(_object(item, "calling"), "webexCalling")
    return item.get("hotdeskingStatus") == "on" and not (numbers.get("extension") or numbers.get("phoneNumber"))


def _object(item: Json, key: str) -> Json:
    value = item.get(key)
    return value if isinstance(value, dict) else {}


# `/workspaces` declares no Link.
WORKSPACES = Listing(
    "/workspaces",
    "items",
    "spark-admin:workspaces_read",
    _read,
    {"max": PAGE_SIZE},
    probe=True,
    read_devices=listed_devices,
)
