"""The footer of a Parquet file, before Arrow reads it: Arrow ends the process over some of what a footer can say.

The fields are those of `FileMetaData` in Apache Parquet's `parquet.thrift`. What no writer of a snapshot writes is
refused: encryption, bloom filters, geospatial statistics, other files.
"""

from audit.snapshot.thrift import Fields, Items, read_struct

#: The fields that Arrow writes for a snapshot, by the path of their struct.
_KNOWN = {
    (): frozenset(range(1, 8)),
    (4, 1): frozenset({2, 3, 4, 5, 6, 7}),
    (4, 1, 3): frozenset({1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16}),
    (4, 1, 3, 16): frozenset({1, 2, 3}),
}
_ELEMENT, _GROUP, _COLUMN = (2,), (4,), (4, 1, 3)
_TYPE, _SIZES = 1, 16
#: `BYTE_ARRAY`: the type of texts.
_TEXT = 6
#: A histogram has a number for each level, of which a column has that many, or is left out.
_REPETITIONS, _DEFINITIONS = (Items(0), Items(1)), (Items(0), Items(2))


def check_footer(data: bytes) -> None:
    """Refuse a footer that Arrow might not survive.

    Args:
        data: the footer, without its length.

    Raises:
        ValueError: the footer is not in the usual form, or what it says of its columns does not fit.
    """
    try:
        _, end = read_struct(data, visit=_Columns().check)
    except IndexError:
        end = -1
    if end != len(data):
        raise ValueError("its footer is cut off, or has something after it")


class _Columns:
    """Compares the columns of each row group with the schema, which comes before them."""

    def __init__(self) -> None:
        self._types: list[object] = []
        self._at = 0

    def check(self, path: tuple[int, ...], fields: Fields) -> None:
        """Look at a struct of the footer when it ends."""
        if fields.keys() - _KNOWN.get(path, fields.keys()):
            raise ValueError("its footer holds what no snapshot has")
        if path == _ELEMENT and _TYPE in fields:
            self._types.append(fields[_TYPE])
        elif path == _COLUMN:
            self._check_column(fields)
        elif path == _GROUP:
            if self._at != len(self._types):
                raise ValueError("a row group has other columns than the schema")
            self._at = 0

    def _check_column(self, column: Fields) -> None:
        # Of two types, Arrow believes the schema's.
        if self._at == len(self._types) or column.get(_TYPE) != self._types[self._at]:
            raise ValueError("a row group has other columns than the schema")
        self._at += 1
        if _SIZES in column and not _fits(column[_SIZES], is_text=column[_TYPE] == _TEXT):
            raise ValueError("the statistics of a column do not fit it")


def _fits(sizes: object, *, is_text: bool) -> bool:
    """Whether the size statistics of a column are those of a column that is not nested and can be null."""
    return (
        isinstance(sizes, dict)
        and (is_text or 1 not in sizes)
        and sizes.get(2, Items(0)) in _REPETITIONS
        and sizes.get(3, Items(0)) in _DEFINITIONS
    )
