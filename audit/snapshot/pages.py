"""The headers of the pages of a Parquet file: what a reader will make room for, before it does.

A header is a struct in Thrift's compact protocol (Apache Parquet, `parquet.thrift`: `PageHeader`). Only the form that
writers use is read: fields in ascending order, and no collections. Any other form is refused, as two readers might
understand it differently.
"""

from collections.abc import Iterator
from io import BufferedIOBase
from typing import NamedTuple

#: Bytes of most headers, and of the longest header: its statistics hold at most four values of 4 KiB.
_USUAL_BYTES = 512
_MOST_BYTES = 64 << 10
#: Structs in structs: a page has a header of its kind, which has statistics.
_DEEPEST = 3

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _BINARY, _STRUCT = 1, 2, 3, 4, 5, 6, 8, 12
_INTEGERS = frozenset({_I16, _I32, _I64})
#: By kind of page (`PageType`): the field with the header of that kind, and the field of the encoding in it.
_KINDS = {0: (5, 2), 2: (7, 2), 3: (8, 4)}
_INT_MAX = 2**31 - 1

_Fields = dict[int, "int | _Fields"]


class Page(NamedTuple):
    """What the header of a page says.

    Attributes:
        is_dictionary: the page holds the dictionary of its column, and no rows.
        stored: bytes in the file, without the header.
        unpacked: bytes after decompression.
        values: number of values, nulls included.
        encoding: number of the encoding (`Encoding`).
        end: where the page ends in the file.
        header: bytes of the header.
    """

    is_dictionary: bool
    stored: int
    unpacked: int
    values: int
    encoding: int
    end: int
    header: int


def read_pages(file: BufferedIOBase, start: int, end: int) -> Iterator[Page]:
    """The pages of a column, from their headers alone.

    Args:
        file: the Parquet file.
        start: where the first page begins.
        end: where the last page must end.

    Raises:
        ValueError: a header is not in the usual form, or a page ends elsewhere.
    """
    at = start
    while at < end:
        page = _read_page(file, at)
        if page.end > end:
            raise ValueError("a page is longer than its column")
        at = page.end
        yield page


def _read_page(file: BufferedIOBase, at: int) -> Page:
    for size in (_USUAL_BYTES, _MOST_BYTES):
        file.seek(at)
        data = file.read(size)
        try:
            fields, length = _struct(data, 0, 1)
        except IndexError:
            continue
        return _page(fields, at, length)
    raise ValueError("the header of a page is cut off or too long")


def _page(fields: _Fields, at: int, length: int) -> Page:
    kind = _number(fields, 1)
    if kind not in _KINDS:
        raise ValueError("a page is of an unknown kind")
    header, encoding = _KINDS[kind]
    details = fields.get(header)
    if not isinstance(details, dict):
        raise ValueError("a page lacks the header of its kind")  # noqa: TRY004 - the file is wrong, not a type
    stored = _number(fields, 3)
    return Page(
        kind == 2, stored, _number(fields, 2), _number(details, 1), _number(details, encoding),
        at + length + stored, length,
    )  # fmt: skip


def _number(fields: _Fields, name: int) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or not 0 <= value <= _INT_MAX:
        raise ValueError("the header of a page lacks a number, or holds an impossible one")
    return value


def _struct(data: bytes, at: int, depth: int) -> tuple[_Fields, int]:
    """The fields of a struct by their numbers, without texts, and where the struct ends."""
    if depth > _DEEPEST:
        raise ValueError("the header of a page is nested too deep")
    fields: _Fields = {}
    number = 0
    while byte := data[at]:
        at += 1
        step, kind = byte >> 4, byte & 15
        if not step:
            raise ValueError("the header of a page is not in the usual form")
        number += step
        if kind in _INTEGERS:
            value, at = _varint(data, at)
            fields[number] = (value >> 1) ^ -(value & 1)
        elif kind == _STRUCT:
            fields[number], at = _struct(data, at, depth + 1)
        elif kind == _BINARY:
            size, at = _varint(data, at)
            at += size
        elif kind == _BYTE:
            at += 1
        elif kind not in (_TRUE, _FALSE):
            raise ValueError("the header of a page is not in the usual form")
    return fields, at + 1


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("the header of a page holds a number that is too long")
