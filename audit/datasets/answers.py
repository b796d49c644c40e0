"""Turns the raw answers of a batch into one Arrow table of a declared schema, one row an answer.

The fast path parses all bodies at once with `pyarrow.json`, which refuses a value of an undeclared type. A batch with
such a value is parsed again answer by answer, in Python, with the few coercions that the API is known to need
(`"primary": "true"`, a location as its bare name, a number in place of a text). An answer with any other value of a
wrong type, or with a list that holds nothing in place of an object, is a defect; the other answers of the batch are not
affected. Fields that no table has are counted and not looked into.
"""

import io
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from audit.errors import words_of

#: Unknown fields that are counted; a new version of the API does not add more.
_MAX_UNKNOWN = 1000
#: Stands for all unknown fields whose names do not look like names.
ODD_NAME = "(odd name)"
_NAME = re.compile(r"[A-Za-z_$@][A-Za-z0-9_$@:-]{0,63}")


def name_of_unknown(name: str) -> str:
    """The name of an unknown field if it looks like a name, else `ODD_NAME`: a manifest keeps no text from outside."""
    return name if _NAME.fullmatch(name) else ODD_NAME


class _DefectError(ValueError):
    pass


@dataclass(frozen=True)
class Answers:
    """The readable answers of a batch, and the defects of the others.

    Attributes:
        table: one row for each readable answer (the fields of the schema, maybe more), in order.
        positions: for each row, the position of its body.
        defects: for each unreadable body, by position, the reason.
        unknown_fields: how often each field occurs that is not in the schema, by its path.
    """

    table: pa.Table
    positions: list[int]
    defects: dict[int, str] = field(default_factory=dict)
    unknown_fields: Counter[str] = field(default_factory=Counter)


def read_answers(bodies: list[bytes], schema: pa.Schema, required: tuple[str, ...]) -> Answers:
    """Parse bodies by a schema.

    Args:
        bodies: the raw bodies, each a JSON object in UTF-8 that msgspec accepts.
        schema: the fields to read, including nested ones.
        required: the fields that must not be null.
    """
    if not bodies:
        return Answers(schema.empty_table(), [])
    try:
        table = _parse(bodies, schema)
    except (pa.ArrowInvalid, UnicodeDecodeError, OverflowError):
        return _without_required(_read_one_by_one(bodies, schema), required)
    unknown: Counter[str] = Counter()
    _count_unknown(pa.struct(table.schema), pa.struct(schema), table.to_struct_array(), "", unknown)
    return _without_required(Answers(table, list(range(len(bodies))), {}, unknown), required)


def _parse(bodies: list[bytes], schema: pa.Schema) -> pa.Table:
    # A JSON string can't contain a raw newline, so every raw newline is white space.
    lines = b"\n".join(body.replace(b"\n", b" ").replace(b"\r", b" ") for body in bodies)
    table = pj.read_json(
        io.BytesIO(lines),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer"),
    ).combine_chunks()
    if table.num_rows != len(bodies):
        raise pa.ArrowInvalid("a body is not exactly one object")
    if any(_has_blanks(table[field.name], field.type) for field in schema):
        raise pa.ArrowInvalid("a list has an item that holds nothing")
    return table


def _has_blanks(values: pa.ChunkedArray, known: pa.DataType) -> bool:
    """Whether a list, at any depth, has an item that holds no known value."""
    if pa.types.is_struct(known):
        children = {known.field(index).name: known.field(index).type for index in range(known.num_fields)}
        return any(_has_blanks(pc.struct_field(values, name), kind) for name, kind in children.items())
    if not pa.types.is_list(known):
        return False
    items = pc.list_flatten(values)
    if not pa.types.is_struct(known.value_type):
        return bool(items.null_count)
    names = [known.value_type.field(index).name for index in range(known.value_type.num_fields)]
    is_blank = reduce(pc.and_, (pc.is_null(pc.struct_field(items, name)) for name in names))
    return bool(pc.any(is_blank).as_py()) or _has_blanks(items, known.value_type)


def _count_unknown(
    got: pa.DataType, known: pa.DataType, values: pa.ChunkedArray, path: str, unknown: Counter[str]
) -> None:
    if pa.types.is_list(known) and pa.types.is_list(got):
        _count_unknown(got.value_type, known.value_type, pc.list_flatten(values), f"{path}[]", unknown)
    elif pa.types.is_struct(known) and pa.types.is_struct(got):
        names = {known.field(index).name for index in range(known.num_fields)}
        for index, child_values in enumerate(values.flatten()):
            child = got.field(index)
            name = child.name if child.name in names else name_of_unknown(child.name)
            child_path = f"{path}.{name}" if path else name
            if child.name in names:
                _count_unknown(child.type, known.field(child.name).type, child_values, child_path, unknown)
            elif (occurrences := len(child_values) - child_values.null_count) and len(unknown) < _MAX_UNKNOWN:
                unknown[child_path] += occurrences


