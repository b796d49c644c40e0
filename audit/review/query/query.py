"""The SQL queries of users over a snapshot, and the tables and columns that they can use."""

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import groupby
from operator import itemgetter

import duckdb
import pyarrow as pa

from audit.columns import null_of, source_of
from audit.datasets import DATASETS
from audit.errors import StoppedError, UsageError
from audit.review.approval import add_approval
from audit.review.interruption import TimeLimit
from audit.review.open_rooms import OPEN_ROOMS, OPEN_ROOMS_SCHEMA, add_open_rooms, all_unread
from audit.review.tables import APPROVED, CURRENT, PREVIOUS, is_out_of_memory, message_of, open_tables, refuse_writing
from audit.review.vocabulary import WAY_FLAGS
from audit.snapshot.catalog import Snapshot
from audit.snapshot.context import CONTEXT
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.snapshot.org_names import with_org_name
from audit.text import count_of, did_you_mean, printable

log = logging.getLogger(__name__)

#: Rows in memory at once.
_BATCH_ROWS = 10_000

_SCHEMAS = {
    name: with_org_name(schema)
    for tables in ({COVERAGE: COVERAGE_SCHEMA}, *(dataset.tables for dataset in DATASETS.values()), CONTEXT)
    for name, schema in tables.items()
}
_SCHEMAS[OPEN_ROOMS] = OPEN_ROOMS_SCHEMA
_OF_OPEN_ROOMS = "a view: a row for each entity and way in which it opens by itself"
_COLUMNS = pa.schema([(name, pa.string()) for name in ("table", "column", "type", "holds", "null_when")])


#: How SQL begins after comments and parentheses, to recognize SQL with a mistake.
_BEGIN = re.compile(
    r"(?:\s|\(|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*+"
    r"(?:DESCRIBE|EXPLAIN|FROM|PIVOT|SELECT|SHOW|SUMMARIZE|TABLE|UNPIVOT|VALUES|WITH)(?=[\s(*'\"]|/\*|--)",
    re.IGNORECASE | re.DOTALL,
)


#: The first word of a text of several words, to recognize a mistyped keyword.
_FIRST_WORD = re.compile(r"\s*([A-Za-z]{4,10})\s+\S")
_NAMES_PREVIOUS, _NAMES_APPROVED = (re.compile(rf"\b{name}\"?\s*\.", re.IGNORECASE) for name in (PREVIOUS, APPROVED))
#: DuckDB itself suggests tables of its own, such as pg_enum.
_UNKNOWN_TABLE = re.compile(r"^Catalog Error: Table with name (.+?) does not exist!")
_SHOWN = 60
_KEYWORDS = ("select", "from", "with", "describe", "explain", "summarize", "values")


def is_keyword(text: str) -> bool:
    """Whether a text is the first word of SQL alone: then the quotes around the SQL were forgotten."""
    return text.strip().lower() in _KEYWORDS


def is_sql(text: str) -> bool:
    """Whether a text is SQL: it parses, or begins as a query does, or nearly. Ids, paths and URIs do neither.

    Args:
        text: what stands in the place of a snapshot or of a query.
    """
    first = _FIRST_WORD.match(text)
    if _BEGIN.match(text) or (first and get_close_matches(first[1].lower(), _KEYWORDS, n=1, cutoff=0.75)):
        return True
    try:
        with duckdb.connect(":memory:") as connection:
            return bool(connection.extract_statements(text))
    except (duckdb.Error, TypeError, ValueError):
        return False


