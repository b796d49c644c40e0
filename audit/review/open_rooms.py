"""The view `open_rooms`: who may open a microphone or loudspeaker in which room, a row for each entity and way.

The ways are Push-to-Talk, answering ordinary calls, and paging groups. Whatever the API does not document counts as
open. What was not read has no row: `unread_ways` says how much that is.
"""

from collections.abc import Iterator

import duckdb
import pyarrow as pa

from audit.columns import column
from audit.review.approval import create_no_approval
from audit.review.quoting import literal
from audit.review.tables import APPROVED, CURRENT, PREVIOUS, table_names
from audit.review.vocabulary import WAYS, dataset
from audit.review.ways import create_gaps, create_ways, readable, sql_file
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.manifest import Manifest
from audit.snapshot.org_names import org_names
from audit.text import count_of

OPEN_ROOMS = "open_rooms"
#: The most names in `openers`.
_MOST_NAMES = 5
_UNANSWERED = """
SELECT dataset, count(*) FROM coverage WHERE NOT list_contains(getvariable('complete_outcomes'), outcome) GROUP BY 1
"""
_SAID = """
LEFT JOIN main_ways.{then} AS {then}_said ON {then}_said.org_id = told.org_id AND {then}_said.way = told.way
    AND {then}_said.entity_type = told.entity_type AND {then}_said.entity_key = told.entity_key
"""
_SINCE = """
CASE previous_said.state WHEN 'not known' THEN 'not known'
     ELSE strftime(coalesce(previous_said.at, {started_at}::TIMESTAMPTZ), '%Y-%m-%d %H:%M')
          || if(previous_said.state = 'open', ' or earlier', ' or later') END
"""
_JUDGED = """
LEFT JOIN way_approval AS judged ON judged.org_id = told.org_id AND judged.way = told.way
    AND judged.entity_type = told.entity_type AND judged.entity_id = told.entity_key
"""
_JUDGEMENT = "coalesce(judged.judgement, 'not known')"
_NO_STORY = {"since": "NULL::VARCHAR", "approved": "NULL::VARCHAR", "others": ""}
_NO_DEVICE = "the snapshot holds no devices, or the workspace has none"

#: Its columns, the telling ones first.
OPEN_ROOMS_SCHEMA = pa.schema(
    [
        column("entity_name", pa.string(), "name of what opens: a room, a person's phone, a virtual line",
               "none is listed"),
        column("kind", pa.string(), "what it is: `room`, `phone` (of a person), `line` (a virtual line), or "
               "`entity_type` in small letters"),
        column("way", pa.string(), "`push_to_talk`, `answer_settings` (ordinary calls are answered without anyone) or "
               "`paging`"),
        column("openers", pa.string(), f"who may open it, in words: {_MOST_NAMES} names at most; the tables of members "
               "have all"),
        column("direction", pa.string(), "what whoever opens it can do there: `hears and speaks`, `speaks`, or "
               "`speaks, may hear` if the connection type is not documented"),
        column("device", pa.string(), "whether a device of the workspace was `connected` or `offline`, or there was "
               "`none`; `not known` for other entities, and where devices were not read"),
        column("since", pa.string(), "since when it has been open: `<time> or earlier` if the earlier snapshot has it "
               "open in the same way, `<time> or later` if it was not open then (UTC), else `not known`",
               "there is no earlier snapshot to compare with"),
        column("approved", pa.string(), "`yes` if it opens as approved, `yes, narrower` if it opens less, `no` if it "
               "opens more, `not known`, or `nothing approved`", "in the views of other snapshots"),
        column("location_name", pa.string(), "`name` of `GET /locations`", "no location, or its name can't be read"),
        column("org_name", pa.string(), "display name of the organization", "the token may not read it"),
        column("opened_by", pa.string(), "who may open it: `everyone`, `everyone but a list`, `list`, or `not known` "
               "if the access type is not documented"),
        column("opener_count", pa.int32(), "how many different members the list has", "`opened_by` is not `list`"),
        column("paging_groups", pa.string(), "names of the paging groups that open it", "the way is not `paging`"),
        column("device_last_seen", pa.timestamp("us", "UTC"), "when a device of the workspace was last seen",
               _NO_DEVICE),
        column("entity_type", pa.string(), "`WORKSPACE`, `PERSON`, `VIRTUAL_LINE`, or as a paging group names it"),
        column("entity_id", pa.string(), "`id` in the listing or in the paging group", "the paging group names no id"),
        column("location_id", pa.string(), "`locationId`, or `location.id`, in the listing", "none is listed"),
        column("org_id", pa.string(), "UUID of the organization"),
    ]
)  # fmt: skip


