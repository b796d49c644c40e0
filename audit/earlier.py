"""The complete answers of an earlier snapshot, kept by a run that asks for the others again."""

from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from audit.columns import IDENTITY_SCHEMA
from audit.datasets import Dataset
from audit.entity import Entity
from audit.errors import UsageError
from audit.outcome import Outcome
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.snapshot.reader import Snapshot

_COMPLETE = [str(outcome) for outcome in Outcome if outcome.is_complete]


class Earlier:
    """The tables of a dataset and an organization in an earlier snapshot.

    Args:
        snapshot: the snapshot, with Parquet files.
        org_id: UUID of the organization.
        dataset: the dataset.
        unlisted: kinds of entity that could not be listed then, each with the reason.

    Raises:
        UsageError: the snapshot does not hold them.
    """

    def __init__(
        self, snapshot: Snapshot, org_id: str, dataset: Dataset, unlisted: dict[str, str] | None = None
    ) -> None:
        self.unlisted = unlisted or {}
        self._org_id = org_id
        self._tables = {
            name: (_open(snapshot, name, org_id), schema)
            for name, schema in ({COVERAGE: COVERAGE_SCHEMA} | dict(dataset.tables)).items()
        }
        self._is_ours = pc.field("dataset") == dataset.name

    def entities(self) -> list[Entity]:
        """All its entities, by what the coverage tells of them."""
        names = [field.name for field in IDENTITY_SCHEMA if field.name != "org_id"]
        rows = self._read(COVERAGE, names, self._is_ours).to_pylist()
        return list({row["entity_id"]: msgspec.convert(row, Entity) for row in rows}.values())

    def rows_of(self, inventory: pa.Table) -> dict[str, pa.Table]:
        """The rows of those entities of an inventory that have complete answers only, by table."""
        ids = inventory["entity_id"].combine_chunks()
        coverage = self._rows(COVERAGE, ids, self._is_ours)
        is_complete = pc.is_in(coverage["outcome"], pa.array(_COMPLETE))
        incomplete = coverage.filter(pc.invert(is_complete))["entity_id"].combine_chunks()
        coverage = coverage.filter(pc.invert(pc.is_in(coverage["entity_id"], incomplete)))
        complete = coverage["entity_id"].combine_chunks()
        others = {name: self._rows(name, complete) for name in self._tables if name != COVERAGE}
        return {COVERAGE: coverage} | others

    def _read(self, name: str, columns: list[str], wanted: Any) -> pa.Table:
        try:
            return self._tables[name][0].to_table(columns=columns, filter=wanted)
        except (pa.ArrowInvalid, OSError) as error:
            raise UsageError(f"the snapshot to retry is damaged at table {name}: {error}") from None

    def _rows(self, name: str, ids: pa.Array, extra: Any = None) -> pa.Table:
        schema = self._tables[name][1]
        wanted = pc.field("entity_id").isin(ids)
        stored = [column for column in schema.names if column != "org_id"]
        table = self._read(name, stored, wanted if extra is None else wanted & extra)
        org_ids = pa.repeat(pa.scalar(self._org_id), table.num_rows)
        return table.add_column(0, "org_id", org_ids).cast(schema)


def _open(snapshot: Snapshot, table: str, org_id: str) -> Any:
    folder = snapshot.path / table / f"org_id={org_id}"
    if not any(folder.glob("*.parquet")):
        raise UsageError(
            f"snapshot {snapshot.manifest.snapshot_id} holds no Parquet of {table} for organization {org_id}: only "
            "what was written as Parquet can be retried"
        )
    try:
        return ds.dataset(sorted(folder.glob("*.parquet")), format="parquet")
    except (pa.ArrowInvalid, OSError) as error:
        raise UsageError(f"snapshot {snapshot.manifest.snapshot_id} is damaged at {folder}: {error}") from None
