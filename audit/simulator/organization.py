"""A seeded organization.

Every answer is a function of the seed and an index, so that a million workspaces take no memory
and two servers with one seed tell the same.
"""

import base64
import hashlib
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from audit.simulator import names

Json = dict[str, Any]

#: Shares of workspaces: a listing that says there is no Webex Calling, a listing that says nothing of
#: calling, and the two refusals of a workspace without the professional licence.
_SHARE_NOT_CALLING = 0.04
_SHARE_UNTOLD = 0.03
_SHARE_405 = 0.03
_SHARE_404 = 0.02
_SHARE_ODD = 0.12


def webex_id(kind: str, key: str) -> str:
    """An id as the API makes them: base64 of a URI, without padding."""
    return base64.b64encode(f"ciscospark://us/{kind}/{key}".encode()).decode().rstrip("=")


_ABSENT = "absent"
#: What answers hold that no document promises: of two ordinary members, the settings that change.
_ODDITIES: tuple[Callable[[Json, Json], Json], ...] = (
    lambda _one, _two: {"members": _ABSENT},
    lambda _one, _two: {"members": None},
    lambda _one, _two: {"members": []},
    lambda one, two: {"members": [{**one, "numbers": []}, {**two, "numbers": None}]},
    lambda _one, _two: {"connectionType": "HALF_DUPLEX"},
    lambda one, two: {"members": [{**one, "type": "HUNT_GROUP"}, {**two, "type": "PLACE"}]},
    lambda one, _two: {
        "members": [{**one, "numbers": [{"external": "+198455501099", "extension": "0007", "primary": "true"}]}]
    },
    lambda one, _two: {"members": [{**one, "location": names.LOCATIONS[0]}]},
    lambda one, _two: {"members": [{**one, "displayName": name, "lastName": name} for name in names.HOSTILE]},
    lambda one, _two: {"members": [one, one, {"id": one["id"]}]},
    lambda one, _two: {"futureSetting": {"mode": "x"}, "members": [{**one, "presence": "active"}]},
    lambda one, _two: {
        "members": [{**one, "numbers": [{"external": "", "extension": "12", "primary": False}, {"esn": "8812"}]}]
    },
)


