import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness import Result

from audit.errors import DamagedError, UsageError
from audit.review.open_rooms import add_open_rooms
from audit.review.query.query import ask
from audit.review.query.rows import as_csv, as_json
from audit.review.tables import open_tables, refuse_writing
from audit.snapshot.catalog import Snapshot
from audit.snapshot.coverage import COVERAGE_SCHEMA
from audit.snapshot.manifest import FileEntry, write_manifest
from audit.snapshot.org_names import with_org_name
from audit.snapshot.staging import staged

#: SQL that writes, or reads anything but the tables; {folder} is the snapshot, {outside} a file beside it.
HARMFUL = (
    "COPY (SELECT 1) TO '{folder}/x.csv'",
    "WITH x AS (COPY (SELECT 1) TO '{parquet}') SELECT * FROM x",
    "(WITH x AS (COPY (SELECT 1) TO '{folder}/x.csv') SELECT * FROM x) UNION ALL SELECT 1",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT (SELECT max(a) FROM system.main.\"QUERY\"('SELECT 1 AS a'))",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/x.csv'",
    "EXPORT DATABASE '{folder}/x'",
    "IMPORT DATABASE '{folder}'",
    "ATTACH '{folder}/x.db'",
    "ATTACH ':memory:' AS more",
    "INSTALL httpfs",
    "LOAD httpfs",
    "UPDATE EXTENSIONS",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "PRAGMA profile_output = '{folder}/x'",
    "CREATE TABLE x AS SELECT 1",
    "DROP VIEW coverage",
    "CREATE OR REPLACE VIEW coverage AS SELECT 1",
    "CALL enable_logging(storage = 'file', storage_path = '{folder}')",
    "SELECT * FROM read_text('{folder}/manifest.json')",
    "SELECT * FROM read_csv('{outside}')",
    "SELECT * FROM coverage, LATERAL (SELECT * FROM read_blob('{outside}'))",
    "SELECT * FROM '{outside}'",
    "SELECT * FROM '{folder}/link.csv'",
    "SELECT * FROM '{folder}/../outside.csv'",
    "SELECT * FROM glob('{folder}/../*')",
    "SELECT * FROM 'https://example.com/x.parquet'",
    "SELECT * FROM 's3://bucket/x.parquet'",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM sqlite_scan('{outside}', 'x')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT getenv('HOME')",
    "SELECT * FROM HARMFUL",
    "SELECT 1; SELECT 2",
    "-- nothing",
    "",
    "SELECT '\ud800'",
)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.attack("SQL")
@pytest.mark.slow
def test_sql_can_neither_write_nor_leave_the_snapshot(snapshot: Snapshot, tmp_path: Path) -> None:
    outside = snapshot.path.parent / "outside.csv"
    outside.write_text("secret\n1\n")
    (snapshot.path / "link.csv").symlink_to(outside)
    places = {"{folder}": snapshot.path, "{outside}": outside}
    places["{parquet}"] = next(iter(snapshot.path.glob("coverage/*/*.parquet")))
    before = files(tmp_path)
    with staged(snapshot) as copies:
        for sql in HARMFUL:
            filled = reduce(lambda text, place: text.replace(place, str(places[place])), places, sql)
            with pytest.raises(UsageError) as error, ask(copies, filled) as rows:
                list(rows.batches)
            assert "\n" not in str(error.value), sql
            assert files(tmp_path) == before, sql


def test_even_without_that_check_the_engine_opens_the_tables_files_alone(snapshot: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "outside.csv").write_text("a\n1\n")
    before = files(tmp_path)
    with open_tables(snapshot) as connection:
        for sql in (
            f"FROM read_csv('{tmp_path}/outside.csv')",
            f"FROM read_text('{snapshot.path}/manifest.json')",
            f"COPY (SELECT 1) TO '{snapshot.path}/x.csv'",
            f"ATTACH '{snapshot.path}/x.db'",
            "SET enable_external_access = true",
            "SET lock_configuration = false",
            "LOAD httpfs",
        ):
            with pytest.raises(Exception, match=r"Permission|Cannot change"):
                connection.execute(sql)
    assert files(tmp_path) == before


READING = (
    "FROM coverage LIMIT 1",
    "DESCRIBE coverage",
    "SUMMARIZE push_to_talk",
    "SELECT outcome, count(*) FROM coverage GROUP BY ALL -- by outcome\n;",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT * FROM n",
    "SELECT * FROM coverage ANTI JOIN push_to_talk USING (entity_id), range(2), unnest([1, 2])",
    "SELECT 1 AS \"type\", {'type': 'COPY_QUERY_NODE', 'function_name': 'read_text'}",
    "PIVOT coverage ON outcome IN ('ok') USING count(*)",
)


def test_sql_that_reads_the_tables_is_run(snapshot: Snapshot) -> None:
    for sql in READING:
        with ask(snapshot, sql) as rows:
            assert sum(batch.num_rows for batch in rows.batches), sql


def test_a_statement_can_be_checked_while_a_result_is_open(snapshot: Snapshot) -> None:
    with open_tables(snapshot) as connection:
        connection.execute("SELECT entity_id FROM coverage")
        refuse_writing(connection, "SELECT 1", "query")
        assert len(connection.fetchall()) == 60


def test_without_sql_it_tells_tables_and_columns(query: Callable[..., Result], snapshot: Snapshot) -> None:
    result = query()
    assert result.code == 0
    assert "coverage  60 rows\n  org_id " in result.out
    assert "  connection_type                   VARCHAR                   `connectionType`: `ONE_WAY`" in result.out
    assert "null: it was not asked" in result.out
    listed = json.loads(query("--json").out)
    with open_tables(snapshot) as connection:
        assert add_open_rooms(connection, snapshot.manifest)
        stored = connection.execute(
            "SELECT count(*) FROM duckdb_columns() "
            "WHERE schema_name = 'main' AND database_name <> 'temp' AND NOT internal"
        ).fetchone()
    assert (len(listed),) == stored
    assert {"table": "coverage", "column": "attempts"}.items() <= listed[13].items()
    assert all(row["holds"] for row in listed)
    assert query("--csv").out.startswith('"table","column","type","holds","null_when"\n"coverage","org_id",')


WRONG = {
    "SELECT\n nope FROM coverage": 'Referenced column "nope" not found in FROM clause!; Candidate',
    "SELEC 1": 'query: Parser Error: syntax error at or near "SELEC" (line 1)',
    "SELECT 1 FROM nowhere": "there is no table nowhere: 'webex-audit query' lists the tables",
    "DELETE FROM coverage": "query: expected one SELECT statement, as a snapshot can only be read",
    "SELECT CASE range WHEN 99999 THEN 'x' ELSE '1' END::INT FROM range(100000)": "Could not convert string 'x'",
}


def test_wrong_sql_is_one_line_and_exit_code_2(query: Callable[..., Result]) -> None:
    for sql, told in WRONG.items():
        result = query(sql)
        assert result.code == 2
        assert told in result.err
        assert result.err.count("\n") == 1


def test_csv_and_json_at_once_are_refused(query: Callable[..., Result]) -> None:
    assert query("--csv", "--json", "SELECT 1").code == 2


def with_table(snapshot: Snapshot, name: str, *paths: str) -> Snapshot:
    """The snapshot with a forged manifest."""
    known = {file.path: file for table in snapshot.manifest.tables.values() for file in table.files}
    files = [known.get(path) or FileEntry(path, 0, 0, "") for path in paths]
    table = msgspec.structs.replace(snapshot.manifest.tables["coverage"], files=files)
    manifest = msgspec.structs.replace(snapshot.manifest, tables=snapshot.manifest.tables | {name: table})
    write_manifest(snapshot.path, manifest)
    return Snapshot(snapshot.path, manifest)


@pytest.mark.attack("paths")
def test_a_manifest_leads_to_no_file_outside_its_folder(snapshot: Snapshot, tmp_path: Path) -> None:
    pq.write_table(pa.table({"secret": [1]}), tmp_path / "x.parquet")
    (snapshot.path / "link.parquet").symlink_to(tmp_path / "x.parquet")
    for path in ("../../x.parquet", str(tmp_path / "x.parquet"), "link.parquet"):
        with (
            pytest.raises(UsageError, match="a file that is not in this folder"),
            open_tables(with_table(snapshot, "coverage", path)),
        ):
            pass


@pytest.mark.attack("SQL")
def test_a_table_with_the_name_of_a_statement_is_damage(snapshot: Snapshot) -> None:
    path = next(file.path for file in snapshot.manifest.tables["coverage"].files if file.path.endswith(".parquet"))
    hostile = 'x" AS SELECT 1; CREATE TABLE evil AS SELECT 1; --'
    with (
        pytest.raises(DamagedError, match="a value is not what is expected"),
        open_tables(with_table(snapshot, hostile, path)),
    ):
        pass


def test_an_output_folder_may_have_any_name(snapshot: Snapshot, tmp_path: Path) -> None:
    moved = snapshot.path.rename(tmp_path / "it's a [b]*? snapshot")
    with ask(Snapshot(moved, snapshot.manifest), "SELECT count(*) AS n FROM coverage") as rows:
        assert "".join(as_json(rows.schema, rows.batches)) == '[\n{"n":60}\n]\n'


def test_a_result_larger_than_memory_is_streamed(snapshot: Snapshot) -> None:
    with ask(snapshot, "SELECT range AS i FROM range(1000000000000)") as rows:
        texts = as_csv(rows.schema, rows.batches)
        assert [next(texts)[:10] for _ in range(3)] == ['"i"\n', "0\n1\n2\n3\n4\n", "10000\n1000"]


def process(snapshot: Snapshot, sql: str, **options: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "audit", "query", str(snapshot.path), sql]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ, **options)  # type: ignore[call-overload,no-any-return]


