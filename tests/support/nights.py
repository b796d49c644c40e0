"""An output of several nights for readers."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from harness import VirtualClock, Where

from audit.simulator.app import Simulation
from audit.simulator.changed import Changed
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

Row = dict[str, Any]
OWN, CUSTOMER = Organization(60, seed=1, people=30), Organization(20, seed=2, people=10)
ALL = {"scope__all_orgs": True, "scope__entities": ["workspace", "person"]}


class NightlyClock(VirtualClock):
    """A clock that tests set to a later night."""

    night = 0

    def now(self) -> datetime:
        return super().now() + timedelta(days=self.night)


@dataclass(frozen=True)
class Nights:
    """The snapshots of an output that hold Push-to-Talk, the oldest first."""

    output: Path
    history: list[Path]

    @property
    def latest(self) -> Path:
        return self.history[-1]

    def table(self, name: str, folder: Path) -> pa.Table:
        """A table of a snapshot, with the id of the snapshot."""
        rows = ds.dataset(folder / name, partitioning="hive").to_table()
        return rows.append_column("snapshot_id", pa.repeat(folder.name, rows.num_rows))

    def rows(self, name: str) -> list[Row]:
        """The rows of a table in the latest snapshot."""
        return self.table(name, self.latest).to_pylist()  # type: ignore[no-any-return]

    def all_rows(self, name: str) -> list[Row]:
        """The rows of a table in all snapshots."""
        return [row for folder in self.history for row in self.table(name, folder).to_pylist()]


def make_nights(audit: Callable[..., Snapshot], clock: NightlyClock, output: Path) -> Nights:
    """Two nights of Push-to-Talk, one of audio options, and a run in progress."""
    first = audit(Simulation(OWN, customers=(CUSTOMER,)), output__path=str(output), **ALL)
    rooms = Nights(output, [first.path]).rows("push_to_talk")
    refused = [row["entity_id"] for row in rooms if row["entity_type"] == "WORKSPACE"][:12]
    changed = Simulation(Changed.of(OWN, 0.3), Where("mistyped", *refused), customers=(CUSTOMER,))
    clock.night = 1
    second = audit(changed, output__path=str(output), **ALL)
    clock.night = 2
    audit(Simulation(OWN), output__path=str(output), scope__datasets=["audio-options"])
    draft = output / "20261231T000000Z-ffffff"
    shutil.copytree(second.path, draft)
    (draft / "manifest.json").rename(draft / "run.json")
    for path in draft.rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:100])
    return Nights(output, [first.path, second.path])
