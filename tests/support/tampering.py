"""Changes to what was committed, with and without its manifest, and what `verify` says about them."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from audit.datasets import DATASETS
from audit.output.tables import write_table
from audit.review.verify.result import Verification
from audit.review.verify.verify import verify
from audit.snapshot.context import CONTEXT
from audit.snapshot.coverage import COVERAGE_SCHEMA
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import TableEntry, read_manifest, write_manifest
from audit.snapshot.org_names import org_names
from audit.snapshot.proof.contents import files_of, read_parquet

SCHEMAS = {"coverage": COVERAGE_SCHEMA} | {
    name: schema
    for tables in (*(each.tables for each in DATASETS.values()), CONTEXT)
    for name, schema in tables.items()
}
FORMATS: Any = {"parquet", "csv"}


@dataclass(frozen=True)
class Nights:
    """The folders of three snapshots."""

    first: Path
    second: Path
    third: Path


def check(folder: Path) -> Verification:
    """The result of verifying a snapshot."""
    return verify(folder.parent, folder.name)


def told(folder: Path) -> str:
    """The faults of a snapshot as text; there must be at least one."""
    found = check(folder)
    assert found.faults
    return "\n".join(f"{fault.path}: {fault.message}" for fault in found.faults)


def files(folder: Path) -> list[Path]:
    """The files of a snapshot."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flip(path: Path, position: int, mask: int) -> None:
    """Flip bits of one byte of a file."""
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= mask
    path.write_bytes(data)


def rewrite(folder: Path, **changes: Any) -> None:
    """Rewrite the manifest, as an attacker would to hide a change."""
    write_manifest(folder, msgspec.structs.replace(read_manifest(folder), **changes))


def recommit(folder: Path, name: str, change: Callable[[pa.Table], pa.Table]) -> TableEntry:
    """Change the rows of a table in all its files, and their entries in the manifest."""
    manifest = read_manifest(folder)
    rows = [
        (org_id, [change(pa.concat_tables(read_parquet(folder / file.path, org_id))).cast(SCHEMAS[name])])
        for org_id, file in files_of(name, manifest.tables[name]).parquet
    ]
    for file in manifest.tables[name].files:
        (folder / file.path).unlink()
    entry = write_table(folder, name, SCHEMAS[name], rows, FORMATS, names=org_names(manifest.orgs))
    rewrite(folder, tables=manifest.tables | {name: entry})
    return entry


def restate(folder: Path, path: str) -> None:
    """Update the entry of a file in the manifest, and nothing else."""
    text = json.loads((folder / MANIFEST).read_text())
    for table in text["tables"].values():
        for file in table["files"]:
            if file["path"] == path:
                data = (folder / path).read_bytes()
                file |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(text))
