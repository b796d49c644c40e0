"""The differences from an earlier snapshot, room by room."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from audit.review.diff.change import Change
from audit.review.diff.views import Tally

#: The most entries that the report lists; `diff` has all.
MAX_CHANGED_ROOMS = 300
MAX_CHANGES_OF_ROOM = 30
MAX_UNKNOWN = 200


@dataclass
class ChangedRoom:
    """A room that differs: `first` names it, and `changes` are the first of `total`."""

    first: Change
    changes: list[Change] = field(default_factory=list)
    total: int = 0


@dataclass(frozen=True)
class Changes:
    """The changes that the report shows.

    Attributes:
        tally: the counts, as in `diff`.
        unknown_total: number of unknown differences.
        rooms: the first rooms that differ.
        unknown: the first unknown differences.
    """

    tally: Tally
    unknown_total: int
    rooms: list[ChangedRoom]
    unknown: list[Change]

    @property
    def room_total(self) -> int:
        """Number of rooms that differ, without unknown ones."""
        return sum(self.tally.entities[kind] for kind in ("added", "removed", "changed"))


def fold(changes: Iterable[Change]) -> Changes:
    """Group changes by room in one pass; what is kept is bounded."""
    tally = Tally()
    rooms: dict[tuple[str, str, str], ChangedRoom] = {}
    unknown: list[Change] = []
    unknown_total = 0
    for change in tally.count(changes):
        if change.kind == "unknown":
            unknown_total += 1
            if len(unknown) < MAX_UNKNOWN:
                unknown.append(change)
            continue
        whose = (change.org_id, change.entity_type, change.entity_id)
        if whose in rooms or len(rooms) < MAX_CHANGED_ROOMS:
            _add(rooms.setdefault(whose, ChangedRoom(change)), change)
    return Changes(tally, unknown_total, list(rooms.values()), unknown)


def _add(room: ChangedRoom, change: Change) -> None:
    room.total += 1
    if len(room.changes) < MAX_CHANGES_OF_ROOM:
        room.changes.append(change)
