"""The workbook: every row, as text, and nothing that runs."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.csv as pcsv
import pytest
from harness import without
from reporting import (
    BOTH,
    KINDS,
    Audit,
    a_change,
    a_check,
    a_finding,
    a_rule,
    rewrite,
    set_column,
    small_organization,
)

from audit.review.check.finding import RuleResult
from audit.review.report import write_workbook
from audit.simulator import names
from audit.simulator.app import Simulation
from audit.text import printable


@pytest.fixture
def workbook(tmp_path: Path) -> Callable[..., Any]:
    def workbook(*arguments: Any, **limits: int) -> Any:
        path = tmp_path / "report.xlsx"
        write_workbook(*arguments, path, **limits)
        assert path.stat().st_mode & 0o777 == 0o600
        assert [each.name for each in tmp_path.iterdir() if "tmp" in each.name] == []
        return openpyxl.load_workbook(path)

    return workbook


def test_the_workbook_holds_every_row_of_the_tables(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(small_organization()), **BOTH, **KINDS)
    book = workbook(snapshot, None, None, None)
    assert book.sheetnames == ["Summary", "Coverage", "Rooms", "Members", "Audio options", "Findings", "Changes"]
    for sheet, table in {"Coverage": "coverage", "Rooms": "push_to_talk", "Members": "push_to_talk_members"}.items():
        rows = list(book[sheet].iter_rows(values_only=True))
        header = (snapshot.path / f"{table}.csv").read_text().partition("\n")[0].replace('"', "").split(",")
        assert sorted(rows[0]) == sorted(header)
        assert len(rows) - 1 == snapshot.manifest.tables[table].rows
        assert book[sheet].freeze_panes == "A2"
        assert book[sheet].auto_filter.ref.startswith("A1:")


@pytest.mark.attack("spreadsheets and terminals")
def test_leading_zeros_survive_and_formulas_never_run(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(small_organization()))
    rewrite(
        snapshot, "push_to_talk_members", set_column("number_extension", ["0007", "007.50", "=1+1", "http://x.example"])
    )
    rewrite(snapshot, "push_to_talk", set_column("entity_name", [*names.HOSTILE, "x" * 40_000]))
    book = workbook(snapshot, None, None, None)
    columns = [cell.value for cell in book["Members"][1]]
    cells = [row[columns.index("number_extension")] for row in book["Members"].iter_rows(min_row=2, max_row=5)]
    assert [(cell.value, cell.data_type, cell.hyperlink) for cell in cells] == [
        ("0007", "s", None),
        ("007.50", "s", None),
        ("=1+1", "s", None),
        ("http://x.example", "s", None),
    ]
    rooms = [[cell.value for cell in row] for row in book["Rooms"].iter_rows(min_row=2)]
    place = [cell.value for cell in book["Rooms"][1]].index("entity_name")
    assert rooms[0][place] == names.HOSTILE[0]
    assert r"\u202egnp.yeb" in {row[place] for row in rooms}
    assert rooms[len(names.HOSTILE)][place].endswith("… (cut)")
    assert {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row} <= {"s", "n"}


def test_times_in_the_workbook_are_utc(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=3)))
    rows = list(workbook(snapshot, None, None, None)["Coverage"].iter_rows(values_only=True))
    expected = pcsv.read_csv(snapshot.path / "coverage.csv")["fetched_at"].to_pylist()
    assert [row[rows[0].index("fetched_at")] for row in rows[1:]] == [
        each and f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in expected
    ]


def test_the_workbook_has_findings_exceptions_skipped_rules_and_changes(
    audit: Audit, workbook: Callable[..., Any]
) -> None:
    rule = a_rule()
    checks = a_check(
        RuleResult(rule, "failed", [a_finding(rule)], [a_finding(rule, exception="Bob, until 2027")]),
        RuleResult(a_rule("weak-pin"), "skipped", reason="no such table"),
    )
    snapshot = audit(Simulation(small_organization(workspaces=3)))
    book = workbook(snapshot, checks, iter([a_change(kind="unknown", reason="ok, then timeout")]), snapshot)
    header, *found = book["Findings"].iter_rows(values_only=True)
    rows = [dict(zip(header, row, strict=True)) for row in found]
    assert [(row["status"], row["rule_id"], row["severity"]) for row in rows] == [
        ("open", "two-way", "high"),
        ("accepted", "two-way", "high"),
        ("skipped", "weak-pin", "high"),
    ]
    assert [row["exception"] for row in rows] == [None, "Bob, until 2027", None]
    assert rows[2]["reason"] == "no such table"
    (header, change) = book["Changes"].iter_rows(values_only=True)
    assert dict(zip(header, change, strict=True))["reason"] == "ok, then timeout"


def test_the_workbook_tells_what_could_not_be_listed(audit: Audit, workbook: Callable[..., Any]) -> None:
    tokens = without("spark-admin:people_read")
    snapshot = audit(Simulation(small_organization(workspaces=3), tokens=tokens), **KINDS)
    summary = dict(workbook(snapshot, None, None, None)["Summary"].iter_rows(values_only=True))
    (told,) = (value for key, value in summary.items() if key.endswith(": push_to_talk of PERSON"))
    assert told.startswith("could not be listed: ")


@pytest.mark.attack("spreadsheets and terminals")
def test_no_character_that_is_escaped_counts_as_printable() -> None:
    assert all(printable(char) == char for char in map(chr, range(sys.maxunicode + 1)) if char.isprintable())


def test_what_does_not_fit_into_a_sheet_is_told(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=80)))
    rows = snapshot.manifest.tables["push_to_talk"].rows
    book = workbook(snapshot, None, None, None, max_rows=51)
    assert book["Rooms"].max_row == 51
    summary = dict(book["Summary"].iter_rows(values_only=True))
    assert summary["sheet Rooms"] == f"50 rows; {rows - 50} more do not fit into a sheet of Excel: see the CSV"
    assert summary["status"] == snapshot.manifest.status


def test_the_workbook_of_audio_options_alone_says_that_there_are_no_rooms(
    audit: Audit, workbook: Callable[..., Any]
) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=3)), **{**BOTH, "scope.datasets": ["audio-options"]})
    book = workbook(snapshot, None, None, None)
    assert book["Rooms"]["A1"].value == "this snapshot has no push_to_talk"
