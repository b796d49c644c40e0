import csv
import io

import pyarrow as pa
import pyarrow.csv as pcsv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.snapshot.csv import CSV_OPTIONS, without_formulas


def written(*texts: str | None) -> str:
    sink = io.BytesIO()
    pcsv.write_csv(without_formulas(pa.table({"text": pa.array(texts, pa.string())})), sink, CSV_OPTIONS)
    return sink.getvalue().decode().partition("\n")[2]


@pytest.mark.parametrize("text", ["=1+1", "+1-408 dial", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "+", "+A1", "+1-408-526"])
def test_a_text_that_a_spreadsheet_would_run_is_prefixed(text: str) -> None:
    assert next(csv.reader(io.StringIO(written(text), newline=""))) == [f"'{text}"]


@pytest.mark.parametrize("text", ["+14085267209", "+1 408 526 7209", "Reception", "1-2", "'=1", " =1", "0007"])
def test_a_phone_number_and_plain_text_stay_as_they_are(text: str) -> None:
    assert written(text) == f'"{text}"\n'


def test_a_null_is_an_empty_cell_and_an_empty_text_is_quoted() -> None:
    assert written(None, "", "x") == '\n""\n"x"\n'


def test_other_types_are_left_alone() -> None:
    table = pa.table({"count": [-1], "flag": [True]})
    assert without_formulas(table).equals(table)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1), min_size=1))
def test_a_csv_reader_gets_every_text_back(texts: list[str]) -> None:
    read = [row[0] for row in csv.reader(io.StringIO(written(*texts), newline=""))]
    assert [text if text in texts else text[1:] for text in read] == texts
