"""Parquet from anybody: what is read, and what is refused before it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import parquet_bombs as bombs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tampering import flip

from audit.snapshot.parquet import UNREADABLE, examine, read_batches

SCHEMA = pa.schema(
    [("text", pa.string()), ("flag", pa.bool_()), ("number", pa.int32()), ("time", pa.timestamp("us", "UTC"))]
)


def table(rows: int) -> pa.Table:
    texts = [f"text {row}" if row % 3 else None for row in range(rows)]
    return pa.table([texts, [True] * rows, list(range(rows)), list(range(rows))], schema=SCHEMA)


@pytest.mark.parametrize("rows", [0, 1, 1000, 150_000])
@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"compression": "zstd", "write_page_index": True}])
def test_what_arrow_writes_is_read_whole(rows: int, options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(rows), path, row_group_size=100_000, **options)
    found = examine(path, rows)
    assert pa.Table.from_batches(read_batches(path, found), SCHEMA).equals(table(rows))


def test_long_texts_are_read_in_smaller_batches(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    long = pa.schema([("text", pa.string())])
    bombs.write(path, long, 250, "text", "x" * 1_000_000, dictionary_pagesize_limit=4 << 20)
    batches = [batch.num_rows for batch in read_batches(path, examine(path))]
    assert sum(batches) == 250
    assert 1 < max(batches) < 150


def nested(path: Path) -> None:
    pq.write_table(pa.table({"x": [[1, 2]], "y": [{"z": 1}]}), path)


def of_many_columns(path: Path) -> None:
    pq.write_table(pa.table({f"column {number}": [1] for number in range(300)}), path)


def of_texts_that_grow(path: Path) -> None:
    options: Any = {"use_dictionary": False, "column_encoding": {"x": "DELTA_BYTE_ARRAY"}}
    pq.write_table(pa.table({"x": ["x" * 1000] * 1000}), path, **options)


def of_large_texts(path: Path) -> None:
    pq.write_table(pa.table({"x": pa.array(["x"], pa.large_string())}), path)


def of_encoded_columns(path: Path) -> None:
    pq.write_table(pa.table({"x": pa.array(["x"] * 9).dictionary_encode()}), path)


def with_a_false_number_of_values(path: Path) -> None:
    pq.write_table(pa.table({"x": pa.array(range(777), pa.int32())}), path)
    bombs.restate_number(path, 777, 3)


def with_a_footer_of_the_whole_file(path: Path) -> None:
    path.write_bytes(b"PAR1" + b"\x19" * 40_000_000 + (40_000_000).to_bytes(4, "little") + b"PAR1")


def cut_off(path: Path) -> None:
    pq.write_table(table(9), path)
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.attack("memory")
@pytest.mark.parametrize(
    "make",
    [
        nested,
        of_many_columns,
        of_texts_that_grow,
        of_large_texts,
        of_encoded_columns,
        with_a_false_number_of_values,
        with_a_footer_of_the_whole_file,
        cut_off,
    ],
)
def test_parquet_that_no_snapshot_has_is_refused_before_it_is_decoded(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"
    make(path)
    with pytest.raises(UNREADABLE) as error:
        examine(path)
    assert type(error.value) is ValueError


@pytest.mark.attack("memory")
@pytest.mark.slow
def test_a_flipped_byte_anywhere_is_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(table(5), path, compression="zstd")
    data = path.read_bytes()
    for position in range(len(data)):
        for mask in (1, 128):
            flip(path, position, mask)
            try:
                for _ in read_batches(path, examine(path, 5)):
                    pass
            except UNREADABLE:
                pass
            path.write_bytes(data)
