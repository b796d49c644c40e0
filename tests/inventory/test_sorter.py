import errno
import os
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.inventory.sorter import ExternalSorter

SCHEMA = pa.schema([("key", pa.string()), ("order", pa.int64()), ("texts", pa.list_(pa.string()))])

keys = st.text(st.sampled_from("aBé\U0001f600\uffff"), max_size=3)


def table(rows: list[tuple[str, int]]) -> pa.Table:
    return pa.Table.from_pylist([{"key": key, "order": order, "texts": [key]} for key, order in rows], schema=SCHEMA)


def first_of_each(rows: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(dict(reversed(rows)).items())


def merged(sorter: ExternalSorter) -> list[tuple[str, int]]:
    rows = [row for rows in sorter.merged() for row in rows.to_pylist()]
    assert all(row["texts"] == [row["key"]] for row in rows)
    return [(row["key"], row["order"]) for row in rows]


def add_and_fail(sorter: ExternalSorter) -> None:
    sorter.add(table([("a", 2), ("b", 3), ("c", 4)]))
    sorter.add(table([("d", 5)]))
    sorter.add(pa.table({"key": ["e"]}))


@given(st.lists(st.lists(keys, max_size=30), max_size=12), st.integers(1, 40))
def test_rows_are_sorted_and_the_first_of_each_key_is_kept_whatever_the_runs(
    added: list[list[str]], run_rows: int
) -> None:
    order = iter(range(1_000))
    tables = [[(key, next(order)) for key in keys] for keys in added]
    with ExternalSorter(SCHEMA, "key", run_rows) as sorter:
        for rows in tables:
            sorter.add(table(rows))
        assert merged(sorter) == first_of_each([row for rows in tables for row in rows])


def test_runs_of_many_heads_are_merged_a_piece_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.inventory.sorter._HEAD_ROWS", 10)
    rows = [(f"{number * 7919 % 5000:05d}", number) for number in range(6000)]
    with ExternalSorter(SCHEMA, "key", 1000) as sorter:
        for start in range(0, 6000, 300):
            sorter.add(table(rows[start : start + 300]))
        pieces = list(sorter.merged())
        assert max(piece.num_rows for piece in pieces) <= 6 * 10
        assert merged(sorter) == first_of_each(rows)


@pytest.mark.parametrize("run_rows", [2, 100])
def test_what_a_block_that_fails_has_added_is_dropped(run_rows: int) -> None:
    with ExternalSorter(SCHEMA, "key", run_rows) as sorter:
        sorter.add(table([("b", 1)]))
        with pytest.raises(pa.ArrowInvalid), sorter.all_or_none():
            add_and_fail(sorter)
        with sorter.all_or_none():
            sorter.add(table([("b", 6), ("e", 7)]))
        assert merged(sorter) == [("b", 1), ("e", 7)]


def test_nothing_is_left_in_the_folder_of_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ExternalSorter(SCHEMA, "key", 2) as sorter:
        sorter.add(table([("a", 1), ("b", 2), ("c", 3)]))
        if os.name == "posix":
            assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_few_rows_are_in_memory_at_once() -> None:
    before = pa.total_allocated_bytes()
    peak = 0
    with ExternalSorter(SCHEMA, "key", 1000) as sorter:
        for number in range(60):
            sorter.add(table([(f"{order * 7919 % 60_000:0100d}", order) for order in range(number, 60_000, 60)]))
            peak = max(peak, pa.total_allocated_bytes() - before)
        rows = size = 0
        for piece in sorter.merged():
            peak = max(peak, pa.total_allocated_bytes() - before)
            rows += piece.num_rows
            size += piece.nbytes
    assert rows == 60_000
    assert peak < size / 2


def test_a_full_disk_of_the_temporary_file_is_told_by_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: Path("/dev/full").open("wb"))  # noqa: SIM115
    with ExternalSorter(SCHEMA, "key", 1) as sorter, pytest.raises(OSError, match="No space left") as full:
        sorter.add(table([(f"{number:064}", number) for number in range(20_000)]))
    assert (full.value.errno, full.value.filename) == (errno.ENOSPC, tempfile.gettempdir())
