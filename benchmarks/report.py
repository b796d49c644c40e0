"""The HTML report of an organization with 100,000 rooms: time, peak memory, size of the file and of its index.

    python benchmarks/report.py [--rooms 100000] [--people 20000] [--keep FOLDER]

Makes two Parquet snapshots, rooms of three members on average and some of 150, of which every hundredth room differs
in the second; runs `webex-audit report` in a process of its own (on Linux), with checks and the comparison; and
prints a row of a Markdown table.
"""

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from rendered import location_id, webex_id

from audit.datasets import DATASETS
from audit.output.tables import write_table
from audit.simulator import names
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.snapshot.manifest import FORMAT_VERSION, Manifest, Requests, Scope, Tool, write_manifest
from audit.snapshot.org import Org

ORG_ID = "6d66794a-d361-4d35-a0ab-73ab00000000"
LOCATIONS = 200
ROOMS_AT_ONCE = 2500
SCHEMAS = {COVERAGE: COVERAGE_SCHEMA} | dict(DATASETS["push_to_talk"].tables)
MOMENT = datetime(2026, 11, 21, tzinfo=UTC)
OLD, NEW = "20261121T000000Z-000000", "20261122T000000Z-000001"
#: Runs the command line, and says at its end how much memory the process had at most: not ru_maxrss, which a process
#: inherits from its parent.
PROGRAM = """
import atexit, sys
from audit.cli import main
peak = lambda: next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")).split()[1]
atexit.register(lambda: print("peak KiB:", peak(), file=sys.__stderr__))
sys.exit(main())
"""


def member(number: int) -> list[dict[str, object]]:
    """The rows of a member: every other member has two numbers."""
    chance = random.Random(number)  # noqa: S311 - it hides nothing
    first, last = chance.choice(names.FIRST_NAMES), f"{chance.choice(names.LAST_NAMES)} {number}"
    columns = {
        "member_id": webex_id("PEOPLE", number),
        "member_type": "PEOPLE",
        "member_first_name": first,
        "member_last_name": last,
        "member_display_name": f"{first} {last}",
        "member_email": f"{first}.{last}@example.com".lower().replace(" ", ""),
        "member_location_name": f"Site {number % LOCATIONS}",
    }
    return [
        columns
        | {
            "number_position": place,
            "number_external": f"+4930{chance.randrange(10**7, 10**8)}",
            "number_extension": f"{number % 10_000:04d}",
            "number_routing_prefix": "8",
            "number_esn": f"8{number % 10_000:04d}",
            "number_primary": place == 0,
            "number_valid": True,
        }
        for place in range(1 + number % 2)
    ]


class Rooms:
    """The rows of rooms, which follow from their numbers.

    Args:
        rooms: how many there are.
        people: how many different members there are.
        changed: every room with a number that this divides has another direction; 0 for none.
    """

    def __init__(self, rooms: int, people: int, changed: int) -> None:
        self._rooms = rooms
        self._changed = changed
        self._members = [member(number) for number in range(people)]

    def tables(self, name: str) -> Iterator[pa.Table]:
        """The rows of a table, a group of rooms at a time."""
        for start in range(0, self._rooms, ROOMS_AT_ONCE):
            rows: list[dict[str, Any]] = []
            for number in range(start, min(start + ROOMS_AT_ONCE, self._rooms)):
                room, members = self._room(number)
                if name != "push_to_talk_members":
                    rows.append(room)
                else:
                    rows += [
                        room | {"member_position": place} | each for place, of in enumerate(members) for each in of
                    ]
            yield pa.Table.from_pylist(rows, schema=SCHEMAS[name])

    def _room(self, number: int) -> tuple[dict[str, Any], list[list[dict[str, object]]]]:
        chance = random.Random(number)  # noqa: S311 - likewise
        size = 150 if number % 1_000 == 0 else chance.choice((0, 1, 2, 3, 4, 7))
        members = chance.sample(self._members, size)
        is_two_way = (number % 3 == 0) != bool(self._changed and number % self._changed == 0)
        return {
            "org_id": ORG_ID,
            "entity_type": "WORKSPACE",
            "entity_id": webex_id("PLACE", number),
            "entity_name": f"{chance.choice(names.PLACES)} {number}",
            "location_id": location_id(number % LOCATIONS),
            "location_name": f"Site {number % LOCATIONS}",
            "dataset": "push_to_talk",
            "outcome": "ok",
            "attempts": 1,
            "fetched_at": MOMENT + timedelta(seconds=number),
            "allow_auto_answer": number % 4 > 0,
            "connection_type": "TWO_WAY" if is_two_way else "ONE_WAY",
            "access_type": "BLOCK_MEMBERS" if number % 7 == 0 else "ALLOW_MEMBERS",
            "member_count": size,
        }, members


def make(output: Path, snapshot_id: str, rooms: int, people: int, changed: int) -> None:
    """Write a snapshot."""
    folder = output / snapshot_id
    folder.mkdir()
    rows = Rooms(rooms, people, changed)
    entries = {
        name: write_table(folder, name, schema, [(ORG_ID, rows.tables(name))], {"parquet"}, names={})
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
        orgs=[Org(ORG_ID, names.COMPANY, "complete", rooms)],
        tables=entries,
        outcomes={"push_to_talk": {"ok": rooms}},
        requests=Requests(rooms, 0, 0),
        unknown_fields={},
        previous=None,
    )
    write_manifest(folder, manifest)


def measure(output: Path) -> tuple[float, float, Path]:
    """Seconds and peak memory in MiB of a report, and its file."""
    file = output / "report.html"
    command = ["report", NEW, "--against", OLD, "--output", str(output), "--file", str(file)]
    began_s = time.monotonic()
    done = subprocess.run([sys.executable, "-c", PROGRAM, *command], stderr=subprocess.PIPE, text=True, check=False)
    seconds = time.monotonic() - began_s
    if done.returncode:
        sys.exit(done.stderr)
    return seconds, int(done.stderr.split("peak KiB:")[1]) / 1024, file


def main() -> None:
    """Make the snapshots and the report, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--keep", type=Path, help="work in this folder, and use the snapshots that are there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        output = given.keep or Path(folder)
        output.mkdir(exist_ok=True)
        for snapshot_id, changed in ((OLD, 0), (NEW, 100)):
            if not (output / snapshot_id).exists():
                make(output, snapshot_id, given.rooms, given.people, changed)
        seconds, peak_mib, file = measure(output)
        page = file.read_text(encoding="utf-8")
        index = re.search('<template id="search-index"[^>]*>([^<]*)<', page)
        sizes = [len(page.encode()) / 2**20, len(index[1]) / 2**20 if index else 0]
        print("| rooms | people | wall time | peak memory | file | its index |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: |")
        print(
            f"| {given.rooms:,} | {given.people:,} | {seconds:.1f} s | {peak_mib:.0f} MiB | {sizes[0]:.1f} MiB | "
            f"{sizes[1]:.1f} MiB |"
        )


if __name__ == "__main__":
    main()
