"""Raw answers of a batch → one Arrow table of a declared schema, an answer a row.

The fast way is `pyarrow.json` over all bodies at once. It refuses a value of another type than
declared, so a batch with such an answer is read again one by one, in Python, with the few
coercions that the API is known to need (`"primary": "true"`, a location as its bare name, a number
where text belongs). Only what can't be coerced is a defect, of that answer alone.
"""

import io
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

#: Names of unknown fields that are counted; more than these are no new version of the API.
_MAX_UNKNOWN = 1000


class _DefectError(ValueError):
    pass


@dataclass(frozen=True)
class Answers:
    """The answers of a batch that could be read, and what was wrong with the others.

    Attributes:
        table: one row an answer that could be read (fields of the schema, maybe more), in order.
        positions: for each row, which of the bodies it is.
        defects: by position, why a body is no answer.
        unknown_fields: how often each field occurs that the schema does not know, by its path.
    """

    table: pa.Table
    positions: list[int]
    defects: dict[int, str] = field(default_factory=dict)
    unknown_fields: Counter[str] = field(default_factory=Counter)


def read_answers(bodies: list[bytes], schema: pa.Schema, required: tuple[str, ...]) -> Answers:
    """Read bodies, each one JSON object in UTF-8, by a schema.

    Args:
        bodies: the raw bodies, each in UTF-8 that msgspec takes.
        schema: the fields that are wanted, nested ones included.
        required: the fields that an answer can't do without.
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
    # A raw newline can't stand inside a JSON string, so it is white space wherever it stands.
    lines = b"\n".join(body.replace(b"\n", b" ").replace(b"\r", b" ") for body in bodies)
    table = pj.read_json(
        io.BytesIO(lines),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer"),
    ).combine_chunks()
    if table.num_rows != len(bodies):
        raise pa.ArrowInvalid("a body is not exactly one object")
    return table


def _count_unknown(
    got: pa.DataType, known: pa.DataType, values: pa.ChunkedArray, path: str, unknown: Counter[str]
) -> None:
    if pa.types.is_list(known) and pa.types.is_list(got):
        _count_unknown(got.value_type, known.value_type, pc.list_flatten(values), f"{path}[]", unknown)
    elif pa.types.is_struct(known) and pa.types.is_struct(got):
        names = {known.field(index).name for index in range(known.num_fields)}
        for index, child_values in enumerate(values.flatten()):
            child = got.field(index)
            child_path = f"{path}.{child.name}" if path else child.name
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
        found: Counter[str] = Counter()
        try:
            rows.append(_coerce(msgspec.json.decode(body), pa.struct(schema), "", found))
        except (ValueError, RecursionError) as error:
            defects[position] = str(error)
        else:
            positions.append(position)
            unknown += found if len(unknown) < _MAX_UNKNOWN else {}
    return Answers(pa.Table.from_pylist(rows, schema=schema), positions, defects, unknown)


def _coerce(value: Any, wanted: pa.DataType, path: str, unknown: Counter[str]) -> Any:
    if value is None and path:
        return None
    if pa.types.is_string(wanted) and isinstance(value, str | int | float):
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if pa.types.is_boolean(wanted) and str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    if pa.types.is_list(wanted) and isinstance(value, list):
        return [_coerce(item, wanted.value_type, f"{path}[]", unknown) for item in value]
    if pa.types.is_struct(wanted):
        fields = {wanted.field(index).name: wanted.field(index).type for index in range(wanted.num_fields)}
        if isinstance(value, str) and "name" in fields:
            value = {"name": value}
        if isinstance(value, dict):
            prefix = f"{path}." if path else ""
            unknown.update(prefix + key for key, item in value.items() if key not in fields and item is not None)
            return {name: _coerce(value.get(name), kind, prefix + name, unknown) for name, kind in fields.items()}
    raise _DefectError(f"{path or 'the answer'} is {_kind(value)} where {_kind_wanted(wanted)} is documented")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


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
