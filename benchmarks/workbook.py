"""The workbook of a large organization: wall time, peak memory and size of the file.

    python benchmarks/workbook.py [--rooms 100000] [--folder DIR] [--previous]

Makes a Parquet snapshot in a temporary folder: of four rooms three auto-answer, every other room lets the caller
listen, and a room has about 13 rows of members, as in `benchmarks/rendered.py`. `webex-audit report --format xlsx` runs
in a process of its own (on Linux); the program prints a row of a Markdown table. With `--previous`, the report compares
with an earlier snapshot, in which one room of a hundred had the other direction.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from audit.datasets import DATASETS
from audit.output.tables import write_table
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.snapshot.manifest import FORMAT_VERSION, Manifest, Requests, Scope, Tool, write_manifest
from audit.snapshot.org import Org

ORG_ID = "6d66794a-d361-4d35-a0ab-73ab00000000"
#: Different people; a room lists some of them in a row.
PEOPLE = 20_011
ROOMS_AT_ONCE = 2500
SCHEMAS = {COVERAGE: COVERAGE_SCHEMA} | dict(DATASETS["push_to_talk"].tables)
MOMENT = datetime(2026, 11, 21, tzinfo=UTC)
OLD, NEW = "20261120T000000Z-000000", "20261121T000000Z-000001"
#: The command in a process that says on standard error how much memory it had at most.
PROGRAM = """
import atexit, sys
from audit.cli import main
def say_peak():
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
    print(peak.split()[1], file=sys.stderr)
atexit.register(say_peak)
sys.exit(main())
"""


def room(number: int, *, is_old: bool) -> dict[str, object]:
    """The columns that all rows of a room share."""
    return {
        "org_id": ORG_ID,
        "entity_type": "WORKSPACE",
        "entity_id": f"Y2lzY29zcGFyazovL3VzL1BMQUNFLzVhNzZkMjM0LWUwZmItNDFhYi1h{number:012d}",
        "entity_name": f"Room {number:06d}",
        "location_id": f"Y2lzY29zcGFyazovL3VzL0xPQ0FUSU9OLzVhNzZkMjM0LWUwZmItN{number % 40:06d}",
        "location_name": f"Site {number % 40:02d}",
        "dataset": "push_to_talk",
        "outcome": "ok",
        "http_status": 200,
        "attempts": 1,
        "fetched_at": MOMENT + timedelta(milliseconds=number),
        "allow_auto_answer": number % 4 > 0,
        "connection_type": "TWO_WAY" if (number % 2 == 0) != (is_old and number % 100 == 0) else "ONE_WAY",
        "access_type": "ALLOW_MEMBERS" if number % 3 else "BLOCK_MEMBERS",
        "member_count": 7 + number % 5,
    }


def members(number: int) -> Iterator[dict[str, object]]:
    """The other columns of the rows of a room's members; every other member has two numbers."""
    for position in range(7 + number % 5):
        who = (number * 7 + position) % PEOPLE
        for index in range(1 + who % 2):
            yield {
                "member_position": position,
                "member_id": f"Y2lzY29zcGFyazovL3VzL1BFT1BMRS81YTc2ZDIzNC1lMGZiLTQxYWItY{who:012d}",
                "member_type": "PEOPLE",
                "member_first_name": f"First{who % 977}",
                "member_last_name": f"Last{who}",
                "member_display_name": f"First{who % 977} Last{who}",
                "member_email": f"first{who % 977}.last{who}@example.com",
                "member_location_id": f"Y2lzY29zcGFyazovL3VzL0xPQ0FUSU9OLzVhNzZkMjM0LWUwZmItN{who % 40:06d}",
                "member_location_name": f"Site {who % 40:02d}",
                "number_position": index,
                "number_external": f"+1415{2_000_000 + who * 2 + index}",
                "number_extension": f"{who % 10_000:04d}",
                "number_routing_prefix": "8",
                "number_esn": f"8{who % 10_000:04d}",
                "number_primary": index == 0,
                "number_valid": True,
            }


def tables(name: str, rooms: int, *, is_old: bool) -> Iterator[pa.Table]:
    """The rows of a table, a group of rooms at a time."""
    for start in range(0, rooms, ROOMS_AT_ONCE):
        numbers = range(start, min(start + ROOMS_AT_ONCE, rooms))
        rows = [room(number, is_old=is_old) for number in numbers]
        if name == "push_to_talk_members":
            rows = [{**row, **each} for number, row in zip(numbers, rows, strict=True) for each in members(number)]
        yield pa.Table.from_pylist(rows, schema=SCHEMAS[name])


def make(output: Path, snapshot_id: str, rooms: int) -> None:
    """Write a snapshot."""
    folder, is_old = output / snapshot_id, snapshot_id == OLD
    folder.mkdir()
    entries = {
        name: write_table(folder, name, schema, [(ORG_ID, tables(name, rooms, is_old=is_old))], {"parquet"}, names={})
        for name, schema in SCHEMAS.items()
    }
    moment = MOMENT - timedelta(days=1) if is_old else MOMENT
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        snapshot_id=snapshot_id,
        tool=Tool("benchmark", "0"),
        status="complete",
        started_at=moment,
        finished_at=moment,
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


def measure(output: Path, rooms: int, against: tuple[str, ...]) -> None:
    """Write the workbook; print wall time, peak memory and size."""
    file = output / "report.xlsx"
    command = ["report", str(output / NEW), *against, "--format", "xlsx", "--file", str(file), "--output", str(output)]
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command], capture_output=True, text=True, check=False, env=os.environ
    )
    if done.returncode:
        sys.exit(done.stderr)
    wall_s = time.monotonic() - began_s
    peak_kib = int(done.stderr.split()[-1])
    size = file.stat().st_size
    print(f"| {rooms:,} | {wall_s:.1f} s | {peak_kib / 1024:.0f} MiB | {size / 2**20:.0f} MiB |")


def main() -> None:
    """Make the snapshots and write the workbook."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=int, default=100_000)
    parser.add_argument("--folder", help="folder of the snapshots. [default: the system's for temporary files]")
    parser.add_argument("--previous", action="store_true", help="compare with an earlier snapshot")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as output:
        make(Path(output), NEW, options.rooms)
        if options.previous:
            make(Path(output), OLD, options.rooms)
        print("| rooms | wall time | peak memory | file |")
        print("| --- | --- | --- | --- |", flush=True)
        measure(Path(output), options.rooms, ("--against", str(Path(output, OLD))) if options.previous else ())


if __name__ == "__main__":
    main()
