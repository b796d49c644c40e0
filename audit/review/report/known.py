"""What the first screen says of the settings that are known, and of those that are not."""

from collections.abc import Iterable
from typing import Literal

from audit.review.report.changed import ChangedRoom, Weight
from audit.review.report.content import Content
from audit.review.report.reach import AUTOMATIC, Person, Room
from audit.review.report.totals import KindTotal, OrgTotal
from audit.review.report.wording import gaps
from audit.review.vocabulary import COMPLETE_OUTCOMES, kinds_of, list_of
from audit.snapshot.coverage import COVERAGE
from audit.text import count_of

#: Entries of each list of the first screen.
SHOWN = 5
#: By kind of entity: what answers, and what it is called in a sum.
_NOUNS = {
    "WORKSPACE": ("room", "rooms"),
    "PERSON": ("phone", "phones"),
    "VIRTUAL_LINE": ("virtual line", "virtual lines"),
}
_CHANGED = {**_NOUNS, "PERSON": ("person", "people"), "PAGING_GROUP": ("paging group", "paging groups")}
_KINDS = {"PERSON": "Phone of a person", "VIRTUAL_LINE": "Virtual line"}
_WORSE = {
    Weight.LISTENED: "opened: the caller can listen",
    Weight.OPENED: "opened",
    Weight.MORE_LISTEN: "more can listen",
    Weight.MORE_CALL: "more can call",
}

_ANSWERS_NOW = "answers ordinary calls by itself now"
_WORSE_PAGING = {
    Weight.OPENED: "opens loudspeakers that it did not open",
    Weight.MORE_CALL: "more can open its loudspeakers",
}


def nouns(kinds: Iterable[str]) -> tuple[str, str]:
    """What answers, in singular and plural: a person's phone is not a room.

    Args:
        kinds: kinds of entity; those that are not known count as rooms.
    """
    return _joined(kinds, _NOUNS)


def changed_nouns(found: Content) -> tuple[str, str]:
    """What changed, in singular and plural."""
    rooms = found.changes.rooms if found.changes else []
    return _joined((room.first.entity_type for room in rooms), _CHANGED)


def _joined(kinds: Iterable[str], words: dict[str, tuple[str, str]]) -> tuple[str, str]:
    known = {each if each in words else "WORKSPACE" for each in kinds} or {"WORKSPACE"}
    used = [pair for each, pair in words.items() if each in known]
    if len(used) == 1:
        return used[0]
    return f"{', '.join(one for one, _ in used[:-1])} or {used[-1][0]}", list_of([many for _, many in used])


def by_kind(kinds: list[KindTotal]) -> str:
    """How many of each kind auto-answer, if there are several kinds."""
    if len(kinds) < 2:
        return ""
    automatic = {each.entity_type: each.automatic for each in kinds}
    return list_of([count_of(automatic[each], *pair) for each, pair in _NOUNS.items() if automatic.get(each)])


def rooms_title(kinds: list[KindTotal]) -> str:
    """The title of the list of what may be called."""
    others = {each.entity_type for each in kinds} - {"WORKSPACE"}
    return "Rooms and phones" if "PERSON" in others else "Rooms and lines" if others else "Rooms"


def kind(entity_type: str) -> str:
    """What answers, as a label."""
    return _KINDS.get(entity_type, "Room")


def exposed(found: Content) -> list[Room]:
    """The most exposed rooms that somebody may call."""
    rooms = found.reach.rooms if found.reach else []
    return [room for room in rooms if room.ways or room.reach in AUTOMATIC][:SHOWN]


def listeners(found: Content) -> list[Person]:
    """The people who can listen into most rooms by name."""
    return [person for person in (found.reach.people if found.reach else []) if person.heard][:SHOWN]


def exposure(room: Room) -> str:
    """Who can do what in a room."""
    if "answer_settings" in room.ways:
        return "Whoever can dial it can listen"
    if room.reach not in AUTOMATIC:
        return f"{count_of(room.pagers, 'caller')} of a paging group can speak, not listen"
    does = {"TWO_WAY": "can listen", "ONE_WAY": "can speak, not listen"}.get(
        room.connection_type, "can speak, perhaps listen"
    )
    if room.reach == "everybody":
        return f"Anyone{f' but {room.member_total:,}' if room.member_total else ''} {does}"
    if room.reach == "unclear":
        return f"Unclear who {does}"
    return f"{count_of(room.member_total, 'member')} {does}"


