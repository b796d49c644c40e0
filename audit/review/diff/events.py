"""The administrators' log of the later snapshot, joined with the differences from the earlier one.

DuckDB joins by hash, in bounded memory, however many events and differences there are. An event proves no cause: it
says that somebody changed something of the entity between the two reads. So each event has a grade, and a change
without an event says nothing about anybody.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import duckdb

from audit.review.diff.event import described, failure_of, grade_of
from audit.review.tables import CURRENT, table_names
from audit.snapshot.context.admin_events import ADMIN_EVENTS
from audit.snapshot.manifest import Manifest
from audit.snapshot.org import AdminEvents, Org
from audit.text import count_of

#: Organizations that the notes name.
_NAMED = 5
_MOST = 1000
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
#: In place of the tables that a comparison without events does not need.
_NO_EVENTS = """
CREATE TEMP TABLE event_matches (org_id VARCHAR, dataset VARCHAR, entity_id VARCHAR, way VARCHAR, event_count BIGINT,
                                 number BIGINT);
CREATE TEMP TABLE member_matches (org_id VARCHAR, entity_id VARCHAR, member_id VARCHAR, event_count BIGINT,
                                  number BIGINT);
"""
#: The columns of a difference that say which event is beside it.
KEYS = ("event_way", "event_count", "event_number")


class AdminLog:
    """The log in a connection. Made by `AdminLog.open`.

    Args:
        connection: with the tables of `diff_events.sql`.
        covered: UUIDs of the organizations whose log was read in full.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, covered: set[str]) -> None:
        self._connection = connection
        self._covered = covered

    @classmethod
    def open(cls, connection: duckdb.DuckDBPyConnection, old: Manifest, new: Manifest) -> "AdminLog":
        """Create the tables of the join (`diff_events.sql`), in a connection with those of the other files."""
        if ADMIN_EVENTS not in table_names(connection, CURRENT):
            connection.execute(_NO_EVENTS)
            return cls(connection, set())
        connection.execute("CREATE TEMP TABLE run_reads (old_start TIMESTAMPTZ, new_end TIMESTAMPTZ)")
        connection.execute("INSERT INTO run_reads VALUES (?, ?)", [old.started_at, new.finished_at])
        connection.execute((files("audit.review.diff") / "diff_events.sql").read_text("utf-8"))
        reads = connection.execute("SELECT org_id, epoch_us(old_read) FROM org_reads WHERE old_read IS NOT NULL")
        logs = {org.org_id: org.admin_events for org in new.orgs}
        covered = {org_id for org_id, at_us in reads.fetchall() if (log := logs.get(org_id)) and _is_whole(log, at_us)}
        return cls(connection, covered)

    def beside(self, rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Replace `KEYS` in differences by what `Change` says of the event."""
        events = self._events({row["event_number"] for row in rows} - {None})
        for row in rows:
            way, count, number = (row.pop(key) for key in KEYS)
            is_known = row["kind"] != "unknown"
            if is_known and number in events:
                event = events[number]
                yield row | _fields(event) | {"event_grade": grade_of(row, event, way, count), "event_count": count}
            else:
                yield row | {"event_grade": "none" if is_known and row["org_id"] in self._covered else None}

    def _events(self, numbers: set[int]) -> Mapping[int, dict[str, Any]]:
        if not numbers:
            return {}
        with self._connection.cursor() as other:  # the differences are a result that is open
            found = other.execute(
                "SELECT number, event_id, strftime(created AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S UTC') AS created, "
                "category, description, action_text, actor, client, error_code, extra "
                "FROM admin_log.events WHERE list_contains(?, number)",
                [list(numbers)],
            )
            columns = [column[0] for column in found.description]
            return {row[0]: dict(zip(columns, row, strict=True)) for row in found.fetchall()}


def _is_whole(log: AdminEvents, first_read_us: int) -> bool:
    # DuckDB returns times with a zone only if pytz is installed.
    return log.status == "read" and (log.since - _EPOCH) // _MICROSECOND <= first_read_us


def _fields(event: Mapping[str, Any]) -> dict[str, str | None]:
    return {
        "event_id": _cut(event["event_id"]),
        "event_created": event["created"],
        "event_description": described(event),
        "event_actor": _cut(event["actor"]),
        "event_client": _cut(event["client"]),
        "event_error": _cut(failure_of(event)),
    }


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _MOST else f"{text[: _MOST - 1]}…"


def notes_on_log(old: Manifest, new: Manifest) -> list[str]:
    """Whose log the later snapshot lacks, in whole or in part: a change without an event means nothing there."""
    if not any(org.admin_events for org in new.orgs):
        return ["the administrators' log was not read: 'webex-audit run --admin-events' reads it"]
    found = [note for org in new.orgs if (note := _note(org, old))]
    return found[:_NAMED] + (
        [f"the logs of {count_of(len(found) - _NAMED, 'more organization')} lack something, too"]
        if len(found) > _NAMED
        else []
    )


def _note(org: Org, old: Manifest) -> str | None:
    log, title = org.admin_events, org.name or org.org_id
    if log is None:
        return f"{title}: the administrators' log was not read"
    if log.status != "read":
        return f"{title}: the administrators' log was {log.status}: {log.message or 'no reason is given'}"
    if log.since > old.started_at:
        return f"{title}: the administrators' log was read from {log.since:%Y-%m-%d %H:%M} UTC on, and not before"
    return None
