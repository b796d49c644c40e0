"""From parts to a snapshot: few large files, flushed to the disk, and the manifest last."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, zip_longest

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from audit import __version__
from audit.columns import without_docs
from audit.config import FormatName
from audit.errors import AuditError
from audit.output.draft import Draft
from audit.output.org_parts import OrgParts
from audit.snapshot.catalog import Snapshot, list_all_snapshots
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA, VOLATILE_COLUMNS
from audit.snapshot.csv import CSV_OPTIONS, without_formulas
from audit.snapshot.digest import ContentDigest
from audit.snapshot.layout import MANIFEST, csv_path, parquet_folder
from audit.snapshot.manifest import (
    FORMAT_VERSION,
    FileEntry,
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
from audit.storage.place import DigestedFile, Place, new_file, sha256_of, sync_dir

_Write = Callable[[pa.Table], None]

#: Rows of one Parquet row group, at the least; a part is not split.
ROW_GROUP_ROWS = 100_000
#: The order of the rows of every table.
_SORTED_BY = ("dataset", "entity_id")


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
    on_committed: Callable[[Snapshot], None] = lambda _: None,
) -> Snapshot:
    """Make a draft a snapshot: in a new folder, the manifest last; then remove the draft.

    Args:
        draft: the parts of the run.
        facts: what the manifest says of the run.
        orgs: the organizations of its scope.
        datasets: the tables of each dataset, with their schemas.
        formats: which files to write.
        csv_per_org: write CSV for each organization, instead of one for all.
        seal: signs it, before the manifest stands: no snapshot is ever without a signature that was asked for.
        on_committed: called when the snapshot stands, before what it no longer needs is removed.

    Raises:
        AuditError: an entity of an inventory has not exactly one outcome in each dataset.
        StoppedError: the lock is lost.
        OSError: the disk refuses. No snapshot stands.
    """
    outcomes = {
        dataset: {org.org_id: _count_outcomes(draft, org, dataset) for org in orgs if dataset in org.inventories}
        for dataset in sorted(datasets)
    }
    folder = draft.begin_commit()
    schemas = {COVERAGE: COVERAGE_SCHEMA} | {
        name: schema for tables in datasets.values() for name, schema in tables.items()
    }
    tables = {}
    for name, schema in schemas.items():
        draft.held.check()
        rows = _rows(draft, name, orgs, datasets)
        tables[name] = write_table(folder, name, schema, rows, set(formats), csv_per_org=csv_per_org)
    entries = [
        org.entry(counts[org.org_id] for counts in outcomes.values() if org.org_id in counts)
        for org in sorted(orgs, key=lambda each: each.org_id)
    ]
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        snapshot_id=folder.name,
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
        seal(folder, manifest)
    for flushed in (folder, draft.output):
        sync_dir(flushed)
    draft.held.check()
    draft.held.promise(folder.name, encode(manifest))
    write_manifest(folder, manifest)
    # From here on the snapshot stands, and nothing can fail the run.
    snapshot = Snapshot(folder, manifest)
    on_committed(snapshot)
    draft.end_commit(folder)
    return snapshot


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


def _previous(output: Place) -> Previous | None:
    snapshots = list_all_snapshots(output)
    if not snapshots:
        return None
    newest = snapshots[-1]
    return Previous(newest.manifest.snapshot_id, sha256_of(newest.path / MANIFEST))


def write_table(
    folder: Place,
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
    of_all: dict[str, str] = {"csv": csv_path(name, None)} if "csv" in formats and not csv_per_org else {}
    with ThreadPoolExecutor(3, thread_name_prefix="writers") as pool, _tables(folder, of_all, schema) as written:
        for org_id, tables in orgs:
            of_org = {"parquet": f"{parquet_folder(name, org_id)}/00000.parquet", "csv": csv_path(name, org_id)}
            wanted: dict[str, str] = {kind: path for kind, path in of_org.items() if kind in formats - of_all.keys()}
            with _tables(folder, wanted, schema) as written_of_org:
                for rows_of_part in tables:
                    rows += rows_of_part.num_rows
                    # Side by side, as none of them holds the interpreter while it works.
                    writes = [digest.update, *(each.write for each in (*written_of_org, *written))]
                    writing = [pool.submit(write, rows_of_part) for write in writes]
                    # All of them, as a file that is still written must not be closed where another one fails.
                    wait(writing)
                    for each in writing:
                        each.result()
            files += [each.entry() for each in written_of_org]
    files += [each.entry() for each in written]
    sync_dir(folder)
    return TableEntry(rows, digest.hexdigest(), files)


class _TableFile:
    """A file of a table, as it is written."""

    def __init__(self, path: str, file: DigestedFile, write: _Write) -> None:
        self._path = path
        self._file = file
        self._write = write
        self._rows = 0

    def write(self, table: pa.Table) -> None:
        self._write(table)
        self._rows += table.num_rows

    def entry(self) -> FileEntry:
        """What the manifest says of it, once it is closed."""
        return FileEntry(self._path, self._file.size, self._rows, self._file.sha256)


@contextmanager
def _tables(folder: Place, paths: Mapping[str, str], schema: pa.Schema) -> Iterator[list[_TableFile]]:
    """Files of a table, by kind."""
    with ExitStack() as stack:
        found = []
        for kind, path in paths.items():
            file = stack.enter_context(new_file(folder / path))
            found.append(_TableFile(path, file, stack.enter_context(_WRITERS[kind](file, schema))))
        yield found


@contextmanager
def _parquet(file: DigestedFile, schema: pa.Schema) -> Iterator[_Write]:
    stored = without_docs(pa.schema([field for field in schema if field.name != "org_id"]))
    order = [(name, "ascending") for name in _SORTED_BY if name in stored.names]
    with pq.ParquetWriter(
        file,
        stored,
        compression="zstd",
        sorting_columns=pq.SortingColumn.from_ordering(stored, order),
        write_page_index=True,
    ) as writer:
        waiting = stored.empty_table()

        def write(table: pa.Table) -> None:
            nonlocal waiting
            waiting = pa.concat_tables([waiting, table.select(stored.names)])
            if waiting.num_rows >= ROW_GROUP_ROWS:
                flush()

        def flush() -> None:
            nonlocal waiting
            if waiting.num_rows:
                writer.write_table(waiting, row_group_size=waiting.num_rows)
            waiting = stored.empty_table()
            # Given back at once, so that gaps between what is still in use do not add up.
            pa.default_memory_pool().release_unused()

        yield write
        flush()


@contextmanager
def _csv(file: DigestedFile, schema: pa.Schema) -> Iterator[_Write]:
    with pcsv.CSVWriter(file, schema, write_options=CSV_OPTIONS) as writer:
        yield lambda table: writer.write_table(without_formulas(table))


_WRITERS = {"parquet": _parquet, "csv": _csv}