def add_open_rooms(
    connection: duckdb.DuckDBPyConnection,
    manifest: Manifest,
    *,
    previous: Manifest | None = None,
    approved: Manifest | None = None,
) -> bool:
    """Create the view `open_rooms`, and those of the schemas `previous` and `approved`.

    Args:
        connection: from `audit.review.tables.open_tables`; with an approved snapshot, it has the table `approval`
            (`audit.review.approval`).
        manifest: manifest of the snapshot.
        previous: manifest of the earlier snapshot that the connection was opened with.
        approved: manifest of the approved snapshot, likewise.

    Returns:
        False if no dataset of a way was asked for: then there is no such view.
    """
    if not _has_ways(manifest):
        return False
    create_no_approval(connection)
    others = {PREVIOUS: previous, APPROVED: approved}
    sides = {CURRENT: manifest} | {schema: each for schema, each in others.items() if each}
    with readable(manifest):
        for schema, each in sides.items():
            create_ways(connection, schema)
            _create_organizations(connection, schema, each)
        if previous:
            create_gaps(connection, PREVIOUS, previous)
            create_gaps(connection, CURRENT, manifest)
            connection.execute(sql_file("open_rooms_then").format(then=PREVIOUS))
        for schema in sides:
            _create_view(connection, schema, _story(previous, approved) if schema == CURRENT else _NO_STORY)
    return True


def unread_ways(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> list[str]:
    """What `open_rooms` lacks because it was not read, a text for each reason.

    Args:
        connection: from `audit.review.tables.open_tables`.
        manifest: manifest of the snapshot.
    """
    return list(_unread(connection, manifest))


def all_unread(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> list[str]:
    """The same, with the organizations that were not read in full."""
    short = sum(not (org.is_audited and org.is_listed) for org in manifest.orgs)
    total = count_of(len(manifest.orgs), "organization")
    orgs = [f"{short:,} of {total} could not be read, or only in part"] if short else []
    return [*orgs, *unread_ways(connection, manifest)]


def _unread(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> Iterator[str]:
    unanswered = dict(connection.execute(_UNANSWERED).fetchall()) if COVERAGE in table_names(connection) else {}
    for name in WAYS.values():
        lacking = sum(name in org.unoffered for org in manifest.orgs)
        what = dataset(name)
        if name not in manifest.scope.datasets:
            yield f"{what} were not read" if what.endswith("s") else f"{what} was not read"
        if lacking:
            yield f"the API does not offer {what} to {count_of(lacking, 'organization')} yet"
        if number := unanswered.get(name):
            yield f"{what} of {number:,} did not come"


def _has_ways(manifest: Manifest) -> bool:
    return not {*WAYS.values()}.isdisjoint(manifest.scope.datasets) or "push_to_talk" in manifest.tables


def _create_organizations(connection: duckdb.DuckDBPyConnection, schema: str, manifest: Manifest) -> None:
    """Create the table of the names of organizations."""
    of_orgs = org_names(manifest.orgs)
    connection.execute(
        f"CREATE TABLE {schema}_ways.organization AS SELECT unnest(?::VARCHAR[]) AS org_id, "
        "unnest(?::VARCHAR[]) AS org_name",
        [list(of_orgs), list(of_orgs.values())],
    )


def _story(previous: Manifest | None, approved: Manifest | None) -> dict[str, str]:
    """The expressions of `since` and `approved`, and the joins that they need."""
    others = [*([_SAID.format(then=PREVIOUS)] if previous else []), *([_JUDGED] if approved else [])]
    since = _SINCE.format(started_at=literal(previous.started_at.isoformat())) if previous else "NULL::VARCHAR"
    said = _JUDGEMENT if approved else "'nothing approved'"
    return {"since": since, "approved": said, "others": "\n".join(others)}


def _create_view(connection: duckdb.DuckDBPyConnection, schema: str, story: dict[str, str]) -> None:
    names = {"schema": schema, "ways": f"{schema}_ways", "most": _MOST_NAMES}
    connection.execute(sql_file("open_rooms").format(**names, **story))
