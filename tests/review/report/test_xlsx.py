"""The workbook: every row, as text, and nothing that runs."""

import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pandas as pd
import pyarrow.csv as pcsv
import pytest
from harness import Where, without
from reporting import (
    BOTH,
    KINDS,
    Audit,
    a_change,
    a_check,
    a_finding,
    a_rule,
    one_room,
    rewrite,
    set_column,
    small_organization,
)

from audit.review.check.finding import RuleResult
from audit.review.report import cells
from audit.review.report.reach_tables import create_tables
from audit.review.tables import open_tables
from audit.simulator import names
from audit.simulator.app import Simulation
from audit.text import printable


def test_the_workbook_holds_every_row_of_the_tables(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(small_organization()), **BOTH, **KINDS)
    book = workbook(snapshot, None, None, None)
    answers = ["Summary", "Open rooms", "Room by who", "Not answered", "Findings", "Changes"]
    of_tables = ["Rooms and phones", "Members", "Coverage", "Audio options", "Workspace devices"]
    assert book.sheetnames == [*answers, *of_tables]
    sheets = {"Coverage": "coverage", "Rooms and phones": "push_to_talk", "Members": "push_to_talk_members"}
    sheets["Workspace devices"] = "workspace_devices"
    for sheet, table in sheets.items():
        rows = list(book[sheet].iter_rows(values_only=True))
        header = (snapshot.path / f"{table}.csv").read_text().partition("\n")[0].replace('"', "").split(",")
        assert {name.removesuffix(" (UTC)") for name in rows[0]} == {*header, "org_name"}
        assert {row[1] for row in rows[1:]} == {snapshot.manifest.orgs[0].name}
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
    shown = {row[place] for row in rooms}
    assert shown >= {names.HOSTILE[0], r"\u202egnp.yeb", "x" * (32_767 - 7) + "… (cut)"}
    assert {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row} <= {"s", "n", "d"}


def test_times_in_the_workbook_are_utc(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=3)))
    rows = list(workbook(snapshot, None, None, None)["Coverage"].iter_rows(values_only=True))
    expected = pcsv.read_csv(snapshot.path / "coverage.csv")["fetched_at"].to_pylist()
    found = [row[rows[0].index("fetched_at (UTC)")] for row in rows[1:]]
    assert [each and f"{each:%Y-%m-%dT%H:%M:%S}" for each in found] == [
        each and f"{each:%Y-%m-%dT%H:%M:%S}" for each in expected
    ]
    assert any(found)


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
    (told,) = (value for key, value in summary.items() if key.endswith(": Push-to-Talk of people"))
    assert told.startswith("could not be listed: ")


@pytest.mark.attack("spreadsheets and terminals")
def test_no_character_that_is_escaped_counts_as_printable() -> None:
    assert all(printable(char) == char for char in map(chr, range(sys.maxunicode + 1)) if char.isprintable())


@pytest.mark.slow
def test_rows_that_do_not_fit_into_a_sheet_go_on_in_the_next(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=80)))
    rows = snapshot.manifest.tables["push_to_talk"].rows
    book = workbook(snapshot, None, None, None, max_rows=31)
    assert [book[name].max_row for name in ("Rooms", "Rooms 2")] == [31, 31]
    parts = [name for name in book.sheetnames if re.fullmatch("Rooms( [0-9]+)?", name)]
    at = [cell.value for cell in book["Rooms"][1]].index("entity_id")
    ids = [row[at] for name in parts for row in book[name].iter_rows(min_row=2, values_only=True)]
    assert (len(ids), len(set(ids))) == (rows, rows)
    assert {book[name]["A1"].value for name in parts} == {"org_id"}
    summary = dict(book["Summary"].iter_rows(values_only=True))
    assert summary["sheet Rooms"] == f"{rows} rows, more than a sheet holds: they go on in {', '.join(parts[1:])}"
    assert summary["status"] == snapshot.manifest.status


def test_the_workbook_of_audio_options_alone_says_that_there_are_no_rooms(
    audit: Audit, workbook: Callable[..., Any]
) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=3)), **{**BOTH, "scope.datasets": ["audio-options"]})
    book = workbook(snapshot, None, None, None)
    assert book["Rooms"]["A1"].value == "this snapshot has no push_to_talk"


INJECTED = '<r><t>a</t></is></c><c r="B2"><f>1+1</f><v>2</v></c><c r="C2" t="inlineStr"><is><t></t></r>'
HOSTILE = [
    INJECTED, "<r><t>x</t></r>", "]]>", "&#10;", "_x0041_", "_x0041_x0042_", "_xd83d_", "\uffff", "\ufffe", " a ",
    "=cmd|' /C calc'!A0", "-1+1", "@SUM(A1)", "+4930", "a\nb", "\x1b[31m", "\u202e",
]  # fmt: skip


def as_excel_shows(text: str) -> str:
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), text)


@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.slow
def test_no_name_becomes_xml_or_a_formula_of_the_workbook(
    audit: Audit, workbook: Callable[..., Any], tmp_path: Path
) -> None:
    snapshot = audit(Simulation(small_organization()))
    rewrite(snapshot, "push_to_talk", set_column("entity_name", HOSTILE))
    workbook(snapshot, None, None, None)
    texts = set()
    with zipfile.ZipFile(tmp_path / "report.xlsx") as parts:
        for path in parts.namelist():
            tree = ET.fromstring(parts.read(path))
            tags = {each.tag.rpartition("}")[2] for each in tree.iter()}
            assert "f" not in tags or "worksheets" not in path
            texts |= {as_excel_shows(each.text or "") for each in tree.iter() if each.tag.endswith("}t")}
    escaped = {"\uffff": r"\uffff", "\ufffe": r"\ufffe", "a\nb": r"a\nb", "\x1b[31m": r"\x1b[31m", "\u202e": r"\u202e"}
    assert texts >= {escaped.get(text, text) for text in HOSTILE}


