"""SQL in the dialects of Athena and BigQuery, parsed, and as DuckDB takes it."""

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import sqlglot
from nights import Nights
from page import DOCS
from sqlglot import exp

# What DuckDB has no word for is told: where an external table lies, and how a table is clustered.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

#: The one clause that sqlglot does not know.
PARTITIONED = "WITH PARTITION COLUMNS (org_id STRING)"


def statements(engine: str, dataset: str = "push_to_talk") -> Iterator[Any]:
    """The statements of a script, one by one, as each engine reads them."""
    for text in (DOCS / "sql" / f"{engine}_{dataset}.sql").read_text().split(";\n"):
        if text.strip():
            yield parsed(text.replace(PARTITIONED, ""), engine)


def parsed(sql: str, engine: str) -> Any:
    statement = sqlglot.parse_one(sql, dialect=engine)
    assert not isinstance(statement, exp.Command), f"not understood: {sql}"
    return statement


def in_duckdb(statement: Any) -> str:
    return statement.sql(dialect="duckdb")  # type: ignore[no-any-return]


def read_in(engine: str) -> Callable[[str], str]:
    """Makes of SQL in the dialect of an engine what DuckDB takes."""
    return lambda sql: in_duckdb(parsed(sql, engine))


def external(statement: Any, nights: Nights) -> str:
    """What an external table is in DuckDB."""
    text = statement.sql(dialect="bigquery")
    (uri,) = re.findall(r"uris=\['gs://bucket/snapshots/(.*)/\*'\]", text)
    assert f"hive_partition_uri_prefix='gs://bucket/snapshots/{uri}'" in text
    files = f"read_parquet('{nights.output}/{uri}/*/*.parquet', hive_partitioning = true)"
    return f"CREATE OR REPLACE VIEW {statement.this.sql()} AS FROM {files}"
