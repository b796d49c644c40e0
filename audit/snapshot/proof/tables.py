"""The content of all tables of a snapshot."""

from collections.abc import Collection, Iterator
from pathlib import Path

from audit.snapshot.context.workspace_devices import WORKSPACE_DEVICES
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import Manifest
from audit.snapshot.org_names import org_names
from audit.snapshot.proof.contents import check_table
from audit.snapshot.proof.context import check_context
from audit.snapshot.proof.coverage import check_coverage
from audit.snapshot.proof.devices import check_devices
from audit.snapshot.proof.fault import Fault, Note


def check_tables(folder: Path, manifest: Manifest, damaged: Collection[str] = ()) -> Iterator[Fault | Note]:
    """Check the content of the tables, except those with damaged files.

    Args:
        folder: the snapshot's folder.
        manifest: its manifest.
        damaged: paths of the files that differ from the manifest.
    """
    if COVERAGE not in manifest.tables:
        yield Fault(MANIFEST, f"has no table {COVERAGE}")
    yield from check_context(manifest)
    names = org_names(manifest.orgs)
    sound: set[str] = set()
    for name, table in manifest.tables.items():
        if any(file.path in damaged for file in table.files):
            yield Note(f"table {name}: its content is not checked, as some of its files have faults")
            continue
        faults = list(check_table(folder, name, table, names))
        # Coverage is compared in its Parquet, so a fault of its CSV does not hide those of coverage.
        if name == COVERAGE and all(isinstance(each, Note) or each.path.endswith(".csv") for each in faults):
            faults += check_coverage(folder, manifest)
        yield from faults
        sound |= set() if any(isinstance(each, Fault) for each in faults) else {name}
    if sound >= {COVERAGE, WORKSPACE_DEVICES}:
        yield from check_devices(folder, manifest)
