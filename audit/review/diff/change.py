"""What differs between two snapshots: data that text, JSON, CSV and the report are views of."""

from typing import Literal

import msgspec

ChangeKind = Literal["added", "removed", "changed", "unknown"]


class Change(msgspec.Struct, frozen=True):
    """One difference.

    Attributes:
        kind: `unknown` where either side has no complete answer, so that nothing can be said.
        table: `coverage` for an entity as a whole, else the table.
        org_id, entity_type, entity_id, entity_name, location_name: the room (or person, or line).
        key: what of the entity: a member's id, or a meeting site; None for the entity itself.
        key_name: a name for it, for people.
        column: what changed; None where the whole row was added, removed or is unknown.
        old, new: the values as text; None for null.
        reason: of `unknown`: the outcomes on both sides; of a row that was added or removed: why, where it is known.
    """

    kind: ChangeKind
    table: str
    org_id: str
    entity_type: str
    entity_id: str
    entity_name: str | None
    location_name: str | None
    key: str | None = None
    key_name: str | None = None
    column: str | None = None
    old: str | None = None
    new: str | None = None
    reason: str | None = None