@pytest.mark.parametrize(
    "text", ["x" * 40_000, "\U0001f600" * 20_000, "a" + "\U0001f600" * 20_000, "é\U00020000" * 15_000]
)
def test_a_text_is_cut_by_code_units_and_never_within_a_character(text: str) -> None:
    cut = cells.shown(text)
    units = len(cut.encode("utf-16-le")) // 2
    assert 32_765 <= units <= 32_767
    assert text.startswith(cut.removesuffix("… (cut)"))
    assert cut.endswith("… (cut)")


def test_a_text_of_exactly_the_limit_is_whole() -> None:
    for text in ("x" * 32_767, "\U0001f600" * 16_383, "x" + "\U0001f600" * 16_383):
        assert cells.shown(text) == text


@pytest.mark.slow
def test_each_sheet_prints_whole_rows_with_its_header_and_the_snapshot(
    audit: Audit, workbook: Callable[..., Any]
) -> None:
    snapshot = audit(Simulation(small_organization()))
    for sheet in workbook(snapshot, None, None, None):
        assert (sheet.page_setup.orientation, sheet.page_setup.fitToHeight) == ("landscape", 0)
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.print_title_rows == "$1:$1"
        assert sheet.freeze_panes == "A2"
        assert sheet.oddFooter.left.text == snapshot.manifest.snapshot_id
        assert sheet.oddFooter.right.text == "Page &P of &N"
        assert all(8 <= each.width <= 97 for each in sheet.column_dimensions.values())
        assert len(sheet.title) <= 31


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("room", "access", "who"),
    [
        ({"access_type": "ALLOW_MEMBERS"}, "list (Allowed lines)", ["Member 0", "Member 1"]),
        ({"access_type": "BLOCK_MEMBERS"}, "everyone but (Blocked lines)", ["everyone but Member 0; Member 1"]),
        ({"access_type": "NEW_WORD"}, "unclear: NEW_WORD", ["not known; listed: Member 0; Member 1"]),
        ({"allow_auto_answer": False}, "nobody: Push-to-Talk is off", ["nobody"]),
    ],
)
def test_a_sheet_says_of_each_room_who_may_open_it(
    room: dict[str, object], access: str, who: list[str], audit: Audit, workbook: Callable[..., Any]
) -> None:
    snapshot = one_room(audit, **({"allow_auto_answer": True, "connection_type": "TWO_WAY"} | room))
    header, *rows = workbook(snapshot, None, None, None)["Room by who"].iter_rows(values_only=True)
    found = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["who"] for row in found if row["room or phone"] == "The Room"] == who
    assert {row["access"] for row in found if row["room or phone"] == "The Room"} == {access}
    assert {row["organization"] for row in found} == {snapshot.manifest.orgs[0].name}


def test_rooms_in_which_callers_listen_come_first(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=80)), **KINDS)
    header, *rows = workbook(snapshot, None, None, None)["Room by who"].iter_rows(values_only=True)
    found = [dict(zip(header, row, strict=True)) for row in rows]
    opened = [row["direction: the caller"] for row in found if row["who"] not in ("nobody", "not known")]
    assert {"listens and speaks", "only speaks"} <= set(opened)
    assert opened == sorted(opened)
    assert "phone of a person" in {row["kind"] for row in found}


def test_no_sheet_has_a_column_twice(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=3)), **KINDS)
    checks = a_check(RuleResult(a_rule(), "passed"))
    for sheet in workbook(snapshot, checks, iter([a_change()]), snapshot):
        header = next(sheet.iter_rows(values_only=True))
        assert sorted(set(header)) == sorted(header), sheet.title


@pytest.mark.slow
def test_rooms_stand_in_the_order_of_the_html_report(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=80)), **KINDS)
    header, *rows = workbook(snapshot, None, None, None)["Room by who"].iter_rows(values_only=True)
    places = [row[header.index("id")] for row in rows if row[header.index("who")] != "not known"]
    with open_tables(snapshot) as connection:
        create_tables(connection, None, max_rooms_of_person=0)
        expected = connection.execute("SELECT entity_id FROM room ORDER BY place").fetchall()
    assert list(dict.fromkeys(places)) == [entity_id for (entity_id,) in expected]


def test_the_first_sheet_says_that_nothing_is_known(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(small_organization(), Where("mistyped", "pushToTalk")))
    assert snapshot.manifest.outcomes["push_to_talk"].get("ok", 0) == 0
    book = workbook(snapshot, None, None, None)
    summary = dict(book["Summary"].iter_rows(values_only=True))
    assert summary["who may open which room"] == "Nothing is known: no settings could be read"
    assert book["Not answered"].max_row > 1


def test_pandas_reads_the_sheets(audit: Audit, workbook: Callable[..., Any], tmp_path: Path) -> None:
    snapshot = audit(Simulation(small_organization()))
    rewrite(snapshot, "push_to_talk_members", set_column("number_extension", ["0007"]))
    workbook(snapshot, None, None, None)
    found = pd.read_excel(tmp_path / "report.xlsx", sheet_name=None, dtype={"number_extension": str})
    assert len(found["Members"]) == snapshot.manifest.tables["push_to_talk_members"].rows
    assert found["Members"]["number_extension"][0] == "0007"
    assert str(found["Coverage"]["fetched_at (UTC)"].dtype).startswith("datetime64")
