"""Columns that document themselves: `docs/datasets.md` is generated from them."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from audit.entity import EntityType

_SOURCE = "source"
_NULL = "null"


def column(name: str, kind: pa.DataType, source: str, null: str = "never") -> pa.Field:
    """A column of a table.

    Args:
        name: name of the column.
        kind: its type.
        source: the field of the API that it holds, or its meaning.
        null: when it is null.
    """
    return pa.field(name, kind, metadata={_SOURCE: source, _NULL: null})


def source_of(field: pa.Field) -> str:
    """The field of the API that a column holds, or its meaning."""
    return _documented(field, _SOURCE)


def null_of(field: pa.Field) -> str:
    """When a column is null."""
    return _documented(field, _NULL)


def _documented(field: pa.Field, key: str) -> str:
    return field.metadata[key.encode()].decode()  # type: ignore[no-any-return]


def without_docs(schema: pa.Schema) -> pa.Schema:
    """The same columns without documentation, as files store them."""
    return pa.schema([pa.field(field.name, field.type) for field in schema])


def regroup(tables: Iterable[pa.Table], schema: pa.Schema, size: int) -> Iterator[pa.Table]:
    """The same rows in tables of `size` rows; the last table may be shorter."""
    waiting = schema.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table])
        whole = waiting.num_rows - waiting.num_rows % size
        for start in range(0, whole, size):
            yield waiting.slice(start, size)
        waiting = waiting.slice(whole)
    if waiting.num_rows:
        yield waiting


_KINDS = [f"`{kind}`" for kind in EntityType]

#: The columns that name the entity of a row, in every table.
IDENTITY_SCHEMA = pa.schema(
    [
        column("org_id", pa.string(), "UUID of the organization"),
        column("entity_type", pa.string(), f"{', '.join(_KINDS[:-1])} or {_KINDS[-1]}"),
        column("entity_id", pa.string(), "`id` in the listing; an email address if the directory has no such user"),
        column("entity_name", pa.string(), "`displayName` in the listing; of a virtual line, first and last name",
               "none is listed"),
        column("location_id", pa.string(), "`locationId`, or `location.id`, in the listing", "none is listed"),
        column("location_name", pa.string(), "`name` of `GET /locations`", "no location, or its name can't be read"),
    ]
)  # fmt: skip
