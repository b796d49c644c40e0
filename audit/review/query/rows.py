"""Rows of any query as a text table, CSV or JSON: streamed, as a result may be larger than memory."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from rich.cells import cell_len, set_cell_size

from audit.config import CsvDialect
from audit.snapshot.csv import csv_blocks, without_formulas
from audit.text import count_of, printable, printable_json

#: The widest column of a text table, and the widest on a narrow terminal, in characters.
_WIDEST = 40
_NARROWEST = 12
#: The widest column of a table of which not all columns fit, even if each is as narrow as possible.
_WIDEST_OF_SOME = 18
_GAP = "  "
_IS_NUMBER: tuple[Callable[[pa.DataType], bool], ...] = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
#: Types that Arrow can write as CSV and cast to text.
_IS_PLAIN = (*_IS_NUMBER, pa.types.is_boolean, pa.types.is_null, pa.types.is_timestamp, pa.types.is_date,
             pa.types.is_time)  # fmt: skip


def as_text(schema: pa.Schema, batches: Iterable[pa.RecordBatch], width: int | None = None) -> Iterator[str]:
    """A table for people: aligned, with long values cut and control characters escaped, and the number of rows below.

    A null is an empty cell, an empty text `""`. The first batch determines the width of the columns.

    Args:
        schema: the columns.
        batches: the rows.
        width: width of the terminal in characters, which narrows the columns; None without a terminal.
    """
    layout = None
    rows = 0
    for batch in batches:
        cells = [_cells(column) for column in batch.columns]
        layout = layout or _Layout(schema, cells, width)
        if not rows:
            yield layout.heading()
        yield layout.lines(cells)
        rows += batch.num_rows
    layout = layout or _Layout(schema, [[] for _ in schema], width)
    yield ("" if rows else layout.heading()) + f"({count_of(rows, 'row')}{layout.note()})\n"


def as_csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch], dialect: CsvDialect = "rfc4180") -> Iterator[str]:
    """CSV in the form of a snapshot's (`audit.snapshot.csv`), with formulas made inert, also in the header."""
    names = without_formulas(pa.table({"name": pa.array(schema.names, pa.string())}))["name"].to_pylist()
    kinds = [field.type if _is(field.type, _IS_PLAIN) else pa.string() for field in schema]
    columns = pa.schema([*zip(names, kinds, strict=True)])
    tables = (
        pa.table(
            [column if _is(column.type, _IS_PLAIN) else _texts(column) for column in batch.columns], schema=columns
        )
        for batch in batches
    )
    yield from csv_blocks(columns, tables, dialect)


def as_json(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[str]:
    """A list of objects, one on each line; a repeated column name gets a number."""
    names = _distinct(schema.names)
    encoder = msgspec.json.Encoder(enc_hook=_text, decimal_format="number")
    before = "[\n"
    for batch in batches:
        # Python sees an interval as a tuple, which would become a list.
        columns = [_texts(column) if pa.types.is_interval(column.type) else column for column in batch.columns]
        try:
            rows = pa.record_batch(columns, names).to_pylist()
        except (OverflowError, ValueError):  # a time that Python cannot hold, such as infinity
            rows = pa.record_batch([_timeless(column) for column in columns], names).to_pylist()
        if rows:
            yield before + printable_json(",\n".join(encoder.encode(row).decode() for row in rows))
            before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


class _Layout:
    """The widths of the columns of a text table.

    Args:
        schema: the columns.
        cells: the values of the first batch, by column.
        width: width of the terminal in characters, if there is one.
    """

    def __init__(self, schema: pa.Schema, cells: list[list[str]], width: int | None) -> None:
        self._names = [printable(name) for name in schema.names]
        self._is_number = [_is(field.type, _IS_NUMBER) for field in schema]
        self._is_cut = False
        needed = [max(map(_length, [name, *values])) for name, values in zip(self._names, cells, strict=True)]
        for widest in range(_WIDEST, _NARROWEST - 1, -1):
            self._widths = [min(each, widest) for each in needed]
            if width is None or _total(self._widths) <= width:
                return
        self._widths = [min(each, _WIDEST_OF_SOME) for each in needed]
        while len(self._widths) > 1 and _total(self._widths) > (width or 0):
            self._widths.pop()

    def heading(self) -> str:
        """The names of the columns and a line below."""
        # The first columns are shown, as many as fit.
        return self.lines([[name, "-" * width] for name, width in zip(self._names, self._widths, strict=False)])

    def lines(self, columns: list[list[str]]) -> str:
        """Rows, from their cells by column."""
        fitted = (
            [self._fit(cell, width, is_number=is_number) for cell in cells]
            for cells, width, is_number in zip(columns, self._widths, self._is_number, strict=False)
        )
        return "".join(f"{_GAP.join(row).rstrip()}\n" for row in zip(*fitted, strict=True))

    def note(self) -> str:
        """The note below the table if a value was cut, or a column does not fit."""
        cut = "; values that end in … are cut: --csv and --json print them whole" if self._is_cut else ""
        hidden = self._names[len(self._widths) :]
        return (
            f"{cut}; {count_of(len(hidden), 'column')} too many for the terminal: {', '.join(hidden)}"
            if hidden
            else cut
        )

    def _fit(self, cell: str, width: int, *, is_number: bool) -> str:
        length = _length(cell)
        if length > width:
            self._is_cut = True
            return f"{set_cell_size(cell, width - 1)}…"
        return " " * (width - length) + cell if is_number else cell + " " * (width - length)


def _cells(column: pa.Array) -> list[str]:
    """A column's values for a text table, cut shortly after what it shows."""
    return ["" if text is None else _cell(text[: _WIDEST + 1]) for text in _texts(column).to_pylist()]


def _cell(text: str) -> str:
    return (text if text.isprintable() else printable(text)) or '""'


def _total(widths: list[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _length(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _timeless(column: pa.Array) -> pa.Array:
    return pc.cast(column, pa.string()) if pa.types.is_temporal(column.type) else column


def _texts(column: pa.Array) -> pa.Array:
    """A column as text; types that Arrow cannot cast become JSON or ISO 8601."""
    if pa.types.is_string(column.type) or _is(column.type, _IS_PLAIN):
        return pc.cast(column, pa.string())
    return pa.array([None if value is None else _text(value) for value in column.to_pylist()], pa.string())


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case bytes():
            return value.hex()
        case pa.MonthDayNano():
            seconds = timedelta(microseconds=value.nanoseconds // 1000).total_seconds()
            return f"P{value.months}M{value.days}DT{seconds:g}S"
    return msgspec.json.encode(value, enc_hook=_text).decode()


def _distinct(names: list[str]) -> list[str]:
    taken: dict[str, None] = {}
    for name in names:
        count, distinct = 1, name
        while distinct in taken:
            count += 1
            distinct = f"{name}_{count}"
        taken[distinct] = None
    return list(taken)


def _is(kind: pa.DataType, checks: tuple[Callable[[pa.DataType], bool], ...]) -> bool:
    return any(check(kind) for check in checks)
