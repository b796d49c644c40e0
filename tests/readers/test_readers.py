"""The code of docs/reading.md, run unchanged on two nights of Push-to-Talk and whatever else an output holds."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pyarrow.compute as pc
import pytest
from dialects import external, in_duckdb, parsed, read_in, statements
from nights import NightlyClock, Nights, Row, make_nights
from page import ANSWERS, BLOCKS, COMPLETE, LATEST, PAGE, assert_answered, assert_same
from sqlglot import exp

from audit.snapshot.catalog import Snapshot


@pytest.fixture
def clock() -> NightlyClock:
    return NightlyClock()


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def made() -> list[Nights]:
    """The output that all tests of a module read."""
    return []


@pytest.fixture
def nights(
    audit: Callable[..., Snapshot],
    clock: NightlyClock,
    made: list[Nights],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Nights:
    """Two nights of Push-to-Talk, one of audio options, and a run in progress; the working directory is above them."""
    if not made:
        output = tmp_path_factory.mktemp("made") / "snapshots"
        made.append(make_nights(audit, clock, output))
    monkeypatch.chdir(made[0].output.parent)
    return made[0]


def test_the_nights_differ(nights: Nights) -> None:
    before, after = (nights.table("push_to_talk", folder) for folder in nights.history)
    assert not before.equals(after)
    assert pc.sum(pc.equal(nights.table("coverage", nights.latest)["outcome"], "invalid_response")).as_py() > 5


def run_python(*kinds: str, **given: Any) -> dict[str, Any]:
    """Run blocks of the page in order; returns the variables."""
    variables = given
    for kind in kinds:
        exec(BLOCKS[f"python {kind}"], variables)
    return variables


def is_open(row: Row) -> bool:
    return bool(row["allow_auto_answer"] and row["connection_type"] == "TWO_WAY")


def without_id(rows: list[Row]) -> list[Row]:
    return [{name: row[name] for name in row if name != "snapshot_id"} for row in rows]


def test_every_block_is_run_by_a_test() -> None:
    python = {"find", "pandas", "polars", "pyarrow", "spark", "csv-pandas", "csv-polars", "csv-duckdb"}
    sql = {"duckdb", "duckdb-names", "duckdb-organizations"} | {f"question {name}" for name in ANSWERS}
    power_query = {"powerquery parquet", "powerquery csv"}
    assert set(BLOCKS) == {f"python {kind}" for kind in python} | {f"sql {kind}" for kind in sql} | power_query
    fences = [line for line in PAGE.splitlines() if line.startswith("```") and line != "```"]
    assert len(fences) == len(BLOCKS) + fences.count("```text") + fences.count("```sh")


def test_the_latest_is_the_newest_with_a_manifest_and_the_table(nights: Nights) -> None:
    assert len(list(nights.output.iterdir())) > len(nights.history) + 2  # audio options, a draft, the lock
    found = run_python("find")
    assert [folder.resolve() for folder in found["history"]] == nights.history
    assert found["latest"].resolve() == nights.latest


def asker(connection: duckdb.DuckDBPyConnection, *hidden: str) -> Callable[[str, list[str]], list[Row]]:
    """Run SQL without the columns that only DuckDB has in `SELECT *`."""

    def ask(sql: str, parameters: list[str]) -> list[Row]:
        rows = connection.sql(sql, params=parameters).to_arrow_table().to_pylist()
        return [{name: row[name] for name in row if name not in hidden} for row in rows]

    return ask


def test_duckdb(nights: Nights, connection: duckdb.DuckDBPyConnection) -> None:
    ask = asker(connection)
    connection.execute(BLOCKS["sql duckdb"])
    assert_answered(nights, ask, str)
    connection.execute(BLOCKS["sql duckdb-names"])
    counts = Counter(row["org_id"] for row in nights.rows("push_to_talk"))
    assert dict(connection.fetchall()) == {name: counts[org_id] for org_id, name in org_names(nights).items()}
    (partial,) = ask(BLOCKS["sql duckdb-organizations"], [])
    assert partial["status"] == "partial"
    assert {row["org_id"] for row in nights.rows("coverage") if row["outcome"] not in COMPLETE} == {partial["org_id"]}
    connection.execute(BLOCKS["sql duckdb"])


def test_a_glob_reads_the_run_under_way(nights: Nights) -> None:
    with pytest.raises(duckdb.InvalidInputException):
        duckdb.sql("FROM 'snapshots/*/push_to_talk/*/*.parquet'").fetchall()


def test_pandas(nights: Nights) -> None:
    pytest.importorskip("pandas")
    found = run_python("find", "pandas")
    rows = nights.rows("push_to_talk")
    assert_same(found["settings"].to_dict("records"), without_id(rows))
    assert_same(found["open_rooms"].to_dict("records"), without_id(list(filter(is_open, rows))))
    every = found["every"].astype(object)
    assert_same(every.where(every.notna(), None).to_dict("records"), nights.all_rows("push_to_talk"))
    assert str(found["settings"]["member_count"].dtype) == "int32[pyarrow]"
    unknown = [row for row in nights.rows("coverage") if row["outcome"] not in COMPLETE]
    assert set(found["unknown"]["entity_id"]) == {row["entity_id"] for row in unknown}


def test_polars(nights: Nights) -> None:
    pytest.importorskip("polars")
    found = run_python("find", "polars")
    rows = nights.rows("push_to_talk")
    assert_same(found["settings"].collect().to_dicts(), without_id(rows))
    assert_same(found["open_rooms"].to_dicts(), without_id(list(filter(is_open, rows))))
    assert_same(found["every"].to_dicts(), nights.all_rows("push_to_talk"))


def test_pyarrow(nights: Nights) -> None:
    found = run_python("find", "pyarrow")
    rows = nights.rows("push_to_talk")
    assert_same(found["settings"].to_table().to_pylist(), without_id(rows))
    assert_same(found["open_rooms"].to_pylist(), without_id(list(filter(is_open, rows))))


@pytest.mark.filterwarnings("default")
@pytest.mark.timeout(600)
def test_spark(nights: Nights) -> None:
    sql = pytest.importorskip("pyspark.sql")
    few = {"spark.ui.enabled": False, "spark.sql.shuffle.partitions": 1, "spark.sql.session.timeZone": "UTC"}
    spark = sql.SparkSession.builder.master("local[1]").config(map=few).getOrCreate()
    try:
        run_python("spark", spark=spark)
        assert_answered(nights, lambda sql, args: spark.sql(sql, args=args or None).toArrow().to_pylist(), str)
    finally:
        spark.stop()


def as_text(value: Any) -> str | None:
    """A value as CSV."""
    if isinstance(value, bool):
        return str(value).lower()
    text = None if value is None else str(value)
    is_formula = text and text[0] in "=+-@\t\r" and not text[1:].replace(" ", "").isdigit()
    return f"'{text}" if is_formula else text


def org_names(nights: Nights) -> dict[str, str]:
    return {org["org_id"]: org["name"] for org in json.loads((nights.latest / "manifest.json").read_bytes())["orgs"]}


def csv_rows(nights: Nights) -> list[Row]:
    names = org_names(nights)
    rows = without_id(nights.rows("push_to_talk_members"))
    return [
        {name: as_text(value) for name, value in (row | {"org_name": names[row["org_id"]]}).items()} for row in rows
    ]


def test_the_csv_holds_what_is_easily_misread(nights: Nights) -> None:
    values = [value for row in csv_rows(nights) for value in row.values() if value is not None]
    assert any(value.startswith("'") for value in values)
    assert any(value.startswith("0") for value in values)
    assert any(value.startswith("+") for value in values)


def test_csv_in_pandas(nights: Nights) -> None:
    pytest.importorskip("pandas")
    found = run_python("find", "csv-pandas")["members"].to_dict("records")
    assert_same(found, [{name: value or "" for name, value in row.items()} for row in csv_rows(nights)])


def test_csv_in_polars(nights: Nights) -> None:
    pytest.importorskip("polars")
    assert_same(run_python("find", "csv-polars")["members"].to_dicts(), csv_rows(nights))


def test_csv_in_duckdb(nights: Nights) -> None:
    assert_same(run_python("find", "csv-duckdb")["members"].to_arrow_table().to_pylist(), csv_rows(nights))


def test_the_partition_that_a_run_adds_is_one(nights: Nights) -> None:
    (sql,) = re.findall(r'--query-string \\\n\s+"(.*?)"\n', PAGE, re.DOTALL)
    for table in LATEST:
        text = sql.replace("${table}", table).replace("$table", table).replace("$id", nights.latest.name)
        (partition,) = parsed(text, "athena").args["actions"]
        location = partition.args["location"].this.name
        assert (nights.output / location.removeprefix("s3://bucket/snapshots/")) == nights.latest / table
        assert partition.find(exp.EQ).sql() == f"snapshot_id = '{nights.latest.name}'"


def test_the_views_of_athena(nights: Nights, connection: duckdb.DuckDBPyConnection) -> None:
    for table in LATEST:
        files = [f"{folder}/{table}/*/*.parquet" for folder in nights.history]
        rows = connection.read_parquet(files, filename=True, hive_partitioning=False)  # type: ignore[arg-type]
        rows.project(
            "* EXCLUDE (filename), filename AS \"$path\", split(filename, '/')[-4] AS snapshot_id"
        ).create_view(f"{table}_files")
        connection.execute(f'CREATE VIEW "{table}_files$partitions" AS SELECT DISTINCT snapshot_id FROM {table}_files')
    for statement in statements("athena"):
        if statement.kind == "VIEW":
            connection.execute(in_duckdb(statement))
    assert_answered(nights, asker(connection, "$path"), read_in("athena"))


def test_the_nightly_script_of_bigquery(nights: Nights, connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE SCHEMA audit")
    for folder in (nights.history[0], *nights.history, nights.latest):  # some nights twice
        for statement in statements("bigquery"):
            sql = external(statement, nights) if statement.find(exp.ExternalProperty) else in_duckdb(statement)
            connection.execute(sql.replace("SNAPSHOT", folder.name))
    connection.execute("USE audit")
    assert_answered(nights, asker(connection), read_in("bigquery"))
