"""A seeded organization.

Every answer is a function of the seed and an index, so a million entities take no memory, and two servers
with the same seed give the same answers.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from audit.simulator import answer_settings, devices, licenses, names, push_to_talk
from audit.simulator.events import AdminLog
from audit.simulator.licenses import Licenses
from audit.simulator.meetings import Meetings
from audit.simulator.paging_groups import Paging
from audit.simulator.people import People
from audit.simulator.seed import Json, Seed, webex_id
from audit.simulator.virtual_lines import VirtualLines

__all__ = ["Json", "Organization", "webex_id"]

#: Shares of workspaces: the listing says that there is no Webex Calling, the listing does not mention
#: calling, and the two refusals of a workspace without the professional license.
_SHARE_NOT_CALLING = 0.04
_SHARE_UNTOLD = 0.03
_SHARE_405 = 0.03
_SHARE_404 = 0.02
_SHARE_ODD = 0.12


@dataclass(frozen=True)
class Organization:
    """An organization to audit.

    Attributes:
        workspaces: number of workspaces.
        seed: determines all names, ids and settings.
        odd: mix in undocumented content: absent and null members, unknown words, `"primary": "true"`,
            a location as a bare name, hostile names. Otherwise, every answer is as documented.
        people: number of people; person 0 calls the API.
        virtual_lines: number of virtual lines.
        paging_groups: number of paging groups.
    """

    workspaces: int = 300
    seed: int = 1
    odd: bool = True
    people: int = 400
    virtual_lines: int = 20
    paging_groups: int = 6

    @cached_property
    def org_id(self) -> str:
        """The organization's id."""
        return self._seed.id("ORGANIZATION", "organization", 0)

    @property
    def name(self) -> str:
        """The organization's display name."""
        return self._company[0]

    @cached_property
    def locations(self) -> list[Json]:
        """The items of `GET /locations`."""
        return [self._location(index) for index in range(len(names.LOCATIONS))]

    @property
    def licenses(self) -> list[Json]:
        """The items of `GET /licenses`."""
        return self._licenses.items()

    @property
    def site_urls(self) -> tuple[str, ...]:
        """The meeting sites; the first is the default."""
        return self._meetings.site_urls

    def workspace(self, index: int) -> Json:
        """An item of `GET /workspaces`."""
        dice = self._seed.dice("workspace", index)
        name = f"{dice.choice(names.PLACES)} {dice.randint(1, 9)}-{index:05d}"
        if self.odd and dice.random() < _SHARE_ODD:
            name = dice.choice(names.HOSTILE)
        item: Json = {
            "id": self._seed.id("PLACE", "workspace", index),
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

    def devices(self, index: int) -> list[Json]:
        """The devices in a workspace."""
        return devices.devices(self._seed, index, self.workspace(index))

    def index_of(self, workspace_id: str) -> int | None:
        """The index of the workspace with this id, if there is one."""
        return self._seed.index_of("PLACE", "workspace", workspace_id, self.workspaces)

    def refusal(self, index: int) -> int | None:
        """The HTTP status for a workspace without the right license (404 or 405); None if it has the license."""
        lot = self._lot(index) - _SHARE_NOT_CALLING - _SHARE_UNTOLD
        if lot < 0:
            return 404 if self._lot(index) < _SHARE_NOT_CALLING else None
        if lot < _SHARE_405:
            return 405
        return 404 if lot < _SHARE_405 + _SHARE_404 else None

    def push_to_talk(self, index: int) -> Json:
        """The pushToTalk answer of a workspace that has it."""
        return self._settings("push_to_talk", index)

    def member(self, index: int) -> Json:
        """A person as the member of a list."""
        return self._people.member(index)

    def person(self, index: int, *, calling_data: bool = False) -> Json:
        """An item of `GET /people`; person 0 is the caller."""
        return self._people.person(index, calling_data=calling_data)

    def person_index_of(self, person_id: str) -> int | None:
        """The index of the person with this id, if there is one."""
        return self._people.index_of(person_id)

    def person_index_of_email(self, email: str) -> int | None:
        """The index of the person with this email address in any case, if there is one."""
        return self._people.index_of_email(email)

    def person_location_id(self, index: int) -> str | None:
        """The location in a person's calling data, if there is one."""
        return self._people.location_id(index)

    def person_refusal(self, index: int) -> int | None:
        """The HTTP status for a person without Push-to-Talk (404); None if the person has it."""
        return self._people.refusal(index)

    def person_push_to_talk(self, index: int) -> Json:
        """The pushToTalk answer of a person that has it."""
        return self._settings("person_push_to_talk", index)

    def virtual_line(self, index: int) -> Json:
        """An item of the list of virtual lines."""
        return self._virtual_lines.item(index)

    def virtual_line_index_of(self, virtual_line_id: str) -> int | None:
        """The index of the virtual line with this id, if there is one."""
        return self._virtual_lines.index_of(virtual_line_id)

    def virtual_line_push_to_talk(self, index: int) -> Json:
        """The pushToTalk answer of a virtual line; its members have no location."""
        settings = self._settings("virtual_line_push_to_talk", index)
        for member in settings.get("members") or []:
            member.pop("location", None)
        return settings

    def answer_settings(self, kind: str, index: int) -> Json:
        """The answerSettings answer of a `workspace`, `person` or `virtual_line`."""
        return answer_settings.settings(self._seed, kind, index, odd=self.odd)

    @cached_property
    def paging(self) -> Paging:
        """The paging groups."""
        return Paging(self._seed, self.paging_groups, self.locations, self._target, self.member)

    def events(self, since: datetime, until: datetime) -> list[Json]:
        """The events of the administrators' log after `since` and before `until`."""
        return self._log.between(since, until)

    @cached_property
    def _log(self) -> AdminLog:
        return AdminLog(self._seed, self.odd, self.org_id, self.name, self.member(0))

    def _target(self, index: int) -> Json:
        """A workspace as the target of a paging group."""
        item = self.workspace(index % max(1, self.workspaces))
        return {
            "id": item["id"],
            "type": "PLACE",
            "firstName": item["displayName"],
            "lastName": ".",
            "extension": f"{index:04d}",
        }

    def sites(self, index: int) -> list[Json]:
        """The meeting sites of a person; bots and guests have none."""
        return self._meetings.sites(index) if self._people.kind(index) in {"calling", "meetings"} else []

    def audio(self, index: int, site_url: str) -> Json:
        """The audio answer of a person on a site."""
        return self._meetings.audio(index, site_url)

    @property
    def _company(self) -> tuple[str, str]:
        if self.seed == 1:
            return names.COMPANY, "northwind"
        return names.OTHER_COMPANIES[self.seed % len(names.OTHER_COMPANIES)]

    @cached_property
    def _seed(self) -> Seed:
        return Seed(self.seed)

    @cached_property
    def _meetings(self) -> Meetings:
        return Meetings(self._seed, self.odd, self._company[1])

    @cached_property
    def _licenses(self) -> Licenses:
        units = {licenses.PROFESSIONAL: self.people * 3 // 4, licenses.BASIC: self.people // 20}
        units |= {licenses.WORKSPACES: self.workspaces, licenses.MEETINGS: self.people, licenses.MESSAGING: self.people}
        return Licenses(self._seed, self.site_urls[0], tuple(units.items()))

    @cached_property
    def _people(self) -> People:
        return People(self._seed, self.odd, self.people, self.org_id, self.locations, self._meetings, self._licenses)

    @cached_property
    def _virtual_lines(self) -> VirtualLines:
        return VirtualLines(self._seed, self.odd, self.virtual_lines, self.locations)

    def _settings(self, what: str, index: int) -> Json:
        return push_to_talk.settings(self._seed.dice(what, index), self.people, self.member, odd=self.odd)

    def _location(self, index: int) -> Json:
        return {
            "id": self._seed.id("LOCATION", "location", index),
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
        return self._seed.dice("licence", index).random()
