"""An organization that changed, and forms of its differences that tests compare."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness import Where

from audit.review.diff.change import Change
from audit.simulator.faults import parse
from audit.simulator.organization import Json, Organization
from audit.snapshot.catalog import Snapshot

Audit = Callable[..., Snapshot]
Edit = Callable[[Json], Any]
ROOMS = 24
#: Its last room answers, so that tests can remove it.
PLAIN = Organization(ROOMS, odd=False, people=40, virtual_lines=6)
ODD = Organization(ROOMS, people=40, virtual_lines=6)
#: Rooms of PLAIN that answer.
ANSWERED = [index for index in range(ROOMS) if PLAIN.refusal(index) is None]


@dataclass(frozen=True)
class Later(Organization):
    """An organization in which something changed."""

    edits: tuple[tuple[int, Edit], ...] = ()
    renames: tuple[tuple[int, Json], ...] = ()
    refused: tuple[int, ...] = ()

    def push_to_talk(self, index: int) -> Json:
        answer = super().push_to_talk(index)
        for _, edit in (each for each in self.edits if each[0] == index):
            edit(answer)
        return answer

    def workspace(self, index: int) -> Json:
        item = super().workspace(index)
        for _, change in (each for each in self.renames if each[0] == index):
            item = {key: value for key, value in {**item, **change}.items() if value is not None}
        return item

    def refusal(self, index: int) -> int | None:
        return 405 if index in self.refused else super().refusal(index)


def later(of: Organization = PLAIN, **changes: Any) -> Later:
    """An organization with changes."""
    given = {name: getattr(of, name) for name in ("workspaces", "seed", "odd", "people", "virtual_lines")}
    return Later(**{**given, **changes})


def edited(index: int, edit: Edit, of: Organization = PLAIN) -> Later:
    """An organization in which one room answers otherwise."""
    return later(of, edits=((index, edit),))


def room(index: int, of: Organization = PLAIN) -> str:
    """The id of a room."""
    return str(of.workspace(index)["id"])


def with_members(count: int = 1) -> int:
    """A room with at least this many members."""
    return next(index for index in ANSWERED if len(PLAIN.push_to_talk(index)["members"]) >= count)


class Lasting(Where):
    """One kind of lasting fault for a third of the URLs of settings."""

    def __init__(self, kind: str, seed: int) -> None:
        super().__init__(kind, "/features/pushToTalk", "/pushToTalk", "/meetingPreferences/audio?userEmail=user")
        self._share = parse(f"{kind}=0.33!", seed)

    def next(self, url: str) -> str | None:
        return self._share.next(url) if super().next(url) else None


def told(change: Change) -> tuple[Any, ...]:
    """What a change says, without the entity."""
    return change.kind, change.table, change.key, change.column, change.old, change.new


def mirrored(changes: list[Change]) -> Counter[tuple[Any, ...]]:
    """Changes as the opposite comparison must find them."""
    kinds = {"added": "removed", "removed": "added"}
    return Counter(
        (kinds.get(each.kind, each.kind), each.table, each.entity_id, each.key, each.column, each.new, each.old)
        for each in changes
    )


def plain(changes: list[Change]) -> Counter[tuple[Any, ...]]:
    """Changes without names and reasons."""
    return Counter(
        (each.kind, each.table, each.entity_id, each.key, each.column, each.old, each.new) for each in changes
    )
