"""Rows of DuckDB as types of the report."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import duckdb

T = TypeVar("T")


def fetch(connection: duckdb.DuckDBPyConnection, kind: type[T], sql: str, parameters: Iterable[object] = ()) -> list[T]:
    """The rows of a bounded query, each as a `kind` whose fields are the columns.

    Args:
        connection: has the tables.
        kind: a dataclass.
        sql: a query whose number of rows is bounded.
        parameters: values for the question marks of the query.
    """
    return [kind(**row) for row in fetch_dicts(connection, sql, parameters)]


def fetch_dicts(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Iterable[object] = ()
) -> list[dict[str, Any]]:
    """The rows of a bounded query, each as values by column."""
    cursor = connection.execute(sql, list(parameters))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """The number that a query returns."""
    row = connection.execute(sql).fetchone()
    return int(row[0]) if row else 0


def time_of(milliseconds: int | None) -> datetime | None:
    """The UTC time of a result of `epoch_ms`: DuckDB returns times with a zone only if pytz is installed."""
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
