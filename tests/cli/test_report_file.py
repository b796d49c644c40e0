"""The file of a report: its format, where it goes, and what is in its way."""

import json
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from harness import Result

Command = Callable[..., Result]


@pytest.mark.parametrize(
    ("arguments", "name", "begin"),
    [
        (["--file", "x.xlsx"], "x.xlsx", b"pk"),
        (["--file", "X.XLSX"], "X.XLSX", b"pk"),
        (["--file", "x.htm"], "x.htm", b"<!doctype html>"),
        (["--file", "report"], "report", b"<!doctype html>"),
        (["--file", "x.dat", "--format", "xlsx"], "x.dat", b"pk"),
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
        (["--file", "x.pdf"], "name it .html or .xlsx"),
        (["--file", "folder"], "is a folder: name a file in it"),
        (["--file", "none/x.xlsx"], "No such file or directory"),
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
