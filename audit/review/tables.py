"""The tables of snapshots in DuckDB: read in place, and foreign SQL can reach nothing else."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb

from audit.datasets import DATASETS
from audit.errors import UsageError
from audit.files import scratch_folder
from audit.review.interruption import Interruption
from audit.review.memory import bounded_memory
from audit.review.quoting import identifier, list_of_literals, literal
from audit.review.vocabulary import COMPLETE_OUTCOMES
from audit.snapshot.catalog import Snapshot
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.layout import ORG_OF_FILENAME
from audit.snapshot.org_names import ORG_NAME, org_names
from audit.snapshot.staging import Staged, staged

#: The schemas of the snapshot under review, of the snapshot that it is compared with, and of the approved snapshot.
CURRENT = "main"
PREVIOUS = "previous"
APPROVED = "approved"

#: DuckDB fetches and loads nothing, and takes no variable of this program for a table.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "allow_community_extensions": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}
#: DuckDB's threads at most, and how many times its memory it may spill to the disk.
_THREADS = 4
_SPILLED = 16
#: Kinds of query that only read. `WITH x AS (COPY … TO …) SELECT` is a SELECT statement, too, but writes.
_READING = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
#: The columns of a Parquet file, which can't stand in for what its place and the manifest say.
_STORED = f"COLUMNS(lambda name: name NOT IN ('filename', 'org_id', {literal(ORG_NAME.name)}))"
#: Table functions that only make rows: others read files, or run a text as SQL.
_TABLE_FUNCTIONS = frozenset({"generate_series", "json_each", "json_tree", "range", "repeat", "unnest"})


@contextmanager
def open_tables(
    snapshot: Snapshot,
    previous: Snapshot | None = None,
    *,
    approved: Snapshot | None = None,
    streams: bool = False,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with a view for each table of a snapshot, with all columns, `org_id` and `org_name` first.

    The views of `previous` are in the schema `previous`, those of `approved` in the schema `approved`. DuckDB spills
    what does not fit into memory to a temporary folder. SQL can open the Parquet files of the snapshots and nothing
    else (no other file, no network, no extension), and the settings are locked. Times are in UTC. SQL could still write
    to those files, so foreign SQL must pass `refuse_writing` first.

    Args:
        snapshot: the snapshot, whose tables are unqualified; it is staged if it is not (`audit.snapshot.staging`).
        previous: a snapshot to compare with.
        approved: the approved snapshot.
        streams: the block passes rows on, and keeps none.

    Raises:
        UsageError: a table is missing or has no Parquet, or a file is not what the manifest says.
        StoppedError: what the block does needs too much memory.
    """
    with (
        staged(snapshot) as current,
        staged(previous) as earlier,
        staged(approved) as right,
        bounded_memory(_bytes_of(current, earlier, right), streams=streams) as allowed,
        Interruption() as interruption,
        scratch_folder() as spill,
    ):
        connection = duckdb.connect(config=_CONFIG | _limits(allowed, spill))
        with closing(connection), interruption.running(connection):
            _set_up(connection, {CURRENT: current, PREVIOUS: earlier, APPROVED: right})
            yield connection


