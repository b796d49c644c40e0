"""Sorts more rows than should be in memory: an external merge sort."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Self

import pyarrow as pa
import pyarrow.compute as pc

#: Rows that are sorted in memory, and make one run.
_RUN_ROWS = 20_000
#: Rows of a run that are in memory while the runs are merged.
_HEAD_ROWS = 200


class ExternalSorter:
    """Sorts rows by a column of texts, and keeps the row of each text that was added first.

    The sorted runs are temporary files without a name, so that nothing is left behind, whatever happens.

    Args:
        schema: of the rows.
        key: the column; it has no nulls.
        run_rows: rows that are sorted in memory.
    """

    def __init__(self, schema: pa.Schema, key: str, run_rows: int = _RUN_ROWS) -> None:
        self._schema = schema
        self._key = key
        self._run_rows = run_rows
        self._runs: list[IO[bytes]] = []
        self._waiting = schema.empty_table()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._drop_runs(0)

    def add(self, rows: pa.Table) -> None:
        """Take in further rows.

        Raises:
            OSError: a temporary file can't be written.
        """
        self._waiting = pa.concat_tables([self._waiting, rows])
        if self._waiting.num_rows >= self._run_rows:
            self._spill()

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """What is added in the block stays only if it is left without an error."""
        self._spill()
        kept = len(self._runs)
        try:
            yield
        except BaseException:
            self._waiting = self._schema.empty_table()
            self._drop_runs(kept)
            raise

    def merged(self) -> Iterator[pa.Table]:
        """All rows, sorted, each text once, in tables of any size."""
        runs = [*map(_batches, self._runs), iter([self._sorted(self._waiting)])]
        heads = [(head, run) for run in runs if (head := _next(run))]
        while heads:
            # Behind its head, a run has greater texts only: up to the least end of a head, all rows are here.
            end = min(head[self._key][-1].as_py() for head, _ in heads)
            counts = [pc.sum(pc.less_equal(head[self._key], end)).as_py() for head, _ in heads]
            ready = [head.slice(0, count) for (head, _), count in zip(heads, counts, strict=True)]
            yield self._sorted(pa.concat_tables(ready))
            rest = [(head.slice(count), run) for (head, run), count in zip(heads, counts, strict=True)]
            heads = [(head, run) for rows, run in rest if (head := rows if rows.num_rows else _next(run))]

    def _sorted(self, rows: pa.Table) -> pa.Table:
        # The sort is stable: of equal texts, the one that was added first stays the first.
        rows = rows.take(pc.sort_indices(rows[self._key]))
        keys = rows[self._key].combine_chunks()
        if len(keys) < 2:
            return rows
        is_new = pa.concat_arrays([pa.array([True]), pc.not_equal(keys[1:], keys[:-1])])
        return rows.filter(is_new)

    def _spill(self) -> None:
        if not self._waiting.num_rows:
            return
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the others
        self._runs.append(file)
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_stream(file, self._schema, options=options) as writer:
            writer.write_table(self._sorted(self._waiting), max_chunksize=_HEAD_ROWS)
        self._waiting = self._schema.empty_table()

    def _drop_runs(self, kept: int) -> None:
        for file in self._runs[kept:]:
            file.close()
        del self._runs[kept:]


def _batches(file: IO[bytes]) -> Iterator[pa.Table]:
    file.seek(0)
    with pa.ipc.open_stream(file) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _next(run: Iterator[pa.Table]) -> pa.Table | None:
    """The next rows of a run; None behind the last."""
    return next((rows for rows in run if rows.num_rows), None)
