"""Who can call which room, by room and by person, and since when, as far as two snapshots can say.

The meaning of the API's words is from "Read Push-to-Talk Settings for a Workspace" of the Webex API reference:
`ALLOW_MEMBERS` lets only the members call, `BLOCK_MEMBERS` anyone but the members; with `TWO_WAY` the room can respond,
so the caller can listen; with `ONE_WAY` it cannot.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import duckdb

from audit.review.open_rooms import OPEN_ROOMS
from audit.review.report.reach_tables import (
    EXPOSURE,
    KINDS,
    LEFT_OUT,
    LOCATION_TOTAL,
    LOCATIONS,
    SHOWN,
    SHOWN_MEMBERS,
    SHOWN_PEOPLE,
    create_tables,
)
from audit.review.report.rows import count, fetch, fetch_dicts, time_of
from audit.review.report.ways import WaysIn, device_words, find_ways, other_words
from audit.review.tables import table_names
from audit.review.vocabulary import list_of, thing, things
from audit.snapshot.manifest import Manifest
from audit.text import count_of

#: The most entries that the report lists, the most exposed first; the CSV has all.
MAX_ROOMS = 1_500
MAX_MEMBERS = 40
MAX_PEOPLE = 1_500
MAX_ROOMS_OF_PERSON = 20
MAX_LOCATIONS = 8

#: Who may call a room that auto-answers; `unclear` if the API used a word that is not documented.
#: or `none` if nothing is known of its Push-to-Talk settings, and it opens in another way.
ReachKind = Literal["everybody", "members", "unclear", "nobody", "off", "none"]
REACH_KINDS: tuple[ReachKind, ...] = ("everybody", "members", "unclear", "nobody", "off")
#: The kinds whose rooms somebody may call.
AUTOMATIC: tuple[ReachKind, ...] = ("everybody", "members", "unclear")
#: What a caller can do: `perhaps` listen, if the API used a word that is not documented.
DirectionKind = Literal["listens", "perhaps", "speaks"]
#: How a room's settings compare with the snapshot before; `not_audited` if its absence there says nothing.
SinceKind = Literal[
    "unchanged", "changed", "not_listed", "not_licensed", "not_found", "not_answered", "not_audited", "alone"
]
_DATASET = "push_to_talk"
_SHUT: dict[ReachKind, str] = {"off": "with Push-to-Talk off", "nobody": "with an empty list of allowed lines"}
_CALLERS: dict[ReachKind, str] = {"everybody": "anyone", "members": "allowed lines", "unclear": "an unclear group"}
_DIRECTIONS: dict[DirectionKind, str] = {
    "listens": "can listen",
    "perhaps": "may be able to listen",
    "speaks": "can only speak",
}


@dataclass(frozen=True)
class Member:
    """A member of a room's list."""

    name: str | None
    email: str | None


@dataclass(frozen=True)
class Room:
    """A workspace, a person's phone or a virtual line, and who may call it.

    Attributes:
        org_id, entity_type, entity_id, entity_name, location_name: as in the tables.
        connection_type, access_type: as in the tables.
        direction: what the caller can do.
        reach: who may call it.
        member_total: number of distinct members in its list.
        is_twin: another room of the organization has the same name.
        since: how its settings compare with the snapshot before.
        since_reason: why a room of its kind may be absent there; None if absence is a fact.
        since_at: time of that snapshot's answer about it; None if it was not asked.
        ways: the ways in which it opens by itself, as in `open_rooms`.
        pagers: the number of those who may open it by paging.
        device: whether a device is there, in words; empty if it does not open.
        members: the first members of its list.
    """

    org_id: str
    entity_type: str
    entity_id: str
    entity_name: str | None
    location_name: str | None
    connection_type: str
    access_type: str
    direction: DirectionKind
    reach: ReachKind
    member_total: int
    is_twin: bool
    since: SinceKind
    since_reason: str | None
    since_at: datetime | None
    ways: list[str]
    pagers: int
    device: str
    members: list[Member] = field(default_factory=list)

    @property
    def others(self) -> list[str]:
        """The ways in which it opens beside Push-to-Talk."""
        return [way for way in self.ways if way != _DATASET]

    @property
    def other_words(self) -> str:
        """Who may open it in these ways."""
        return other_words(self.others, self.pagers)


@dataclass(frozen=True)
class Person:
    """A member of at least one list of allowed lines of a room that auto-answers.

    Attributes:
        org_id, name, email, member_type: as in the tables.
        room_total: number of rooms that the person may call by name.
        heard, perhaps: number of these rooms in which the person can listen, or may be able to.
        rooms: names of the first rooms.
    """

    org_id: str
    name: str | None
    email: str | None
    member_type: str | None
    room_total: int
    heard: int
    perhaps: int
    rooms: list[str]


@dataclass(frozen=True)
class Exposure:
    """The number of rooms by who may call; in `heard` of them the caller can listen, in `spoken` only speak."""

    reach: ReachKind
    rooms: int
    heard: int
    spoken: int


@dataclass(frozen=True)
class LocationCount:
    """The number of rooms of a location that auto-answer; `heard` and `spoken` as in `Exposure`."""

    location_name: str | None
    rooms: int
    heard: int
    spoken: int


