"""What has settings: the entities of an organization, as a table and one by one."""

from enum import StrEnum

import msgspec
import pyarrow as pa


class EntityType(StrEnum):
    """The kinds of entity, spelled as the tables spell them."""

    WORKSPACE = "WORKSPACE"


class Entity(msgspec.Struct, frozen=True):
    """One row of an inventory; the fields are the columns of `INVENTORY_SCHEMA`."""

    entity_type: EntityType
    entity_id: str
    entity_name: str | None = None
    location_id: str | None = None
    location_name: str | None = None
    not_licensed_reason: str | None = None


#: An inventory: one row an entity, sorted by `entity_id`. `not_licensed_reason` is set where the
#: listing already says that the entity has no Webex Calling, so that it is not asked.
INVENTORY_SCHEMA = pa.schema(
    [
        pa.field("entity_type", pa.string(), nullable=False),
        pa.field("entity_id", pa.string(), nullable=False),
        ("entity_name", pa.string()),
        ("location_id", pa.string()),
        ("location_name", pa.string()),
        ("not_licensed_reason", pa.string()),
    ]
)


def entities_of(inventory: pa.Table) -> list[Entity]:
    """The rows of an inventory (`INVENTORY_SCHEMA`) as entities, in order."""
    return msgspec.convert(inventory.to_pylist(), list[Entity])
