"""Parquet that may come from anybody, read in bounded memory.

A small file can say that it holds billions of values, or a value of a gigabyte, a million times. So the footer and
the headers of all pages are read first, and must agree: a reader then makes room for what they say and no more.
From them follow the number of rows that fit into memory at once, and whether the file is refused.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit.snapshot.footer import check_footer
from audit.snapshot.pages import Page, read_pages

#: The most bytes of a page, of the pages that all columns of a row group have open at once, and of decoded rows.
_PAGE_BYTES = 32 << 20
_OPEN_BYTES = 96 << 20
_BATCH_BYTES = 128 << 20
#: Rows in memory at once, if they are short.
_BATCH_ROWS = 50_000
#: The most bytes that a file decodes to: a fixed part, and more for each byte of the file. The rows of a snapshot
#: decode to some 20 to 50 times their file, in outages, with an error message in each row, to some 100 times.
_DECODED_BYTES = 256 << 20
_DECODED_PER_BYTE = 1000
#: The most bytes of a footer: a fixed part, and more for each row group, which has 100,000 rows at least but the last.
_FOOTER_BYTES = 256 << 10
_FOOTER_BYTES_OF_GROUP = 256 << 10
_FOOTER_BYTES_AT_MOST = 32 << 20
_GROUP_ROWS = 100_000
#: The most columns of a table.
MOST_COLUMNS = 200
#: The most pages of a column: a fixed part, and more for its rows; Arrow's pages have 1,024 rows or more but the last.
_PAGES = 16
_LEAST_ROWS_OF_PAGE = 256
#: From this size on, the columns of a row group are read piece by piece instead of whole.
_WHOLE_BYTES = 16 << 20
_PIECE_BYTES = 1 << 20

#: What reading raises if a file is not Parquet or CSV, or has another shape; KeyError means a missing column.
UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError)

_TYPES = (pa.string(), pa.bool_(), pa.int32(), pa.int64(), pa.timestamp("us", "UTC"))
#: Bytes of a value that is not a text, and of a text beside its characters.
_FIXED_BYTES = 8
#: `PLAIN_DICTIONARY` and `RLE_DICTIONARY` of `parquet.thrift`; and `DELTA_BYTE_ARRAY`, in which a byte stands for a
#: text of any length, and which no snapshot uses.
_OF_DICTIONARY = frozenset({2, 8})
_UNBOUNDED_ENCODING = 7


@dataclass(frozen=True)
class Examined:
    """A file that is safe to read.

    Attributes:
        rows, metadata, schema: what its footer says.
        batch_rows: for each row group, the number of rows to read at once.
        is_large: its row groups may be too large to be read whole.
    """

    rows: int
    metadata: Any
    schema: pa.Schema
    batch_rows: list[int]
    is_large: bool


class _Column(NamedTuple):
    """The pages of a column in a row group. `longest` is the size of a value of the dictionary, at most."""

    name: str
    is_text: bool
    dictionary: Page | None
    pages: list[Page]
    longest: int


def examine(path: Path, rows: int | None = None) -> Examined:
    """Check that a Parquet file can be read in bounded memory and time, by its footer and the headers of its pages.

    Args:
        path: the file; it must not change until it has been read.
        rows: the number of rows that it should hold, if known: a footer grows with them.

    Raises:
        ValueError: the file is not safe to read; the text says why, in our words.
        OSError: the file can't be read, or is not Parquet.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        _check_footer(file, size, rows)
        metadata = pq.read_metadata(path)
        schema = _checked_schema(metadata)
        allowed = _DECODED_BYTES + _DECODED_PER_BYTE * size
        found = Examined(metadata.num_rows, metadata, schema, [], size > _WHOLE_BYTES)
        for index in range(metadata.num_row_groups):
            columns = _columns(file, metadata, index, size)
            allowed -= _plan(path, found, columns, allowed)
    return found


def fault_of(error: Exception) -> str:
    """What is wrong with a file, in our words: the text of a library may hold anything that the file holds."""
    if isinstance(error, MemoryError):
        return "it needs too much memory"
    if isinstance(error, KeyError):
        return "it lacks a column"
    # Arrow's own errors are subclasses of ValueError and OSError.
    if type(error) is ValueError:
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return f"it can't be read: {os.strerror(error.errno)}"
    return "its content is not what its format demands"