def _read_one_by_one(bodies: list[bytes], schema: pa.Schema) -> Answers:
    rows: list[dict[str, Any]] = []
    positions: list[int] = []
    defects: dict[int, str] = {}
    unknown: Counter[str] = Counter()
    for position, body in enumerate(bodies):
        unknown_here: Counter[str] = Counter()
        try:
            rows.append(_coerce(msgspec.Raw(body), pa.struct(schema), "", unknown_here))
        except (ValueError, RecursionError) as error:
            defects[position] = str(error) if isinstance(error, _DefectError) else words_of(error)
        else:
            positions.append(position)
            unknown += unknown_here if len(unknown) < _MAX_UNKNOWN else {}
    return Answers(pa.Table.from_pylist(rows, schema=schema), positions, defects, unknown)


def _coerce(raw: msgspec.Raw, wanted: pa.DataType, path: str, unknown: Counter[str]) -> Any:
    """The value of the wanted type; what no table has stays unparsed, so that nothing in it can be wrong."""
    text = bytes(raw).strip()
    begin = text[:1]
    if begin == b"n" and path:
        return None
    if pa.types.is_string(wanted) and begin not in b"{[n":
        return msgspec.json.decode(text) if begin == b'"' else text.decode()
    if pa.types.is_boolean(wanted) and (word := text.strip(b'"').lower()) in (b"true", b"false"):
        return word == b"true"
    if pa.types.is_list(wanted) and begin == b"[":
        items = msgspec.json.decode(text, type=list[msgspec.Raw])
        return [_coerce_item(item, wanted.value_type, f"{path}[]", unknown) for item in items]
    if pa.types.is_struct(wanted):
        kinds = {wanted.field(index).name: wanted.field(index).type for index in range(wanted.num_fields)}
        if begin == b'"' and "name" in kinds:
            return dict.fromkeys(kinds) | {"name": msgspec.json.decode(text)}
        if begin == b"{":
            return _coerce_fields(msgspec.json.decode(text, type=dict[str, msgspec.Raw]), kinds, path, unknown)
    raise _DefectError(f"{path or 'the answer'} is {_kind(begin)} where {_kind_wanted(wanted)} is documented")


def _coerce_item(item: msgspec.Raw, wanted: pa.DataType, path: str, unknown: Counter[str]) -> Any:
    value = _coerce(item, wanted, path, unknown)
    if value is None or (isinstance(value, dict) and not any(_fields(item).values())):
        raise _DefectError(
            f"{path} is {'null' if value is None else 'empty'} where {_kind_wanted(wanted)} is documented"
        )
    return value


def _fields(item: msgspec.Raw) -> dict[str, bool]:
    """Whether each field of an object holds something; a text in place of an object does."""
    if bytes(item).strip()[:1] != b"{":
        return {"": True}
    fields = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
    return {name: bytes(value).strip() != b"null" for name, value in fields.items()}


def _coerce_fields(
    fields: dict[str, msgspec.Raw], kinds: dict[str, pa.DataType], path: str, unknown: Counter[str]
) -> dict[str, Any]:
    prefix = f"{path}." if path else ""
    unknown.update(
        prefix + name_of_unknown(name)
        for name, value in fields.items()
        if name not in kinds and bytes(value).strip() != b"null"
    )
    null = msgspec.Raw(b"null")
    return {name: _coerce(fields.get(name, null), kind, prefix + name, unknown) for name, kind in kinds.items()}


def _kind(begin: bytes) -> str:
    names = {b"{": "an object", b"[": "a list", b'"': "a text", b"t": "a boolean", b"f": "a boolean", b"n": "null"}
    return names.get(begin, "a number")


def _kind_wanted(wanted: pa.DataType) -> str:
    if pa.types.is_struct(wanted):
        return "an object"
    if pa.types.is_list(wanted):
        return "a list"
    return "a boolean" if pa.types.is_boolean(wanted) else "a text"


def _without_required(answers: Answers, required: tuple[str, ...]) -> Answers:
    absent = {name: pc.is_null(answers.table[name]).to_pylist() for name in required}
    defects = {
        position: f"{name} is missing"
        for name, nulls in reversed(absent.items())
        for position, is_null in zip(answers.positions, nulls, strict=True)
        if is_null
    }
    if not defects:
        return answers
    kept = [row for row, position in enumerate(answers.positions) if position not in defects]
    return Answers(
        answers.table.take(pa.array(kept, pa.int64())),
        [answers.positions[row] for row in kept],
        {**answers.defects, **defects},
        answers.unknown_fields,
    )
