"""The data engineer: what other programs read is what the snapshot holds, in a folder and in an object store."""

import csv
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pytest
from crafted import Audit, crafted, two_way
from object_stores import S3, credentials
from walking import Reader

from audit.simulator.app import Simulation
from audit.simulator.organization import Json

UNREAD = "webex-audit: warning: open_rooms is incomplete: answer settings were not read; paging groups were not read\n"
pytestmark = pytest.mark.skipif(not shutil.which("jq"), reason="needs jq")


def off(_: object, answer: Json) -> Json:
    return answer | {"allowAutoAnswer": False}


def rows(path: Path) -> list[dict[str, str]]:
    return [*csv.DictReader(path.read_text().splitlines())]


def check_files(folder: Path) -> None:
    """The files of the journey hold what the two snapshots say."""
    opened = rows(folder / "open-rooms.csv")
    assert {row["entity_name"] for row in opened} == {"Room 1", "Room 2"}
    outcomes = [json.loads(line) for line in (folder / "outcomes.jsonl").read_text().splitlines()]
    assert outcomes == [{"outcome": "ok", "entities": 3}]
    findings = [line.split("\t") for line in (folder / "findings.tsv").read_text().splitlines()]
    assert ["high", "two-way-auto-answer", "Room 1"] in findings
    assert rows(folder / "switched.csv") == [{"entity_name": "Room 0", "was": "true", "now": "false"}]


@pytest.mark.slow
def test_other_programs_read_what_the_snapshot_holds(reader: Reader, audit: Audit, tmp_path: Path) -> None:
    audit(Simulation(crafted()))
    latest = Path(str(audit(Simulation(crafted(off, two_way))).path))
    told = reader.walk("data-engineer.sh", tmp_path / "out")
    assert (told.code, told.out, told.err) == (0, "", UNREAD)
    check_files(reader.folder)
    at = str(latest / "push_to_talk")
    read: dict[str, list[Any]] = {
        "duckdb": duckdb.sql(f"SELECT entity_name FROM '{at}/*/*.parquet' WHERE NOT allow_auto_answer").fetchall(),
        "pandas": pd.read_parquet(at, dtype_backend="pyarrow")
        .query("not allow_auto_answer")[["entity_name"]]
        .to_numpy(),
        "polars": pl.read_parquet(f"{at}/**/*.parquet")
        .filter(~pl.col("allow_auto_answer"))
        .select("entity_name")
        .rows(),
        "pyarrow": [
            (row["entity_name"],)
            for row in ds.dataset(at, partitioning="hive").to_table(filter=~ds.field("allow_auto_answer")).to_pylist()
        ],
    }
    assert {name: [tuple(each) for each in found] for name, found in read.items()} == {
        name: [("Room 0",)] for name in read
    }


@pytest.mark.slow
def test_an_object_store_gives_the_same_files(reader: Reader, audit: Audit, s3: S3) -> None:
    uri = s3.uri("journeys")
    for organization in (crafted(), crafted(off, two_way)):
        audit(Simulation(organization), output__path=uri)
    before = s3.keys("journeys")
    told = reader.walk("data-engineer.sh", uri, **credentials())
    assert (told.code, told.out, told.err) == (0, "", UNREAD)
    check_files(reader.folder)
    assert s3.keys("journeys") == before


@pytest.mark.slow
def test_a_reader_that_goes_away_is_not_an_error(reader: Reader, audit: Audit, tmp_path: Path) -> None:
    audit(Simulation(crafted(workspaces=300)))
    command = (
        f'webex-audit query --csv "FROM push_to_talk_members CROSS JOIN range(200)" --output {tmp_path}/out | head -n 1'
    )
    environment = {"PATH": f"{reader.path}:/usr/bin:/bin", "HOME": str(reader.home)}
    told = subprocess.run(
        ["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert (told.stdout.count("\n"), told.stderr) == (1, "")
