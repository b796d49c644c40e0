"""Context tables against the organizations of the manifest."""

from collections import Counter
from collections.abc import Iterator

from audit.snapshot.context import CONTEXT
from audit.snapshot.context.admin_events import ADMIN_EVENTS
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import Manifest
from audit.snapshot.proof.contents import files_of
from audit.snapshot.proof.fault import Fault
from audit.text import count_of


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
    yield from _check_logs(manifest)


def _check_logs(manifest: Manifest) -> Iterator[Fault]:
    """Check what the manifest says of each administrators' log: a review concludes from it that there is no event."""
    rows = _rows_of_logs(manifest)
    for org in manifest.orgs:
        log, has_table = org.admin_events, ADMIN_EVENTS in org.context
        status = log.status if log else "not asked for"
        if has_table != (status in ("read", "cut short")):
            holds = "has" if has_table else "does not have"
            text = f"organization {org.org_id} {holds} the table {ADMIN_EVENTS}, but its log is said to be {status}"
            yield Fault(MANIFEST, text)
        elif log and rows is not None and log.events != rows[org.org_id]:
            text = f"organization {org.org_id} is said to have {count_of(log.events, 'event')}, but {ADMIN_EVENTS} has "
            yield Fault(MANIFEST, f"{text}{rows[org.org_id]:,}")


def _rows_of_logs(manifest: Manifest) -> Counter[str] | None:
    """The number of events by organization; None if there is no Parquet, which alone says so."""
    table = manifest.tables.get(ADMIN_EVENTS)
    try:
        files = files_of(ADMIN_EVENTS, table).parquet if table else []
    except ValueError:  # its content is checked, too, and says so
        return None
    rows: Counter[str] = Counter()
    for org_id, file in files:
        rows[org_id] += file.rows
    return None if table and table.rows and not files else rows


def _organizations(manifest: Manifest, table: str) -> set[str]:
    try:
        files = files_of(table, manifest.tables[table])
    except ValueError:  # its content is checked, too, and says so
        return set()
    return {org_id for org_id, _ in (*files.parquet, *files.csv) if org_id}