def read_batches(path: Path, found: Examined, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of an examined file, in batches whose size is bounded.

    Args:
        path: the file.
        found: what `examine` found.
        columns: the columns to read; None for all.
    """
    buffered = _PIECE_BYTES if found.is_large else 0
    with pq.ParquetFile(path, metadata=found.metadata, buffer_size=buffered) as file:
        for index, rows in enumerate(found.batch_rows):
            yield from file.iter_batches(rows, row_groups=[index], columns=columns)


def _check_footer(file: BufferedIOBase, size: int, rows: int | None) -> None:
    file.seek(max(0, size - 8))
    tail = file.read(8)
    if size < 12 or tail[4:] != b"PAR1":
        raise ValueError("it is not Parquet, or is cut off")
    length = int.from_bytes(tail[:4], "little")
    groups = _FOOTER_BYTES_AT_MOST if rows is None else _FOOTER_BYTES_OF_GROUP * (rows // _GROUP_ROWS)
    if length > min(size - 12, _FOOTER_BYTES + groups, _FOOTER_BYTES_AT_MOST):
        raise ValueError("its footer is too long for its rows")
    file.seek(size - 8 - length)
    check_footer(file.read(length))


def _checked_schema(metadata: Any) -> pa.Schema:
    if metadata.num_columns > MOST_COLUMNS:
        raise ValueError(f"it has more than {MOST_COLUMNS} columns")
    columns = [metadata.schema.column(number) for number in range(metadata.num_columns)]
    # Arrow ends the process over the statistics of a column that can't be null, if they are those of one that can.
    if any(column.max_definition_level != 1 or column.max_repetition_level for column in columns):
        raise ValueError("a column is nested, or can't be null")
    schema: pa.Schema = metadata.schema.to_arrow_schema()
    if len(schema) != metadata.num_columns or any(field.type not in _TYPES for field in schema):
        raise ValueError("a column is of a type that no table of a snapshot has")
    if len({*schema.names}) != len(schema):
        raise ValueError("two columns have the same name")
    return schema


def _columns(file: BufferedIOBase, metadata: Any, index: int, size: int) -> list[_Column]:
    group = metadata.row_group(index)
    return [_column(file, group.column(number), group.num_rows, size) for number in range(metadata.num_columns)]


def _column(file: BufferedIOBase, chunk: Any, rows: int, size: int) -> _Column:
    """The pages of a column, which must be what the footer says of it."""
    most = _PAGES + rows // _LEAST_ROWS_OF_PAGE
    name, is_text = chunk.path_in_schema, chunk.physical_type == "BYTE_ARRAY"
    if not (rows or chunk.num_values or chunk.total_compressed_size):
        return _Column(name, is_text, None, [], 0)
    first = chunk.data_page_offset
    start = chunk.dictionary_page_offset if chunk.has_dictionary_page else first
    end = start + chunk.total_compressed_size
    if chunk.file_path or getattr(chunk, "bloom_filter_offset", None) is not None or not 4 <= start <= end <= size:
        raise ValueError("its footer names bytes that are not in the file")
    pages = list(islice(read_pages(file, start, end), most + 1))
    if len(pages) > most:
        raise ValueError("a column has far more pages than its rows need")
    dictionary = pages.pop(0) if pages and pages[0].is_dictionary else None
    if dictionary and pages and dictionary.end != first:
        raise ValueError("a dictionary is not where its footer says")
    if any(page.is_dictionary for page in pages) or (dictionary is None) is not (start == first):
        raise ValueError("a column has a dictionary that its footer does not name")
    _check_pages(chunk, dictionary, pages, rows)
    return _Column(name, is_text, dictionary, pages, dictionary.unpacked if dictionary else 0)


def _check_pages(chunk: Any, dictionary: Page | None, pages: list[Page], rows: int) -> None:
    of_all = [dictionary, *pages] if dictionary else pages
    unpacked = sum(page.unpacked + page.header for page in of_all)
    values = sum(page.values for page in pages)
    if values != rows or chunk.num_values != rows or unpacked != chunk.total_uncompressed_size:
        raise ValueError("its pages hold something other than its footer says")
    if any(max(page.unpacked, page.stored) > _PAGE_BYTES for page in of_all):
        raise ValueError(f"a page has more than {_PAGE_BYTES >> 20} MiB")
    encodings = [page.encoding for page in pages]
    of_dictionary = [encoding in _OF_DICTIONARY for encoding in encodings]
    if _UNBOUNDED_ENCODING in encodings or of_dictionary != sorted(of_dictionary, reverse=True):
        raise ValueError("its values are encoded in a way that webex-audit does not use")
    if any(of_dictionary) and dictionary is None:
        raise ValueError("a column lacks its dictionary")


def _plan(path: Path, found: Examined, columns: list[_Column], allowed: int) -> int:
    """Add how many rows of a row group to read at once; returns the bytes that the row group decodes to, at most."""
    index = len(found.batch_rows)
    rows = found.metadata.row_group(index).num_rows
    if sum(map(_open, columns)) > _OPEN_BYTES:
        raise ValueError("the pages of a row group need too much memory")
    if not _fits(columns, min(rows, _BATCH_ROWS)) or sum(map(_decoded, columns)) > allowed:
        columns = _with_longest(path, found.metadata, index, columns)
    decoded = sum(map(_decoded, columns))
    if decoded > allowed:
        raise ValueError("it holds far more than its size allows")
    found.batch_rows.append(_rows_at_once(columns, rows))
    return decoded


def _open(column: _Column) -> int:
    largest = max((page.unpacked for page in column.pages), default=0)
    return largest + (column.dictionary.unpacked if column.dictionary else 0)


def _decoded(column: _Column) -> int:
    return sum(_decoded_page(column, page, page.values) for page in column.pages)


def _decoded_page(column: _Column, page: Page, values: int) -> int:
    """The most bytes that some values of a page decode to."""
    if not column.is_text:
        return values * _FIXED_BYTES
    text = values * column.longest if page.encoding in _OF_DICTIONARY else page.unpacked
    return text + values * _FIXED_BYTES


def _rows_at_once(columns: list[_Column], rows: int) -> int:
    # Pages that are open at once need less than a batch may, so a batch of one row fits.
    at_once = max(1, min(rows, _BATCH_ROWS))
    while at_once > 1 and not _fits(columns, at_once):
        at_once = (at_once + 1) // 2
    return at_once


def _fits(columns: list[_Column], at_once: int) -> bool:
    """Whether any batch of a number of rows fits into memory, with each page whose rows are in it."""
    batches: dict[int, int] = {}
    for column in columns:
        begin = 0
        for page in column.pages:
            end = begin + page.values
            decoded = _decoded_page(column, page, min(page.values, at_once))
            if begin < end:
                for batch in range(begin // at_once, (end - 1) // at_once + 1):
                    batches[batch] = batches.get(batch, 0) + decoded
            begin = end
    return max(batches.values(), default=0) <= _BATCH_BYTES


def _with_longest(path: Path, metadata: Any, index: int, columns: list[_Column]) -> list[_Column]:
    """The columns of a row group with the true length of the longest value of each dictionary."""
    names = [column.name for column in columns if column.is_text and column.dictionary]
    with pq.ParquetFile(path, metadata=metadata, read_dictionary=names, buffer_size=_PIECE_BYTES) as file:
        rows = next(iter(file.iter_batches(1, row_groups=[index], columns=names)), None) if names else None
    return [_measured(column, rows) if column.name in names else column for column in columns]


def _measured(column: _Column, rows: pa.RecordBatch | None) -> _Column:
    values = getattr(rows.column(column.name), "dictionary", None) if rows else None
    # Arrow may leave out the dictionary, as long as only nulls have been read.
    if values is None or not column.dictionary or len(values) != column.dictionary.values:
        return column
    return column._replace(longest=pc.max(pc.binary_length(values)).as_py() or 0)
