"""What a dataset is: data and two functions, in one file of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from audit.entity import Entity, EntityType

#: The columns that say whose row it is: first in every table of a dataset.
IDENTITY_SCHEMA = pa.schema(
    [
        ("org_id", pa.string()),
        ("entity_type", pa.string()),
        ("entity_id", pa.string()),
        ("entity_name", pa.string()),
        ("location_id", pa.string()),
        ("location_name", pa.string()),
    ]
)


@dataclass(frozen=True)
class Dataset:
    """One kind of settings.

    Attributes:
        name: its name in tables; on the command line with `-` for `_`.
        scopes: the kinds of entity that have it, each with the scope that its read needs.
        path: the path of an entity's read, percent-encoded, below the base URL.
        answer: the schema of an answer, as far as the tables need it.
        required: the fields without which an answer is no answer.
        tables: the schemas of its tables, each beginning with `IDENTITY_SCHEMA`.
        flatten: identities (`IDENTITY_SCHEMA`) and their answers (`answer`), row by row → its tables.
    """

    name: str
    scopes: Mapping[EntityType, str]
    path: Callable[[Entity], str]
    answer: pa.Schema
    required: tuple[str, ...]
    tables: Mapping[str, pa.Schema]
    flatten: Callable[[pa.Table, pa.Table], dict[str, pa.Table]]
