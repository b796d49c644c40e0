"""Sorts more rows than should be in memory: an external merge sort."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, Any, Self

import pyarrow as pa
import pyarrow.compute as pc

#: Rows that are sorted in memory, and make one run.
_RUN_ROWS = 10_000
#: Rows of a run that are in memory while the runs are merged.
_HEAD_ROWS = 200


class ExternalSorter:
    """Sorts rows by a column of texts, and keeps the row of each text that was added first.

    The sorted runs are in a temporary file without a name, so that nothing is left behind, whatever happens.

    Args:
        schema: of the rows.
        key: the column; it has no nulls.
        run_rows: rows that are sorted in memory.
    """

    def __init__(self, schema: pa.Schema, key: str, run_rows: int = _RUN_ROWS) -> None:
        self._schema = schema
        self._key = key
        self._run_rows = run_rows
        self._waiting = schema.empty_table()
        self._file: IO[bytes] | None = None
        self._writer: Any = None
        #: The record batches of each run in the file.
        self._runs: list[range] = []
        self._written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file:
            # On a full disk, it fails again to write what is to be thrown away.
            with suppress(OSError):
                self._file.close()

    def add(self, rows: pa.Table) -> None:
        """Take in further rows, before they are merged.

        Raises:
            OSError: the temporary file can't be written.
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
            del self._runs[kept:]
            raise

    def merged(self) -> Iterator[pa.Table]:
        """All rows, sorted, each text once, in tables of any size."""
        self._spill()
        if self._writer:
            with _telling():
                self._writer.close()
            self._writer = None
        if not self._runs:
            return
        with pa.ipc.open_file(self._file) as reader:
            runs = [_batches(reader, run) for run in self._runs]
            heads = [(next(run), run) for run in runs]
            while heads:
                # Behind its head, a run has greater texts only: up to the least end of a head, all rows are here.
                end = min(head[self._key][-1].as_py() for head, _ in heads)
                counts = [pc.sum(pc.less_equal(head[self._key], end)).as_py() for head, _ in heads]
                ready = [head.slice(0, count) for (head, _), count in zip(heads, counts, strict=True)]
                yield self._sorted(pa.concat_tables(ready))
                rest = [(head.slice(count), run) for (head, run), count in zip(heads, counts, strict=True)]
                heads = [(head, run) for rows, run in rest if (head := rows if rows.num_rows else next(run, None))]

    def _sorted(self, rows: pa.Table) -> pa.Table:
        # The sort is stable: of equal texts, the one that was added first stays the first.
        rows = rows.take(pc.sort_indices(rows[self._key]))
        keys = rows[self._key].combine_chunks()
        is_new = pa.concat_arrays([pa.array([True]), pc.not_equal(keys[1:], keys[:-1])])
        return rows.filter(is_new)

    def _spill(self) -> None:
        if not self._waiting.num_rows:
            return
        with _telling():
            self._write_run()

    def _write_run(self) -> None:
        if self._file is None:
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `__exit__`
            self._writer = pa.ipc.new_file(self._file, self._schema, options=options)
        batches = self._sorted(self._waiting).combine_chunks().to_batches(max_chunksize=_HEAD_ROWS)
        for batch in batches:
            self._writer.write_batch(batch)
        self._runs.append(range(self._written, self._written + len(batches)))
        self._written += len(batches)
        self._waiting = self._schema.empty_table()


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # The file has no name, and the folder is not that of the output.
        raise OSError(error.errno, error.strerror or str(error), tempfile.gettempdir()) from error


def _batches(reader: Any, run: range) -> Iterator[pa.Table]:
    for index in run:
        yield pa.Table.from_batches([reader.get_batch(index)])
