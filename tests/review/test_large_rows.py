"""Snapshots with much to read and nothing wrong: a limit that is for bombs does not call them faulty."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import parquet_bombs as bombs
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from measured_commands import run

from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.snapshot.csv import CSV_OPTIONS
from audit.snapshot.manifest import read_manifest, write_manifest

_ROWS = 120_000
_TABLE = "push_to_talk"


def long_rows(path: Path, schema: pa.Schema) -> int:
    """Rows of 2 kB that differ."""
    texts = [pa.array([f"{name} {row}".ljust(300, "x") for row in range(_ROWS)]) for name in ("a", "b")]
    columns = [texts[index % 2] if pa.types.is_string(field.type) else pa.nulls(_ROWS, field.type)
               for index, field in enumerate(schema)]  # fmt: skip
    pq.write_table(pa.table(columns, schema), path, compression="zstd", row_group_size=100_000)
    return _ROWS


def with_csv(folder: Path, path: Path) -> None:
    """Write a table of a snapshot as CSV, too, and name it in the manifest."""
    table = pq.ParquetFile(path).read()
    org_id = pa.array([path.parent.name.removeprefix("org_id=")]).take(pa.repeat(0, table.num_rows))
    written = folder / f"{_TABLE}.csv"
    pcsv.write_csv(table.add_column(0, "org_id", org_id), written, CSV_OPTIONS)
    manifest = read_manifest(folder)
    entry = manifest.tables[_TABLE]
    files = [*entry.files, bombs.named(folder, written, _ROWS)]
    tables = manifest.tables | {_TABLE: msgspec.structs.replace(entry, files=files)}
    write_manifest(folder, msgspec.structs.replace(manifest, tables=tables))


@pytest.mark.slow
def test_what_is_large_and_good_can_be_verified(audit: Callable[..., Snapshot]) -> None:
    folder = audit(Simulation(Organization(2))).path
    with_csv(folder, bombs.plant(folder, long_rows))
    _, [(code, out, _)] = run(["verify", str(folder)])
    digest, _ = out.splitlines()
    assert code == 1
    assert digest.startswith(f"manifest.json: table {_TABLE} has the digest ")
