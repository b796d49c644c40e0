"""The devices in a workspace, as an item of `GET /workspaces?includeDevices=true` names them.

Only an empty list proves that a workspace has no device. An item without the key `devices`, or with a list of nothing
but unusable devices, proves nothing (`audit.snapshot.context.workspace_devices`).
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from audit.snapshot.context.workspace_devices import WORKSPACE_DEVICES_SCHEMA
from audit.text import count_of
from audit.untrusted.decoding import prepared
from audit.webex import ids, wire

#: A device was seen in one of these years, or its time is unusable: clocks that were never set say 1970.
_YEARS = (2000, 2099)
_ROWS = 1000


class Device(msgspec.Struct, frozen=True):
    """A device of a workspace; the fields are columns of `workspace_devices`."""

    device_id: str
    product: str | None = None
    device_type: str | None = None
    connection_status: str | None = None
    last_seen: datetime | None = None


@prepared
class Listed(msgspec.Struct, frozen=True):
    """What an item of the listing says of the devices in its workspace.

    Attributes:
        devices: its devices, sorted by id; None if that is not known.
        unusable: the number of listed devices without a usable id.
    """

    devices: list[Device] | None = None
    unusable: int = 0


def listed_devices(item: dict[str, Any]) -> Listed:
    """Read the devices of an item; of several with the same id, the first counts."""
    values = item.get("devices")
    if not isinstance(values, list):
        return Listed()
    found: dict[str, Device] = {}
    unusable = 0
    for value in values:
        if device := _device(value):
            found.setdefault(device.device_id, device)
        else:
            unusable += 1
    return Listed(None if unusable and not found else [found[each] for each in sorted(found)], unusable)


def _device(value: object) -> Device | None:
    if not isinstance(value, dict) or not (device_id := ids.usable(value.get("id"))):
        return None
    return Device(
        device_id,
        wire.name(value.get("product")),
        wire.name(value.get("type")),
        wire.name(value.get("connectionStatus")),
        _time(value.get("lastSeen")),
    )


def _time(value: object) -> datetime | None:
    """A time (RFC 3339) in UTC; None if it is unusable."""
    try:
        time = msgspec.convert(value, Annotated[datetime, msgspec.Meta(tz=True)])
    except msgspec.ValidationError:
        return None
    # A time at the end of a year may be of the next year in UTC, which is still a year that Arrow can hold.
    return time.astimezone(UTC) if _YEARS[0] <= time.year <= _YEARS[1] else None


def device_rows(org_id: str, workspaces: Iterable[tuple[str, Listed]]) -> Iterator[pa.Table]:
    """Rows of `workspace_devices`: a row for each device, and a row for a workspace that has none.

    Args:
        org_id: UUID of the organization.
        workspaces: ids of workspaces, each with what is listed; sorted.
    """
    rows: list[dict[str, Any]] = []
    for workspace_id, listed in workspaces:
        if listed.devices is None:
            continue
        of_room = {"org_id": org_id, "workspace_id": workspace_id}
        rows += [of_room | msgspec.structs.asdict(device) for device in listed.devices] or [of_room]
        if len(rows) >= _ROWS:
            yield pa.Table.from_pylist(rows, schema=WORKSPACE_DEVICES_SCHEMA)
            rows = []
    yield pa.Table.from_pylist(rows, schema=WORKSPACE_DEVICES_SCHEMA)


def gap_of(workspaces: Iterable[tuple[str, Listed]]) -> str | None:
    """What a listing does not say of the devices, in words; None if it says everything."""
    total = unknown = unusable = 0
    for _, listed in workspaces:
        total += 1
        unknown += listed.devices is None
        unusable += listed.unusable
    parts = []
    if unknown:
        parts.append(f"the listing does not say which devices {unknown:,} of {count_of(total, 'workspace')} have")
    if unusable:
        parts.append(f"{count_of(unusable, 'listed device has', 'listed devices have')} no usable id")
    return "; ".join(parts) or None
