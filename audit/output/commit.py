"""From parts to a snapshot: a few large files, flushed to the disk, then the manifest."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, zip_longest

import pyarrow as pa
import pyarrow.compute as pc

from audit import __version__
from audit.config import OutputSettings
from audit.errors import AuditError
from audit.output.draft import Draft
from audit.output.org_parts import OrgParts
from audit.output.tables import write_table
from audit.snapshot.catalog import Snapshot, list_all_snapshots
from audit.snapshot.context import CONTEXT
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import (
    FORMAT_VERSION,
    Basis,
    Manifest,
    Previous,
    Requests,
    Scope,
    Seal,
    TableEntry,
    Tool,
    encode,
    write_manifest,
)
from audit.snapshot.org_names import org_names
from audit.storage.content import sha256_of
from audit.storage.place import Place, sync_dir
from audit.untrusted.unknown import sum_unknown


@dataclass(frozen=True)
class RunFacts:
    """What a manifest says about the run itself (`audit.snapshot.manifest.Manifest`).

    Attributes:
        kept_unknown: by dataset, the unknown fields of the snapshot whose complete answers the run keeps.
    """

    finished_at: datetime
    base_url: str
    scope: Scope
    requests: Requests
    kept_unknown: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    invalid_organizations: int = 0
    basis: Basis | None = None


def commit(
    draft: Draft,
    facts: RunFacts,
    orgs: list[OrgParts],
    datasets: Mapping[str, Mapping[str, pa.Schema]],
    settings: OutputSettings,
    *,
    seal: Seal | None = None,
    on_committed: Callable[[Snapshot], None] = lambda _: None,
) -> Snapshot:
    """Turn a draft into a snapshot in a new folder, with the manifest written last; then remove the draft.

    Args:
        draft: the parts of the run.
        facts: what the manifest says about the run.
        orgs: the organizations of its scope.
        datasets: the tables of each dataset, with their schemas.
        settings: which files to write.
        seal: signs the snapshot before its manifest is written, so no snapshot lacks a signature that was asked for.
        on_committed: called when the snapshot stands, before the draft is removed.

    Raises:
        AuditError: an entity of an inventory does not have exactly one outcome in each dataset.
        StoppedError: the lock is lost.
        OSError: the disk refuses, and no snapshot stands.
    """
    outcomes = {
        dataset: {org.org_id: _count_outcomes(draft, org, dataset) for org in orgs if dataset in org.inventories}
        for dataset in sorted(datasets)
    }
    folder = draft.begin_commit()
    tables = _write_tables(draft, folder, orgs, datasets, settings)
    manifest = _manifest(draft, folder.name, facts, orgs, outcomes, tables)
    if seal:
        seal(folder, manifest)
    snapshot = _publish(draft, folder, manifest)
    # From here on the snapshot stands, and nothing can fail the run.
    on_committed(snapshot)
    draft.end_commit(folder)
    return snapshot


def _write_tables(
    draft: Draft,
    folder: Place,
    orgs: list[OrgParts],
    datasets: Mapping[str, Mapping[str, pa.Schema]],
    settings: OutputSettings,
) -> dict[str, TableEntry]:
    schemas = {COVERAGE: COVERAGE_SCHEMA} | {
        name: schema for tables in datasets.values() for name, schema in tables.items()
    }
    context = {name: schema for name, schema in CONTEXT.items() if any(name in org.context for org in orgs)}
    tables = {}
    names = org_names(orgs)
    for name, schema in (schemas | context).items():
        draft.held.check()
        rows = _context_rows(name, orgs) if name in context else _rows(draft, name, orgs, datasets)
        tables[name] = write_table(
            folder,
            name,
            schema,
            rows,
            {*settings.formats},
            names=names,
            csv_per_org=settings.csv_per_org,
            csv_dialect=settings.csv_dialect,
        )
    return tables


def _manifest(
    draft: Draft,
    snapshot_id: str,
    facts: RunFacts,
    orgs: list[OrgParts],
    outcomes: Mapping[str, Mapping[str, Counter[str]]],
    tables: dict[str, TableEntry],
) -> Manifest:
    entries = [
        org.entry(counts[org.org_id] for counts in outcomes.values() if org.org_id in counts)
        for org in sorted(orgs, key=lambda each: each.org_id)
    ]
    is_whole = not facts.invalid_organizations and all(org.status == "complete" for org in entries)
    return Manifest(
        format_version=FORMAT_VERSION,
        snapshot_id=snapshot_id,
        tool=Tool("webex-audit", __version__),
        status="complete" if is_whole else "partial",
        started_at=draft.journal.started_at,
        finished_at=facts.finished_at,
        base_url=facts.base_url,
        scope=facts.scope,
        orgs=entries,
        tables=tables,
        outcomes={dataset: _total(counts.values()) for dataset, counts in outcomes.items()},
        requests=facts.requests,
        unknown_fields={
            dataset: _count_unknown(draft, orgs, dataset, facts.kept_unknown.get(dataset, {})) for dataset in outcomes
        },
        previous=_previous(draft.output),
        invalid_organizations=facts.invalid_organizations,
        basis=facts.basis,
    )


def _publish(draft: Draft, folder: Place, manifest: Manifest) -> Snapshot:
    """Write the manifest, after all other files are flushed: this is the commit point."""
    for flushed in (folder, draft.output):
        sync_dir(flushed)
    draft.held.check()
    draft.held.promise(folder.name, encode(manifest))
    write_manifest(folder, manifest)
    return Snapshot(folder, manifest)


def _count_outcomes(draft: Draft, org: OrgParts, dataset: str) -> Counter[str]:
    """Count the outcomes of an organization in a dataset; each entity must have one, or one for each site."""
    counts: Counter[str] = Counter()
    inventory = org.inventories[dataset]
    answered = 0
    batches = (rows["entity_id"].combine_chunks() for _, rows in inventory.batches())
    for batch, part in zip_longest(batches, draft.partition(org.org_id, dataset).read_parts(COVERAGE)):
        if part is None:
            break
        is_doubled = part.group_by(["entity_id", "site_url"]).aggregate([]).num_rows != part.num_rows
        if is_doubled or batch is None or not pc.unique(part["entity_id"]).equals(batch):
            raise AuditError(f"{dataset} of {org.org_id}: the coverage is not that of the inventory at row {answered}")
        answered += len(batch)
        counts.update(part["outcome"].to_pylist())
    if answered != inventory.num_rows:
        raise AuditError(f"{dataset} of {org.org_id}: {answered} outcomes for {inventory.num_rows} entities")
    return counts


def _count_unknown(draft: Draft, orgs: list[OrgParts], dataset: str, kept: Mapping[str, int]) -> dict[str, int]:
    facts = (each for org in orgs for each in draft.partition(org.org_id, dataset).read_facts())
    return sum_unknown(chain([kept], (each.unknown_fields for each in facts)))


def _total(counts: Iterable[Counter[str]]) -> dict[str, int]:
    return dict(sorted(sum(counts, Counter[str]()).items()))


def _rows(
    draft: Draft, table: str, orgs: list[OrgParts], datasets: Mapping[str, Mapping[str, object]]
) -> Iterator[tuple[str, Iterable[pa.Table]]]:
    """The rows of a table, organization by organization; an organization without an inventory has no rows."""
    for org in sorted(orgs, key=lambda each: each.org_id):
        names = [name for name in sorted(org.inventories) if table == COVERAGE or table in datasets[name]]
        if names:
            parts = (draft.partition(org.org_id, name).read_parts(table) for name in names)
            yield org.org_id, chain.from_iterable(parts)


def _context_rows(table: str, orgs: list[OrgParts]) -> Iterator[tuple[str, Iterable[pa.Table]]]:
    """The rows of a context table; an organization that does not have it has no rows."""
    for org in sorted(orgs, key=lambda each: each.org_id):
        if table in org.context:
            yield org.org_id, org.context[table].rows()


def _previous(output: Place) -> Previous | None:
    snapshots = list_all_snapshots(output)
    if not snapshots:
        return None
    newest = snapshots[-1]
    return Previous(newest.manifest.snapshot_id, sha256_of(newest.path / MANIFEST))
