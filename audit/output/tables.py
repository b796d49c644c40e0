"""The files of a table: Parquet and CSV, written part by part, digested on the way, and flushed to the disk."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from audit.columns import without_docs
from audit.config import CsvDialect, FormatName
from audit.snapshot.coverage import VOLATILE_COLUMNS
from audit.snapshot.csv import csv_writer
from audit.snapshot.digest import ContentDigest
from audit.snapshot.layout import csv_path, parquet_folder
from audit.snapshot.manifest import FileEntry, TableEntry
from audit.snapshot.org_names import named, with_org_name
from audit.storage.content import DigestedFile, new_file
from audit.storage.place import Place, sync_dir

_Write = Callable[[pa.Table], None]

#: A Parquet row group has at least this many rows; a part is not split.
ROW_GROUP_ROWS = 100_000

#: Fewer rows make a group if they have this many bytes, as no usual table has.
_GROUP_BYTES = 64 << 20
_JOINED_BYTES = 8 << 20

#: Rows are digested and written by at least this part of a row group: each call of Arrow has a price, and a part of
#: most tables has a few hundred rows.
_SHARE_OF_GROUP = 20

#: The order of the rows of every table.
_SORTED_BY = ("dataset", "entity_id")


def write_table(
    folder: Place,
    name: str,
    schema: pa.Schema,
    orgs: Iterable[tuple[str, Iterable[pa.Table]]],
    formats: set[FormatName],
    *,
    names: Mapping[str, str | None],
    csv_per_org: bool = False,
    csv_dialect: CsvDialect = "rfc4180",
) -> TableEntry:
    """Write the files of one table and flush them to the disk.

    Parquet goes to ``<name>/org_id=<UUID>/``. As in all Hive partitions, only the folder's name holds the column
    `org_id`. CSV has all columns, and `org_name`: ``<name>.csv``, or ``org_id=<UUID>/<name>.csv`` for each
    organization.

    Args:
        folder: the snapshot's folder.
        name: the table.
        schema: its columns.
        orgs: each organization's UUID and rows, in order.
        formats: which files to write.
        names: the name of each organization by its UUID (`audit.snapshot.org_names`).
        csv_per_org: write a CSV file for each organization, instead of one for all.
        csv_dialect: the form of CSV.

    Raises:
        OSError: the disk refuses.
    """
    digest = ContentDigest(pa.schema([field for field in schema if field.name not in VOLATILE_COLUMNS]))
    rows = 0
    files: list[FileEntry] = []
    of_all: dict[str, str] = {"csv": csv_path(name, None)} if "csv" in formats and not csv_per_org else {}
    new_files = partial(_tables, folder, schema, csv_dialect)
    with ThreadPoolExecutor(3, thread_name_prefix="writers") as pool, new_files(of_all) as written:
        for org_id, tables in orgs:
            of_org = {"parquet": f"{parquet_folder(name, org_id)}/00000.parquet", "csv": csv_path(name, org_id)}
            wanted: dict[str, str] = {kind: path for kind, path in of_org.items() if kind in formats - of_all.keys()}
            with new_files(wanted) as written_of_org:
                writes = [digest.update, *(each.write for each in (*written_of_org, *written))]
                for joined in _joined(tables, ROW_GROUP_ROWS // _SHARE_OF_GROUP):
                    rows += joined.num_rows
                    _write_at_once(pool, writes, named(joined, names.get(org_id)))
            files += [each.entry() for each in written_of_org]
    files += [each.entry() for each in written]
    sync_dir(folder)
    return TableEntry(rows, digest.hexdigest(), files)


def _joined(parts: Iterable[pa.Table], least: int) -> Iterator[pa.Table]:
    """The rows of as many parts as have this many rows together; a part is not split."""
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(part)
        if sum(each.num_rows for each in waiting) >= least or sum(each.nbytes for each in waiting) >= _JOINED_BYTES:
            yield _one_of(waiting)
            waiting = []
    if waiting:
        yield _one_of(waiting)


def _one_of(tables: list[pa.Table]) -> pa.Table:
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables).combine_chunks()


def _write_at_once(pool: ThreadPoolExecutor, writes: Iterable[_Write], rows: pa.Table) -> None:
    """Give rows to all writers at the same time: none of them holds the interpreter while it works."""
    writing = [pool.submit(write, rows) for write in writes]
    # Wait for all of them: if one fails, the file of another must not be closed while it is written.
    wait(writing)
    for each in writing:
        each.result()


class _TableFile:
    """A file of a table while it is written."""

    def __init__(self, path: str, file: DigestedFile, write: _Write) -> None:
        self._path = path
        self._file = file
        self._write = write
        self._rows = 0

    def write(self, table: pa.Table) -> None:
        self._write(table)
        self._rows += table.num_rows

    def entry(self) -> FileEntry:
        """The file's entry in the manifest, once the file is closed."""
        return FileEntry(self._path, self._file.size, self._rows, self._file.sha256)


@contextmanager
def _tables(
    folder: Place, schema: pa.Schema, dialect: CsvDialect, paths: Mapping[str, str]
) -> Iterator[list[_TableFile]]:
    """New files of a table; `paths` are by kind."""
    with ExitStack() as stack:
        found = []
        for kind, path in paths.items():
            file = stack.enter_context(new_file(folder / path))
            found.append(_TableFile(path, file, stack.enter_context(_WRITERS[kind](file, schema, dialect))))
        yield found


@contextmanager
def _parquet(file: DigestedFile, schema: pa.Schema, _: CsvDialect) -> Iterator[_Write]:
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
            if waiting.num_rows >= ROW_GROUP_ROWS or waiting.nbytes >= _GROUP_BYTES:
                flush()

        def flush() -> None:
            nonlocal waiting
            if waiting.num_rows:
                writer.write_table(waiting, row_group_size=waiting.num_rows)
            waiting = stored.empty_table()
            # Give memory back at once, so that gaps between blocks in use do not add up.
            pa.default_memory_pool().release_unused()

        yield write
        flush()


@contextmanager
def _csv(file: DigestedFile, schema: pa.Schema, dialect: CsvDialect) -> Iterator[_Write]:
    with csv_writer(file, with_org_name(schema), dialect) as write:
        yield write


_WRITERS = {"parquet": _parquet, "csv": _csv}
