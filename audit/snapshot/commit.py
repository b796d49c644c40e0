"""From parts to a snapshot: few large files, flushed to the disk, and the manifest last."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import chain, groupby, zip_longest
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from audit import __version__
from audit.columns import without_docs
from audit.config import FormatName
from audit.errors import AuditError
from audit.files import make_dir, private_file, sha256_of, sync_dir
from audit.outcome import Outcome
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA, VOLATILE_COLUMNS
from audit.snapshot.csv import CSV_OPTIONS, without_formulas
from audit.snapshot.digest import ContentDigest
from audit.snapshot.draft import Draft
from audit.snapshot.inventory import Inventory
from audit.snapshot.manifest import (
    FORMAT_VERSION,
    MANIFEST,
    FileEntry,
    Manifest,
    Org,
    OrgStatus,
    Previous,
    Requests,
    Scope,
    Seal,
    TableEntry,
    Tool,
    write_manifest,
)
from audit.snapshot.reader import Snapshot, list_snapshots

_Write = Callable[[pa.Table], None]

#: Rows in memory at once, and of one Parquet row group.
ROW_GROUP_ROWS = 100_000


@dataclass(frozen=True)
class OrgParts:
    """An organization of a run; all parts of its inventories are written.

    Attributes:
        org_id: its UUID.
        name: its display name, if known.
        inventories: by dataset; each slice of one has a part. Of what is refused as a whole, there is none.
        is_refused: nothing could be audited of it, since the token may not.
        message: what stopped it, if something did.
        webex_id: its id, as the API takes it.
    """

    org_id: str
    name: str | None
    inventories: Mapping[str, Inventory]
    is_refused: bool = False
    message: str | None = None
    webex_id: str | None = None

    def entry(self, outcomes: Iterable[Counter[str]]) -> Org:
        """What the manifest says of it, given its outcomes in each dataset."""
        entities = _count_entities([each for each in self.inventories.values() if each.num_rows])
        unlisted = {name: inventory.unlisted for name, inventory in self.inventories.items() if inventory.unlisted}
        is_whole = not self.message and not unlisted and all(_is_complete(count) for count in outcomes)
        nothing: OrgStatus = "refused" if self.is_refused else "unanswered"
        status = ("complete" if is_whole else "partial") if self.inventories else nothing
        return Org(self.org_id, self.name, status, entities, unlisted, self.message, self.webex_id)


@dataclass(frozen=True)
class RunFacts:
    """What a manifest says of the run itself (`audit.snapshot.manifest.Manifest`)."""

    finished_at: datetime
    base_url: str
    scope: Scope
    requests: Requests


def commit(
    draft: Draft,
    facts: RunFacts,
    orgs: list[OrgParts],
    datasets: Mapping[str, Mapping[str, pa.Schema]],
    formats: Iterable[FormatName],
    *,
    csv_per_org: bool = False,
    seal: Seal | None = None,
) -> Snapshot:
    """Make a draft a snapshot.

    Args:
        draft: the parts of the run.
        facts: what the manifest says of the run.
        orgs: the organizations of its scope.
        datasets: the tables of each dataset, with their schemas.
        formats: which files to write.
        csv_per_org: write CSV for each organization, instead of one for all.
        seal: signs it, before the manifest stands: no snapshot is ever without a signature that was asked for.

    Raises:
        AuditError: an entity of an inventory has not exactly one outcome in each dataset.
        OSError: the disk refuses.
    """
    outcomes = {
        dataset: {org.org_id: _count_outcomes(draft, org, dataset) for org in orgs if dataset in org.inventories}
        for dataset in sorted(datasets)
    }
    draft.remove_files()
    schemas = {COVERAGE: COVERAGE_SCHEMA} | {
        name: schema for tables in datasets.values() for name, schema in tables.items()
    }
    tables = {
        name: write_table(
            draft.folder, name, schema, _rows(draft, name, orgs, datasets), set(formats), csv_per_org=csv_per_org
        )
        for name, schema in schemas.items()
    }
    entries = [
        org.entry(counts[org.org_id] for counts in outcomes.values() if org.org_id in counts)
        for org in sorted(orgs, key=lambda each: each.org_id)
    ]
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        snapshot_id=draft.journal.snapshot_id,
        tool=Tool("webex-audit", __version__),
        status="complete" if all(org.status == "complete" for org in entries) else "partial",
        started_at=draft.journal.started_at,
        finished_at=facts.finished_at,
        base_url=facts.base_url,
        scope=facts.scope,
        orgs=entries,
        tables=tables,
        outcomes={dataset: _total(counts.values()) for dataset, counts in outcomes.items()},
        requests=facts.requests,
        unknown_fields={dataset: _count_unknown(draft, orgs, dataset) for dataset in sorted(datasets)},
        previous=_previous(draft.output),
    )
    if seal:
        seal(draft.folder, manifest)
    write_manifest(draft.folder, manifest)
    sync_dir(draft.output)
    draft.remove_parts()
    return Snapshot(draft.folder, manifest)


def _count_entities(inventories: list[Inventory]) -> int:
    """The entities of all inventories, each once."""
    if len(inventories) == 1:
        return inventories[0].num_rows
    ids = (chain.from_iterable(rows["entity_id"].to_pylist() for _, rows in each.batches()) for each in inventories)
    return sum(1 for _ in groupby(merge(*ids)))


def _count_outcomes(draft: Draft, org: OrgParts, dataset: str) -> Counter[str]:
    """The outcomes of an organization in a dataset, if each entity has one (or one for each site)."""
    counts: Counter[str] = Counter()
    inventory = org.inventories[dataset]
    answered = 0
    batches = (rows["entity_id"].combine_chunks() for _, rows in inventory.batches())
    for batch, part in zip_longest(batches, draft.read_parts(org.org_id, dataset, COVERAGE)):
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


def _count_unknown(draft: Draft, orgs: list[OrgParts], dataset: str) -> dict[str, int]:
    return _total(Counter(each.unknown_fields) for org in orgs for each in draft.read_facts(org.org_id, dataset))


def _is_complete(outcomes: Counter[str]) -> bool:
    return all(Outcome(word).is_complete for word in outcomes)


def _total(counts: Iterable[Counter[str]]) -> dict[str, int]:
    return dict(sorted(sum(counts, Counter[str]()).items()))


def _rows(
    draft: Draft, table: str, orgs: list[OrgParts], datasets: Mapping[str, Mapping[str, object]]
) -> Iterator[tuple[str, Iterable[pa.Table]]]:
    """The rows of a table, organization by organization; one without an inventory of it has none."""
    for org in sorted(orgs, key=lambda each: each.org_id):
        names = [name for name in sorted(org.inventories) if table == COVERAGE or table in datasets[name]]
        if names:
            parts = (draft.read_parts(org.org_id, name, table) for name in names)
            yield org.org_id, chain.from_iterable(parts)


def _previous(output: Path) -> Previous | None:
    snapshots = list_snapshots(output)
    if not snapshots:
        return None
    newest = snapshots[-1]
    return Previous(newest.manifest.snapshot_id, sha256_of(newest.path / MANIFEST))


def write_table(
    folder: Path,
    name: str,
    schema: pa.Schema,
    orgs: Iterable[tuple[str, Iterable[pa.Table]]],
    formats: set[FormatName],
    *,
    csv_per_org: bool = False,
) -> TableEntry:
    """Write the files of one table and flush them to the disk.

    Parquet goes to ``<name>/org_id=<UUID>/``; as Hive partitions want it, the column `org_id`
    stands in the folder's name alone. CSV has all columns: ``<name>.csv``, or
    ``org_id=<UUID>/<name>.csv`` for each organization.

    Args:
        folder: the snapshot's folder.
        name: the table.
        schema: its columns.
        orgs: each organization's UUID and rows, in order.
        formats: which files to write.
        csv_per_org: write CSV for each organization.

    Raises:
        OSError: the disk refuses.
    """
    digest = ContentDigest(pa.schema([field for field in schema if field.name not in VOLATILE_COLUMNS]))
    rows = 0
    files: list[FileEntry] = []
    is_one_csv = "csv" in formats and not csv_per_org
    csv_path = folder / f"{name}.csv"
    with ExitStack() as of_table:
        writes_all = [of_table.enter_context(_csv(csv_path, schema))] if is_one_csv else []
        for org_id, tables in orgs:
            paths = {"parquet": folder / name / f"org_id={org_id}" / "00000.parquet"} if "parquet" in formats else {}
            paths |= {"csv": folder / f"org_id={org_id}" / f"{name}.csv"} if "csv" in formats and csv_per_org else {}
            org_rows = 0
            with ExitStack() as of_org:
                writes = [of_org.enter_context(_WRITERS[kind](path, schema)) for kind, path in paths.items()]
                for group in _regroup(tables, schema):
                    digest.update(group)
                    org_rows += group.num_rows
                    for write in [*writes, *writes_all]:
                        write(group)
            rows += org_rows
            files += [_entry(folder, path, org_rows) for path in paths.values()]
    if is_one_csv:
        files.append(_entry(folder, csv_path, rows))
    sync_dir(folder)
    return TableEntry(rows, digest.hexdigest(), files)


@contextmanager
def _parquet(path: Path, schema: pa.Schema) -> Iterator[_Write]:
    make_dir(path.parent)
    stored = without_docs(pa.schema([field for field in schema if field.name != "org_id"]))
    with private_file(path) as file, pq.ParquetWriter(file, stored, compression="zstd") as writer:
        yield lambda table: writer.write_table(table.select(stored.names), row_group_size=ROW_GROUP_ROWS)
    sync_dir(path.parent)


@contextmanager
def _csv(path: Path, schema: pa.Schema) -> Iterator[_Write]:
    make_dir(path.parent)
    with private_file(path) as file, pcsv.CSVWriter(file, schema, write_options=CSV_OPTIONS) as writer:
        yield lambda table: writer.write_table(without_formulas(table))
    sync_dir(path.parent)


_WRITERS = {"parquet": _parquet, "csv": _csv}


def _regroup(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """The same rows in tables of `ROW_GROUP_ROWS`, the last one shorter."""
    waiting = schema.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table])
        while waiting.num_rows >= ROW_GROUP_ROWS:
            yield waiting.slice(0, ROW_GROUP_ROWS).combine_chunks()
            waiting = waiting.slice(ROW_GROUP_ROWS)
    if waiting.num_rows:
        yield waiting.combine_chunks()


def _entry(folder: Path, path: Path, rows: int) -> FileEntry:
    return FileEntry(path.relative_to(folder).as_posix(), path.stat().st_size, rows, sha256_of(path))
