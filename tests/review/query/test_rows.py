"""Rows as a text table, CSV and JSON."""

import csv
import io
import json
from collections.abc import Callable

import pyarrow as pa
import pytest
from harness import Result

from audit.review.query.query import ask
from audit.review.query.rows import as_json, as_text
from audit.snapshot.catalog import Snapshot


def test_a_table_of_text_is_aligned_and_says_how_many_rows_it_has(query: Callable[..., Result]) -> None:
    result = query("SELECT entity_type AS kind, count(*) AS n, NULL AS nothing, '' AS empty FROM coverage GROUP BY 1")
    assert result == Result(
        0,
        'kind        n  nothing  empty\n---------  --  -------  -----\nWORKSPACE  60           ""\n(1 row)\n',
        "",
    )


@pytest.mark.attack("spreadsheets and terminals")
def test_text_shows_hostile_names_as_they_are_and_runs_none(query: Callable[..., Result]) -> None:
    result = query("SELECT chr(27) || '[31mred' || chr(10) || chr(8238) AS name, '表' || chr(9) AS \"wide\x1b\"")
    assert "\x1b" not in result.out
    assert "\u202e" not in result.out
    assert "\\x1b[31mred\\n\\u202e  表\\t\n" in result.out


def test_wide_values_are_cut_with_a_note(query: Callable[..., Result]) -> None:
    result = query("SELECT entity_id, 7 AS seven FROM coverage ORDER BY entity_id LIMIT 2")
    lines = result.out.splitlines()
    assert {line.index("…") for line in lines[2:4]} == {39}
    assert {len(line) for line in lines[:4]} == {47}
    assert lines[-1] == "(2 rows; values that end in … are cut: --csv and --json print them whole)"


def test_a_narrow_terminal_narrows_the_columns() -> None:
    batch = pa.record_batch({name: ["x" * 50, None] for name in "abcd"})
    narrow = "".join(as_text(batch.schema, [batch], 80)).splitlines()
    assert max(map(len, narrow[:3])) <= 80
    assert len("".join(as_text(batch.schema, [batch])).splitlines()[0]) <= 4 * 42


@pytest.mark.attack("spreadsheets and terminals")
def test_csv_is_that_of_a_snapshot_with_the_formula_guard(query: Callable[..., Result], snapshot: Snapshot) -> None:
    columns = "org_id, org_name, entity_type, entity_id, entity_name, location_id, location_name"
    ours = (snapshot.path / "push_to_talk.csv").read_text()
    result = query("--csv", f"SELECT {columns}, * EXCLUDE ({columns}) FROM push_to_talk ORDER BY entity_id")
    assert (result.code, result.out) == (0, ours)
    guarded = query(
        "--csv", "SELECT '=1'::ENUM ('=1') AS \"=x\", ['-a'] AS l, NULL AS n, '' AS e, -1 AS i, 'a\"b' AS q"
    )
    assert guarded.out == '"\'=x","l","n","e","i","q"\n"\'=1","[""-a""]",,"",-1,"a""b"\n'
    assert list(csv.reader(io.StringIO(guarded.out)))[1] == ["'=1", '["-a"]', "", "", "-1", 'a"b']


def test_json_is_a_list_of_objects_that_loses_no_column(query: Callable[..., Result]) -> None:
    result = query(
        "--json",
        "SELECT 1 AS a, 2 AS a, sum(9007199254740993::BIGINT) AS s, NULL AS n, {'x': [DATE '2026-01-02']} AS o, "
        "TIMESTAMPTZ '2026-11-21 19:09:00+00' AS t, INTERVAL '36 hours' AS i, 'x'::BLOB AS b, 'nan'::DOUBLE AS f",
    )
    assert json.loads(result.out) == [
        {
            "a": 1,
            "a_2": 2,
            "s": 9007199254740993,
            "n": None,
            "o": {"x": ["2026-01-02"]},
            "t": "2026-11-21T19:09:00Z",
            "i": "P0M0DT129600S",
            "b": "eA==",
            "f": None,
        }
    ]
    assert json.loads(query("--json", "SELECT 1 WHERE false").out) == []
    assert len(json.loads(query("--json", "FROM coverage").out)) == 60


def test_times_are_in_utc_wherever_it_runs(query: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert "2026-11-21 19:09:00.000000Z" in query("SELECT TIMESTAMPTZ '2026-11-21 19:09:00+00' AS t").out


@pytest.mark.parametrize("value", ["timestamp 'infinity'", "date '20000-01-01'", "date '0044-01-01 (BC)'"])
def test_times_that_python_has_none_for_are_texts_in_json(value: str, snapshot: Snapshot) -> None:
    with ask(snapshot, f"SELECT {value} AS t, 1 AS n") as rows:
        (row,) = json.loads("".join(as_json(rows.schema, rows.batches)))
    assert isinstance(row["t"], str)
