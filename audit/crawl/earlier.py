"""Reads the complete answers of an earlier snapshot, for a run that only repeats the failed requests."""

from collections.abc import Collection, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from audit.columns import IDENTITY_SCHEMA
from audit.datasets import Dataset
from audit.entity import Entity, entity_table
from audit.errors import UsageError, words_of
from audit.outcome import Outcome
from audit.output.context import ContextTable
from audit.snapshot.catalog import Snapshot
from audit.snapshot.context import CONTEXT
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.snapshot.layout import parquet_folder
from audit.snapshot.manifest import Manifest
from audit.snapshot.parquet import UNREADABLE
from audit.snapshot.proof.contents import files_of, read_parquet

#: Rows that are read at once.
_ROWS = 10_000
_COMPLETE = [str(outcome) for outcome in Outcome if outcome.is_complete]


class Earlier:
    """The tables of a dataset and an organization in an earlier snapshot.

    Args:
        snapshot: a snapshot with Parquet files.
        org_id: UUID of the organization.
        dataset: the dataset.
        short_kinds: the kinds of entity that could not be listed in full then.
        are_names_lost: names of locations could not be read then.

    Raises:
        UsageError: the snapshot does not hold the tables.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        org_id: str,
        dataset: Dataset,
        short_kinds: Collection[str] = (),
        *,
        are_names_lost: bool = False,
    ) -> None:
        self.short_kinds = short_kinds
        self.are_names_lost = are_names_lost
        self._org_id = org_id
        self._tables = {
            name: (_open(snapshot, name, org_id), schema)
            for name, schema in ({COVERAGE: COVERAGE_SCHEMA} | dict(dataset.tables)).items()
        }
        self._is_ours = pc.field("dataset") == dataset.name

    def entities(self) -> Iterator[pa.Table]:
        """All entities in the coverage (`audit.entity.INVENTORY_SCHEMA`); an entity may come repeatedly."""
        names = [field.name for field in IDENTITY_SCHEMA if field.name != "org_id"]
        for rows in self._batches(COVERAGE, names, self._is_ours):
            yield entity_table(msgspec.convert(rows.to_pylist(), list[Entity]))

    def ids(self) -> list[str]:
        """The ids of all entities, in order, each once."""
        ids = (rows["entity_id"].to_pylist() for rows in self._batches(COVERAGE, ["entity_id"], self._is_ours))
        return list(dict.fromkeys(chain.from_iterable(ids)))

    def rows_of(self, inventory: pa.Table) -> dict[str, pa.Table]:
        """The rows of each table, of those entities in an inventory whose answers are all complete."""
        ids = inventory["entity_id"].combine_chunks()
        coverage = self._rows(COVERAGE, ids, self._is_ours)
        is_complete = pc.is_in(coverage["outcome"], pa.array(_COMPLETE))
        incomplete = coverage.filter(pc.invert(is_complete))["entity_id"].combine_chunks()
        coverage = coverage.filter(pc.invert(pc.is_in(coverage["entity_id"], incomplete)))
        complete = coverage["entity_id"].combine_chunks()
        others = {name: self._rows(name, complete) for name in self._tables if name != COVERAGE}
        return {COVERAGE: coverage} | others

    def _read(self, name: str, columns: list[str], wanted: Any) -> pa.Table:
        schema = pa.schema([self._tables[name][0].schema.field(column) for column in columns])
        return pa.Table.from_batches(self._batches(name, columns, wanted), schema)

    def _batches(self, name: str, columns: list[str], wanted: Any) -> Iterator[pa.RecordBatch]:
        options = {"batch_size": _ROWS, "batch_readahead": 1, "fragment_readahead": 1, "use_threads": False}
        try:
            yield from self._tables[name][0].to_batches(columns=columns, filter=wanted, **options)
        except (pa.ArrowInvalid, OSError) as error:
            raise UsageError(f"the snapshot to retry is damaged at table {name}: {words_of(error)}") from None

    def _rows(self, name: str, ids: pa.Array, extra: Any = None) -> pa.Table:
        schema = self._tables[name][1]
        ends = pc.min_max(ids)
        entity_id = pc.field("entity_id")
        # With these limits, Arrow skips row groups.
        wanted = (entity_id >= ends["min"]) & (entity_id <= ends["max"]) & entity_id.isin(ids)
        stored = [column for column in schema.names if column != "org_id"]
        table = self._read(name, stored, wanted if extra is None else wanted & extra)
        org_ids = pa.repeat(pa.scalar(self._org_id), table.num_rows)
        return table.add_column(0, "org_id", org_ids).cast(schema)


def is_nothing_to_retry(manifest: Manifest) -> bool:
    """Whether a snapshot has a complete answer for all that its run was to audit.

    More than the status counts, because anybody may have written the manifest.
    """
    return (
        manifest.status == "complete"
        and all(org.status == "complete" and not org.unlisted and not org.message for org in manifest.orgs)
        and all(word in _COMPLETE for counts in manifest.outcomes.values() for word in counts)
        and manifest.outcomes.keys() >= set(manifest.scope.datasets)
    )


def earlier_of(snapshot: Snapshot, org_id: str, dataset: Dataset) -> Earlier | None:
    """Open the rows of a dataset and an organization; None if there are none, so that all of it is to be read.

    Raises:
        UsageError: the snapshot does not cover the organization, or does not hold it as Parquet.
    """
    entry = next((org for org in snapshot.manifest.orgs if org.org_id == org_id), None)
    if entry is None and snapshot.manifest.invalid_organizations:
        # It may be what an item without a usable id stood for.
        return None
    if entry is None:
        raise UsageError(
            f"snapshot {snapshot.manifest.snapshot_id} does not cover organization {org_id}: retry it with the "
            "token of its organization, or name that organization with --org-id"
        )
    kinds = {*entry.unlisted.get(dataset.name, ()), *entry.invalid_items.get(dataset.name, ())}
    if not entry.is_audited:
        return None
    return Earlier(snapshot, org_id, dataset, kinds, are_names_lost=bool(entry.unnamed_locations))


def _open(snapshot: Snapshot, table: str, org_id: str) -> Any:
    folder = snapshot.path / parquet_folder(table, org_id)
    if not any(folder.glob("*.parquet")):
        raise UsageError(
            f"snapshot {snapshot.manifest.snapshot_id} holds no Parquet of {table} for organization {org_id}: only "
            "Parquet can be retried"
        )
    try:
        import pyarrow.dataset as ds  # noqa: PLC0415 - takes its time, and only a run that retries needs it

        return ds.dataset(sorted(folder.glob("*.parquet")), format="parquet")
    except (pa.ArrowInvalid, OSError) as error:
        raise UsageError(
            f"snapshot {snapshot.manifest.snapshot_id} is damaged at {folder}: {words_of(error)}"
        ) from None


def earlier_context(snapshot: Snapshot, org_id: str, table: str) -> ContextTable | None:
    """A context table of an organization in an earlier snapshot; None if the organization does not have it there."""
    entry = next((org for org in snapshot.manifest.orgs if org.org_id == org_id), None)
    if entry is None or table not in entry.context or table not in snapshot.manifest.tables:
        return None
    return ContextTable(partial(_context_rows, snapshot, org_id, table), entry.context[table])


def _context_rows(snapshot: Snapshot, org_id: str, table: str) -> Iterator[pa.Table]:
    """The rows of a context table.

    Raises:
        UsageError: the table has other columns, or can't be read.
    """
    schema = CONTEXT[table]
    try:
        for owner, file in files_of(table, snapshot.manifest.tables[table]).parquet:
            if owner == org_id:
                for rows in read_parquet(Path(str(snapshot.path / file.path)), org_id, rows=file.rows):
                    yield rows.select(schema.names).cast(schema)
    except UNREADABLE as error:
        raise UsageError(f"the snapshot to retry is damaged at table {table}: {words_of(error)}") from None
