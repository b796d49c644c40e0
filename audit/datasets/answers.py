"""Turns the raw answers of a batch into one Arrow table of a declared schema, one row an answer.

The fast path parses all bodies at once with `pyarrow.json`, which refuses an unknown field and a value of an undeclared
type. Then each body is decoded by itself, its unknown fields are counted and dropped, and all are parsed again: Arrow
never sees an unknown field, because it makes a column of each. If they are refused again, each body is read in
Python, with the few coercions that the API is known to need (`"primary": "true"`, a location as its bare name, a number
in place of a text). An answer with any other value of a wrong type, or with a list that holds nothing in place of
an object, is a defect; the other answers of the batch are not affected. So is an answer with too many values or too
long a text. Fields that no table has are counted and not looked into.
"""

import io
from collections import Counter
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from audit.errors import words_of
from audit.untrusted.bounds import ANSWER_VALUES, TEXT_BYTES
from audit.untrusted.decoding import UndecodableError, check_depth, may_hold_more
from audit.untrusted.unknown import add_unknown, name_of_unknown


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
    too_rich = {position for position, body in enumerate(bodies) if may_hold_more(body, ANSWER_VALUES)}
    if too_rich:
        defects = dict.fromkeys(too_rich, f"the answer has more than {ANSWER_VALUES:,} values")
        rest = [position for position in range(len(bodies)) if position not in too_rich]
        return _moved(read_answers([bodies[position] for position in rest], schema, required), rest, defects)
    if not bodies:
        return Answers(schema.empty_table(), [])
    try:
        answers = _read_at_once(bodies, schema)
    except _REFUSALS:
        answers = _read_one_by_one(bodies, schema)
    # Most answers are shorter than the longest text.
    too_long = _too_long(answers, schema) if max(map(len, bodies)) > TEXT_BYTES else {}
    return _without_defects(answers, {**_missing(answers, required), **too_long})


#: What refuses bodies that Arrow, or Python's own objects, can't hold as they are.
_REFUSALS = (pa.ArrowInvalid, msgspec.DecodeError, UndecodableError, UnicodeError, OverflowError, RecursionError)


def _moved(answers: Answers, positions: list[int], defects: dict[int, str]) -> Answers:
    """The same answers at other positions, and further defects."""
    return Answers(
        answers.table,
        [positions[each] for each in answers.positions],
        defects | {positions[each]: defect for each, defect in answers.defects.items()},
        answers.unknown_fields,
    )


def _read_at_once(bodies: list[bytes], schema: pa.Schema) -> Answers:
    positions = list(range(len(bodies)))
    try:
        return Answers(_parse(bodies, schema), positions)
    except _REFUSALS:
        unknown: Counter[str] = Counter()
        kind = _kind_of(pa.struct(schema))
        known = [_without_unknown(body, kind, unknown) for body in bodies]
        return Answers(_parse(known, schema), positions, {}, unknown)


#: The known fields of an object, or of the objects in a list; None for any other value.
_Known = dict[str, "_Known | None"]


def _kind_of(wanted: pa.DataType) -> _Known | None:
    if pa.types.is_list(wanted):
        return _kind_of(wanted.value_type)
    if not pa.types.is_struct(wanted):
        return None
    return {wanted.field(index).name: _kind_of(wanted.field(index).type) for index in range(wanted.num_fields)}


def _without_unknown(body: bytes, known: _Known | None, unknown: Counter[str]) -> bytes:
    content = msgspec.json.decode(body)
    check_depth(content)
    _drop_unknown(content, known or {}, "", unknown)
    return msgspec.json.encode(content)


def _drop_unknown(content: Any, known: _Known, path: str, unknown: Counter[str]) -> None:
    """Drop and count the unknown fields of an object, or of the objects in a list. The schema bounds the depth."""
    if isinstance(content, list):
        for item in content:
            if isinstance(item, dict):
                _drop_unknown(item, known, f"{path}[]", unknown)
    elif isinstance(content, dict):
        if strange := content.keys() - known.keys():
            for name in sorted(strange):
                if content.pop(name) is not None:
                    add_unknown(unknown, f"{path}.{name_of_unknown(name)}" if path else name_of_unknown(name))
        for name, value in content.items():
            if (inner := known[name]) and isinstance(value, (dict, list)):
                _drop_unknown(value, inner, f"{path}.{name}" if path else name, unknown)


def _parse(bodies: list[bytes], schema: pa.Schema) -> pa.Table:
    # A JSON string can't contain a raw newline, so every raw newline is white space.
    lines = b"\n".join(body.replace(b"\n", b" ").replace(b"\r", b" ") for body in bodies)
    table = pj.read_json(
        io.BytesIO(lines),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
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
            defects[position] = words_of(error)
        else:
            positions.append(position)
            for name, count in unknown_here.items():
                add_unknown(unknown, name, count)
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
    for name, value in fields.items():
        if name not in kinds and bytes(value).strip() != b"null":
            add_unknown(unknown, prefix + name_of_unknown(name))
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


def _missing(answers: Answers, required: tuple[str, ...]) -> dict[int, str]:
    """The defects of the answers that lack a required field, by position."""
    absent = {name: pc.is_null(answers.table[name]).to_pylist() for name in required}
    return {
        position: f"{name} is missing"
        for name, nulls in reversed(absent.items())
        for position, is_null in zip(answers.positions, nulls, strict=True)
        if is_null
    }


def _too_long(answers: Answers, schema: pa.Schema) -> dict[int, str]:
    """The defects of the answers with a text that no cell should hold, by position."""
    rows = pa.array(answers.positions, pa.int64())
    found = ((field.name, _long_rows(answers.table[field.name].combine_chunks(), rows)) for field in schema)
    return {position: f"{name} holds a text of more than {TEXT_BYTES:,} bytes" for name, at in found for position in at}


def _long_rows(values: Any, rows: pa.Array) -> list[int]:
    """The rows with a text that is too long, given the row of each value."""
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    if pa.types.is_string(values.type):
        lengths = pc.binary_length(values)
        if (pc.max(lengths).as_py() or 0) <= TEXT_BYTES:
            return []
        return pc.unique(rows.filter(pc.greater(lengths, TEXT_BYTES))).to_pylist()
    if pa.types.is_list(values.type):
        return _long_rows(pc.list_flatten(values), rows.take(pc.list_parent_indices(values)))
    if pa.types.is_struct(values.type):
        names = [values.type.field(index).name for index in range(values.type.num_fields)]
        return [row for name in names for row in _long_rows(pc.struct_field(values, name), rows)]
    return []


def _without_defects(answers: Answers, defects: dict[int, str]) -> Answers:
    if not defects:
        return answers
    kept = [row for row, position in enumerate(answers.positions) if position not in defects]
    return Answers(
        answers.table.take(pa.array(kept, pa.int64())),
        [answers.positions[row] for row in kept],
        {**answers.defects, **defects},
        answers.unknown_fields,
    )
