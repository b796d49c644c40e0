"""Devices against the inventory: each row is of a workspace that was listed, and says one thing of it."""

from collections.abc import Iterable, Iterator
from heapq import merge
from pathlib import Path

from audit.snapshot.context.workspace_devices import WORKSPACE_DEVICES
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.manifest import Manifest
from audit.snapshot.parquet import UNREADABLE, fault_of
from audit.snapshot.proof.contents import files_of, read_parquet
from audit.snapshot.proof.coverage import entity_ids
from audit.snapshot.proof.fault import Fault

_KEY = ("workspace_id", "device_id")
#: Characters of an id in a message.
_LONGEST = 200


def check_devices(folder: Path, manifest: Manifest) -> Iterator[Fault]:
    """Check the devices row by row; they have the order of the inventory, so memory stays small.

    Args:
        folder: the snapshot's folder.
        manifest: its manifest; the table and coverage must match it.
    """
    coverage = _files(folder, manifest, COVERAGE)
    for org_id, paths in _files(folder, manifest, WORKSPACE_DEVICES).items():
        ids = [entity_ids(coverage.get(org_id, []), org_id, dataset) for dataset in manifest.outcomes]
        try:
            fault = _fault_in(_rows(paths, org_id), merge(*ids))
        except UNREADABLE as error:
            fault = fault_of(error)
        except TypeError:
            fault = "a column without nulls has a null"
        if fault:
            yield Fault(WORKSPACE_DEVICES, f"is not as webex-audit writes it in organization {org_id}: {fault}")


def _files(folder: Path, manifest: Manifest, table: str) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for org_id, file in files_of(table, manifest.tables[table]).parquet:
        found.setdefault(org_id, []).append(folder / file.path)
    return found


def _rows(paths: list[Path], org_id: str) -> Iterator[tuple[str, str | None]]:
    for path in paths:
        for rows in read_parquet(path, org_id, list(_KEY)):
            yield from zip(*(rows[name].to_pylist() for name in _KEY), strict=True)


def _fault_in(rows: Iterable[tuple[str, str | None]], workspaces: Iterator[str]) -> str | None:
    """The first fault; None if there is none."""
    room, last = "", None
    listed: str | None = ""
    for workspace_id, device_id in rows:
        if workspace_id < room:
            return f"workspace {workspace_id[:_LONGEST]} is not in order"
        # A row without a device says that there is none, so it stands alone.
        if workspace_id == room and (last is None or device_id is None or device_id <= last):
            return f"workspace {workspace_id[:_LONGEST]} has a device twice, or both a device and none"
        room, last = workspace_id, device_id
        while listed is not None and listed < room:
            listed = next(workspaces, None)
        if listed != room:
            return f"workspace {workspace_id[:_LONGEST]} is in no inventory"
    return None
