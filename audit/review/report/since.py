"""Since when a room is as it is, as far as two snapshots can say, and whether that is approved: in words."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from audit.review.report import wording

#: Sorts after each time.
_NEVER = 10**15
_ABSENT = {
    "not_listed": "not listed on",
    "not_licensed": "not licensed on",
    "not_found": "not found on",
    "not_answered": "unknown: not answered on",
}
#: By state in the table `approval`; `narrower` and `closed` stand for `differs` and `added` of what opens no more.
APPROVAL_WORDS = {
    "approved": "yes, it is as approved",
    "differs": "no, it opens more than approved",
    "narrower": "yes, narrower",
    "added": "no, it is not in the approved state",
    "closed": "yes, it opens for nobody",
    "unknown": "not known",
}
_NO_MORE = {"differs": "narrower", "added": "closed"}
#: As the search says it (`results.js`).
NOTHING_APPROVED = "not known: no snapshot was approved"


@dataclass(frozen=True)
class Dates:
    """How two states are dated.

    Attributes:
        before: time of the earlier state.
        moment: writes a time, precisely enough to tell the states apart.
        date: writes a day if the days differ, otherwise as `moment`.
    """

    before: datetime
    moment: Callable[[datetime], str]
    date: Callable[[datetime], str]


def dates(before: datetime | None, read: datetime) -> Dates:
    """How to date the states of two snapshots.

    Args:
        before: time of the earlier state, if there is one.
        read: time of the current state.
    """
    then = before or read
    moment = wording.second if before and wording.minute(then) == wording.minute(read) else wording.minute
    return Dates(then, moment, moment if then.date() == read.date() else wording.day)


def since_words(written: Dates, kind: str, reason: str | None, at: datetime | None) -> str:
    """Since when a room has its settings; empty if there is nothing to compare with.

    Args:
        written: how the states are dated.
        kind: of `audit.review.report.reach.SinceKind`.
        reason: why a room of its kind may be absent in the earlier snapshot.
        at: time of that snapshot's answer about the room.
    """
    then = written.date(at or written.before)
    match kind:
        case "alone":
            return ""
        case "unchanged":
            return f"{then} or earlier"
        case "changed":
            return f"changed after {then}"
        case "not_audited":
            return f"unknown on {then}: {wording.absence(reason or '')}"
        case _:
            return f"{_ABSENT[kind]} {then}"


def since_key(written: Dates, kind: str, at: datetime | None) -> int:
    """A number by which a table sorts `since`: older first, unknown last."""
    if kind in {"not_audited", "not_answered", "alone"}:
        return _NEVER
    return int((at or written.before).timestamp() * 1000) * 2 + (kind != "unchanged")


def approval_words(state: str | None, detail: str | None, *, is_open: bool | None) -> str:
    """Whether a room is as approved, as `open_rooms` says it; empty if no snapshot was approved.

    Args:
        state: as in the table `approval` (`audit.review.approval`).
        detail: what differs, or why nothing is known.
        is_open: as in that table.
    """
    if state is None:
        return ""
    key = state if is_open else _NO_MORE.get(state, state)
    words = APPROVAL_WORDS.get(key, state)
    return f"{words}: {detail}" if detail else words
