r"""CSV for reviewers: RFC 4180, UTF-8. A null is an empty cell, an empty text is ``""``.

The dialect `excel` has a byte order mark, without which Excel takes UTF-8 for the code page of the machine, and CRLF
after each row; a line end inside of a cell stays as it is.

No text becomes a formula, whatever separator a spreadsheet reads the file with, and whatever it drops on the way.
So `'` stands before each sign of a formula that follows

- the beginning of the text, a separator, or a control character such as a line end or NUL; blanks, quotes,
  backslashes and invisible characters may be between;
- a space, if a formula without spaces may begin there, such as `=HYPERLINK(…)`; `- 3rd floor` and `-1` are none.

Signs are ``=``, ``+``, ``-``, ``@`` and what programs fold into these, such as the full-width ``＝``. A tab or carriage
return at the beginning of a field counts too (OWASP, "CSV Injection"). A text that is a plain phone number (`+` and
digits, possibly in groups) is not a formula. Parquet has the exact text.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import CSVWriter, WriteOptions

from audit.config import CsvDialect

#: All texts are quoted and nulls are not, so that readers can tell them apart.
CSV_OPTIONS = WriteOptions(quoting_style="needed")
_EXCEL_OPTIONS = WriteOptions(quoting_style=CSV_OPTIONS.quoting_style, eol="\r\n")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_SIGNS = (
    r"=+\-@\x{207A}-\x{207C}\x{208A}-\x{208C}\x{2212}\x{FB29}\x{FE62}\x{FE63}\x{FE66}\x{FE6B}"
    r"\x{FF0B}\x{FF0D}\x{FF1D}\x{FF20}"
)
#: The list separators of locales, and those of other programs. A tab is a control character.
_SEPARATORS = r",;|:^~\x{060C}\x{061B}"
#: Control characters may separate fields, end lines, or be dropped.
_CONTROLS = r"\p{Cc}\p{Zl}\p{Zp}"
#: Quotes, escapes and blanks, and what is invisible: format characters, fillers, joiners, variation selectors.
_DROPPED = (
    r"""["\\\p{Zs}\p{Cf}\x{034F}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180B}-\x{180F}\x{2800}\x{3164}\x{FE00}-\x{FE0F}\x{FFA0}"""
    r"\x{FFFE}\x{FFFF}\x{E0100}-\x{E01EF}]*"
)
_BEGIN = rf"(?:^|[{_SEPARATORS}{_CONTROLS}])"
_BEGIN_OF_FIELD = rf"(?:^|[{_SEPARATORS}])"
_WITHOUT_SPACES = rf"[{_SIGNS}](?:[^ 0-9]|[0-9.,;]+[^ 0-9.,;)])"
_ASCII_SIGNS = (b"=", b"+", b"-", b"@", b"\t", b"\r")
_Guards = tuple[tuple[str, str], ...]
#: What comes before a guard, and what comes after it.
GUARDS: _Guards = (
    (rf"{_BEGIN}{_DROPPED}", rf"[{_SIGNS}]"),
    (rf"{_BEGIN_OF_FIELD}{_DROPPED}", r"[\t\r]"),
    (rf" {_DROPPED}", _WITHOUT_SPACES),
)
#: Those of version 0.1.0, whose snapshots are still verified.
GUARDS_OF_0_1: _Guards = (("^", r"[=+\-@\t\r]"),)
_PHONE_NUMBER = r"^\+[0-9]+( [0-9]+)*$"


@contextmanager
def csv_writer(
    file: BinaryIO | io.RawIOBase, schema: pa.Schema, dialect: CsvDialect
) -> Iterator[Callable[[pa.Table], None]]:
    """Write a header, then the rows that it is given, without formulas.

    Args:
        file: the new file; it stays open.
        schema: the columns.
        dialect: the form of the file.
    """
    if dialect == "excel":
        file.write(_BYTE_ORDER_MARK)
    options = _EXCEL_OPTIONS if dialect == "excel" else CSV_OPTIONS
    with CSVWriter(file, schema, write_options=options) as writer:
        yield lambda rows: writer.write_table(without_formulas(rows))


def csv_blocks(schema: pa.Schema, tables: Iterable[pa.Table], dialect: CsvDialect) -> Iterator[str]:
    """CSV as text, in blocks of whole rows: the header, then each table."""
    sink = io.BytesIO()
    with csv_writer(sink, schema, dialect) as write:
        yield _drained(sink)
        for rows in tables:
            write(rows)
            yield _drained(sink)


def _drained(sink: io.BytesIO) -> str:
    block = sink.getvalue().decode()
    sink.seek(0)
    sink.truncate()
    return block


def without_formulas(table: pa.Table, guards: _Guards = GUARDS) -> pa.Table:
    """The table with `'` before each sign that could begin a formula in a spreadsheet."""
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            chunks = [_guarded(chunk, guards) for chunk in table.column(index).chunks]
            table = table.set_column(index, field, pa.chunked_array(chunks, field.type))
    return table


def _may_hold_signs(column: pa.Array) -> bool:
    """Whether any text may hold what a guard stands before: a sign, a tab, a carriage return, or no ASCII at all.

    All texts are searched as one, which takes a tenth of the time. Ids and kinds hold none of it.
    """
    _, offsets, data = column.buffers()
    if offsets is None or data is None:
        return False
    ends = memoryview(offsets).cast("i")
    texts = bytes(memoryview(data)[ends[column.offset] : ends[column.offset + len(column)]])
    return not texts.isascii() or any(sign in texts for sign in _ASCII_SIGNS)


def _guarded(column: pa.Array, guards: _Guards) -> pa.Array:
    if not _may_hold_signs(column):
        return column
    # Rooms, places and kinds repeat from row to row: to look at each text once takes a third of the time.
    encoded = column.dictionary_encode()
    texts = encoded.dictionary
    may_be = pc.match_substring_regex(texts, "|".join(f"{before}{after}" for before, after in guards))
    is_formula = pc.and_not(may_be, pc.match_substring_regex(texts, _PHONE_NUMBER))
    if not pc.any(is_formula).as_py():
        return column
    guarded = texts.filter(is_formula)
    for before, after in guards:
        guarded = pc.replace_substring_regex(guarded, f"({before})({after})", r"\1'\2")
    texts = pc.replace_with_mask(texts, is_formula, guarded)
    rows: pa.Array = texts.take(encoded.indices)
    return rows
