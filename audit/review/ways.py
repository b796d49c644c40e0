"""The ways in which rooms open by themselves, in each snapshot of a connection: the schemas `main_ways` and so on.

`audit/review/open_ways.sql` describes the views.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import duckdb
import pyarrow as pa

from audit.datasets import DATASETS
from audit.errors import UsageError
from audit.review.absence import reason_of_absence
from audit.review.tables import is_out_of_memory, table_names
from audit.review.vocabulary import WAYS
from audit.snapshot.context import CONTEXT
from audit.snapshot.context.workspace_devices import WORKSPACE_DEVICES
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.snapshot.manifest import Manifest

_PAGING = "paging"
_TYPES = {"string": "VARCHAR", "bool": "BOOLEAN", "int32": "INTEGER", "timestamp[us, tz=UTC]": "TIMESTAMPTZ"}
_SCHEMAS = (
    {COVERAGE: COVERAGE_SCHEMA}
    | {table: schema for name in WAYS.values() for table, schema in DATASETS[name].tables.items()}
    | {WORKSPACE_DEVICES: CONTEXT[WORKSPACE_DEVICES]}
)
#: Anybody may have written a snapshot: a cell that must not be empty must not hide a room.
_KIND = "coalesce(entity_type, 'NOT KNOWN') AS entity_type"
_PLACES = """
SELECT DISTINCT org_id, dataset, entity_type FROM (FROM main_ways.coverage UNION ALL FROM {schema}_ways.coverage)
WHERE dataset IN ('push_to_talk', 'answer_settings', 'paging_groups')
"""
_GAPS = "CREATE TABLE {}_ways.gap (org_id VARCHAR, way VARCHAR, entity_type VARCHAR, is_whole BOOLEAN, reason VARCHAR)"


@contextmanager
def readable(manifest: Manifest) -> Iterator[None]:
    """Turn an error of DuckDB into a sentence: anybody may have written the tables of a snapshot.

    Args:
        manifest: manifest of the snapshot.

    Raises:
        UsageError: DuckDB can't read the tables.
    """
    try:
        yield
    except duckdb.Error as error:
        why = (
            "who may open which room needs too much memory"
            if is_out_of_memory(error)
            else "its tables are not as webex-audit writes them: 'webex-audit verify' says more"
        )
        raise UsageError(f"snapshot {manifest.snapshot_id}: {why}") from None


def create_ways(connection: duckdb.DuckDBPyConnection, schema: str) -> None:
    """Create what is open in the snapshot of a schema, in a schema of its own, unless it is there.

    Args:
        connection: from `audit.review.tables.open_tables`.
        schema: the schema of the snapshot.
    """
    if _exists(connection, schema, "way"):
        return
    ways = f"{schema}_ways"
    connection.execute(f"CREATE SCHEMA {ways}")
    names = table_names(connection, schema)
    for table, columns in _SCHEMAS.items():
        # A table without rows may have no file.
        kind = f" REPLACE ({_KIND})" if "entity_type" in columns.names else ""
        source = f"SELECT *{kind} FROM {schema}.{table}" if table in names else _no_rows(columns)  # noqa: S608
        connection.execute(f"CREATE VIEW {ways}.{table} AS {source}")
    connection.execute(sql_file("open_ways").format(ways=ways))


def create_gaps(connection: duckdb.DuckDBPyConnection, schema: str, manifest: Manifest) -> None:
    """Create the table `gap`, unless it is there: where the snapshot of a schema can't say that something is absent.

    `is_whole` is true where its answers say nothing either.

    Args:
        connection: has the views of `create_ways` for the schema and for `main`.
        schema: the schema of the snapshot.
        manifest: its manifest.
    """
    if _exists(connection, schema, "gap"):
        return
    connection.execute(_GAPS.format(schema))
    listed = {*connection.execute(f"SELECT DISTINCT dataset, entity_type FROM {schema}_ways.coverage").fetchall()}  # noqa: S608
    for org_id, name, asked in connection.execute(_PLACES.format(schema=schema)).fetchall():
        way, kind = (_PAGING, "") if name == WAYS[_PAGING] else (name, asked)
        is_unoffered = any(asked in org.unoffered.get(name, ()) for org in manifest.orgs if org.org_id == org_id)
        unoffered = f"the API did not offer {name} to the organization then" if is_unoffered else None
        if reason := unoffered or reason_of_absence(manifest, org_id, name, asked, listed):
            row = [org_id, way, kind, is_unoffered or way == _PAGING, reason]
            connection.execute(f"INSERT INTO {schema}_ways.gap VALUES (?, ?, ?, ?, ?)", row)  # noqa: S608


def sql_file(name: str) -> str:
    """The text of a SQL file of this package."""
    return (files("audit.review") / f"{name}.sql").read_text("utf-8")


def _exists(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    found = connection.execute(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?", [f"{schema}_ways", table]
    )
    return found.fetchone() is not None


def _no_rows(columns: pa.Schema) -> str:
    nulls = ", ".join(f"NULL::{_TYPES[str(field.type)]} AS {field.name}" for field in columns)
    return f"SELECT {nulls} LIMIT 0"