@dataclass(frozen=True)
class LeftOut:
    """The number of rooms of a kind that the report does not list."""

    direction: DirectionKind
    reach: ReachKind
    entity_type: str
    answers: bool
    pages: bool
    rooms: int

    @property
    def words(self) -> str:
        """The number and what it is of."""
        what = count_of(self.rooms, thing(self.entity_type), things(self.entity_type))
        if self.answers:
            return f"{what} that answer ordinary calls by themselves"
        if self.pages and self.reach not in AUTOMATIC:
            return f"{what} into which callers of a paging group can speak"
        if self.reach in _SHUT:
            return f"{what} {_SHUT[self.reach]}"
        return f"{what} into which {_CALLERS[self.reach]} {_DIRECTIONS[self.direction]}"


@dataclass(frozen=True)
class Reach:
    """Who can call which room.

    Attributes:
        room_total, person_total, location_total: how many exist.
        settings_total: number of rooms whose Push-to-Talk settings are known.
        ways: how many open by themselves, by organization.
        rooms, people, locations: the first of them, the most exposed first.
        kinds: the kinds of entity among the rooms.
        left_out: what is not among `rooms`, the most exposed first.
        heard_by: number of people who can listen in a room by name.
        exposure: number of rooms by who may call, for every kind in the order of `REACH_KINDS`.
    """

    room_total: int
    settings_total: int
    ways: dict[str, WaysIn]
    rooms: list[Room]
    kinds: list[str]
    left_out: list[LeftOut]
    person_total: int
    heard_by: int
    people: list[Person]
    location_total: int
    locations: list[LocationCount]
    exposure: list[Exposure]

    @property
    def what(self) -> str:
        """What the rooms are: rooms, phones of people, virtual lines."""
        return list_of([things(kind) for kind in self.kinds])

    def rooms_that(self, *kinds: ReachKind) -> int:
        """The number of rooms of these kinds."""
        return sum(each.rooms for each in self.exposure if each.reach in kinds)

    @property
    def ways_in(self) -> WaysIn:
        """How many open by themselves in all organizations."""
        return sum(self.ways.values(), WaysIn())

    @property
    def automatic(self) -> int:
        """The number of rooms that auto-answer and that somebody may call."""
        return self.rooms_that(*AUTOMATIC)

    @property
    def heard(self) -> int:
        """The number of these rooms in which the caller can listen."""
        return sum(each.heard for each in self.exposure if each.reach in AUTOMATIC)

    @property
    def undirected(self) -> int:
        """The number of these rooms whose direction is not documented."""
        return self.automatic - sum(each.heard + each.spoken for each in self.exposure if each.reach in AUTOMATIC)


def find_reach(connection: duckdb.DuckDBPyConnection, against: Manifest | None) -> Reach | None:
    """Find out who can call which room.

    Args:
        connection: from `audit.review.tables.open_tables`.
        against: manifest of the earlier snapshot that the connection was opened with.

    Returns:
        None if the snapshot says nothing about rooms that open.
    """
    if {_DATASET, OPEN_ROOMS}.isdisjoint(table_names(connection)):
        return None
    create_tables(connection, against, max_rooms_of_person=MAX_ROOMS_OF_PERSON)
    found = {each.reach: each for each in fetch(connection, Exposure, EXPOSURE)}
    return Reach(
        room_total=count(connection, "SELECT count(*) FROM room"),
        settings_total=count(connection, "SELECT count(*) FROM room WHERE reach <> 'none'"),
        ways=find_ways(connection),
        rooms=_rooms(connection),
        kinds=[str(kind) for (kind,) in connection.execute(KINDS).fetchall()],
        left_out=fetch(connection, LeftOut, LEFT_OUT, [MAX_ROOMS]),
        person_total=count(connection, "SELECT count(*) FROM person"),
        heard_by=count(connection, "SELECT count(*) FROM person WHERE heard > 0"),
        people=fetch(connection, Person, SHOWN_PEOPLE, [MAX_PEOPLE]),
        location_total=count(connection, LOCATION_TOTAL),
        locations=fetch(connection, LocationCount, LOCATIONS, [MAX_LOCATIONS]),
        exposure=[found.get(kind, Exposure(kind, 0, 0, 0)) for kind in REACH_KINDS],
    )


def _rooms(connection: duckdb.DuckDBPyConnection) -> list[Room]:
    rows: dict[int, dict[str, Any]] = {row.pop("place"): row for row in fetch_dicts(connection, SHOWN, [MAX_ROOMS])}
    rooms = {place: _room(row) for place, row in rows.items()}
    for member in fetch_dicts(connection, SHOWN_MEMBERS, [MAX_ROOMS, MAX_MEMBERS]):
        rooms[member["place"]].members.append(Member(member["name"], member["email"]))
    return list(rooms.values())


def _room(row: dict[str, Any]) -> Room:
    device = device_words(row.pop("device"), time_of(row.pop("seen_ms")))
    return Room(since_at=time_of(row.pop("since_ms")), device=device, **row)