@dataclass(frozen=True)
class Organization:
    """What there is to audit.

    Attributes:
        workspaces: how many.
        seed: what all names, ids and settings follow from.
        odd: mix in what documents do not promise: absent and null members, unknown words,
            `"primary": "true"`, a location as its bare name, hostile names. Without it, every
            answer is as documented.
    """

    workspaces: int = 300
    seed: int = 1
    odd: bool = True
    people: int = 400

    @cached_property
    def org_id(self) -> str:
        """The organization's id."""
        return webex_id("ORGANIZATION", self._uuid("organization", 0))

    @property
    def name(self) -> str:
        """The organization's display name."""
        return names.COMPANY

    @cached_property
    def locations(self) -> list[Json]:
        """The items of `GET /locations`."""
        return [self._location(index) for index in range(len(names.LOCATIONS))]

    def workspace(self, index: int) -> Json:
        """An item of `GET /workspaces`."""
        dice = self._dice("workspace", index)
        name = f"{dice.choice(names.PLACES)} {dice.randint(1, 9)}-{index:05d}"
        if self.odd and dice.random() < _SHARE_ODD:
            name = dice.choice(names.HOSTILE)
        item: Json = {
            "id": webex_id("PLACE", self._uuid("workspace", index)),
            "orgId": self.org_id,
            "displayName": name,
            "created": "2024-02-29T08:15:30.000Z",
            "sipAddress": f"room{index}@northwind.calls.webex.com",
            "hotdeskingStatus": "off",
            "supportedDevices": "phones",
        }
        if dice.random() < 0.95:
            item["locationId"] = dice.choice(self.locations)["id"]
        if dice.random() < 0.8:
            item |= {"type": dice.choice(["meetingRoom", "desk", "other", "notSet"]), "capacity": dice.randint(1, 20)}
        lot = self._lot(index)
        if lot < _SHARE_NOT_CALLING:
            item["calling"] = {"type": dice.choice(["none", "freeCalling", "thirdPartySipCalling"])}
        elif lot >= _SHARE_NOT_CALLING + _SHARE_UNTOLD:
            item["calling"] = {"type": "webexCalling"}
        return item

    def index_of(self, workspace_id: str) -> int | None:
        """Which workspace an id names, if any."""
        try:
            uri = base64.b64decode(workspace_id + "=" * (-len(workspace_id) % 4)).decode()
            index = uuid.UUID(uri.rpartition("/")[2]).int & 0xFFFF_FFFF
        except ValueError:
            return None
        is_ours = index < self.workspaces and webex_id("PLACE", self._uuid("workspace", index)) == workspace_id
        return index if is_ours else None

    def refusal(self, index: int) -> int | None:
        """The HTTP status that a workspace without the right licence is answered with: 404, 405 or None."""
        lot = self._lot(index) - _SHARE_NOT_CALLING - _SHARE_UNTOLD
        if lot < 0:
            return 404 if self._lot(index) < _SHARE_NOT_CALLING else None
        if lot < _SHARE_405:
            return 405
        return 404 if lot < _SHARE_405 + _SHARE_404 else None

    def push_to_talk(self, index: int) -> Json:
        """The answer to the pushToTalk read of a workspace that has it."""
        dice = self._dice("push_to_talk", index)
        count = 0 if dice.random() < 0.15 else min(self.people, dice.choice((1, 2, 3, 3, 4, 6, 12, 40)))
        settings: Json = {
            "allowAutoAnswer": dice.random() < 0.7,
            "connectionType": dice.choice(("ONE_WAY", "TWO_WAY")),
            "accessType": "ALLOW_MEMBERS" if dice.random() < 0.8 else "BLOCK_MEMBERS",
            "members": [self.member(each) for each in dice.sample(range(self.people), count)],
        }
        if self.odd and dice.random() < _SHARE_ODD:
            self._make_odd(settings, dice)
        return settings

    def member(self, index: int) -> Json:
        """A person as the member of a list."""
        dice = self._dice("person", index)
        first, last = dice.choice(names.FIRST_NAMES), dice.choice(names.LAST_NAMES)
        extension = f"{index:04d}"
        item: Json = {
            "id": webex_id("PEOPLE", self._uuid("person", index)),
            "firstName": first,
            "lastName": last,
            "displayName": f"{first} {last}",
            "type": "PEOPLE",
            "email": f"user{index:04d}@example.com",
            "numbers": [{"external": f"+1408526{extension}", "extension": extension, "primary": True}],
        }
        if dice.random() < 0.7:
            location = dice.choice(self.locations)
            item["location"] = {"id": location["id"], "name": location["name"]}
        if dice.random() < 0.2:
            item["numbers"].append(
                {"extension": f"7{extension}", "routingPrefix": "8", "esn": f"87{extension}", "primary": False}
            )
        return item

    def _make_odd(self, settings: Json, dice: random.Random) -> None:
        member = settings["members"][0] if settings["members"] else self.member(0)
        oddity = dice.choice(_ODDITIES)
        settings.update(oddity(member, self.member(1)))
        if settings["members"] == _ABSENT:
            del settings["members"]

    def _location(self, index: int) -> Json:
        return {
            "id": webex_id("LOCATION", self._uuid("location", index)),
            "name": names.LOCATIONS[index],
            "orgId": self.org_id,
            "timeZone": "America/Chicago",
            "preferredLanguage": "en_US",
            "address": {
                "address1": "771 Alder Drive",
                "city": "Milpitas",
                "state": "CA",
                "postalCode": "95035",
                "country": "US",
            },
        }

    def _lot(self, index: int) -> float:
        return self._dice("licence", index).random()

    def _dice(self, kind: str, index: int) -> random.Random:
        return random.Random(f"{self.seed}/{kind}/{index}")  # noqa: S311

    def _uuid(self, kind: str, index: int) -> str:
        # The index stands in the last four bytes, so that an id leads back to its workspace.
        digest = hashlib.sha256(f"{self.seed}/{kind}/{index}".encode()).digest()[:12]
        return str(uuid.UUID(bytes=digest + index.to_bytes(4, "big"), version=4))
