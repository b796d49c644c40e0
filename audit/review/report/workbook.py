"""A workbook as a stream: XlsxWriter writes its frame (sheets, styles, print set-up), and rows are streamed into it.

XlsxWriter takes each cell by itself, which takes minutes for a large organization, and takes a text such as
`<r>…</r>` for XML.
"""

import io
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO, Self
from zipfile import ZIP_DEFLATED, ZipFile

import pyarrow as pa
import xlsxwriter  # type: ignore[import-untyped]

from audit.review.report import cells
from audit.review.report.hyperlinks import MAX_LINKS, Links, is_link
from audit.text import count_of

log = logging.getLogger(__name__)

#: The most rows of a sheet, header included ("Excel specifications and limits").
MAX_ROWS = 1_048_576
#: The most XML of a sheet: from 2 GiB on, a ZIP file has an extension that Excel offers to repair.
_MAX_BYTES = 1_900 << 20
#: The most bytes of values that become XML at once.
_PIECE_BYTES = 4 << 20
#: Level 6 takes twice the time and saves a quarter.
_COMPRESSION = 2
_MIN_WIDTH, _MAX_WIDTH = 8, 48
#: The button of the filter covers so much of a header.
_BUTTON = 3
_WIDTH_ROWS = 10_000
_DIMENSION = re.compile(rb"<dimension [^>]*>")
_Value = object


@dataclass
class Sheet:
    """A sheet.

    Attributes:
        name: its name.
        schema: its columns.
        widths: their widths in characters.
        rows: number of rows that are written, without the header.
        plain: number of addresses that are text and not a link.
    """

    name: str
    schema: pa.Schema
    widths: list[int]
    rows: int = 0
    plain: int = 0