def worse(room: ChangedRoom) -> str:
    """What became worse."""
    of_paging = _WORSE_PAGING.get(room.weight) if room.first.entity_type == "PAGING_GROUP" else None
    return _ANSWERS_NOW if room.changes[0].table == "answer_settings" else of_paging or _WORSE[room.weight]


def is_new(room: ChangedRoom) -> bool:
    """Whether the earlier snapshot did not have it."""
    return room.changes[0].kind == "added" and room.changes[0].table == COVERAGE


def state(found: Content) -> Literal["settings", "no settings", "nothing"]:
    """Whether the snapshot holds settings; if not, whether it is sure that there are none."""
    if found.audio or (found.reach and found.reach.room_total):
        return "settings"
    is_sure = found.answers.total > 0 and found.manifest.status == "complete"
    return "no settings" if is_sure and not found.answers.unanswered_total else "nothing"


def reasons(found: Content, dataset: str | None = None) -> list[str]:
    """Why settings are not known.

    Args:
        found: the content of the report.
        dataset: the dataset; None for all.
    """
    asked, unanswered = _asked(found, dataset), unread(found, dataset)
    lines = gaps(found.manifest)
    if unanswered:
        lines.append(
            f"{unanswered:,} of {asked:,} did not answer" if asked > unanswered else f"{_none_of(asked)} answered"
        )
    if not asked and not lines:
        lines.append("the listing is empty")
    if asked > unanswered:
        rest = asked - unanswered
        lines.append(f"{rest:,} of {asked:,} {'has' if rest == 1 else 'have'} no settings")
    return lines


def unread(found: Content, dataset: str | None = None) -> int:
    """The number of entities whose settings are not known."""
    return _asked(found, dataset, is_unread=True)


def unknowns(found: Content) -> list[str]:
    """What else is not known, beside what did not answer: lines for the first screen."""
    lines = reasons(found) if state(found) == "nothing" else gaps(found.manifest)
    reach, checked, changes = found.reach, found.checked, found.changes
    rooms = nouns(each.entity_type for each in found.kinds)
    lines += found.lacks if state(found) == "settings" else []
    if not (reach and reach.settings_total) and state(found) == "settings":
        lines.append("who may call into a room")
    if reach and reach.undirected:
        lines.append(f"whether the caller can listen into {count_of(reach.undirected, *rooms)}")
    if reach and (unclear := reach.rooms_that("unclear")):
        lines.append(f"who may call {count_of(unclear, *rooms)}")
    if checked and checked.skipped:
        lines.append(f"what {count_of(len(checked.skipped), 'skipped rule')} would find")
    if changes and changes.unknown_total:
        lines.append(f"whether {count_of(changes.tally.entities['unknown'], 'entity', 'entities')} changed")
    return [*lines, *([] if found.against else ["what changed: there is no earlier snapshot to compare with"])]


def missing(total: OrgTotal) -> str:
    """What is not known of an organization."""
    org = total.org
    if not org.is_audited:
        return f"everything: {org.status}"
    unlisted = {kind for kinds in org.unlisted.values() for kind in kinds}
    lines = [f"{kinds_of(each)}: not listed" for each in sorted(unlisted)]
    if total.unanswered:
        lines.append(f"{total.unanswered:,} not answered")
    if items := sum(sum(kinds.values()) for kinds in org.invalid_items.values()):
        lines.append(f"{items:,} listed without a usable id")
    if total.undirected:
        lines.append(f"direction of {total.undirected:,}")
    return "; ".join(lines) or ("nothing was listed" if not org.entities else "")


def _none_of(number: int) -> str:
    return "the one that was asked has not" if number == 1 else f"none of {number:,} that were asked has"


def _asked(found: Content, dataset: str | None, *, is_unread: bool = False) -> int:
    return sum(
        each.entities
        for each in found.answers.counts
        if dataset in (None, each.dataset) and not (is_unread and each.outcome in COMPLETE_OUTCOMES)
    )
