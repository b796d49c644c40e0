"""The tables of snapshots in DuckDB: read where they lie, with no way out for SQL that comes from elsewhere."""

import json
import re
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from audit.datasets import DATASETS
from audit.errors import UsageError
from audit.review.quoting import identifier, list_of_literals
from audit.review.vocabulary import COMPLETE_OUTCOMES
from audit.snapshot.catalog import Snapshot
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.layout import ORG_OF_FILENAME

#: The schema of the snapshot under review, and that of the one it is compared with.
CURRENT = "main"
PREVIOUS = "previous"

#: Nothing is fetched or loaded, and no variable of this program is a table.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "allow_community_extensions": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}
#: Kinds of query that read. `WITH x AS (COPY … TO …) SELECT` is one SELECT statement too, and writes.
_READING = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
#: Functions that make rows and touch nothing: others read files, or run a text as SQL.
_TABLE_FUNCTIONS = frozenset({"generate_series", "json_each", "json_tree", "range", "repeat", "unnest"})


@contextmanager
def open_tables(snapshot: Snapshot, previous: Snapshot | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with a view for each table of a snapshot, all columns, `org_id` included.

    Views of `previous` stand in the schema `previous`. What does not fit into memory is spilled to a temporary
    folder. SQL can open the snapshots' Parquet files and nothing else: no other file, no network, no extension, and
    the settings are locked. Times are in UTC. What could write to those files is kept out by `refuse_writing`: SQL
    that comes from elsewhere must pass it.

    Args:
        snapshot: the snapshot, on this machine (`audit.snapshot.staging`); its tables are unqualified.
        previous: another one to compare with.

    Raises:
        UsageError: a table is missing or has no Parquet, or a file of it is missing or lies elsewhere.
    """
    running: list[duckdb.DuckDBPyConnection] = []
    with _interruptible(running) as received, tempfile.TemporaryDirectory(prefix="webex-audit-") as spill:
        connection = duckdb.connect(config=_CONFIG | {"temp_directory": spill})
        running.append(connection)
        try:
            if received:
                raise KeyboardInterrupt
            connection.execute("SET TimeZone = 'UTC'")
            # Data goes to standard output, and a bar would stand amid it.
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
            running.clear()
            connection.close()


def refuse_writing(connection: duckdb.DuckDBPyConnection, sql: str, place: str) -> None:
    """Take SQL that reads tables only: one statement, `SELECT` and its like.

    Args:
        connection: to parse with; nothing is run.
        sql: the statement.
        place: what to name in an error: a file, or the query.

    Raises:
        UsageError: it does not parse, is none or several, could write, or calls a function that reads elsewhere.
    """
    try:
        kinds = [statement.type for statement in connection.extract_statements(sql)]
        # EXPLAIN ANALYZE runs what it explains, COPY included.
        tree = _parsed(connection, sql) if kinds == [duckdb.StatementType.SELECT] else None
    except duckdb.Error as error:
        raise UsageError(f"{place}: {told(error)}") from None
    except (TypeError, ValueError):
        # A text that is not UTF-8, or a statement that DuckDB for Python has no word for.
        tree = None
    if tree is None or _queries(tree) - _READING:
        raise UsageError(f"{place}: expected one SELECT statement, as a snapshot is only read")
    if others := sorted(_table_functions(tree) - _TABLE_FUNCTIONS):
        raise UsageError(f"{place}: {others[0]}() can't be used: only the tables of the snapshot can be read")


def told(error: Exception) -> str:
    """What DuckDB says, in one line; where it names a line of the SQL, that comes last."""
    text, _, place = str(error).partition("\n\nLINE ")
    line = re.match("[0-9]+", place)
    return "; ".join(filter(None, map(str.strip, text.splitlines()))) + (f" (line {line[0]})" if line else "")


def _parsed(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """The syntax tree of a SELECT statement; None if there is none."""
    with connection.cursor() as beside:  # a result may be open on the connection itself
        found = beside.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
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
    """The functions that stand in the place of a table."""
    calls = [found["function"] for found in _objects(tree) if found.get("type") == "TABLE_FUNCTION"]
    return {call["function_name"].lower() for call in calls}


def table_names(connection: duckdb.DuckDBPyConnection, schema: str = CURRENT) -> list[str]:
    """The tables that can be asked for."""
    rows = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE schema_name = ? AND NOT internal ORDER BY view_name", [schema]
    ).fetchall()
    return [name for (name,) in rows]


def _refuse_without_tables(snapshot: Snapshot) -> None:
    """Refuse a snapshot that lost a table: its rows would seem not to be."""
    manifest = snapshot.manifest
    promised = {
        COVERAGE,
        *(table for name in manifest.scope.datasets if name in DATASETS for table in DATASETS[name].tables),
    }
    if lost := sorted(promised - manifest.tables.keys()):
        raise UsageError(f"snapshot {manifest.snapshot_id} lacks the table {lost[0]}, which its scope promises")


@contextmanager
def _interruptible(running: list[duckdb.DuckDBPyConnection]) -> Iterator[list[int]]:
    """Let a signal end a query, and what it has spilled be removed: DuckDB would compute on, or all be killed.

    While nothing runs, a signal waits: what is being made or removed then would be left behind.

    Args:
        running: connections that may be at work.

    Yields:
        The signals that came.

    Raises:
        KeyboardInterrupt: one came.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def stop(number: int, _: object) -> None:
        received.append(number)
        for connection in running:
            connection.interrupt()
        if running:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    except Exception:
        # What DuckDB makes of it is an error of its own.
        if received:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise KeyboardInterrupt


def _create_views(connection: duckdb.DuckDBPyConnection, schema: str, snapshot: Snapshot) -> list[str]:
    """Make the views of a snapshot; returns the files that they read."""
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
        if missing := [path for path in paths if not path.is_file()]:
            raise UsageError(f"{missing[0]} is missing: 'webex-audit verify' tells what else is")
        if paths:
            files = [str(path) for path in paths]
            # By the file's own folder: DuckDB's partitioning would read the folders above the snapshot, too.
            source = f"read_parquet({list_of_literals(files)}, hive_partitioning = false, filename = true)"
            try:
                connection.execute(
                    f"CREATE VIEW {schema}.{identifier(name)} AS FROM {source} "
                    f"SELECT {ORG_OF_FILENAME} AS org_id, * EXCLUDE (filename)"
                )
            except (duckdb.Error, RuntimeError) as error:  # the latter of a path that is not UTF-8
                raise UsageError(f"table {name} of snapshot {snapshot.manifest.snapshot_id}: {told(error)}") from None
            found += files
    return found


def _inside(folder: Path, relative: str) -> Path:
    """A file of a snapshot, as its manifest names it; a manifest may come from anywhere, too."""
    path = (folder / relative).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise UsageError(f"{folder}: its manifest names {relative}, a file that is not in this folder")
    return path
