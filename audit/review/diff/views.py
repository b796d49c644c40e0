"""Differences as text for people, and as JSON and CSV for programs; each view is a stream."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby, islice

import msgspec
import pyarrow as pa

from audit.config import CsvDialect
from audit.review import vocabulary
from audit.review.diff.change import Change
from audit.review.diff.event import words_of_event
from audit.review.diff.events import notes_on_log
from audit.snapshot.catalog import Snapshot
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.csv import csv_blocks
from audit.snapshot.org_names import with_org_name
from audit.text import count_of, printable, printable_json

_MEMBERS = "push_to_talk_members"
_TYPES = {"event_count": pa.int32()}
_CSV_SCHEMA = with_org_name(
    pa.schema([(name, _TYPES.get(name, pa.string())) for name in Change.__struct_fields__ if name != "org_name"])
)
_CSV_ROWS = 1000


class Tally:
    """Counts differences that stream through it.

    Attributes:
        differences: all differences, including unknown ones.
        entities: number of entities that were `added`, `removed` or `changed`; `unknown` entities may be among these.
        members: number of members likewise; a member with several changed columns counts once.
    """

    def __init__(self) -> None:
        self.differences = 0
        self.entities: Counter[str] = Counter()
        self.members: Counter[str] = Counter()

    def count(self, changes: Iterable[Change]) -> Iterator[Change]:
        """Pass differences on unchanged and count them."""
        for _, group in groupby(changes, key=_entity_of):
            kinds: set[str] = set()
            members: set[tuple[str, str | None, str | None]] = set()
            for change in group:
                self.differences += 1
                is_whole = change.table == COVERAGE and change.column is None
                kinds.add(change.kind if is_whole or change.kind == "unknown" else "changed")
                if change.table == _MEMBERS:
                    members.add((change.kind, change.key, change.key_name))
                yield change
            self.members.update(kind for kind, _, _ in members)
            if kinds & {"added", "removed"}:
                kinds.discard("changed")
            self.entities.update(kinds)

    def summary(self) -> dict[str, int | dict[str, int]]:
        """The counts as data."""
        words = ("added", "removed", "changed", "unknown")
        return {
            "differences": self.differences,
            "entities": {word: self.entities[word] for word in words},
            "members": {word: self.members[word] for word in words[:3]},
        }


def as_text(old: Snapshot, new: Snapshot, changes: Iterable[Change], tally: Tally) -> Iterator[str]:
    """Differences for people, line by line: a heading for each room, a line for each change, the counts at the end.

    Args:
        old: the snapshot before.
        new: the snapshot after.
        changes: the differences.
        tally: counts the differences; its counts are the last line.
    """
    names = {org.org_id: org.name or org.org_id for each in (old, new) for org in each.manifest.orgs}
    yield f"from {_titled(old)}"
    yield f"to   {_titled(new)}"
    entity = None
    for change in tally.count(changes):
        if entity != (entity := _entity_of(change)):
            where = f" of {printable(names[change.org_id])}" if len(names) > 1 else ""
            yield f"\n{_heading(change)}{where}"
        yield f"  {_line(change)}"
        if event := words_of_event(change):
            yield f"    {printable(event)}"
    if tally.differences:
        yield ""
        yield from map(printable, notes_on_log(old.manifest, new.manifest))
    yield ""
    yield total(tally)


def as_json(old: Snapshot, new: Snapshot, changes: Iterable[Change], tally: Tally) -> Iterator[str]:
    """Differences as one JSON object, one line for each change: `old`, `new`, `changes`, `summary`."""
    ids = (_encoded(each.manifest.snapshot_id) for each in (old, new))
    yield '{{"old": {}, "new": {}, "changes": ['.format(*ids)
    waiting = None
    for change in tally.count(changes):
        if waiting:
            yield f"{waiting},"
        waiting = _encoded(change)
    if waiting:
        yield waiting
    notes = _encoded(notes_on_log(old.manifest, new.manifest))
    yield f'], "admin_events": {notes}, "summary": {_encoded(tally.summary())}}}'


def as_csv(changes: Iterable[Change], tally: Tally, dialect: CsvDialect = "rfc4180") -> Iterator[str]:
    """Differences as CSV with a header, in blocks of lines, the last without its line feed, as the other views."""
    for block in csv_blocks(_CSV_SCHEMA, _tables(tally.count(changes)), dialect):
        yield block.removesuffix("\n")


def _tables(changes: Iterator[Change]) -> Iterator[pa.Table]:
    while rows := [msgspec.to_builtins(change) for change in islice(changes, _CSV_ROWS)]:
        yield pa.Table.from_pylist(rows, schema=_CSV_SCHEMA)


def _encoded(value: object) -> str:
    return printable_json(msgspec.json.encode(value).decode())


def _entity_of(change: Change) -> tuple[str, str, str]:
    return change.org_id, change.entity_type, change.entity_id


def _titled(snapshot: Snapshot) -> str:
    manifest = snapshot.manifest
    return f"{printable(manifest.snapshot_id)}  {manifest.started_at:%Y-%m-%d %H:%M} UTC, {manifest.status}"


def _heading(change: Change) -> str:
    kind = printable(vocabulary.kind_of(change.entity_type))
    if not change.entity_id:
        return f"every {kind}"
    place = f", {printable(change.location_name)}" if change.location_name else ""
    return f"{printable(change.entity_name or change.entity_id)}{place} ({kind})"


def _line(change: Change) -> str:
    """A change in words."""
    subject = _subject(change)
    if change.kind == "unknown":
        return f"{subject}: unknown ({printable(change.reason or '')})"
    if change.column:
        title = printable(vocabulary.column(change.column))
        text = f"{title}: {_value(change.column, change.old)} → {_value(change.column, change.new)}"
        return f"{subject}: {text}" if change.key or change.table == _MEMBERS else text
    why = f" ({printable(change.reason)})" if change.reason else ""
    values = printable(change.new or change.old or "")
    what = f": {values}" if values and change.table != COVERAGE else ""
    return f"{subject} {change.kind}{why}{what}"


def _subject(change: Change) -> str:
    if change.table == COVERAGE:
        return printable(vocabulary.kind_of(change.entity_type))
    what = printable(vocabulary.row(change.table))
    if change.table == _MEMBERS:
        return f"{what} {printable(change.key_name or change.key or 'without id and name')}"
    return f"{what} on {printable(change.key)}" if change.key else what


def _value(column: str, value: str | None) -> str:
    return "(none)" if value is None else printable(vocabulary.value(column, value)) or '""'


def total(tally: Tally, nouns: tuple[str, str] = ("room", "rooms")) -> str:
    """The counts of a comparison in one line.

    Args:
        tally: the counts.
        nouns: what the entities are called, in singular and plural.
    """
    if not tally.differences:
        return "no differences"
    rooms = _counts(nouns, tally.entities, "changed", "added", "removed")
    members = _counts(("member", "members"), tally.members, "added", "removed", "changed")
    return f"{rooms}; {members}; {tally.entities['unknown']:,} unknown"


def _counts(nouns: tuple[str, str], counts: Counter[str], first: str, *others: str) -> str:
    return ", ".join([f"{count_of(counts[first], *nouns)} {first}", *(f"{counts[word]:,} {word}" for word in others)])
