"""Entities: what has settings in an organization, as objects and as rows of a table."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec
import pyarrow as pa

from audit.outcome import Outcome
from audit.untrusted.decoding import prepared


class EntityType(StrEnum):
    """The kinds of entity, spelled as in the tables."""

    WORKSPACE = "WORKSPACE"
    PERSON = "PERSON"
    VIRTUAL_LINE = "VIRTUAL_LINE"
    PAGING_GROUP = "PAGING_GROUP"


@prepared
class Entity(msgspec.Struct, frozen=True):
    """A row of an inventory; the fields are the columns of `INVENTORY_SCHEMA`."""

    entity_type: EntityType
    entity_id: str
    entity_name: str | None = None
    location_id: str | None = None
    location_name: str | None = None
    email: str | None = None
    site_urls: list[str] = []
    is_caller: bool = False
    known_outcome: Outcome | None = None
    known_reason: str | None = None
    is_hot_desk: bool = False


#: An inventory: a row for each entity. `known_outcome` and `known_reason` are set if the listing already says the
#: outcome, so that no request is needed. `site_urls` are the meeting sites in the listing, `is_caller` marks the
#: token's own user, `is_hot_desk` a workspace where people may only hot desk, so that it may have no call settings.
INVENTORY_SCHEMA = pa.schema(
    [
        pa.field("entity_type", pa.string(), nullable=False),
        pa.field("entity_id", pa.string(), nullable=False),
        ("entity_name", pa.string()),
        ("location_id", pa.string()),
        ("location_name", pa.string()),
        ("email", pa.string()),
        ("site_urls", pa.list_(pa.string())),
        ("is_caller", pa.bool_()),
        ("known_outcome", pa.string()),
        ("known_reason", pa.string()),
        ("is_hot_desk", pa.bool_()),
    ]
)


def entity_table(entities: Iterable[Entity]) -> pa.Table:
    """Entities as a table of `INVENTORY_SCHEMA`, in the same order."""
    return pa.Table.from_pylist([msgspec.to_builtins(entity) for entity in entities], schema=INVENTORY_SCHEMA)


def entities_of(inventory: pa.Table) -> list[Entity]:
    """The rows of an inventory (`INVENTORY_SCHEMA`) as entities, in order."""
    return msgspec.convert(inventory.to_pylist(), list[Entity])