@dataclass
class Workbook:
    """A workbook that is written sheet by sheet; the sheet Summary comes first, and is written last.

    Attributes:
        stream: a file that is open for writing.
        label: what the foot of each printed page says at its left.
        max_rows: the most rows of a sheet, header included; further rows go on in a further sheet.
        max_links: the most links of a sheet; further addresses are text only.
        rows: number of rows by subject.
        sizes: likewise, in words, with the sheets in which they go on.
    """

    stream: BinaryIO
    label: str
    max_rows: int = MAX_ROWS
    max_links: int = MAX_LINKS
    rows: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._front = Sheet("Summary", pa.schema([("what", pa.string()), ("value", pa.string())]), [48, 96])
        self._sheets = [self._front]
        self._zip = ZipFile(self.stream, "w", ZIP_DEFLATED, compresslevel=_COMPRESSION)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # After an error, the file is useless; but a ZIP file that stays open is written to when Python collects it.
        with suppress(Exception):
            self._zip.close()

    def fill(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Add a sheet, and further sheets of its name if the rows do not fit."""
        rest = _Rest(batches)
        widths = _widths(schema, rest.ahead)
        written = [self._fill(Sheet(name, schema, widths), rest)]
        while rest.ahead:
            written.append(self._fill(Sheet(f"{name} {len(written) + 1}", schema, widths), rest))
        self.rows[name] = sum(each.rows for each in written)
        self.sizes[name] = count_of(self.rows[name], "row")
        if more := ", ".join(each.name for each in written[1:]):
            self.sizes[name] += f", more than a sheet holds: they go on in {more}"
        if plain := sum(each.plain for each in written):
            self.sizes[name] += (
                f"; {count_of(plain, 'address is', 'addresses are')} text and not a link: there are too many"
            )
        if more or plain:
            log.warning("workbook: sheet %s: %s", name, self.sizes[name])

    def close(self, front: Iterable[Sequence[_Value]]) -> None:
        """Write the rows of the first sheet, and all that holds the sheets together."""
        with self._open(self._front, Links(self._front.schema, 0)) as (write, styles):
            for values in front:
                self._front.rows += 1
                write(cells.row(list(values), self._front.rows + 1, styles))
        for path, data in self._frame().items():
            if not path.startswith("xl/worksheets/sheet"):
                self._zip.writestr(path, data)
        self._zip.close()

    def _fill(self, sheet: Sheet, rest: "_Rest") -> Sheet:
        size = 0
        self._sheets.append(sheet)
        links = Links(sheet.schema, self.max_links)
        with self._open(sheet, links) as (write, styles):
            while size < _MAX_BYTES and (piece := rest.take(self.max_rows - 1 - sheet.rows)):
                size += write(cells.rows(piece.columns, sheet.rows + 2, styles, links.columns))
                links.add(piece, sheet.rows + 2)
                sheet.rows += piece.num_rows
        sheet.plain = links.left_out
        return sheet

    @contextmanager
    def _open(self, sheet: Sheet, links: Links) -> Iterator[tuple[Callable[[bytes | pa.Buffer], int], list[str]]]:
        """Write the frame of a sheet; the block writes its rows, gets the style of each column, and fills the links."""
        index = self._sheets.index(sheet)
        path = f"xl/worksheets/sheet{index + 1}.xml"
        head, _, data = self._frame()[path].partition(b"<sheetData>")
        # Neighbors of the same width and style are an element.
        spans = re.findall(r'<col min="(\d+)" max="(\d+)"[^>]* style="(\d+)"', head.decode())
        styles = [style for start, end, style in spans for _ in range(int(start), int(end) + 1)]
        (header,) = re.findall(rb'<c r="A1" s="(\d+)"/>', data)
        names = [f"{each.name} (UTC)" if pa.types.is_timestamp(each.type) else each.name for each in sheet.schema]
        with self._zip.open(path, "w") as file:
            file.write(_DIMENSION.sub(b"", head) + b"<sheetData>")
            file.write(cells.row(names, 1, [header.decode()] * len(names), is_header=True))
            yield file.write, styles
            file.write(b"</sheetData>" + links.put_into(self._frame()[path].partition(b"</sheetData>")[2]))
        if targets := links.relationships():
            self._zip.writestr(f"xl/worksheets/_rels/sheet{index + 1}.xml.rels", targets)

    def _frame(self) -> dict[str, bytes]:
        """The files of a workbook with the sheets so far, without rows."""
        made = io.BytesIO()
        with xlsxwriter.Workbook(made, {"in_memory": True}) as book:
            text = book.add_format({"num_format": "@", "quote_prefix": True})
            time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
            link = book.add_format({"num_format": "@", "font_color": "#0563C1", "underline": 1})
            header = book.add_format({"bold": True, "bottom": 1})
            for sheet in self._sheets:
                page = book.add_worksheet(sheet.name)
                for index, (column, width) in enumerate(zip(sheet.schema, sheet.widths, strict=True)):
                    style = time if pa.types.is_timestamp(column.type) else link if is_link(column) else text
                    page.set_column(index, index, width, style)
                page.write_blank(0, 0, None, header)
                page.freeze_panes(1, 0)
                page.autofilter(0, 0, sheet.rows, len(sheet.schema) - 1)
                page.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
                page.set_landscape()
                page.fit_to_pages(1, 0)
                page.repeat_rows(0)
                page.set_footer(f"&L{self.label}&C&A&RPage &P of &N")
        with ZipFile(made) as parts:
            return {path: parts.read(path) for path in parts.namelist()}


class _Rest:
    """Rows that are not written yet, in pieces of bounded size; `ahead` is the next piece, if there is one."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._pieces = (piece for batch in batches if batch.num_rows for piece in _pieces(batch))
        self.ahead: pa.RecordBatch | None = next(self._pieces, None)

    def take(self, most: int) -> pa.RecordBatch | None:
        """Take the next rows, at most this many; None if there are none."""
        if most <= 0 or (piece := self.ahead) is None:
            return None
        self.ahead = piece.slice(most) if piece.num_rows > most else next(self._pieces, None)
        return piece.slice(0, most)


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.nbytes <= _PIECE_BYTES or batch.num_rows == 1:
        yield batch
    else:
        half = batch.num_rows // 2
        yield from _pieces(batch.slice(0, half))
        yield from _pieces(batch.slice(half))


def _widths(schema: pa.Schema, first: pa.RecordBatch | None) -> list[int]:
    """The widths of columns by their first rows, within bounds."""
    values = first.slice(0, _WIDTH_ROWS).columns if first else [pa.array([], each.type) for each in schema]
    return [_width(field, column) for field, column in zip(schema, values, strict=True)]


def _width(column: pa.Field, values: pa.Array) -> int:
    if pa.types.is_timestamp(column.type):
        return len("2026-11-21 19:09:00 ")
    widest = max((cells.width(value) for value in values.unique().to_pylist() if value is not None), default=0)
    return min(_MAX_WIDTH, max(_MIN_WIDTH, cells.width(column.name) + _BUTTON, widest + 1))
