import csv
import io
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pyarrow as pa
import pyarrow.csv as pcsv
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audit.snapshot.csv import CSV_OPTIONS, without_formulas

SIGNS = "=+-@"
#: What a spreadsheet may be set to split at: the list separators of locales, and those of other programs.
SEPARATORS = [",", ";", "\t", "|", ":", "^", "~", "\x1f", "\u061b", "\u060c"]
DROPPED = ["\0", "\r", "\n", "\r\n", "\x0b", "\x7f", "\x85", "\u2028", "\ufeff", "\u200b", "\u202e", "\xad", "\xa0",
           "\u3000", " ", '"', "\\", "\u3164", "\u2800", "\ufe0f", "\ufffe"]  # fmt: skip
FORMULAS = [
    "=1+1",
    "+A1",
    "-2+3",
    "@SUM(A1)",
    "\uff1dA1",
    "\uff0bA1",
    "\uff0dA1",
    "\uff20A1",
    "\ufe66A1",
    "\u2212A1",
    "\u207aA1",
]
#: How programs read quotes.
QUOTINGS: list[dict[str, Any]] = [
    {},
    {"quoting": csv.QUOTE_NONE},
    {"escapechar": "\\"},
    {"escapechar": "\\", "quoting": csv.QUOTE_NONE},
    {"escapechar": "\\", "doublequote": False},
    {"skipinitialspace": True},
]
HYPERLINK = '=HYPERLINK("http://evil.example","open")'


def file_of(*rows: tuple[str | None, ...]) -> str:
    """A file of columns of texts, as a snapshot's."""
    columns = {f"c{index}": pa.array(column, pa.string()) for index, column in enumerate(zip(*rows, strict=True))}
    sink = io.BytesIO()
    pcsv.write_csv(without_formulas(pa.table(columns)), sink, CSV_OPTIONS)
    return sink.getvalue().decode()


def written(*texts: str | None) -> str:
    return file_of(*((text,) for text in texts)).partition("\n")[2]


def guarded(text: str) -> str:
    """What a reader of RFC 4180 gets."""
    ((found,),) = csv.reader(io.StringIO(written(text), newline=""))
    return found


def is_dropped(char: str) -> bool:
    return char in DROPPED or unicodedata.category(char) in ("Cc", "Cf", "Zs", "Zl", "Zp")


def is_live(field: str, separator: str) -> bool:
    """Whether a field begins with a sign of a formula after all that is dropped, and is not a phone number."""
    text = "".join(char for char in field if not is_dropped(char) or char == " ").lstrip(" ")
    begin = unicodedata.normalize("NFKC", text[:1]).replace("\u2212", "-")
    if separator == " " and re.fullmatch(r".[0-9.,;)]*", text):
        return False
    return begin in SIGNS and bool(begin) and not re.fullmatch(r"\+[0-9]+( [0-9]+)*", text)


def live_fields(text: str) -> Iterator[tuple[str, str, str]]:
    """The formulas of a file, at any separator, with any quoting, and whatever is dropped before it is read."""
    fewer = ["".join(char for char in text if char not in dropped) for dropped in ("", "\0", "\0\ufeff\u200b", "\r\n")]
    cleaned = "".join(char for char in text if not is_dropped(char) or char in ' "\n\t\\\x1f')
    for given_text in (*fewer, cleaned):
        for separator in (*SEPARATORS, " "):
            for quoting in QUOTINGS:
                for lines in (io.StringIO(given_text, newline=""), given_text.splitlines(keepends=True)):
                    try:
                        fields = [field for row in csv.reader(lines, delimiter=separator, **quoting) for field in row]
                    except csv.Error:  # a line end in a field that is not quoted: the reader refuses the file
                        continue
                    yield from ((separator, str(quoting), each) for each in fields if is_live(each, separator))


@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.parametrize("text", [*FORMULAS, "+1-408 dial", "\t=1", "\r=1", "\tx", "+", "+1-408-526"])
def test_a_text_that_a_spreadsheet_would_run_is_prefixed(text: str) -> None:
    assert guarded(text).startswith("'")
    assert not list(live_fields(written(text)))


@pytest.mark.few(30)
@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("dropped", DROPPED)
def test_a_formula_after_what_is_dropped_does_not_run(dropped: str, formula: str) -> None:
    assert guarded(dropped + formula).endswith(f"{dropped}'{formula}")
    assert not list(live_fields(written(dropped + formula, f"\ufeff{dropped * 2}{formula}")))


