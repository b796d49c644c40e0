"""Who can reach which room, by room and by person, and since when as far as two snapshots can say.

What the words of the API mean is from "Read Push-to-Talk Settings for a Workspace" of the Webex API reference:
`ALLOW_MEMBERS` lets the members alone call in, `BLOCK_MEMBERS` everybody but them; with `TWO_WAY` the room can respond,
so that the caller hears it, with `ONE_WAY` it cannot.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import duckdb

from audit.review.report.reach_tables import (
    EXPOSURE,
    LOCATION_TOTAL,
    LOCATIONS,
    SHOWN_MEMBERS,
    SHOWN_PEOPLE,
    create_tables,
)
from audit.review.report.rows import count, fetch, fetch_dicts, time_of
from audit.review.tables import table_names
from audit.snapshot.manifest import Manifest

#: What the report lists; the rest is in the CSV. The most exposed come first.
MAX_ROOMS = 1_500
MAX_MEMBERS = 40
MAX_PEOPLE = 1_500
MAX_ROOMS_OF_PERSON = 20
MAX_LOCATIONS = 8

#: Whom a room answers by itself: `unclear` where the API used a word that is not documented.
ReachKind = Literal["everybody", "members", "unclear", "nobody", "off"]
REACH_KINDS: tuple[ReachKind, ...] = ("everybody", "members", "unclear", "nobody", "off")
#: Those that answer somebody.
AUTOMATIC: tuple[ReachKind, ...] = ("everybody", "members", "unclear")
#: How a room's settings stand to the snapshot before: `not_audited` where its absence there says nothing.
SinceKind = Literal[
    "unchanged", "changed", "not_listed", "not_licensed", "not_found", "not_answered", "not_audited", "alone"
]


@dataclass(frozen=True)
class Member:
    """Who stands in a room's list."""

    name: str | None
    email: str | None


@dataclass(frozen=True)
class Room:
    """A workspace, a person's phone or a virtual line, and whom it answers.

    Attributes:
        org_id, entity_type, entity_id, entity_name, location_name: as in the tables.
        connection_type, access_type: as in the tables.
        reach: whom it answers by itself.
        member_total: different members in its list.
        is_twin: another room of that organization has the same name.
        since: how its settings stand to the snapshot before.
        since_reason: why a room of its kind may be absent there; None where absence is a fact.
        since_at: when that snapshot was answered about it; None where it was not asked.
        members: the first of its list.
    """

    org_id: str
    entity_type: str
    entity_id: str
    entity_name: str | None
    location_name: str | None
    connection_type: str
    access_type: str
    reach: ReachKind
    member_total: int
    is_twin: bool
    since: SinceKind
    since_reason: str | None
    since_at: datetime | None
    members: list[Member] = field(default_factory=list)


@dataclass(frozen=True)
class Person:
    """A member who may call into rooms that answer by themselves, by name.

    Attributes:
        org_id, name, email, member_type: as in the tables.
        room_total: rooms that answer this person by itself, because of a list of those who may.
        heard: those of them that the person hears.
        rooms: names of the first.
    """

    org_id: str
    name: str | None
    email: str | None
    member_type: str | None
    room_total: int
    heard: int
    rooms: list[str]


@dataclass(frozen=True)
class Exposure:
    """How many rooms answer whom; in how many of them the caller hears the room, and in how many it only speaks."""

    reach: ReachKind
    rooms: int
    heard: int
    spoken: int


@dataclass(frozen=True)
class LocationCount:
    """Rooms of a location that answer by themselves, those that the caller hears, those where it only speaks."""

    location_name: str | None
    rooms: int
    heard: int
    spoken: int


@dataclass(frozen=True)
class Reach:
    """What the report says of who can reach which room.

    Attributes:
        room_total, person_total, location_total: all that there are.
        rooms, people, locations: those that are listed, the most exposed first.
        heard_by: people that hear a room because they stand in its list.
        exposure: rooms by whom they answer; every kind, in the order of `REACH_KINDS`.
    """

    room_total: int
    rooms: list[Room]
    person_total: int
    heard_by: int
    people: list[Person]
    location_total: int
    locations: list[LocationCount]
    exposure: list[Exposure]

    def rooms_that(self, *kinds: ReachKind) -> int:
        """How many rooms answer one of these."""
        return sum(each.rooms for each in self.exposure if each.reach in kinds)

    @property
    def automatic(self) -> int:
        """Rooms with Push-to-Talk on that answer somebody."""
        return self.rooms_that(*AUTOMATIC)

    @property
    def heard(self) -> int:
        """Those of them that the caller hears."""
        return sum(each.heard for each in self.exposure if each.reach in AUTOMATIC)

    @property
    def undirected(self) -> int:
        """Those of them whose direction is a word that is not documented."""
        return self.automatic - sum(each.heard + each.spoken for each in self.exposure if each.reach in AUTOMATIC)


def find_reach(connection: duckdb.DuckDBPyConnection, against: Manifest | None) -> Reach | None:
    """Who can reach which room.

    Args:
        connection: of `audit.review.tables.open_tables`.
        against: of the snapshot that it was opened with to compare.

    Returns:
        None where the snapshot has no settings of Push-to-Talk.
    """
    if "push_to_talk" not in table_names(connection):
        return None
    create_tables(connection, against, max_rooms=MAX_ROOMS, max_rooms_of_person=MAX_ROOMS_OF_PERSON)
    found = {each.reach: each for each in fetch(connection, Exposure, EXPOSURE)}
    return Reach(
        room_total=count(connection, "SELECT count(*) FROM room"),
        rooms=_rooms(connection),
        person_total=count(connection, "SELECT count(*) FROM person"),
        heard_by=count(connection, "SELECT count(*) FROM person WHERE heard > 0"),
        people=fetch(connection, Person, SHOWN_PEOPLE, [MAX_PEOPLE]),
        location_total=count(connection, LOCATION_TOTAL),
        locations=fetch(connection, LocationCount, LOCATIONS, [MAX_LOCATIONS]),
        exposure=[found.get(kind, Exposure(kind, 0, 0, 0)) for kind in REACH_KINDS],
    )


def _rooms(connection: duckdb.DuckDBPyConnection) -> list[Room]:
    rows: dict[int, dict[str, Any]] = {
        row.pop("place"): row for row in fetch_dicts(connection, "SELECT * FROM shown ORDER BY place")
    }
    rooms = {place: Room(since_at=time_of(row.pop("since_ms")), **row) for place, row in rows.items()}
    for member in fetch_dicts(connection, SHOWN_MEMBERS, [MAX_MEMBERS]):
        rooms[member["place"]].members.append(Member(member["name"], member["email"]))
    return list(rooms.values())
