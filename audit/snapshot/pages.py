"""The headers of the pages of a Parquet file: what a reader will make room for, before it does.

A header is a struct (Apache Parquet, `parquet.thrift`: `PageHeader`).
"""

from collections.abc import Iterator
from io import BufferedIOBase
from typing import NamedTuple

from audit.snapshot.thrift import Fields, read_struct

#: Bytes of most headers, and of the longest header: its statistics hold at most four values of 4 KiB.
_USUAL_BYTES = 512
_MOST_BYTES = 64 << 10
#: By kind of page (`PageType`): the field with the header of that kind, and the field of the encoding in it.
_KINDS = {0: (5, 2), 2: (7, 2), 3: (8, 4)}
_INT_MAX = 2**31 - 1


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
            fields, length = read_struct(data)
        except IndexError:
            continue
        return _page(fields, at, length)
    raise ValueError("the header of a page is cut off or too long")


def _page(fields: Fields, at: int, length: int) -> Page:
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


def _number(fields: Fields, name: int) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or not 0 <= value <= _INT_MAX:
        raise ValueError("the header of a page lacks a number, or holds an impossible one")
    return value
