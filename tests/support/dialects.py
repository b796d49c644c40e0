"""SQL in the dialects of Athena and BigQuery, parsed and translated for DuckDB."""

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import sqlglot
from nights import Nights
from page import DOCS
from sqlglot import exp

# DuckDB has no words for the place of an external table and for clustering, which sqlglot logs.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

#: The only clause that sqlglot does not know.
PARTITIONED = "WITH PARTITION COLUMNS (org_id STRING)"


def statements(engine: str, dataset: str = "push_to_talk") -> Iterator[Any]:
    """The statements of a script, as each engine parses them."""
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
    """Translate SQL of an engine to SQL for DuckDB."""
    return lambda sql: in_duckdb(parsed(sql, engine))


def external(statement: Any, nights: Nights) -> str:
    """An external table as a table of DuckDB."""
    text = statement.sql(dialect="bigquery")
    (uri,) = re.findall(r"uris=\['gs://bucket/snapshots/(.*)/\*'\]", text)
    assert f"hive_partition_uri_prefix='gs://bucket/snapshots/{uri}'" in text
    files = f"read_parquet('{nights.output}/{uri}/*/*.parquet', hive_partitioning = true)"
    return f"CREATE OR REPLACE VIEW {statement.this.sql()} AS FROM {files}"
