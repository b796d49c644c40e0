"""The tables of snapshots in DuckDB: read in place, and foreign SQL can reach nothing else."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from audit.datasets import DATASETS
from audit.errors import UsageError
from audit.files import is_utf8, scratch_folder
from audit.review.interruption import Interruption
from audit.review.quoting import identifier, list_of_literals
from audit.review.vocabulary import COMPLETE_OUTCOMES
from audit.snapshot.catalog import Snapshot
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.layout import ORG_OF_FILENAME

#: The schemas of the snapshot under review and of the snapshot that it is compared with.
CURRENT = "main"
PREVIOUS = "previous"

#: DuckDB fetches and loads nothing, and takes no variable of this program for a table.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "allow_community_extensions": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}
#: Kinds of query that only read. `WITH x AS (COPY … TO …) SELECT` is a SELECT statement, too, but writes.
_READING = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
#: Table functions that only make rows: others read files, or run a text as SQL.
_TABLE_FUNCTIONS = frozenset({"generate_series", "json_each", "json_tree", "range", "repeat", "unnest"})


@contextmanager
def open_tables(snapshot: Snapshot, previous: Snapshot | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with a view for each table of a snapshot, with all columns, including `org_id`.

    The views of `previous` are in the schema `previous`. DuckDB spills what does not fit into memory to a temporary
    folder. SQL can open the Parquet files of the snapshots and nothing else (no other file, no network, no
    extension), and the settings are locked. Times are in UTC. SQL could still write to those files, so foreign SQL
    must pass `refuse_writing` first.

    Args:
        snapshot: the snapshot, on this machine (`audit.snapshot.staging`); its tables are unqualified.
        previous: a snapshot to compare with.

    Raises:
        UsageError: a table is missing or has no Parquet, or one of its files is missing or outside of the folder.
    """
    with Interruption() as interruption, scratch_folder() as spill:
        connection = duckdb.connect(config=_CONFIG | {"temp_directory": str(spill)})
        interruption.running.append(connection)
        try:
            interruption.check()
            connection.execute("SET TimeZone = 'UTC'")
            # A progress bar would mix with the data on standard output.
            connection.execute("SET enable_progress_bar = false")
            connection.execute(f"CREATE SCHEMA {PREVIOUS}")
            connection.execute("SET VARIABLE complete_outcomes = ?", [sorted(COMPLETE_OUTCOMES)])
            paths = []
            for schema, each in ((CURRENT, snapshot), (PREVIOUS, previous)):
                if each:
                    _refuse_without_tables(each)
                    paths += _create_views(connection, schema, each)
            connection.execute(f"SET allowed_paths = {list_of_literals(paths)}")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            yield connection
        finally:
            interruption.running.clear()
            connection.close()


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
        "SELECT view_name FROM duckdb_views() WHERE schema_name = ? AND NOT internal ORDER BY view_name", [schema]
    ).fetchall()
    return [name for (name,) in rows]


def _refuse_without_tables(snapshot: Snapshot) -> None:
    """Refuse a snapshot that lost a table: lost rows would look absent."""
    manifest = snapshot.manifest
    promised = {
        COVERAGE,
        *(table for name in manifest.scope.datasets if name in DATASETS for table in DATASETS[name].tables),
    }
    if lost := sorted(promised - manifest.tables.keys()):
        raise UsageError(f"snapshot {manifest.snapshot_id} lacks the table {lost[0]}, which its scope promises")


def _create_views(connection: duckdb.DuckDBPyConnection, schema: str, snapshot: Snapshot) -> list[str]:
    """Create the views of a snapshot; returns the files that they read."""
    found = []
    folder = snapshot.path
    if not isinstance(folder, Path):
        raise TypeError(f"{folder} is not on this machine")
    for name, table in snapshot.manifest.tables.items():
        paths = [_inside(folder, file.path) for file in table.files if file.path.endswith(".parquet")]
        if not paths and table.rows:
            raise UsageError(
                f"snapshot {snapshot.manifest.snapshot_id} holds no Parquet of table {name}: run with --format parquet"
            )
        if not all(is_utf8(str(path)) for path in paths):
            raise UsageError(
                f"path {str(folder.resolve())!r} is not UTF-8, as DuckDB needs it: copy {folder} elsewhere"
            )
        if missing := [path for path in paths if not path.is_file()]:
            raise UsageError(f"{missing[0]} is missing: 'webex-audit verify' lists everything that is missing")
        if paths:
            files = [str(path) for path in paths]
            # From the file's own folder: DuckDB's partitioning would use the folders above the snapshot, too.
            source = f"read_parquet({list_of_literals(files)}, hive_partitioning = false, filename = true)"
            try:
                connection.execute(
                    f"CREATE VIEW {schema}.{identifier(name)} AS FROM {source} "
                    f"SELECT {ORG_OF_FILENAME} AS org_id, * EXCLUDE (filename)"
                )
            except (duckdb.Error, RuntimeError) as error:  # RuntimeError: a path that is not UTF-8
                raise UsageError(
                    f"table {name} of snapshot {snapshot.manifest.snapshot_id} can't be read: 'webex-audit verify' "
                    "says what is wrong"
                ) from error
            found += files
    return found


def _inside(folder: Path, relative: str) -> Path:
    """The path of a file that a manifest names; a manifest may come from anywhere."""
    path = Path(os.path.realpath(folder / relative))  # unlike `resolve`, takes a link to itself
    if not path.is_relative_to(folder.resolve()):
        raise UsageError(f"{folder}: its manifest names {relative}, a file that is not in this folder")
    return path
