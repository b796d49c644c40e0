"""Context tables against the organizations of the manifest."""

from collections.abc import Iterator

from audit.snapshot.context import CONTEXT
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import Manifest
from audit.snapshot.proof.contents import files_of
from audit.snapshot.proof.fault import Fault


def check_context(manifest: Manifest) -> Iterator[Fault]:
    """Check that a context table is there if an organization has it, and holds rows of those organizations only."""
    owners: dict[str, set[str]] = {}
    for org in manifest.orgs:
        for name in org.context:
            owners.setdefault(name, set()).add(org.org_id)
    for name in sorted(owners.keys() - manifest.tables.keys()):
        yield Fault(MANIFEST, f"has no table {name}, but an organization has it")
    for name in sorted(CONTEXT.keys() & manifest.tables.keys()):
        for org_id in sorted(_organizations(manifest, name) - owners.get(name, set())):
            yield Fault(MANIFEST, f"table {name} has files of organization {org_id}, which does not have the table")
        if name not in owners:
            yield Fault(MANIFEST, f"has the table {name}, but no organization has it")


def _organizations(manifest: Manifest, table: str) -> set[str]:
    try:
        files = files_of(table, manifest.tables[table])
    except ValueError:  # its content is checked, too, and says so
        return set()
    return {org_id for org_id, _ in (*files.parquet, *files.csv) if org_id}
