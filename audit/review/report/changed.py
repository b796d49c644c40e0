"""The differences to an earlier snapshot, room by room."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from audit.review.change import Change, ChangeKind

#: What the report lists; `diff` has the rest.
MAX_CHANGED_ROOMS = 300
MAX_CHANGES_OF_ROOM = 30
MAX_UNKNOWN = 200


@dataclass
class ChangedRoom:
    """A room that differs; `first` names it, `changes` are the first of `total`."""

    first: Change
    changes: list[Change] = field(default_factory=list)
    total: int = 0


@dataclass(frozen=True)
class Changes:
    """What changed.

    Attributes:
        counts: differences by kind.
        room_total: rooms that differ, those that are unknown apart.
        rooms: the first of them.
        unknown: the first differences of which nothing can be said.
    """

    counts: dict[ChangeKind, int]
    room_total: int
    rooms: list[ChangedRoom]
    unknown: list[Change]


def fold(changes: Iterable[Change]) -> Changes:
    """Changes by room, read once; what is kept of them is bounded."""
    counts: Counter[ChangeKind] = Counter()
    rooms: dict[tuple[str, str, str], ChangedRoom] = {}
    seen: set[int] = set()
    unknown: list[Change] = []
    for change in changes:
        counts[change.kind] += 1
        if change.kind == "unknown":
            if len(unknown) < MAX_UNKNOWN:
                unknown.append(change)
            continue
        whose = (change.org_id, change.entity_type, change.entity_id)
        seen.add(hash(whose))
        if whose in rooms or len(rooms) < MAX_CHANGED_ROOMS:
            _add(rooms.setdefault(whose, ChangedRoom(change)), change)
    return Changes(dict(counts), len(seen), list(rooms.values()), unknown)


def _add(room: ChangedRoom, change: Change) -> None:
    room.total += 1
    if len(room.changes) < MAX_CHANGES_OF_ROOM:
        room.changes.append(change)
