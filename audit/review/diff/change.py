"""A difference between two snapshots as data; text, JSON, CSV and the report are views of it."""

from typing import Literal

import msgspec

from audit.untrusted.decoding import prepared

ChangeKind = Literal["added", "removed", "changed", "unknown"]
EventGrade = Literal["named", "likely", "several", "name only", "none"]


@prepared
class Change(msgspec.Struct, frozen=True):
    """One difference.

    Attributes:
        kind: `unknown` if either side lacks a complete answer, so that the snapshots cannot be compared.
        table: `coverage` for an entity as a whole, otherwise the table.
        org_id, entity_type, entity_id, entity_name, location_name: the entity.
        key: the part of the entity: a member's id or a meeting site; None for the entity itself.
        key_name: a name of that part for people.
        column: the column that changed; None if the whole row was added, removed or is unknown.
        old, new: the values as text; None for null.
        reason: for `unknown`, the outcomes on both sides; for a row that was added or removed, the reason if known.
        org_name: the name of the organization, as the later snapshot has it if it has one.
        event_grade: how sure it is that an event of the administrators' log is of this change (docs/admin-events.md);
            `none` if the log was read and has none, None if the log was not read in full.
        event_id, event_created, event_description, event_actor, event_client: the last such event.
        event_error: why the attempt that it records failed; None if it did not.
        event_count: number of such events.
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
    org_name: str | None = None
    event_grade: EventGrade | None = None
    event_id: str | None = None
    event_created: str | None = None
    event_description: str | None = None
    event_actor: str | None = None
    event_client: str | None = None
    event_error: str | None = None
    event_count: int | None = None
