"""Rows and digests of a snapshot's tables, recomputed from their files."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from audit.errors import words_of
from audit.snapshot.coverage import VOLATILE_COLUMNS
from audit.snapshot.csv import GUARDS_OF_0_1, without_formulas
from audit.snapshot.digest import ContentDigest
from audit.snapshot.layout import MANIFEST, org_of_csv, org_of_parquet
from audit.snapshot.manifest import FileEntry, TableEntry
from audit.snapshot.proof.fault import Fault, Note

#: Rows in memory at once.
_BATCH_ROWS = 50_000
#: The longest row of CSV that can be read.
_BLOCK_BYTES = 4 << 20
#: What readers raise if a file is not Parquet or CSV, or has another shape; KeyError means a missing column.
UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError)


@dataclass(frozen=True)
class TableFiles:
    """The files of a table, each with the UUID of its organization; None for a file of all organizations."""

    parquet: list[tuple[str, FileEntry]]
    csv: list[tuple[str | None, FileEntry]]


def files_of(name: str, table: TableEntry) -> TableFiles:
    """Sort the files of a table by kind, and by organization in the order of the digest.

    Raises:
        ValueError: a file is neither Parquet nor CSV; the text names it.
    """
    files = TableFiles([], [])
    for file in table.files:
        if org_id := org_of_parquet(name, file.path):
            files.parquet.append((org_id, file))
        elif (org_id := org_of_csv(name, file.path)) is not None:
            files.csv.append((org_id or None, file))
        else:
            raise ValueError(file.path)
    files.parquet.sort(key=lambda each: (each[0], each[1].path))
    return files


def check_table(folder: Path, name: str, table: TableEntry) -> Iterator[Fault | Note]:
    """Check the rows and the digest of a table, and that CSV and Parquet agree. Its files must have been checked.

    Args:
        folder: the snapshot's folder.
        name: the table.
        table: its entry in the manifest.
    """
    try:
        files = files_of(name, table)
    except ValueError as error:
        yield Fault(MANIFEST, f"table {name}: {error} is not a path of its files")
        return
    for kind in (files.parquet, files.csv):
        rows = sum(file.rows for _, file in kind)
        if rows != table.rows and (kind or not table.files):
            yield Fault(MANIFEST, f"table {name} has {table.rows} rows, but its files have {rows}")
    if files.parquet:
        yield from _check_parquet(folder, name, table, files)
    else:
        if table.rows:
            yield Note(f"table {name}: its digest is not recomputed, as the table has no Parquet")
        for _, file in files.csv:
            yield from _check_csv(folder, file, None, None)


def read_parquet(path: Path, org_id: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The rows of a Parquet file in batches, with `org_id` as the first column: only the folder's name holds it."""
    with pq.ParquetFile(path) as file:
        if "org_id" in file.schema_arrow.names:
            raise ValueError("the column org_id belongs in the name of the folder")
        for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
            rows = pa.Table.from_batches([batch])
            yield rows.add_column(0, "org_id", pa.repeat(pa.scalar(org_id), rows.num_rows))


def _check_parquet(folder: Path, name: str, table: TableEntry, files: TableFiles) -> Iterator[Fault]:
    schema: pa.Schema | None = None
    for org_id, file in files.parquet:
        try:
            found = pq.read_schema(folder / file.path).insert(0, pa.field("org_id", pa.string()))
            if schema is None:
                schema = found
                digest = ContentDigest(pa.schema([field for field in schema if field.name not in VOLATILE_COLUMNS]))
                for_csv = {org: ContentDigest(schema) for org, _ in files.csv}
            if not found.equals(schema):
                raise ValueError("its columns differ from those of the other files")
            rows = 0
            for group in read_parquet(folder / file.path, org_id):
                rows += group.num_rows
                digest.update(group)
                for org in for_csv.keys() & {org_id, None}:
                    for_csv[org].update(without_formulas(group))
        except UNREADABLE as error:
            yield Fault(file.path, f"can't be read as Parquet: {_line(error)}")
            return
        if rows != file.rows:
            yield _miscounted(file, rows)
    if digest.hexdigest() != table.digest:
        yield Fault(MANIFEST, f"table {name} has the digest {table.digest}, but its Parquet has {digest.hexdigest()}")
    for org, file in files.csv:
        yield from _check_both(folder, files, org, file, schema, for_csv[org].hexdigest())


def _check_both(
    folder: Path, files: TableFiles, org: str | None, file: FileEntry, schema: pa.Schema | None, expected: str
) -> list[Fault]:
    """Check that a CSV file holds what the Parquet holds; version 0.1.0 guarded fewer formulas."""
    faults = list(_check_csv(folder, file, schema, expected))
    if faults and schema and not any(_check_csv(folder, file, schema, _digest_of_0_1(folder, files, org, schema))):
        return []
    return faults


def _digest_of_0_1(folder: Path, files: TableFiles, org: str | None, schema: pa.Schema) -> str:
    """The digest of the CSV that version 0.1.0 made of the Parquet, for an organization or for all."""
    digest = ContentDigest(schema)
    for org_id, file in files.parquet:
        if org in {None, org_id}:
            for group in read_parquet(folder / file.path, org_id):
                digest.update(without_formulas(group, GUARDS_OF_0_1))
    return digest.hexdigest()


def _check_csv(folder: Path, file: FileEntry, schema: pa.Schema | None, expected: str | None) -> Iterator[Fault]:
    rows = 0
    try:
        schema = schema or _texts(folder / file.path)
        digest = ContentDigest(schema)
        with _open_csv(folder / file.path, schema) as reader:
            if reader.schema.names != schema.names:
                raise ValueError("its columns differ from those of the Parquet")
            for batch in reader:
                rows += batch.num_rows
                if expected:
                    digest.update(pa.Table.from_batches([batch]))
    except UNREADABLE as error:
        yield Fault(file.path, f"can't be read as CSV: {_line(error)}")
        return
    if rows != file.rows:
        yield _miscounted(file, rows)
    elif expected and digest.hexdigest() != expected:
        yield Fault(file.path, "does not hold what the Parquet of the table holds")


def _open_csv(path: Path, schema: pa.Schema) -> pcsv.CSVStreamingReader:
    """Open CSV as `audit.snapshot.csv` writes it: a null is an empty cell, an empty text is quoted."""
    return pcsv.open_csv(
        path,
        pcsv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        pcsv.ParseOptions(newlines_in_values=True),
        pcsv.ConvertOptions(
            column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


def _texts(path: Path) -> pa.Schema:
    """The columns of a CSV file, all as text."""
    with path.open(encoding="utf-8", newline="") as file:
        return pa.schema([(name, pa.string()) for name in next(csv.reader(file), [])])


def _miscounted(file: FileEntry, rows: int) -> Fault:
    return Fault(file.path, f"holds {rows} rows, but the manifest says {file.rows}")


def _line(error: Exception) -> str:
    # This module raises plain ValueErrors; a library raises its own kinds.
    return str(error) if type(error) is ValueError else words_of(error)
