"""The administrators' log of an organization: routine events, and the events of its changes."""

import base64
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from audit.simulator import names
from audit.simulator.seed import Json, Seed

#: The categories that an answer of `GET /adminAudit/eventCategories` names.
CATEGORIES = (
    "COMPLIANCE", "CONTACT_CENTER", "DEVICES", "GROUPS", "HYBRID_SERVICES", "LICENSE", "LOCATIONS", "LOGINS", "LOGOUT",
    "MEETINGS", "ORG_SETTINGS", "USERS", "WEBEX_CALLING", "WEBEX_FOR_BWKS",
)  # fmt: skip
#: A routine event comes this often.
_EVERY = timedelta(hours=6)
_SHARE_ODD = 0.3
#: Category, type of the target, description, and text of routine events.
_ROUTINE = (
    ("LOGINS", "ORG", "An admin logged in.", "{actor} logged in to {org}."),
    ("LOGOUT", "ORG", "An admin logged out.", "{actor} logged out of {org}."),
    ("ORG_SETTINGS", "ORG", "An org setting was created or updated.",
     '{actor} has modified the value of setting meetingsTheme for ORG "{org}". New value = "dark".'),
    ("USERS", "PERSON", "Administrator changed a user.", "{actor} changed a user of {org}."),
    ("DEVICES", "DEVICE", "Device Was Rebooted.", "{actor} rebooted a device of {org}."),
    ("WEBEX_CALLING", "LOCATION", "A call queue was updated.", "{actor} updated call queue Front Desk."),
)  # fmt: skip
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def _without(*keys: str) -> Callable[[Json], Json]:
    return lambda event: {key: value for key, value in event.items() if key not in keys}


def _told(**data: object) -> Callable[[Json], Json]:
    return lambda event: event | {"data": event["data"] | data}


#: What an event may hold or lack, undocumented or rare.
_ODDITIES: tuple[Callable[[Json], Json], ...] = (
    lambda event: _told(
        eventCategory=f"EventCategory.{event['data']['eventCategory']}",
        targetType=f"TargetResourceType.{event['data']['targetType']}",
    )(event),
    _told(errorCode="WXC-4410", errorMessage="The number is in use.", success=False),
    _told(actorClientName="Nightly provisioning", clientId="C0ffee"),
    _told(eventDescription="Audio PIN was set.", actionText="The audio PIN of Reception was set to 4711 (was 0815)."),
    _told(actionText="x" * 200_000),
    _told(targetName=names.HOSTILE[0], actionText="\u001b[31m<script>alert(1)</script>"),
    _without("id"),
    _without("created"),
    _without("data"),
    lambda event: event | {"data": None},
)


@dataclass(frozen=True)
class AdminLog:
    """The log of an organization.

    Attributes:
        seed: determines everything.
        odd: mix in undocumented content.
        org_id: id of the organization.
        org_name: its display name.
        admin: the person who administers it, as the member of a list.
        changes: the events of its changes, made by `event`.
    """

    seed: Seed
    odd: bool
    org_id: str
    org_name: str
    admin: Json
    changes: tuple[Json, ...] = ()

    def between(self, since: datetime, until: datetime) -> list[Json]:
        """The events after `since` and before `until`, the newest first."""
        timed = [(datetime.fromisoformat(each["created"]), each) for each in self.changes]
        timed += self._routine(since, until)
        return [each for at, each in sorted(timed, key=lambda pair: pair[0], reverse=True) if since < at < until]

    def event(self, what: str, index: int, created: datetime, data: Json) -> Json:
        """An event of the administrator.

        Args:
            what: tells its id from that of other events of the index.
            index: an index.
            created: its time.
            data: the part of `data` that belongs to this event.
        """
        actor: Json = {
            "actorName": self.admin["displayName"],
            "actorEmail": self.admin["email"],
            "actorOrgName": self.org_name,
            "actorIp": "192.0.2.17",
            "actorUserAgent": _BROWSER,
            "adminRoles": ["Full_Admin"],
            "targetOrgId": self.org_id,
            "targetOrgName": self.org_name,
            "trackingId": f"ATLAS_{self.seed.uuid(f'tracking/{what}', index)}_0",
        }
        return {
            "id": bare_id(self.seed.uuid(f"event/{what}", index)),
            "created": stamp(created),
            "actorId": self.admin["id"],
            "actorOrgId": self.org_id,
            "data": actor | data,
        }

    def _routine(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, Json]]:
        first, last = (int(at.timestamp() // _EVERY.total_seconds()) for at in (since, until))
        for slot in range(first, last + 1):
            at = datetime.fromtimestamp(slot * _EVERY.total_seconds(), UTC)
            dice = self.seed.dice("event", slot)
            category, target_type, description, text = dice.choice(_ROUTINE)
            event = self.event("routine", slot, at, {
                "eventCategory": category,
                "eventDescription": description,
                "actionText": text.format(actor=self.admin["displayName"], org=self.org_name),
                "targetType": target_type,
                "targetId": bare_id(self.seed.uuid(f"target/{target_type}", slot)),
                "targetName": self.org_name,
            })  # fmt: skip
            yield at, self._as_odd(event, dice)

    def _as_odd(self, event: Json, dice: random.Random) -> Json:
        if not self.odd or dice.random() >= _SHARE_ODD:
            return event
        if dice.random() < 0.2:
            partner = {"actorOrgId": self.seed.id("ORGANIZATION", "partner", 0)}
            return event | partner | {"data": event["data"] | {"actorOrgName": "Partner Services Ltd."}}
        return dice.choice(_ODDITIES)(event)


def bare_id(uuid: str) -> str:
    """An id as the log has it: base64 of a bare UUID."""
    return base64.b64encode(uuid.encode()).decode()


def stamp(at: datetime) -> str:
    """A time as the log writes and reads it: in UTC, with milliseconds."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
