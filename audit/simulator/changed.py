"""An organization at a later time: the same, except for some of its rooms and people."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Literal, Self

from audit.simulator import changed_events, names
from audit.simulator.events import AdminLog
from audit.simulator.organization import Organization
from audit.simulator.people import People
from audit.simulator.seed import Json

Fate = Literal["same", "gone", "renamed", "set"]

#: What happened to the rooms that changed, as shares: replaced, renamed, or given other settings.
_OF_CHANGED: tuple[tuple[Fate, float], ...] = (("gone", 0.2), ("renamed", 0.2), ("set", 0.6))
#: The share of people who left, or who have a new number, relative to the share of rooms.
_OF_PEOPLE = 0.4
_SWITCHED = {"ONE_WAY": "TWO_WAY", "TWO_WAY": "ONE_WAY"} | {
    "ALLOW_MEMBERS": "BLOCK_MEMBERS",
    "BLOCK_MEMBERS": "ALLOW_MEMBERS",
}
#: Changes that administrators make: the changed fields of an answer, given a person whom they might add.
_CHANGES: tuple[Callable[[Json, list[Json]], Json], ...] = (
    lambda answer, _more: {"allowAutoAnswer": not answer["allowAutoAnswer"]},
    lambda answer, _more: {"connectionType": _SWITCHED.get(answer["connectionType"], "ONE_WAY")},
    lambda answer, _more: {"accessType": _SWITCHED[answer["accessType"]]},
    lambda answer, more: {"members": [*(answer.get("members") or []), *more]},
    lambda answer, more: {"members": (answer.get("members") or [])[1:] or more},
)


@dataclass(frozen=True)
class _ChangedPeople(People):
    """The same people, some with a new number; new people have the indexes after them."""

    share: float = 0.0

    def member(self, index: int) -> Json:
        """A person as the member of a list."""
        item = super().member(index)
        if self.seed.dice("later/number", index).random() < self.share:
            item["numbers"][0]["external"] = f"+1408527{index % 10_000:04d}"
        return item


@dataclass(frozen=True)
class Changed(Organization):
    """A changed organization; `of` makes it.

    A successor takes the index of a room or person that is gone, so that seed and index still determine everything.
    Lists of members keep people who left.

    Attributes:
        share: the share of rooms that changed, from 0 to 1.
        at: when it changed, for the administrators' log; None for a log that does not mention it.
    """

    share: float = 0.05
    at: datetime | None = None

    @classmethod
    def of(cls, organization: Organization, share: float = 0.05, at: datetime | None = None) -> Self:
        """Change an organization."""
        same = {field.name: getattr(organization, field.name) for field in fields(Organization)}
        return cls(**same, share=share, at=at)

    def fate(self, index: int) -> Fate:
        """What happened to the room that had this index."""
        lot = self._seed.dice("later/room", index).random()
        for fate, part in _OF_CHANGED:
            lot -= part * self.share
            if lot < 0:
                return fate
        return "same"

    def has_left(self, index: int) -> bool:
        """Whether a person is gone; the caller always stays."""
        return index > 0 and self._seed.dice("later/person", index).random() < self.share * _OF_PEOPLE

    def workspace(self, index: int) -> Json:
        """An item of `GET /workspaces`."""
        item = super().workspace(self._room(index))
        if self.fate(index) == "renamed":
            item["displayName"] = f"{self._dice(index).choice(names.PLACES)} {index:05d} (new)"
        return item

    def index_of(self, workspace_id: str) -> int | None:
        """The index of the workspace with this id, if there is one."""
        found = self._seed.index_of("PLACE", "workspace", workspace_id, 2 * self.workspaces)
        return _place(found, self.workspaces, self._room)

    def refusal(self, index: int) -> int | None:
        """The HTTP status for a workspace without the right license."""
        return super().refusal(self._room(index))

    def push_to_talk(self, index: int) -> Json:
        """The pushToTalk answer of a workspace that has it."""
        answer = super().push_to_talk(self._room(index))
        if self.fate(index) == "set":
            dice = self._dice(index)
            answer |= dice.choice(_CHANGES)(answer, self._addable(dice, answer))
        return answer

    def person(self, index: int, *, calling_data: bool = False) -> Json:
        """An item of `GET /people`."""
        return super().person(self._person(index), calling_data=calling_data)

    def person_index_of(self, person_id: str) -> int | None:
        """The index of the person with this id, if there is one."""
        return _place(super().person_index_of(person_id), self.people, self._person)

    def person_index_of_email(self, email: str) -> int | None:
        """The index of the person with this email address, if there is one."""
        return _place(super().person_index_of_email(email), self.people, self._person)

    def person_location_id(self, index: int) -> str | None:
        """The location in a person's calling data, if there is one."""
        return super().person_location_id(self._person(index))

    def person_refusal(self, index: int) -> int | None:
        """The HTTP status for a person without Push-to-Talk."""
        return super().person_refusal(self._person(index))

    def person_push_to_talk(self, index: int) -> Json:
        """The pushToTalk answer of a person that has it."""
        return super().person_push_to_talk(self._person(index))

    def answer_settings(self, kind: str, index: int) -> Json:
        """The answerSettings answer of an entity: that of its successor where it is gone."""
        place = {"workspace": self._room, "person": self._person}.get(kind, int)(index)
        answer = super().answer_settings(kind, place)
        if kind == "workspace" and self._dice(index).random() < self.share:
            answer["autoAnswerEnabled"] = not answer["autoAnswerEnabled"]
        return answer

    def sites(self, index: int) -> list[Json]:
        """The meeting sites of a person."""
        return super().sites(self._person(index))

    def audio(self, index: int, site_url: str) -> Json:
        """The audio answer of a person on a site."""
        return super().audio(self._person(index), site_url)

    @cached_property
    def _log(self) -> AdminLog:
        log = AdminLog(self._seed, self.odd, self.org_id, self.name, self.member(0))
        return replace(log, changes=tuple(self._logged(log, self.at)) if self.at else ())

    def _logged(self, log: AdminLog, at: datetime) -> Iterator[Json]:
        """The events of the changes."""
        for index in range(self.workspaces):
            if (fate := self.fate(index)) != "same":
                before, after = super().push_to_talk(index), self.push_to_talk(index)
                keys = [key for key in after if after[key] != before.get(key)] if fate == "set" else ["displayName"]
                room = changed_events.Room(index, super().workspace(index), self._seed.uuid("workspace", index), keys)
                yield from changed_events.of_room(log, at, room, is_gone=fate == "gone")
        for index in filter(self.has_left, range(self.people)):
            yield changed_events.of_leaver(log, at, index, super().member(index))

    @cached_property
    def _people(self) -> People:
        return _ChangedPeople(
            self._seed,
            self.odd,
            2 * self.people,
            self.org_id,
            self.locations,
            self._meetings,
            self._licenses,
            self.share * _OF_PEOPLE,
        )

    def _room(self, index: int) -> int:
        """The room at an index: the earlier room, or its successor."""
        return index + self.workspaces if self.fate(index) == "gone" else index

    def _person(self, index: int) -> int:
        return index + self.people if self.has_left(index) else index

    def _addable(self, dice: random.Random, answer: Json) -> list[Json]:
        """A person who is not a member yet, if there is one."""
        members = {each.get("id") for each in answer.get("members") or []}
        first = dice.randrange(max(1, self.people))
        people = (self.member(self._person((first + step) % self.people)) for step in range(self.people))
        return list(islice((each for each in people if each["id"] not in members), 1))

    def _dice(self, index: int) -> random.Random:
        return self._seed.dice("later/change", index)


def _place(found: int | None, count: int, at: Callable[[int], int]) -> int | None:
    """The index of an entity that was found, if it exists at this time."""
    if found is None:
        return None
    place = found % count
    return place if at(place) == found else None
