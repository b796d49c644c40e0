"""What has settings: the entities of an organization, as a table and one by one."""

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec
import pyarrow as pa

from audit.outcome import Outcome


class EntityType(StrEnum):
    """The kinds of entity, spelled as the tables spell them."""

    WORKSPACE = "WORKSPACE"
    PERSON = "PERSON"
    VIRTUAL_LINE = "VIRTUAL_LINE"


class Entity(msgspec.Struct, frozen=True):
    """One row of an inventory; the fields are the columns of `INVENTORY_SCHEMA`."""

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


#: The entities of an inventory: one row an entity, sorted by `entity_id`. `known_outcome` and
#: `known_reason` are set where the listing already says what becomes of it, so that it is not asked.
#: `site_urls` are the meeting sites that the listing names, `is_caller` marks the token's own user.
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
    ]
)


@dataclass(frozen=True)
class Inventory:
    """The entities of an organization that a dataset is read of.

    Attributes:
        entities: a table of `INVENTORY_SCHEMA`.
        unlisted: kinds of entity that the token may not list, each with the reason.
    """

    entities: pa.Table
    unlisted: dict[str, str] = field(default_factory=dict)


def inventory_table(entities: list[Entity]) -> pa.Table:
    """Entities as a table of `INVENTORY_SCHEMA`, sorted by `entity_id`."""
    rows = [msgspec.to_builtins(entity) for entity in sorted(entities, key=lambda each: each.entity_id)]
    return pa.Table.from_pylist(rows, schema=INVENTORY_SCHEMA)


def entities_of(inventory: pa.Table) -> list[Entity]:
    """The rows of an inventory (`INVENTORY_SCHEMA`) as entities, in order."""
    return msgspec.convert(inventory.to_pylist(), list[Entity])
