"""The devices in a workspace, as `GET /workspaces?includeDevices=true` lists them, and oddities of that list."""

import random
from collections.abc import Collection
from typing import Any

from audit.simulator.seed import Json, Seed

_PHONES = ("Cisco 8875", "Cisco 9861", "Cisco 8841")
_ROOM_DEVICES = ("Cisco Desk Pro", "Cisco Room Bar", "Cisco Webex DX80")
#: Shares of workspaces: without a device, with a device of RoomOS beside the phone, and with a phone that is offline.
_SHARE_NONE = 0.1
_SHARE_ROOM_DEVICE = 0.15
_SHARE_OFFLINE = 0.1
_MANY = 10_000


def devices(seed: Seed, index: int, workspace: Json) -> list[Json]:
    """The devices in a workspace, given its index and its item in the listing."""
    dice = seed.dice("devices", index)
    lot = dice.random()
    if lot < _SHARE_NONE:
        return []
    of_room: Json = {name: workspace[name] for name in ("orgId", "displayName", "locationId") if name in workspace}
    of_room |= {"workspaceId": workspace["id"], "placeId": workspace["id"], "created": "2024-03-01T09:00:00.000Z"}
    is_offline = lot < _SHARE_NONE + _SHARE_OFFLINE
    found = [of_room | _device(seed, 2 * index, dice, dice.choice(_PHONES), "phone", is_offline=is_offline)]
    if lot > 1 - _SHARE_ROOM_DEVICE:
        found.append(of_room | _device(seed, 2 * index + 1, dice, dice.choice(_ROOM_DEVICES), "roomdesk"))
    return found


def _device(seed: Seed, number: int, dice: random.Random, product: str, kind: str, *, is_offline: bool = False) -> Json:
    mac = ":".join(f"{dice.randrange(256):02X}" for _ in range(6))
    return {
        "id": seed.id("DEVICE", "device", number),
        "product": product,
        "type": kind,
        "connectionStatus": dice.choice(("disconnected", "offline_expired")) if is_offline else "connected",
        "mac": mac,
        "serial": f"FOC{dice.randrange(10**8):08d}",
        "firstSeen": "2024-03-01T09:00:00.000Z",
        "lastSeen": f"2026-{'03' if is_offline else '11'}-{dice.randint(1, 20):02d}T14:04:00.444Z",
        "managedBy": "CISCO",
        "devicePlatform": "cisco",
    }


def with_devices(item: Json, found: list[Json], index: int, quirks: Collection[str]) -> Json:
    """The item of a workspace with its devices, as the quirks of a server have it."""
    if "no-devices" in quirks:
        return item
    if "many-devices" in quirks and index == 0:
        return item | {"devices": [{"id": f"device-{number:05d}"} for number in range(_MANY)]}
    if "odd-devices" not in quirks:
        return item | {"devices": found}
    odd = _ODD[index % len(_ODD)]
    return item if odd is _ABSENT else item | {"devices": odd(found) if callable(odd) else odd}


def _first(found: list[Json], **changes: Any) -> list[Json]:
    return [*({**found[0], **changes} for _ in found[:1]), *found[1:]]


_ABSENT = object()
#: What stands in the place of a list of devices, or what becomes of it; the next workspace has the next.
_ODD: tuple[Any, ...] = (
    _ABSENT,
    None,
    "none",
    {},
    [None],
    ["Y2lzY28", 7, []],
    [{"product": "Cisco 8875"}],
    [{"id": " "}, {"id": 7}, {"id": "a\nb"}, {"id": "a\ud800"}, {"id": "x" * 1001}],
    lambda found: [*found, None],
    lambda found: [*found, *found],
    lambda found: _first(found, connectionStatus="hibernating", type="hologram"),
    lambda found: _first(found, connectionStatus=3, product=None, type=["phone"]),
    lambda found: _first(found, lastSeen="yesterday"),
    lambda found: _first(found, lastSeen=1_692_108_240_444),
    lambda found: _first(found, lastSeen="0001-01-01T00:00:00Z"),
    lambda found: _first(found, lastSeen="9999-12-31T23:59:59.999-12:00"),
    lambda found: _first(found, lastSeen="2024-02-30T00:00:00Z"),
    lambda found: _first(found, product="x" * 100_000),
)
