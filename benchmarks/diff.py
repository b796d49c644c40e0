"""The diff of two snapshots with a million rows of members: wall time and peak memory.

    python benchmarks/diff.py [--rows 1000000] [--changed N]

Makes two Parquet snapshots in a temporary folder, rooms of 40 members with a number each, where one member in
`--changed` has another number in the second; compares them in a process of its own (on Linux), and prints a row of a
Markdown table.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from audit.datasets import DATASETS
from audit.output.tables import write_table
from audit.review.diff.compare import compare
from audit.review.diff.views import Tally
from audit.snapshot.catalog import find_snapshot
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.snapshot.manifest import FORMAT_VERSION, Manifest, Requests, Scope, Tool, write_manifest
from audit.snapshot.org import Org

ORG_ID = "6d66794a-d361-4d35-a0ab-73ab00000000"
MEMBERS = 40
ROOMS_AT_ONCE = 2500
SCHEMAS = {COVERAGE: COVERAGE_SCHEMA} | dict(DATASETS["push_to_talk"].tables)
MOMENT = datetime(2026, 11, 21, tzinfo=UTC)
OLD, NEW = "20261121T000000Z-000000", "20261121T000000Z-000001"


def room(number: int) -> dict[str, object]:
    """The columns that all rows of a room share."""
    return {
        "org_id": ORG_ID,
        "entity_type": "WORKSPACE",
        "entity_id": f"Y2lzY29zcGFyazovL3VzL1BMQUNFL{number:012d}",
        "entity_name": f"Room {number}",
        "location_id": f"Y2lzY29zcGFyazovL3VzL0xPQ0FUSU9O{number % 50:06d}",
        "location_name": f"Building {number % 50}",
        "dataset": "push_to_talk",
        "outcome": "ok",
        "attempts": 1,
        "allow_auto_answer": True,
        "connection_type": "TWO_WAY",
        "access_type": "ALLOW_MEMBERS",
        "member_count": MEMBERS,
    }


def member(number: int, *, is_changed: bool) -> dict[str, object]:
    """The other columns of a member's row."""
    return {
        "member_position": number % MEMBERS,
        "member_id": f"Y2lzY29zcGFyazovL3VzL1BFT1BMRS{number:012d}",
        "member_type": "PEOPLE",
        "member_first_name": "Alice",
        "member_last_name": f"Smith {number}",
        "member_display_name": f"Alice Smith {number}",
        "member_email": f"alice{number}@example.com",
        "member_location_name": "Building 7",
        "number_position": 0,
        "number_external": f"+1408{number + (5_000_000 if is_changed else 0):07d}",
        "number_extension": f"{number % 10_000:04d}",
        "number_primary": True,
    }


def tables(name: str, rooms: int, changed: int) -> Iterator[pa.Table]:
    """The rows of a table, a group of rooms at a time."""
    for start in range(0, rooms, ROOMS_AT_ONCE):
        rows = [room(number) for number in range(start, min(start + ROOMS_AT_ONCE, rooms))]
        if name == "push_to_talk_members":
            rows = [
                {**each, **member(number, is_changed=bool(changed) and number % changed == 0)}
                for index, each in enumerate(rows, start)
                for number in range(index * MEMBERS, (index + 1) * MEMBERS)
            ]
        yield pa.Table.from_pylist(rows, schema=SCHEMAS[name])


def make(output: Path, snapshot_id: str, rooms: int, changed: int = 0) -> None:
    """Write a snapshot; every `changed`-th member has a different number."""
    folder = output / snapshot_id
    folder.mkdir()
    entries = {
        name: write_table(folder, name, schema, [(ORG_ID, tables(name, rooms, changed))], {"parquet"}, names={})
        for name, schema in SCHEMAS.items()
    }
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        snapshot_id=snapshot_id,
        tool=Tool("benchmark", "0"),
        status="complete",
        started_at=MOMENT,
        finished_at=MOMENT,
        base_url="https://webexapis.com/v1",
        scope=Scope(["push_to_talk"], ["WORKSPACE"]),
        orgs=[Org(ORG_ID, "Northwind", "complete", rooms)],
        tables=entries,
        outcomes={"push_to_talk": {"ok": rooms}},
        requests=Requests(rooms, 0, 0),
        unknown_fields={},
        previous=None,
    )
    write_manifest(folder, manifest)


def measure(output: str, rows: int) -> None:
    """Compare, and print wall time and peak memory."""
    tally = Tally()
    began_s = time.monotonic()
    for _ in tally.count(compare(find_snapshot(Path(output), OLD), find_snapshot(Path(output), NEW))):
        pass
    wall_s = time.monotonic() - began_s
    # Not ru_maxrss, which a process inherits from its parent.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(f"| {rows:,} | {tally.differences:,} | {wall_s:.1f} s | {int(peak.split()[1]) / 1024:.0f} MiB |")


def main() -> None:
    """Make the snapshots and compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--changed", type=int, default=10_000)
    options = parser.parse_args()
    rooms = options.rows // MEMBERS
    with tempfile.TemporaryDirectory() as output:
        make(Path(output), OLD, rooms)
        make(Path(output), NEW, rooms, options.changed)
        print("| rows of members, each side | differences | wall time | peak memory |")
        print("| --- | --- | --- | --- |", flush=True)
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(output, options.rows))
        process.start()
        process.join()


if __name__ == "__main__":
    main()
