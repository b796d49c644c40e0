"""The events of changed rooms and of people who left, in the forms that the administrators' log is known to have."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from audit.simulator.events import AdminLog, bare_id
from audit.simulator.seed import Json


@dataclass(frozen=True)
class Room:
    """A changed room.

    Attributes:
        index: its index.
        item: its item in the listing before the change.
        uuid: its UUID.
        keys: the fields that changed.
    """

    index: int
    item: Json
    uuid: str
    keys: list[str]


_UPDATED = {"eventCategory": "WEBEX_CALLING", "eventDescription": "Service settings were updated."}
#: The events of a change: one for each of these, in addition to what all events have.
_FORMS: tuple[Callable[[Room], tuple[Json, ...]], ...] = (
    lambda room: (_UPDATED | {"entityId": room.item["id"], "updatedSettings": room.keys},),
    lambda room: (_UPDATED | {"targetId": bare_id(room.uuid), "targetType": "TargetResourceType.PLACE"},),
    lambda room: (_UPDATED | {"ownerId": room.item["id"]}, _UPDATED | {"ownerId": room.uuid.upper()}),
    lambda room: (_UPDATED | {"targetId": "opaque", "targetName": room.item["displayName"]},),
    lambda room: (
        _UPDATED
        | {"entityId": room.item["id"], "updatedSettings": room.keys}
        | {"errorCode": "WXC-25008", "errorMessage": "Missing required field."},
    ),
    lambda room: (
        _UPDATED
        | {"entityId": room.item["id"], "updatedFields": room.keys}
        | {"actorClientName": "Room provisioning", "clientId": "C0ffee"},
    ),
    lambda _: (),
)


def of_room(log: AdminLog, at: datetime, room: Room, *, is_gone: bool) -> Iterator[Json]:
    """The events of a changed room: one, several or none.

    Args:
        log: makes the events.
        at: when the room changed.
        room: the room.
        is_gone: the room was deleted.
    """
    if is_gone:
        forms: tuple[Json, ...] = (
            {
                "eventCategory": "DEVICES",
                "eventDescription": "A workspace was deleted.",
                "targetType": "PLACE",
                "targetId": bare_id(room.uuid),
            },
        )
    else:
        forms = log.seed.dice("change_event", room.index).choice(_FORMS)(room)
    for number, data in enumerate(forms):
        text = {"actionText": f"{log.admin['displayName']} changed {room.item['displayName']}."}
        yield log.event(f"room/{number}", room.index, at, text | data)


def of_leaver(log: AdminLog, at: datetime, index: int, member: Json) -> Json:
    """The event of a person who left.

    Args:
        log: makes the event.
        at: when the person left.
        index: index of the person.
        member: the person, as the member of a list.
    """
    data = {
        "eventCategory": "USERS",
        "eventDescription": "Administrator Deleted A User.",
        "actionText": f"{log.admin['displayName']} deleted user {member['displayName']}.",
        "targetType": "PERSON",
        "targetId": member["id"],
        "targetName": member["displayName"],
    }
    return log.event("leaver", index, at, data)
