"""The differences from an earlier snapshot, entity by entity: what opens a microphone comes first."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from heapq import nsmallest
from itertools import groupby, islice
from typing import Generic, NamedTuple, TypeVar

from audit.review.diff.change import Change
from audit.review.diff.views import Tally
from audit.snapshot.coverage import COVERAGE

#: The most entries that the report lists; `diff` has all.
MAX_CHANGED_ROOMS = 300
MAX_CHANGES_OF_ROOM = 30
MAX_UNKNOWN = 200

T = TypeVar("T")

_MEMBERS = "push_to_talk_members"
_PAGING_MEMBERS = "paging_group_members"
_ANSWERS = "answer_settings"
_LOOKED_UP = 1000
_SHUT = ("off", "nobody", "none")
#: By column of a setting, whether a new value lets somebody do what was not possible before.
_OPENS: dict[str, Callable[[str | None], bool]] = {
    "allow_auto_answer": lambda new: new == "true",
    "access_type": lambda new: new != "ALLOW_MEMBERS",
    "connection_type": lambda new: new != "ONE_WAY",
    "enabled": lambda new: new == "true",
    "audio_pin_status": lambda new: new != "ok",
    "office_call_in_authentication": lambda new: new == "true",
    "mobile_call_in_authentication": lambda new: new == "true",
}


class Weight(IntEnum):
    """How much a change matters, the worst first."""

    LISTENED = 0
    OPENED = 1
    MORE_LISTEN = 2
    MORE_CALL = 3
    SETTING = 4
    DETAIL = 5


#: The last weight that is a change for the worse.
WORSE = Weight.MORE_CALL


class Entity(NamedTuple):
    """The key of an entity."""

    org_id: str
    entity_type: str
    entity_id: str


class Now(NamedTuple):
    """Who may call a room in the snapshot under review (`audit.review.report.reach`), and in which direction.

    Whoever may call a paging group can only speak. `answers` is true of what answers ordinary calls by itself.
    """

    reach: str
    connection_type: str
    answers: bool = False


#: Looks up what entities are now; those without Push-to-Talk settings are absent.
LookUp = Callable[[set[Entity]], Mapping[Entity, Now]]


@dataclass(frozen=True)
class ChangedRoom:
    """An entity that differs.

    Attributes:
        first: a change, which names the entity.
        weight: weight of its worst change.
        changes: its worst changes.
        total: number of its changes.
    """

    first: Change
    weight: Weight
    changes: list[Change]
    total: int


@dataclass(frozen=True)
class Changes:
    """The changes that the report shows.

    Attributes:
        tally: the counts, as in `diff`.
        unknown_total: number of unknown differences.
        worse_total: number of entities with a change for the worse.
        rooms: the entities that differ, the worst first.
        unknown: the first unknown differences.
    """

    tally: Tally
    unknown_total: int
    worse_total: int
    rooms: list[ChangedRoom]
    unknown: list[Change]

    @property
    def room_total(self) -> int:
        """Number of entities that differ, without unknown ones."""
        return sum(self.tally.entities[kind] for kind in ("added", "removed", "changed"))

    @property
    def worse(self) -> list[ChangedRoom]:
        """The listed entities with a change for the worse."""
        return [room for room in self.rooms if room.weight <= WORSE]


def fold(changes: Iterable[Change], look_up: LookUp = lambda _: {}) -> Changes:
    """Group changes by entity in one pass; the worst are kept, and their number is bounded.

    Args:
        changes: the differences; those of an entity follow each other.
        look_up: says what the changed entities are now.
    """
    tally = Tally()
    unknown: list[Change] = []
    doubtful = _Counted(tally.count(changes), lambda change: change.kind == "unknown")
    worse = _Counted(_rooms(_weighed(_without_unknown(doubtful, unknown), look_up)), lambda room: room.weight <= WORSE)
    rooms = nsmallest(MAX_CHANGED_ROOMS, worse, key=lambda room: room.weight)
    return Changes(tally, doubtful.total, worse.total, rooms, unknown)


def weigh(change: Change, now: Now | None) -> Weight:
    """How much a change matters.

    Args:
        change: a difference that is not unknown.
        now: what the entity is now; None if it has no Push-to-Talk settings, or is not there.
    """
    if change.table == _MEMBERS:
        return Weight.DETAIL if change.column else _of_member(change, now)
    if change.table == _PAGING_MEMBERS:
        return _of_pager(change, now)
    if change.table == _ANSWERS:
        return _of_answers(change, now)
    if change.column is None:
        return _new(now) if change.kind == "added" and now else Weight.SETTING
    if change.table == COVERAGE or change.column not in _OPENS:
        return Weight.DETAIL
    return _opened(now) if _OPENS[change.column](change.new) else Weight.SETTING


def _of_member(change: Change, now: Now | None) -> Weight:
    """Whoever joins a list of allowed lines is let in, and so is whoever leaves a list of blocked lines."""
    if now and now.reach in _SHUT:
        return Weight.SETTING
    lets_in = {"everybody": ("removed",), "unclear": ("added", "removed")}.get(now.reach if now else "", ("added",))
    if change.kind not in lets_in:
        return Weight.SETTING
    return Weight.MORE_LISTEN if now and now.connection_type != "ONE_WAY" else Weight.MORE_CALL


def _of_pager(change: Change, now: Now | None) -> Weight:
    """A target opens a loudspeaker more; whoever joins the originators may call."""
    if change.kind != "added" or (now and now.reach in _SHUT):
        return Weight.SETTING
    return Weight.MORE_CALL if change.new == "ORIGINATOR" else Weight.OPENED


def _of_answers(change: Change, now: Now | None) -> Weight:
    if change.column is None:
        return Weight.LISTENED if change.kind == "added" and now and now.answers else Weight.SETTING
    if change.column != "auto_answer_enabled":
        return Weight.DETAIL
    return Weight.SETTING if change.new == "false" else Weight.LISTENED


def _new(now: Now) -> Weight:
    return Weight.LISTENED if now.answers else _opened(now)


def _opened(now: Now | None) -> Weight:
    if now is None:
        return Weight.OPENED
    if now.reach in _SHUT:
        return Weight.SETTING
    return Weight.OPENED if now.connection_type == "ONE_WAY" else Weight.LISTENED


def _weighed(changes: Iterator[Change], look_up: LookUp) -> Iterator[tuple[Weight, Change]]:
    while batch := list(islice(changes, _LOOKED_UP)):
        now = look_up(set(map(_entity_of, batch)))
        yield from ((weigh(change, now.get(_entity_of(change))), change) for change in batch)


def _rooms(weighed: Iterable[tuple[Weight, Change]]) -> Iterator[ChangedRoom]:
    for _, group in groupby(weighed, key=lambda pair: _entity_of(pair[1])):
        counted = _Counted(group)
        kept = nsmallest(MAX_CHANGES_OF_ROOM, counted, key=lambda pair: pair[0])
        yield ChangedRoom(kept[0][1], kept[0][0], [change for _, change in kept], counted.total)


def _without_unknown(changes: Iterable[Change], unknown: list[Change]) -> Iterator[Change]:
    """Pass on the known differences; keep the first of the others."""
    for change in changes:
        if change.kind != "unknown":
            yield change
        elif len(unknown) < MAX_UNKNOWN:
            unknown.append(change)


class _Counted(Generic[T]):
    """A stream that counts what passes.

    Attributes:
        total: the number of items of which the test is true.
    """

    def __init__(self, items: Iterable[T], test: Callable[[T], bool] = lambda _: True) -> None:
        self._items = items
        self._test = test
        self.total = 0

    def __iter__(self) -> Iterator[T]:
        for item in self._items:
            self.total += self._test(item)
            yield item


def _entity_of(change: Change) -> Entity:
    return Entity(change.org_id, change.entity_type, change.entity_id)
