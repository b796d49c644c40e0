"""The file of a report: its format, where it goes, and what is in its way."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest
from crafted import Audit
from harness import Result
from ways import audited, organization, party

from audit.snapshot.csv import without_formulas

Command = Callable[..., Result]


@pytest.mark.parametrize(
    ("arguments", "name", "begin"),
    [
        (["--file", "x.xlsx"], "x.xlsx", b"pk"),
        (["--file", "X.XLSX"], "X.XLSX", b"pk"),
        (["--file", "x.htm"], "x.htm", b"<!doctype html>"),
        (["--file", "report"], "report", b"<!doctype html>"),
        (["--file", "x.dat", "--format", "xlsx"], "x.dat", b"pk"),
        (["--file", "x.csv"], "x.csv", b'"entity_name","kind","way","openers"'),
        (["--format", "csv"], "open_rooms.csv", b'"entity_name","kind","way","openers"'),
        (["--file", "X.CSV", "--csv-dialect", "excel"], "X.CSV", b'\xef\xbb\xbf"entity_name"'),
    ],
)
def test_the_suffix_of_the_file_says_the_format(
    arguments: list[str], name: str, begin: bytes, newest: Path, webex_audit: Command, tmp_path: Path
) -> None:
    assert webex_audit("report", newest, *arguments).code == 0
    path = tmp_path / name
    assert path.read_bytes().lower().startswith(begin)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir() if each.name.endswith(".tmp")] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--format", "html", "--file", "x.xlsx"], "contradicts --format html: leave out --format"),
        (["--format", "xlsx", "--file", "x.html"], "contradicts --format xlsx"),
        (["--file", "x.pdf"], "name it .html, .xlsx or .csv"),
        (["--file", "folder"], "is a folder: name a file in it"),
        (["--file", "none/x.xlsx"], "No such file or directory"),
        (["--format", "csv", "--file", "x.html"], "contradicts --format csv"),
        (["--csv-dialect", "excel"], "--csv-dialect is for CSV, which this command does not make: add --format csv"),
        (["--file", "-", "--json"], "leave out one of them"),
    ],
)
def test_a_file_that_cannot_be_meant_is_one_line(
    arguments: list[str], told: str, newest: Path, webex_audit: Command, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    result = webex_audit("report", newest, *arguments)
    assert (result.code, result.err.count("\n"), result.out) == (2, 1, "")
    assert told in result.err
    assert sorted(tmp_path.iterdir()) == before


def test_json_says_what_was_written(newest: Path, webex_audit: Command, tmp_path: Path) -> None:
    told = json.loads(webex_audit("report", newest, "--file", "x.xlsx", "--json").out)
    assert (told["path"], told["format"], told["snapshot"]) == ("x.xlsx", "xlsx", newest.name)
    assert told["rows"]["Findings"] >= told["findings"]
    assert told["rows"]["Changes"] == told["differences"]
    assert openpyxl.load_workbook(tmp_path / "x.xlsx")["Coverage"].max_row == told["rows"]["Coverage"] + 1


def test_a_hyphen_is_standard_output(newest: Path, webex_audit: Command, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    result = webex_audit("report", newest, "--file", "-")
    assert (result.code, result.err) == (0, "")
    assert result.out.lower().startswith("<!doctype html>")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "x;=HYPERLINK(1)", "+1-1"])
def test_no_name_of_a_room_becomes_a_formula_in_the_csv_of_open_rooms(
    name: str, audit: Audit, webex_audit: Command, tmp_path: Path
) -> None:
    groups = [{"originators": [party(name)], "targets": [party(name, "PLACE")]}]
    snapshot = audited(audit, organization(groups=groups))
    result = webex_audit("report", snapshot.path, "--format", "csv", "--json")
    written = json.loads(result.out)
    assert (written["path"], written["rows"], written["findings"]) == ("open_rooms.csv", {"open_rooms": 1}, None)
    (row,) = csv.DictReader(io.StringIO((tmp_path / "open_rooms.csv").read_text(encoding="utf-8")))
    guarded = without_formulas(pa.table({"name": [name]}))["name"].to_pylist()[0]
    assert (row["entity_name"], row["openers"]) == (guarded, guarded)
    assert guarded != name
    assert row["approved"] == "nothing approved"


def test_the_csv_of_open_rooms_says_what_was_not_read(audit: Audit, webex_audit: Command) -> None:
    snapshot = audited(audit, organization(), scope__datasets=["push-to-talk"])
    result = webex_audit("report", snapshot.path, "--format", "csv")
    assert result.err == (
        "webex-audit: warning: open_rooms.csv is incomplete: answer settings were not read; "
        "paging groups were not read\n"
    )
    audio = audited(audit, organization(), scope__datasets=["audio-options"])
    refused = webex_audit("report", audio.path, "--format", "csv", "--file", "other.csv")
    assert refused.code == 2
    assert "open_rooms needs one of --dataset push-to-talk" in refused.err
    assert not Path("other.csv").exists()
