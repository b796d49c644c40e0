"""Rooms with devices, and what a snapshot says of them."""

import dataclasses
from pathlib import Path
from typing import Any

from audit.simulator.app import Simulation
from audit.simulator.organization import Json, Organization
from audit.snapshot.catalog import Snapshot
from audit.snapshot.context.workspace_devices import WORKSPACE_DEVICES
from audit.snapshot.proof.contents import files_of, read_parquet

ROOMS = 60
PLAIN = Organization(ROOMS, odd=False, people=10)
BOTH: dict[str, Any] = {"scope__datasets": ["push-to-talk", "answer-settings"]}


def rows_of(snapshot: Snapshot) -> list[Json]:
    """The rows of the table, of all organizations."""
    assert isinstance(snapshot.path, Path)
    parts = [
        read_parquet(snapshot.path / file.path, org_id)
        for org_id, file in files_of(WORKSPACE_DEVICES, snapshot.manifest.tables[WORKSPACE_DEVICES]).parquet
    ]
    return [row for part in parts for batch in part for row in batch.to_pylist()]


def by_room(snapshot: Snapshot) -> dict[str, list[str]]:
    """The ids of the devices of each workspace of which they are known."""
    found: dict[str, list[str]] = {}
    for row in rows_of(snapshot):
        found.setdefault(row["workspace_id"], []).extend([row["device_id"]] if row["device_id"] else [])
    return found


def expected(organization: Organization) -> dict[str, list[str]]:
    """The ids of the devices of each workspace, as the simulator has them."""
    rooms = ((organization.workspace(index)["id"], organization.devices(index)) for index in range(ROOMS))
    return {room: sorted(device["id"] for device in devices) for room, devices in sorted(rooms)}


def gap_of(snapshot: Snapshot) -> str | None:
    """What is missing from the table of the only organization."""
    (org,) = snapshot.manifest.orgs
    return org.context[WORKSPACE_DEVICES]


def listings(simulation: Simulation) -> list[str]:
    """The requests for a page of workspaces, without that for what follows the last page."""
    asked = [line for line in simulation.log if line.startswith("GET /v1/workspaces?")]
    return [line for line in asked if f"start={simulation.organization.workspaces}" not in line]


@dataclasses.dataclass(frozen=True)
class Rooms(Organization):
    """An organization whose listing says something else of the devices in its first rooms."""

    said: tuple[Any, ...] = ()

    def devices(self, index: int) -> Any:
        return self.said[index] if index < len(self.said) else super().devices(index)


def rooms(*said: Any) -> Rooms:
    """An organization whose listing says this in the place of the devices of its first rooms."""
    return Rooms(ROOMS, odd=False, people=10, said=said)


def first_rooms(snapshot: Snapshot, organization: Organization, count: int) -> list[list[str] | None]:
    """The ids of the devices in the first rooms; None where they are not known."""
    found = by_room(snapshot)
    return [found.get(organization.workspace(index)["id"]) for index in range(count)]