def _set_up(connection: duckdb.DuckDBPyConnection, snapshots: dict[str, Snapshot | None]) -> None:
    """Make the views of snapshots, by the schema they are in, and lock the settings."""
    connection.execute("SET TimeZone = 'UTC'")
    # A progress bar would mix with the data on standard output.
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"CREATE SCHEMA {PREVIOUS}")
    connection.execute(f"CREATE SCHEMA {APPROVED}")
    connection.execute("SET VARIABLE complete_outcomes = ?", [sorted(COMPLETE_OUTCOMES)])
    paths = []
    for schema, each in snapshots.items():
        if each:
            _refuse_without_tables(each)
            paths += _create_views(connection, schema, each)
    connection.execute(f"SET allowed_paths = {list_of_literals(paths)}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _bytes_of(*snapshots: Snapshot | None) -> int:
    return sum(each.size for each in snapshots if isinstance(each, Staged))


def _limits(allowed: int, spill: Path) -> dict[str, str | bool | int | float | list[str]]:
    """How much memory, disk and threads DuckDB may use; with more threads, each would have too little memory."""
    return {
        "memory_limit": f"{allowed}B",
        "temp_directory": str(spill),
        "max_temp_directory_size": f"{_SPILLED * allowed}B",
        "threads": min(_THREADS, os.cpu_count() or 1),
    }


def refuse_writing(connection: duckdb.DuckDBPyConnection, sql: str, place: str) -> None:
    """Refuse SQL that is not exactly one statement that only reads tables (`SELECT` and the like).

    Args:
        connection: parses the SQL; nothing runs.
        sql: the statement.
        place: what to name in an error: a file, or the query.

    Raises:
        UsageError: it does not parse, is not one statement, could write, or calls a function that reads elsewhere.
    """
    try:
        kinds = [statement.type for statement in connection.extract_statements(sql)]
        # EXPLAIN ANALYZE runs what it explains, COPY included.
        tree = _parsed(connection, sql) if kinds == [duckdb.StatementType.SELECT] else None
    except duckdb.Error as error:
        raise UsageError(f"{place}: {message_of(error)}") from None
    except (TypeError, ValueError):
        # The text is not UTF-8, or DuckDB for Python does not know the kind of statement.
        tree = None
    if tree is None or _queries(tree) - _READING:
        raise UsageError(f"{place}: expected one SELECT statement, as a snapshot can only be read")
    if others := sorted(_table_functions(tree) - _TABLE_FUNCTIONS):
        raise UsageError(f"{place}: {others[0]}() can't be used: only the tables of the snapshot can be read")


def message_of(error: Exception) -> str:
    """The message of DuckDB in one line; a line number of the SQL comes last."""
    text, _, place = str(error).partition("\n\nLINE ")
    line = re.match("[0-9]+", place)
    return "; ".join(filter(None, map(str.strip, text.splitlines()))) + (f" (line {line[0]})" if line else "")


def is_out_of_memory(error: Exception) -> bool:
    """Whether a query needs more memory, or more space on the disk, than it may use."""
    # Arrow passes on an error of DuckDB as its text.
    return isinstance(error, (duckdb.OutOfMemoryException, MemoryError)) or "Out of Memory Error" in str(error)


def _parsed(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """The syntax tree of a SELECT statement; None if it does not parse."""
    with connection.cursor() as other:  # a result may be open on the connection itself
        found = other.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    tree = json.loads(found[0]) if found else {}
    return None if tree.get("error", True) else tree["statements"]


def _objects(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        match waiting.pop():
            case dict(found):
                yield found
                waiting += found.values()
            case list(found):
                waiting += found


def _queries(tree: Any) -> set[str]:
    """The kinds of query in a syntax tree."""
    return {kind for kind in (str(found.get("type")) for found in _objects(tree)) if kind.endswith("_NODE")}


def _table_functions(tree: Any) -> set[str]:
    """The names of the functions that are used as a table."""
    calls = [found["function"] for found in _objects(tree) if found.get("type") == "TABLE_FUNCTION"]
    return {call["function_name"].lower() for call in calls}


def table_names(connection: duckdb.DuckDBPyConnection, schema: str = CURRENT) -> list[str]:
    """The names of the tables."""
    rows = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE schema_name = ? AND NOT internal AND NOT temporary ORDER BY 1",
        [schema],
    ).fetchall()
    return [name for (name,) in rows]


def _refuse_without_tables(snapshot: Snapshot) -> None:
    """Refuse a snapshot that lost a table: lost rows would look absent."""
    manifest = snapshot.manifest
    promised = {
        COVERAGE,
        *(table for name in manifest.scope.datasets if name in DATASETS for table in DATASETS[name].tables),
        *(table for org in manifest.orgs for table in org.context),
    }
    if lost := sorted(promised - manifest.tables.keys()):
        raise UsageError(f"snapshot {manifest.snapshot_id} lacks the table {lost[0]}, which its scope promises")


def _create_views(connection: duckdb.DuckDBPyConnection, schema: str, snapshot: Snapshot) -> list[str]:
    """Create the views of a staged snapshot; returns the files that they read."""
    found = []
    name_of_org = _create_names(connection, schema, snapshot)
    for name, table in snapshot.manifest.tables.items():
        files = [str(snapshot.path / file.path) for file in table.files if file.path.endswith(".parquet")]
        if not files and table.rows:
            raise UsageError(
                f"snapshot {snapshot.manifest.snapshot_id} holds no Parquet of table {name}: run with --format parquet"
            )
        if files:
            # From the file's own folder: DuckDB's partitioning would use the folders above the snapshot, too.
            source = f"read_parquet({list_of_literals(files)}, hive_partitioning = false, filename = true)"
            try:
                connection.execute(
                    f"CREATE VIEW {schema}.{identifier(name)} AS FROM {source} "
                    f"SELECT {ORG_OF_FILENAME} AS org_id, {name_of_org} AS {ORG_NAME.name}, {_STORED}"
                )
            except (duckdb.Error, RuntimeError):
                raise UsageError(
                    f"table {name} of snapshot {snapshot.manifest.snapshot_id} can't be read: 'webex-audit verify' "
                    "says more"
                ) from None
            found += files
    return found


def _create_names(connection: duckdb.DuckDBPyConnection, schema: str, snapshot: Snapshot) -> str:
    """Add the names of the organizations of a snapshot; returns the expression for the name of a row.

    It costs nothing where a query does not use it, and keeps the order of the rows, unlike a join: an enumeration finds
    the place of an organization in the list of names, however many there are.
    """
    names = {"": None, **org_names(snapshot.manifest.orgs)}
    variable = f"org_names_of_{schema}"
    connection.execute(f"CREATE TYPE {schema}.org_ids AS ENUM ({', '.join(map(literal, names))})")
    connection.execute(f"SET VARIABLE {variable} = CAST(? AS VARCHAR[])", [[*names.values()]])
    return f"getvariable('{variable}')[enum_code(TRY_CAST({ORG_OF_FILENAME} AS {schema}.org_ids)) + 1]"
