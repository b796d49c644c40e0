"""The SQL of docs/sql says what the schemas say, in the dialect of each engine."""

import runpy

import pytest
from dialects import parsed, statements
from page import ANSWERS, BLOCKS, DOCS, PAGE
from sqlglot import exp

from audit.datasets import DATASETS
from audit.snapshot.context import CONTEXT
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA

TYPES = {
    "athena": {"string": "STRING", "bool": "BOOLEAN", "int32": "INT", "timestamp[us, tz=UTC]": "TIMESTAMP"},
    "bigquery": {"string": "STRING", "bool": "BOOL", "int32": "INT64", "timestamp[us, tz=UTC]": "TIMESTAMP"},
}
#: What columns are declared in: Athena takes Hive's words for it.
DDL = {"athena": "hive", "bigquery": "bigquery"}
#: How each table that has its columns written down is called, and the columns that files do not hold.
NAMES = {"athena": ("{}_files", {"org_id"}), "bigquery": ("{}_history", set[str]())}


def test_the_scripts_are_what_the_schemas_say() -> None:
    scripts = runpy.run_path(str(DOCS / "reading.py"))["scripts"]()
    assert {path.name: path.read_text() for path in (DOCS / "sql").iterdir()} == scripts, "run: make docs"
    assert all(f"](sql/{name})" in PAGE for name in scripts)


@pytest.mark.parametrize("engine", TYPES)
@pytest.mark.parametrize("dataset", [*DATASETS, *CONTEXT])
def test_each_table_has_every_column_in_its_type(engine: str, dataset: str) -> None:
    created = {
        each.this.this.name: {column.name: column.kind.sql(dialect=DDL[engine]) for column in each.this.expressions}
        for each in statements(engine, dataset)
        if isinstance(each, exp.Create) and isinstance(each.this, exp.Schema)
    }
    name, left_out = NAMES[engine]
    schemas = (
        {COVERAGE: COVERAGE_SCHEMA, **DATASETS[dataset].tables} if dataset in DATASETS else {dataset: CONTEXT[dataset]}
    )
    for columns in created.values():
        assert columns.pop("snapshot_id", "STRING") == "STRING"
    assert created == {
        name.format(table): {
            field.name: TYPES[engine][str(field.type)] for field in schema if field.name not in left_out
        }
        for table, schema in schemas.items()
    }


@pytest.mark.parametrize("engine", TYPES)
@pytest.mark.parametrize("question", ANSWERS)
def test_each_question_is_sql_there_too(engine: str, question: str) -> None:
    assert isinstance(parsed(BLOCKS[f"sql question {question}"], engine), exp.Select)
