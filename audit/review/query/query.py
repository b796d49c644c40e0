"""The SQL queries of users over a snapshot, and the tables and columns that they can use."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import duckdb
import pyarrow as pa

from audit.columns import null_of, source_of
from audit.datasets import DATASETS
from audit.errors import UsageError
from audit.review.tables import CURRENT, message_of, open_tables, refuse_writing
from audit.snapshot.catalog import Snapshot
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.text import count_of, printable

#: Rows in memory at once.
_BATCH_ROWS = 10_000

_SCHEMAS = {COVERAGE: COVERAGE_SCHEMA} | {
    name: schema for dataset in DATASETS.values() for name, schema in dataset.tables.items()
}
_COLUMNS = pa.schema([(name, pa.string()) for name in ("table", "column", "type", "holds", "null_when")])


@dataclass(frozen=True)
class Rows:
    """The result of a query: its columns, and its rows as a stream that can be read once."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


@contextmanager
def ask(snapshot: Snapshot, sql: str) -> Iterator[Rows]:
    """Run a query over the tables of a snapshot.

    Args:
        snapshot: the snapshot.
        sql: one SELECT statement (`audit.review.tables.refuse_writing`).

    Raises:
        UsageError: the SQL is wrong (a later row may be the first to show it), or a table can't be read.
    """
    with open_tables(snapshot) as connection:
        refuse_writing(connection, sql, "query")
        try:
            reader = connection.sql(sql).to_arrow_reader(_BATCH_ROWS)
        except duckdb.Error as error:
            raise _refused(error) from None
        yield Rows(reader.schema, _batches(reader))


def list_columns(snapshot: Snapshot) -> Rows:
    """All columns of all tables of a snapshot: table, column, SQL type, what it holds, when it is null.

    Raises:
        UsageError: a table can't be read.
    """
    with open_tables(snapshot) as connection:
        found = connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE schema_name = ? AND NOT internal "
            "ORDER BY table_name, column_index",
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
        yield f"{printable(table)}  {count_of(snapshot.manifest.tables[table].rows, 'row')}\n"
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


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise _refused(error) from None


def _refused(error: Exception) -> UsageError:
    return UsageError(f"query: {message_of(error)}")
