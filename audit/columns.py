"""Columns that say where they come from: `docs/datasets.md` is generated from them."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

_SOURCE = "source"
_NULL = "null"


def column(name: str, kind: pa.DataType, source: str, null: str = "never") -> pa.Field:
    """A column of a table.

    Args:
        name: its name.
        kind: its type.
        source: the field of the API that it holds, or what it says.
        null: when it is null.
    """
    return pa.field(name, kind, metadata={_SOURCE: source, _NULL: null})


def source_of(field: pa.Field) -> str:
    """The field of the API that a column holds, or what it says."""
    return _told(field, _SOURCE)


def null_of(field: pa.Field) -> str:
    """When a column is null."""
    return _told(field, _NULL)


def _told(field: pa.Field, key: str) -> str:
    return field.metadata[key.encode()].decode()  # type: ignore[no-any-return]


def without_docs(schema: pa.Schema) -> pa.Schema:
    """The same columns by name and type alone, as files store them."""
    return pa.schema([pa.field(field.name, field.type) for field in schema])


def regroup(tables: Iterable[pa.Table], schema: pa.Schema, size: int) -> Iterator[pa.Table]:
    """The same rows in tables of so many, the last one shorter."""
    waiting = schema.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table])
        whole = waiting.num_rows - waiting.num_rows % size
        for start in range(0, whole, size):
            yield waiting.slice(start, size)
        waiting = waiting.slice(whole)
    if waiting.num_rows:
        yield waiting


#: The columns that say whose row it is, in every table.
IDENTITY_SCHEMA = pa.schema(
    [
        column("org_id", pa.string(), "UUID of the organization"),
        column("entity_type", pa.string(), "`WORKSPACE`, `PERSON` or `VIRTUAL_LINE`"),
        column("entity_id", pa.string(), "`id` in the listing; a mail address where the directory names no such user"),
        column("entity_name", pa.string(), "`displayName` in the listing; of a virtual line, first and last name",
               "none is listed"),
        column("location_id", pa.string(), "`locationId`, or `location.id`, in the listing", "none is listed"),
        column("location_name", pa.string(), "`name` of `GET /locations`", "no location, or its name can't be read"),
    ]
)  # fmt: skip
