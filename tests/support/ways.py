"""Organizations whose rooms open by themselves in chosen ways, and their rows in `open_rooms`."""

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
from crafted import Audit, crafted

from audit.output.tables import write_table
from audit.review.approval import add_approval
from audit.review.open_rooms import add_open_rooms
from audit.review.tables import open_tables
from audit.simulator.app import Simulation
from audit.simulator.organization import Json, Organization
from audit.simulator.paging_groups import Paging
from audit.snapshot.catalog import Snapshot
from audit.snapshot.context import CONTEXT
from audit.snapshot.manifest import write_manifest

WAYS = {"scope__datasets": ["push-to-talk", "answer-settings", "paging-groups"]}
ANSWERS = {"autoAnswerEnabled": True}


def party(name: str, kind: str = "PEOPLE", **fields: object) -> Json:
    """A member of a paging group."""
    return {"id": f"id of {name}", "type": kind, "firstName": name, "lastName": "."} | fields


def target(organization: Organization, index: int) -> Json:
    """A room as the target of a paging group."""
    return party("another name", "PLACE", id=organization.workspace(index)["id"])


class Groups(Paging):
    """Paging groups with chosen fields; the others can be called by nobody."""

    chosen: Sequence[Json] = ()

    def details(self, index: int) -> Json:
        nobody: Json = {"enabled": True, "originators": [], "targets": []}
        return super().details(index) | nobody | (self.chosen[index] if index < len(self.chosen) else {})


def organization(
    *rooms: Mapping[str, object], answers: Sequence[Json] = (), groups: Sequence[Json] = (), workspaces: int = 3
) -> Organization:
    """An organization whose first rooms have chosen Push-to-Talk settings and answer settings; all others are off."""
    settings = [
        {"allowAutoAnswer": False, **room} for room in [*rooms, *([{}] * workspaces)][: max(workspaces, len(rooms))]
    ]
    changes = [lambda _, answer, room=room: answer | room for room in settings]
    made = crafted(*changes, answers=answers, workspaces=workspaces)
    paging = Groups(made._seed, len(groups), made.locations, made._target, made.member)
    object.__setattr__(paging, "chosen", groups)
    made.__dict__ |= {"paging": paging, "paging_groups": len(groups)}
    return made


def audited(audit: Audit, of: Organization, **flags: Any) -> Snapshot:
    """A snapshot of all ways of an organization."""
    return audit(Simulation(of), **(WAYS | flags))


def rows_of(
    snapshot: Snapshot,
    previous: Snapshot | None = None,
    approved: Snapshot | None = None,
    # DuckDB gives Python no time with a zone where pytz is absent.
    sql: str = "SELECT * REPLACE (device_last_seen::VARCHAR AS device_last_seen) FROM open_rooms",
) -> list[dict[str, Any]]:
    """The rows of `open_rooms`, with what an earlier and an approved snapshot say of them."""
    with open_tables(snapshot, previous, approved=approved) as connection:
        if approved:
            add_approval(connection, snapshot.manifest, approved.manifest)
        add_open_rooms(
            connection,
            snapshot.manifest,
            previous=previous.manifest if previous else None,
            approved=approved.manifest if approved else None,
        )
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def told(rows: list[dict[str, Any]], *columns: str) -> set[tuple[Any, ...]]:
    """Chosen columns of rows."""
    return {tuple(row[name] for name in columns) for row in rows}


def with_devices(snapshot: Snapshot, workspace_id: str, devices: list[dict[str, Any]]) -> Snapshot:
    """The snapshot with chosen devices of one workspace as its table `workspace_devices`."""
    org_id = snapshot.manifest.orgs[0].org_id
    rows = [{"org_id": org_id, "workspace_id": workspace_id} | device for device in devices]
    name, schema = next(iter(CONTEXT.items()))
    shutil.rmtree(snapshot.path / name, ignore_errors=True)
    (snapshot.path / f"{name}.csv").unlink(missing_ok=True)
    table = pa.Table.from_pylist(rows, schema=schema)
    entry = write_table(snapshot.path, name, schema, [(org_id, iter([table]))], {"parquet"}, names={})
    orgs = [msgspec.structs.replace(org, context=org.context | {name: None}) for org in snapshot.manifest.orgs]
    manifest = msgspec.structs.replace(snapshot.manifest, tables=snapshot.manifest.tables | {name: entry}, orgs=orgs)
    write_manifest(snapshot.path, manifest)
    return Snapshot(snapshot.path, manifest)
