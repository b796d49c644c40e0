"""Structs in Thrift's compact protocol, as Parquet has them: what a file says, without what it means.

Only the form that writers use is read: fields in ascending order. Any other form is refused, as two readers might
understand it differently.
"""

from collections.abc import Callable
from typing import NamedTuple

#: Structs in structs: a footer has row groups, which have columns, which have statistics.
_DEEPEST = 8

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 12
_INTEGERS = frozenset({_I16, _I32, _I64})
_FIXED = {_BYTE: 1, _DOUBLE: 8}


class Items(NamedTuple):
    """A list, of which only its length is kept."""

    length: int


class Other(NamedTuple):
    """A value that is neither a number nor a struct nor a list."""

    kind: int


Fields = dict[int, "int | Fields | Items | Other"]
#: Looks at a struct when it ends; its path is the numbers of the fields in which it lies.
Visit = Callable[[tuple[int, ...], Fields], object]


def read_struct(data: bytes, at: int = 0, visit: Visit | None = None) -> tuple[Fields, int]:
    """The fields of a struct by their numbers, without texts, and where the struct ends.

    Args:
        data: the bytes.
        at: where the struct begins.
        visit: is called for each struct, the inner ones first; the structs of a list are not kept.

    Raises:
        ValueError: it is not in the usual form.
        IndexError: it is cut off.
    """
    return _struct(data, at, (), visit or (lambda _path, _fields: None))


def _struct(data: bytes, at: int, path: tuple[int, ...], visit: Visit) -> tuple[Fields, int]:
    if len(path) > _DEEPEST:
        raise ValueError("a header is nested too deep")
    fields: Fields = {}
    number = 0
    while byte := data[at]:
        at += 1
        step, kind = byte >> 4, byte & 15
        if not step:
            raise ValueError("a header is not in the usual form")
        number += step
        if kind in (_TRUE, _FALSE):
            fields[number] = Other(kind)
        else:
            fields[number], at = _value(data, at, kind, (*path, number), visit)
    visit(path, fields)
    return fields, at + 1


def _value(
    data: bytes, at: int, kind: int, path: tuple[int, ...], visit: Visit
) -> tuple["int | Fields | Items | Other", int]:
    if kind in _INTEGERS:
        value, at = _varint(data, at)
        return (value >> 1) ^ -(value & 1), at
    if kind == _STRUCT:
        return _struct(data, at, path, visit)
    if kind == _LIST:
        return _list(data, at, path, visit)
    if kind == _BINARY:
        size, at = _varint(data, at)
        return Other(kind), at + size
    if kind in _FIXED:
        return Other(kind), at + _FIXED[kind]
    raise ValueError("a header is not in the usual form")


def _list(data: bytes, at: int, path: tuple[int, ...], visit: Visit) -> tuple[Items, int]:
    count, kind = data[at] >> 4, data[at] & 15
    at += 1
    if kind in (_TRUE, _FALSE, _LIST):
        raise ValueError("a header is not in the usual form")
    if count == 15:
        count, at = _varint(data, at)
    for _ in range(count):
        _, at = _value(data, at, kind, path, visit)
    return Items(count), at


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
            raise ValueError("a header holds a number that is too long")
