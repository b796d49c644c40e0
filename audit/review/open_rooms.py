"""The view `open_rooms`: who may open a microphone or loudspeaker in which room, a row for each entity and way.

The ways are Push-to-Talk, answering ordinary calls, and paging groups. Whatever the API does not document counts as
open. What was not read has no row: `unread_ways` says how much that is.
"""

from collections.abc import Iterator
from importlib.resources import files

import duckdb
import pyarrow as pa

from audit.columns import column
from audit.datasets import DATASETS
from audit.errors import UsageError
from audit.review.absence import reason_of_absence
from audit.review.approval import create_no_approval
from audit.review.quoting import literal
from audit.review.tables import APPROVED, CURRENT, PREVIOUS, table_names
from audit.review.vocabulary import dataset
from audit.snapshot.context import CONTEXT
from audit.snapshot.context.workspace_devices import WORKSPACE_DEVICES
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.snapshot.manifest import Manifest
from audit.snapshot.org_names import org_names
from audit.text import count_of

OPEN_ROOMS = "open_rooms"
#: The dataset of each way.
WAYS = {"push_to_talk": "push_to_talk", "answer_settings": "answer_settings", "paging": "paging_groups"}
#: The options of `run` of which it needs one.
FLAGS = tuple(f"--dataset {name.replace('_', '-')}" for name in WAYS.values())
#: The most names in `openers`.
_MOST_NAMES = 5
_PAGING = "paging"
_TYPES = {"string": "VARCHAR", "bool": "BOOLEAN", "int32": "INTEGER", "timestamp[us, tz=UTC]": "TIMESTAMPTZ"}
_SCHEMAS = (
    {COVERAGE: COVERAGE_SCHEMA}
    | {table: schema for name in WAYS.values() for table, schema in DATASETS[name].tables.items()}
    | {WORKSPACE_DEVICES: CONTEXT[WORKSPACE_DEVICES]}
)
_UNANSWERED = """
SELECT dataset, count(*) FROM coverage WHERE NOT list_contains(getvariable('complete_outcomes'), outcome) GROUP BY 1
"""
_PLACES = """
SELECT DISTINCT org_id, dataset, entity_type FROM main_ways.coverage
WHERE dataset IN ('push_to_talk', 'answer_settings', 'paging_groups')
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
LEFT JOIN approval AS judged ON told.way = 'push_to_talk' AND judged.org_id = told.org_id
    AND judged.entity_type = told.entity_type AND judged.entity_id = told.entity_id
"""
# Push-to-Talk is judged as in the rules and the report.
_JUDGEMENT = """
CASE WHEN told.way = 'push_to_talk'
     THEN CASE WHEN coalesce(judged.state, 'unknown') = 'unknown' THEN 'not known'
               WHEN judged.is_open THEN 'no' ELSE 'yes' END
     WHEN approved_said.state = 'not known' THEN 'not known'
     WHEN approved_said.state = 'open' AND approved_said.is_within THEN 'yes'
     ELSE 'no' END
"""
_NO_STORY = {"since": "NULL::VARCHAR", "approved": "NULL::VARCHAR", "others": ""}
_NO_DEVICE = "the snapshot holds no devices, or the workspace has none"

#: Its columns, the telling ones first.
OPEN_ROOMS_SCHEMA = pa.schema(
    [
        column("entity_name", pa.string(), "name of what opens: a room, a person's phone, a virtual line",
               "none is listed"),
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
        column("approved", pa.string(), "`yes` if it opens no more than approved, `no` if it opens more, `not known`, "
               "or `nothing approved`", "in the views of other snapshots"),
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
    try:
        for schema, each in sides.items():
            _create_ways(connection, schema, each)
        for schema in sides.keys() - {CURRENT}:
            _create_then(connection, schema, sides[schema])
        for schema in sides:
            _create_view(connection, schema, _story(previous, approved) if schema == CURRENT else _NO_STORY)
    except duckdb.Error:
        raise UsageError(
            f"snapshot {manifest.snapshot_id}: its tables are not as webex-audit writes them: 'webex-audit verify' "
            "says more"
        ) from None
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


def _create_ways(connection: duckdb.DuckDBPyConnection, schema: str, manifest: Manifest) -> None:
    """Create what is open in the snapshot of a schema, in a schema of its own, from all tables that may say so."""
    ways = f"{schema}_ways"
    connection.execute(f"CREATE SCHEMA {ways}")
    names = table_names(connection, schema)
    for table, columns in _SCHEMAS.items():
        # A table without rows may have no file.
        source = f"FROM {schema}.{table}" if table in names else _no_rows(columns)
        connection.execute(f"CREATE VIEW {ways}.{table} AS {source}")
    of_orgs = org_names(manifest.orgs)
    connection.execute(
        f"CREATE TABLE {ways}.organization AS SELECT unnest(?::VARCHAR[]) AS org_id, unnest(?::VARCHAR[]) AS org_name",
        [list(of_orgs), list(of_orgs.values())],
    )
    connection.execute(_sql("open_ways").format(ways=ways))


def _no_rows(columns: pa.Schema) -> str:
    nulls = ", ".join(f"NULL::{_TYPES[str(field.type)]} AS {field.name}" for field in columns)
    return f"SELECT {nulls} LIMIT 0"


def _create_then(connection: duckdb.DuckDBPyConnection, schema: str, other: Manifest) -> None:
    """Create the view of what another snapshot says of each way that is open now."""
    connection.execute(
        f"CREATE TABLE {schema}_ways.gap (org_id VARCHAR, way VARCHAR, entity_type VARCHAR, is_whole BOOLEAN)"
    )
    listed = {*connection.execute(f"SELECT DISTINCT dataset, entity_type FROM {schema}_ways.coverage").fetchall()}  # noqa: S608
    for org_id, name, asked in connection.execute(_PLACES).fetchall():
        way, kind = (_PAGING, "") if name == WAYS[_PAGING] else (name, asked)
        is_unoffered = any(asked in org.unoffered.get(WAYS[way], ()) for org in other.orgs if org.org_id == org_id)
        if is_unoffered or reason_of_absence(other, org_id, WAYS[way], asked, listed):
            row = [org_id, way, kind, is_unoffered or way == _PAGING]
            connection.execute(f"INSERT INTO {schema}_ways.gap VALUES (?, ?, ?, ?)", row)  # noqa: S608
    connection.execute(_sql("open_rooms_then").format(then=schema))


def _story(previous: Manifest | None, approved: Manifest | None) -> dict[str, str]:
    """The expressions of `since` and `approved`, and the joins that they need."""
    others = [_SAID.format(then=schema) for schema, each in ((PREVIOUS, previous), (APPROVED, approved)) if each]
    since = _SINCE.format(started_at=literal(previous.started_at.isoformat())) if previous else "NULL::VARCHAR"
    said = _JUDGEMENT if approved else "'nothing approved'"
    return {"since": since, "approved": said, "others": "\n".join([*others, *([_JUDGED] if approved else [])])}


def _create_view(connection: duckdb.DuckDBPyConnection, schema: str, story: dict[str, str]) -> None:
    names = {"schema": schema, "ways": f"{schema}_ways", "most": _MOST_NAMES}
    connection.execute(_sql("open_rooms").format(**names, **story))


def _sql(name: str) -> str:
    return (files("audit.review") / f"{name}.sql").read_text("utf-8")
