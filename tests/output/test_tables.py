"""Readers may pass over what they do not look for: the files say where it can't be."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from audit.datasets import DATASETS
from audit.output import inventory as inventory_file
from audit.output import tables as tables_module
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

TABLES = ["coverage", *DATASETS["push_to_talk"].tables]


@pytest.fixture
def snapshot(audit: Callable[..., Snapshot], monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 10)
    monkeypatch.setattr(tables_module, "ROW_GROUP_ROWS", 25)
    return audit(Simulation(Organization(120)))


def file_of(snapshot: Snapshot, table: str) -> Path:
    (path,) = (snapshot.path / table).rglob("*.parquet")
    return path


@pytest.mark.parametrize("table", TABLES)
def test_files_say_how_they_are_sorted_and_have_statistics_of_groups_and_pages(table: str, snapshot: Snapshot) -> None:
    metadata = pq.read_metadata(file_of(snapshot, table))
    names = metadata.schema.names
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    assert len(groups) > 3
    ends: list[tuple[str, str]] = []
    for group in groups:
        told = [(names[each.column_index], each.descending) for each in group.sorting_columns]
        assert told == [(name, False) for name in ("dataset", "entity_id") if name in names]
        columns = [group.column(index) for index in range(len(names))]
        assert all(each.is_stats_set and each.has_offset_index and each.has_column_index for each in columns)
        statistics = group.column(names.index("entity_id")).statistics
        ends.append((statistics.min, statistics.max))
    # No entity is in two groups, and the groups are in order.
    assert all(one[1] < other[0] for one, other in pairwise(ends))


@pytest.mark.parametrize("table", TABLES)
def test_duckdb_reads_the_row_group_of_an_entity_alone(table: str, snapshot: Snapshot) -> None:
    path = file_of(snapshot, table)
    ids = sorted(set(ds.dataset(path).to_table(columns=["entity_id"])["entity_id"].to_pylist()))
    query = "EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM read_parquet(?) WHERE entity_id = ?"
    with duckdb.connect() as connection:
        ((_, told),) = connection.execute(query, [str(path), ids[len(ids) // 2]]).fetchall()
    (scan,) = operators(json.loads(told)["operator"], "TABLE_SCAN")
    assert scan["total_row_groups_to_scan"] == pq.read_metadata(path).num_row_groups > 3
    assert scan["row_groups_scanned"] == 1


def operators(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    below = [operator for each in found for operator in operators(each.get("children", []), kind)]
    return [each for each in found if each["type"] == kind] + below
