"""A run that goes on with another, or repeats a snapshot, has the devices of that run or snapshot."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness import Where, visible
from roomful import BOTH, PLAIN, ROOMS, by_room, expected, gap_of, listings, rooms, rows_of
from tampering import recommit, rewrite

from audit.errors import StoppedError, UsageError
from audit.files import sha256_of
from audit.output import inventory as inventory_file
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.snapshot.catalog import Snapshot
from audit.snapshot.context.workspace_devices import WORKSPACE_DEVICES
from audit.snapshot.manifest import read_manifest

Audit = Callable[..., Snapshot]
#: The API is gone from the 30th request on.
DYING = ",".join(f"reset@{number}" for number in range(30, 400))


@pytest.fixture
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 20)


@pytest.mark.usefixtures("_small_batches")
def test_a_resumed_run_has_the_devices_of_the_inventory_that_it_goes_on_with(audit: Audit) -> None:
    with pytest.raises(StoppedError):
        audit(Simulation(PLAIN, parse(DYING)), **BOTH)
    simulation = Simulation(rooms(*([] for _ in range(ROOMS))))
    assert by_room(audit(simulation, is_resuming=True, **BOTH)) == expected(PLAIN)
    assert listings(simulation) == []


@pytest.mark.usefixtures("_small_batches")
@pytest.mark.parametrize(
    "damage", [Path.unlink, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"x" * 900)]
)
def test_where_the_devices_of_a_draft_are_lost_the_workspaces_are_listed_again(
    damage: Callable[[Path], Any], audit: Audit, tmp_path: Path
) -> None:
    with pytest.raises(StoppedError):
        audit(Simulation(PLAIN, parse(DYING)), **BOTH)
    (path,) = (tmp_path / "out").rglob(f"{WORKSPACE_DEVICES}/*.arrow")
    damage(path)
    simulation = Simulation(PLAIN, max_page=1000)
    snapshot = audit(simulation, is_resuming=True, **BOTH)
    assert by_room(snapshot) == expected(PLAIN)
    assert len(listings(simulation)) == 1
    assert snapshot.manifest.orgs[0].entities == ROOMS


def test_a_repeated_run_keeps_the_devices_of_the_snapshot_that_it_repeats(audit: Audit) -> None:
    failed = PLAIN.workspace(7)["id"]
    partial = audit(Simulation(rooms(None, []), Where("mistyped", f"{failed}/pushToTalk")), **BOTH)
    assert partial.manifest.status == "partial"
    simulation = Simulation(PLAIN)
    again = audit(simulation, retry_failed=partial)
    assert (again.manifest.status, listings(simulation)) == ("complete", [])
    assert rows_of(again) == rows_of(partial)
    assert gap_of(again) == gap_of(partial) == "the listing does not say which devices 1 of 60 workspaces have"


def test_a_repeated_run_that_lists_the_workspaces_has_the_devices_of_the_new_listing(audit: Audit) -> None:
    partial = audit(Simulation(rooms(None, []), parse("no-id")))
    assert partial.manifest.orgs[0].invalid_items
    again = audit(Simulation(PLAIN), retry_failed=partial)
    assert (by_room(again), gap_of(again)) == (expected(PLAIN), None)


@pytest.mark.attack("what is read back")
@pytest.mark.parametrize(
    "forge",
    [
        lambda rows: pa.concat_tables([rows, rows.slice(rows.num_rows - 1)]),
        lambda rows: rows.set_column(1, rows.schema.field(1), pa.repeat(pa.scalar("elsewhere"), rows.num_rows)),
        lambda rows: rows.take(list(reversed(range(rows.num_rows)))),
    ],
    ids=["doubled", "elsewhere", "reversed"],
)
def test_forged_devices_of_a_snapshot_are_not_carried_over(forge: Callable[[pa.Table], pa.Table], audit: Audit) -> None:
    failed = PLAIN.workspace(7)["id"]
    partial = audit(Simulation(PLAIN, Where("mistyped", failed)))
    assert isinstance(partial.path, Path)
    recommit(partial.path, WORKSPACE_DEVICES, forge)
    forged = dataclasses.replace(partial, manifest=read_manifest(partial.path))
    simulation = Simulation(PLAIN)
    with pytest.raises(UsageError, match=f"is damaged at {WORKSPACE_DEVICES}: is not as webex-audit writes it"):
        audit(simulation, retry_failed=forged)
    assert simulation.log == []


@pytest.mark.attack("what is read back")
def test_a_table_of_devices_with_other_columns_is_not_carried_over(audit: Audit, tmp_path: Path) -> None:
    """Its digests fit, as whoever writes them may make them fit."""
    partial = audit(Simulation(PLAIN, Where("mistyped", PLAIN.workspace(7)["id"])), output__formats=["parquet"])
    assert isinstance(partial.path, Path)
    manifest = read_manifest(partial.path)
    (file,) = manifest.tables[WORKSPACE_DEVICES].files
    path = partial.path / file.path
    pq.write_table(pq.read_table(path).drop_columns(["last_seen"]), path)
    entry = msgspec.structs.replace(file, bytes=path.stat().st_size, sha256=sha256_of(path))
    table = msgspec.structs.replace(manifest.tables[WORKSPACE_DEVICES], files=[entry])
    rewrite(partial.path, tables=manifest.tables | {WORKSPACE_DEVICES: table})
    forged = dataclasses.replace(partial, manifest=read_manifest(partial.path))
    with pytest.raises(UsageError, match=f"the snapshot to retry is damaged at table {WORKSPACE_DEVICES}"):
        audit(Simulation(PLAIN), retry_failed=forged)
    assert visible(tmp_path / "out") == [partial.path.name]