@pytest.mark.few(15)
@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.parametrize("separator", [*SEPARATORS, " "])
@pytest.mark.parametrize("between", ["", '"', '" \0', "\u200b", "\\"])
def test_a_formula_after_any_separator_does_not_run(separator: str, between: str) -> None:
    names = (f"x{separator}{between}{HYPERLINK}", f'x"{separator}{between}=cmd', f"a{separator}", HYPERLINK)
    assert not list(live_fields(file_of(names, names[::-1], (names[2], None, *names[:2]))))


@pytest.mark.attack("spreadsheets and terminals")
def test_a_name_with_semicolons_makes_no_formula_where_the_locale_splits_at_them() -> None:
    text = file_of(*((f"Room {index}", f"x;{HYPERLINK}", "+14085267209", "2nd floor") for index in range(22)))
    fields = [field for row in csv.reader(io.StringIO(text, newline=""), delimiter=";") for field in row]
    assert len(fields) > 40
    assert not [field for field in fields if field[:1] in SIGNS]


@pytest.mark.attack("spreadsheets and terminals")
@given(
    st.lists(st.tuples(*[st.lists(st.sampled_from([*SEPARATORS, *DROPPED, *FORMULAS, "x", "'", ""])).map("".join)] * 2))
)
@example([("\t\r\t=", ";\t=1")])
@example([('";', '"=1'), ('x;"', "=1\n=2")])
@pytest.mark.slow
def test_no_field_is_a_formula_at_any_separator_and_with_any_quoting(rows: list[tuple[str, str]]) -> None:
    if rows:
        assert not list(live_fields(file_of(*rows)))


@pytest.mark.parametrize(
    "text",
    ["+14085267209", "+1 408 526 7209", "Reception", "1-2", "'=1", "0007", "Room - 3rd floor", "Level -1",
     "Garage (-2)", "Smith, Anna-Lena", "a@example.com", "Floor 2: North",
     "R+D", "Lobby @ HQ", "Y2lzY29zcGFyazovL3VzLw==", "1 + 1 = 2"],
)  # fmt: skip
def test_a_phone_number_and_plain_text_stay_as_they_are(text: str) -> None:
    assert written(text) == f'"{text}"\n'


def test_a_null_is_an_empty_cell_and_an_empty_text_is_quoted() -> None:
    assert written(None, "", "x", "=1") == '\n""\n"x"\n"\'=1"\n'


def test_chunks_and_slices_keep_their_rows() -> None:
    column = pa.chunked_array([["=1", None, "x"], [], ["+49 30", "x;-1"]])
    found = without_formulas(pa.table({"text": column}).slice(1))["text"].to_pylist()
    assert found == [None, "x", "+49 30", "x;'-1"]


def test_other_types_are_left_alone() -> None:
    table = pa.table({"count": [-1], "flag": [True]})
    assert without_formulas(table).equals(table)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1), min_size=1))
def test_a_csv_reader_gets_every_text_back_but_for_the_guards(texts: list[str]) -> None:
    read = [row[0] for row in csv.reader(io.StringIO(written(*texts), newline=""))]
    assert [text.replace("'", "") for text in read] == [text.replace("'", "") for text in texts]


@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
def test_libreoffice_finds_no_formula(separator: str, tmp_path: Path) -> None:
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if not office:
        pytest.skip("LibreOffice is not installed")
    hostile = [f"{dropped}{formula}" for dropped in ("", *DROPPED) for formula in (*FORMULAS, HYPERLINK)]
    rows = [(text, f"x{separator}{text}", f'x"{separator}"{text}') for text in hostile]
    (tmp_path / "a.csv").write_text(file_of(*rows), newline="")
    # Separator, quote, UTF-8, first line; formulas are evaluated (13th token of "Filter Options for CSV Files").
    import_as = f"CSV:{ord(separator)},34,76,1,,0,false,true,false,false,false,0,true"
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    command = [
        office,
        profile,
        "--headless",
        f"--infilter={import_as}",
        "--convert-to",
        "fods",
        "--outdir",
        str(tmp_path),
    ]
    subprocess.run([*command, str(tmp_path / "a.csv")], check=True, capture_output=True, timeout=240)
    names = {name for cell in ET.parse(tmp_path / "a.fods").iter() for name in cell.attrib}
    assert any(name.endswith("}value-type") for name in names)
    assert not [name for name in names if name.endswith("}formula")]