def test_a_reader_that_has_seen_enough_ends_it_without_an_error(snapshot: Snapshot) -> None:
    with process(snapshot, "SELECT * FROM range(1000000000000)") as query:
        assert query.stdout
        assert query.stderr
        assert query.stdout.readline() == b"range\n"
        query.stdout.close()
        assert (query.wait(30), query.stderr.read()) == (0, b"")


def test_a_full_disk_is_told(snapshot: Snapshot) -> None:
    command = [sys.executable, "-m", "audit", "query", str(snapshot.path), "SELECT 1"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (
        5,
        b"webex-audit: error: the result can't be printed: No space left on device\n",
    )


def test_ctrl_c_ends_a_long_query(snapshot: Snapshot) -> None:
    def interrupt() -> Iterator[None]:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        with ask(snapshot, "SELECT max(a.range * b.range) FROM range(1000000) a, range(1000000) b") as rows:
            list(rows.batches)
        yield

    with pytest.raises(KeyboardInterrupt):
        next(interrupt())


def test_folders_above_a_snapshot_add_nothing_to_its_tables(snapshot: Snapshot, tmp_path: Path) -> None:
    with ask(snapshot, "SELECT org_id, outcome FROM coverage ORDER BY ALL") as rows:
        expected = "".join(as_csv(rows.schema, rows.batches))
    folder = tmp_path / "env=prod" / "outcome=ok" / "org_id=abc"
    folder.mkdir(parents=True)
    moved = Snapshot(snapshot.path.rename(folder / snapshot.path.name), snapshot.manifest)
    with ask(moved, "SELECT org_id, outcome FROM coverage ORDER BY ALL") as rows:
        assert "".join(as_csv(rows.schema, rows.batches)) == expected
    with ask(moved, "SELECT * FROM coverage") as rows:
        assert rows.schema.names == with_org_name(COVERAGE_SCHEMA).names


@pytest.mark.usefixtures("obeys_hangup")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_query_and_leaves_nothing_behind(
    number: signal.Signals, snapshot: Snapshot, tmp_path: Path
) -> None:
    (tmp_path / "spill").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / "spill")}
    command = [
        sys.executable,
        "-m",
        "audit",
        "query",
        str(snapshot.path),
        "SELECT count(*) FROM range(100000000000000)",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as running:
        while not list((tmp_path / "spill").glob("webex-audit-*")):
            assert running.poll() is None
        running.send_signal(number)
        _, err = running.communicate(timeout=60)
    title = "Ctrl-C" if number == signal.SIGINT else number.name
    assert (running.returncode, err.decode().strip()) == (5, f"webex-audit: error: stopped ({title})")
    assert list((tmp_path / "spill").iterdir()) == []
