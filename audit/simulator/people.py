"""The people of an organization: users with and without Webex Calling, bots and guests."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from audit.simulator import licenses, names
from audit.simulator.licenses import Licenses
from audit.simulator.meetings import Meetings
from audit.simulator.seed import Json, Seed, webex_id

Kind = Literal["calling", "meetings", "bot", "appuser"]

_SHARES: tuple[tuple[Kind, float], ...] = (("bot", 0.02), ("appuser", 0.01), ("meetings", 0.15))
_SHARE_BASIC = 0.05
_SHARE_REFUSED = 0.02
_SHARE_ODD = 0.12
_ABSENT = "absent"
#: Undocumented content of listings, as changes of an ordinary item.
_ODDITIES: tuple[Callable[[Json], Json], ...] = (
    lambda item: {"licenses": [",".join(item["licenses"])]},
    lambda _item: {"licenses": _ABSENT},
    lambda _item: {"invitePending": False},
    lambda _item: {"invitePending": True, "status": "pending"},
    lambda _item: {"errors": {"callingData": {"code": "6003", "reason": "Calling data could not be read"}}},
    lambda item: {"emails": [each.upper() for each in item["emails"]]},
)


@dataclass(frozen=True)
class People:
    """All people of an organization; person 0 is the caller.

    Attributes:
        seed: determines everything.
        odd: mix in undocumented content.
        count: number of people.
        org_id: id of the organization.
        locations: the locations where they may be.
        meetings: the sites that they may use.
        licenses: the licenses that they may have.
    """

    seed: Seed
    odd: bool
    count: int
    org_id: str
    locations: list[Json]
    meetings: Meetings
    licenses: Licenses

    def kind(self, index: int) -> Kind:
        """The kind of account of a person; the caller is an ordinary calling user."""
        lot = 1.0 if index == 0 else self.seed.dice("account", index).random()
        for kind, share in _SHARES:
            lot -= share
            if lot < 0:
                return kind
        return "calling"

    def member(self, index: int) -> Json:
        """A person as the member of a list."""
        dice = self.seed.dice("person", index)
        first, last = dice.choice(names.FIRST_NAMES), dice.choice(names.LAST_NAMES)
        extension = f"{index:04d}"
        item: Json = {
            "id": self.seed.id("PEOPLE", "person", index),
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

    def person(self, index: int, *, calling_data: bool) -> Json:
        """An item of `GET /people`."""
        member, kind, dice = self.member(index), self.kind(index), self.seed.dice("person_details", index)
        item: Json = {
            "id": member["id"],
            "emails": [member["email"]],
            "phoneNumbers": [{"type": "mobile", "value": f"+1 512 555 {index % 10_000:04d}"}],
            "displayName": member["displayName"],
            "firstName": member["firstName"],
            "lastName": member["lastName"],
            "orgId": self.org_id,
            "roles": [webex_id("ROLE", "id_full_admin")] if index == 0 else [],
            "licenses": [self.licenses.id(name) for name in self._licenses(index)],
            "created": "2021-03-04T09:10:11.000Z",
            "lastModified": "2024-02-29T08:15:30.000Z",
            "lastActivity": "2026-11-20T17:01:02.345Z",
            "status": dice.choice(("active", "inactive", "DoNotDisturb", "meeting", "unknown")),
            "invitePending": "false",
            "loginEnabled": "true",
            "type": kind if kind in {"bot", "appuser"} else "person",
        }
        if item["type"] == "person":
            item["siteUrls"] = [f"{site['siteUrl']}#attendee" for site in self.meetings.sites(index)]
        if self.odd and index and dice.random() < _SHARE_ODD:
            item |= dice.choice(_ODDITIES)(item)
        if calling_data and kind == "calling" and "errors" not in item:
            _add_calling_data(item, member)
        return {key: value for key, value in item.items() if value != _ABSENT}

    def location_id(self, index: int) -> str | None:
        """The location of a calling user, if there is one."""
        location_id: str | None = self.person(index, calling_data=True).get("locationId")
        return location_id

    def refusal(self, index: int) -> int | None:
        """The HTTP status for a person without Push-to-Talk (404); None if the person has it."""
        is_served = self.kind(index) == "calling" and (index == 0 or self._lot(index) >= _SHARE_REFUSED)
        return None if is_served else 404

    def index_of(self, person_id: str) -> int | None:
        """The index of the person with this id, if there is one."""
        return self.seed.index_of("PEOPLE", "person", person_id, self.count)

    def index_of_email(self, email: str) -> int | None:
        """The index of the person with this email address, if there is one."""
        found = re.fullmatch(r"user([0-9]{4,10})@example\.com", email.lower())
        index = int(found[1]) if found else self.count
        return index if index < self.count and email.lower() == f"user{index:04d}@example.com" else None

    def _licenses(self, index: int) -> list[str]:
        kind = self.kind(index)
        if kind in {"bot", "appuser"}:
            return []
        is_basic = index and self._lot(index) > 1 - _SHARE_BASIC
        calling = [licenses.BASIC if is_basic else licenses.PROFESSIONAL] if kind == "calling" else []
        return [*calling, licenses.MEETINGS, licenses.MESSAGING]

    def _lot(self, index: int) -> float:
        return self.seed.dice("person_licence", index).random()


def _add_calling_data(item: Json, member: Json) -> None:
    number = member["numbers"][0]
    item["extension"] = number["extension"]
    item["phoneNumbers"] = [
        {"type": "work", "value": number["external"], "primary": True},
        {"type": "work_extension", "value": f"8{number['extension']}"},
        *item["phoneNumbers"],
    ]
    if "location" in member:
        item["locationId"] = member["location"]["id"]