@dataclass(frozen=True)
class Rows:
    """The result of a query: its columns, and its rows as a stream that can be read once."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


def needs_others(sql: str) -> bool:
    """Whether a query may read what other snapshots say: those are staged for it alone, as that takes time."""
    return any(name in sql.lower() for name in (OPEN_ROOMS, PREVIOUS, APPROVED))


@contextmanager
def ask(
    snapshot: Snapshot,
    sql: str,
    timeout_s: float = math.inf,
    *,
    previous: Snapshot | None = None,
    approved: Snapshot | None = None,
) -> Iterator[Rows]:
    """Run a query over the tables of a snapshot.

    Args:
        snapshot: the snapshot.
        sql: one SELECT statement (`audit.review.tables.refuse_writing`).
        timeout_s: seconds that it may compute; time in which nobody reads the rows does not count.
        previous: the earlier snapshot, whose tables are in the schema `previous`.
        approved: the approved snapshot of the same scope, whose tables are in the schema `approved`.

    Raises:
        UsageError: the SQL is wrong (a later row may be the first to show it), or needs too much memory, or a table
            can't be read.
        StoppedError: the time is over.
    """
    with open_tables(snapshot, previous, approved=approved, streams=True) as connection:
        refuse_writing(connection, sql, "query")
        if OPEN_ROOMS in sql.lower():
            _add_open_rooms(connection, snapshot, previous, approved)
        limit = TimeLimit(connection, timeout_s)
        with _one_line(limit, _empty(sql, snapshot, previous, approved)), limit.computing():
            reader = connection.sql(sql).to_arrow_reader(_BATCH_ROWS)
        yield Rows(reader.schema, _batches(reader, limit))


def _add_open_rooms(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, previous: Snapshot | None, approved: Snapshot | None
) -> None:
    """Add the view `open_rooms`, and log what it lacks."""
    if approved:
        add_approval(connection, snapshot.manifest, approved.manifest)
    before, right = (each.manifest if each else None for each in (previous, approved))
    if not add_open_rooms(connection, snapshot.manifest, previous=before, approved=right):
        raise UsageError(f"query: {OPEN_ROOMS} needs one of {', '.join(WAY_FLAGS)} in the snapshot")
    if lacks := all_unread(connection, snapshot.manifest):
        log.warning("%s is incomplete: %s", OPEN_ROOMS, "; ".join(lacks))


def list_columns(snapshot: Snapshot) -> Rows:
    """All columns of all tables of a snapshot: table, column, SQL type, what it holds, when it is null.

    Raises:
        UsageError: a table can't be read.
    """
    with open_tables(snapshot) as connection:
        add_open_rooms(connection, snapshot.manifest)
        found = connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE schema_name = ? AND database_name <> 'temp' AND NOT internal ORDER BY table_name, column_index",
            [CURRENT],
        ).fetchall()
    rows = [dict(zip(_COLUMNS.names, (*row, *_docs(*row[:2])), strict=True)) for row in found]
    return Rows(_COLUMNS, iter(pa.Table.from_pylist(rows, _COLUMNS).to_batches()))


def describe_tables(snapshot: Snapshot) -> Iterator[str]:
    """The columns for people, with the number of rows of each table and an example of a query.

    Raises:
        UsageError: a table can't be read.
    """
    rows = [row for batch in list_columns(snapshot).batches for row in batch.to_pylist()]
    for table, columns in groupby(rows, itemgetter("table")):
        known = snapshot.manifest.tables.get(table)
        yield f"{printable(table)}  {count_of(known.rows, 'row') if known else _OF_OPEN_ROOMS}\n"
        for row in columns:
            null = f"; null: {row['null_when']}" if row["null_when"] not in (None, "never") else ""
            yield f"  {printable(row['column']):<33} {row['type']:<25} {row['holds'] or ''}{null}".rstrip() + "\n"
        yield "\n"
    yield 'ask with: webex-audit query SNAPSHOT "SELECT outcome, count(*) FROM coverage GROUP BY outcome"\n'


def _docs(table: str, column: str) -> tuple[str | None, str | None]:
    """What a column holds and when it is null, if this version knows."""
    schema = _SCHEMAS.get(table)
    if schema is None or column not in schema.names:
        return None, None
    return source_of(schema.field(column)), null_of(schema.field(column))


def _batches(reader: pa.RecordBatchReader, limit: TimeLimit) -> Iterator[pa.RecordBatch]:
    while True:
        with _one_line(limit), limit.computing():
            batch = next(iter(reader), None)
        if batch is None:
            return
        yield batch


def _empty(sql: str, snapshot: Snapshot, previous: Snapshot | None, approved: Snapshot | None) -> str | None:
    """Why a schema that a query names has no tables, and what to do; None if all have tables."""
    if not previous and _NAMES_PREVIOUS.search(sql):
        which = f"no snapshot of the same scope before {snapshot.manifest.snapshot_id}"
        return f"{which}, so there are no tables of {PREVIOUS}: run again, or ask a later snapshot"
    if not approved and _NAMES_APPROVED.search(sql):
        which = "no snapshot of this scope is approved"
        return f"{which}, so there are no tables of {APPROVED}: 'webex-audit approve' approves one"
    return None


@contextmanager
def _one_line(limit: TimeLimit, empty: str | None = None) -> Iterator[None]:
    """Turn errors of DuckDB and Arrow into one line for the user.

    Args:
        limit: the time limit of the query.
        empty: why a schema that the query names has no tables; None if all have.
    """
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError, MemoryError) as error:
        if limit.is_over:
            raise StoppedError("query: its time is over: ask for less, or raise --timeout") from None
        if is_out_of_memory(error):
            raise UsageError("query: it needs more memory than it may use: ask for less at once") from None
        if empty and isinstance(error, duckdb.CatalogException):
            raise UsageError(f"query: {empty}") from None
        if unknown := _UNKNOWN_TABLE.search(str(error)):
            near = did_you_mean(unknown[1], _SCHEMAS, otherwise=": 'webex-audit query' lists the tables")
            raise UsageError(f"query: there is no table {printable(unknown[1][:_SHOWN])}{near}") from None
        raise UsageError(f"query: {message_of(error)}") from None
