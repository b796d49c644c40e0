"""Values as the cells of a sheet in a workbook: whatever a value holds, its cell is a text, a number or a date."""

import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.cells import cell_len

from audit.text import printable

#: What a cell holds at most, in code units of UTF-16 ("Excel specifications and limits").
MAX_UNITS = 32_767
#: A longer text ends so.
CUT = "… (cut)"
#: XML can't hold these characters, which `printable` leaves as they are.
_NO_XML = re.compile("[\ufffe\uffff]")
#: Readers decode `_xHHHH_` (ECMA-376, ST_Xstring); with its first character escaped, the text stays as it is.
_ESCAPE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
#: Excel would make a formula, a number or a date of such a text as soon as somebody edits the cell.
_GUARDED = frozenset("=+-@0123456789")
#: A larger number loses digits: Excel keeps 15.
_MAX_NUMBER = 10**15
_DAY_US = 86_400 * 10**6
#: 1970-01-01 as Excel counts days, and the first and the last day that it counts right.
_EPOCH_DAY, _FIRST_DAY, _LAST_DAY = 25_569, 61, 2_958_465

#: The rest of a cell's XML, after the number of its row; None for a cell that is absent.
_Make = Callable[[Any, str], str | None]


def shown(value: object) -> str:
    """The text of a cell: control characters are escaped, and a text that is too long for a cell ends in `CUT`."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    # `str.isprintable` is false for everything that `printable` escapes, and far faster.
    if not text.isprintable():
        text = _NO_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", printable(text))
    return fitted(text, MAX_UNITS)


def fitted(text: str, units: int) -> str:
    """A text of at most this many code units of UTF-16; no character is halved, and a text that is cut says so."""
    if len(text) * 2 <= units:
        return text
    data = text.encode("utf-16-le", "surrogatepass")
    return text if len(data) <= 2 * units else data[: 2 * (units - len(CUT))].decode("utf-16-le", "ignore") + CUT


def width(value: object) -> int:
    """How many characters wide a value is shown."""
    text = shown(value)
    return len(text) if text.isascii() else cell_len(text)


def rows(columns: list[pa.Array], first: int, styles: list[str], styled: Collection[int] = ()) -> pa.Buffer:
    """The XML of rows.

    Args:
        columns: the values, by column.
        first: the number of the first row.
        styles: by column, the style of its dates and of texts that look like anything else.
        styled: columns of which every text has the style.
    """
    count = len(columns[0])
    numbers = pc.cast(pa.array(range(first, first + count), pa.int64()), pa.string())
    cells = [
        pc.binary_join_element_wise(
            f'<c r="{letters(index)}', numbers, _rests(column, style, is_styled=index in styled), ""
        )
        for index, (column, style) in enumerate(zip(columns, styles, strict=True))
    ]
    lines = pc.binary_join_element_wise(
        '<row r="', numbers, '">', *cells, "</row>", "", null_handling="replace", null_replacement=""
    )
    joined: pa.Buffer = pc.binary_join(pa.ListArray.from_arrays([0, count], lines), "")[0].as_buffer()
    return joined


def row(values: Sequence[object], number: int, styles: list[str], *, is_header: bool = False) -> bytes:
    """The XML of a row whose columns are of no type.

    Args:
        values: the values; an integer is a number, anything else a text.
        number: the number of the row.
        styles: by column, as in `rows`.
        is_header: each text has the style.
    """
    cells = []
    for index, (value, style) in enumerate(zip(values, styles, strict=True)):
        make: _Make = _number if isinstance(value, int) and not isinstance(value, bool) else _text
        if value is not None and (rest := _text(value, style, is_styled=True) if is_header else make(value, style)):
            cells.append(f'<c r="{letters(index)}{number}{rest}')
    return f'<row r="{number}">{"".join(cells)}</row>'.encode()


def letters(index: int) -> str:
    """The name of a column: A, B, …, Z, AA."""
    return (letters(index // 26 - 1) if index > 25 else "") + chr(ord("A") + index % 26)


def _rests(column: pa.Array, style: str, *, is_styled: bool) -> pa.Array:
    make: _Make = partial(_text, is_styled=True) if is_styled else _text
    if pa.types.is_timestamp(column.type):
        column, make = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()), _time
    elif pa.types.is_integer(column.type):
        make = _number
    # A value that repeats is made once.
    encoded = column.dictionary_encode()
    return pa.array([make(value, style) for value in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def _text(value: object, style: str, *, is_styled: bool = False) -> str | None:
    text = shown(value)
    if not text:
        return None
    chosen = f' s="{style}"' if is_styled or text[0] in _GUARDED else ""
    space = ' xml:space="preserve"' if text[0] == " " or text[-1] == " " else ""
    text = _ESCAPE.sub("_x005F_", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f'"{chosen} t="inlineStr"><is><t{space}>{text}</t></is></c>'


def _number(value: int, style: str) -> str | None:
    return f'"><v>{value}</v></c>' if abs(value) < _MAX_NUMBER else _text(value, style)


def _time(us: int, style: str) -> str | None:
    day = us / _DAY_US + _EPOCH_DAY
    if not _FIRST_DAY <= day < _LAST_DAY + 1:
        return _text(f"{us} microseconds after 1970-01-01 UTC", style)
    return f'" s="{style}"><v>{day!r}</v></c>'
