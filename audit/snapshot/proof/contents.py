"""Rows and digests of a snapshot's tables, recomputed from their files."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pcsv

from audit.snapshot.coverage import VOLATILE_COLUMNS
from audit.snapshot.csv import GUARDS_OF_0_1, without_formulas
from audit.snapshot.digest import ContentDigest
from audit.snapshot.layout import MANIFEST, org_of_csv, org_of_parquet
from audit.snapshot.manifest import FileEntry, TableEntry
from audit.snapshot.org_names import ORG_NAME, with_org_name
from audit.snapshot.parquet import MOST_COLUMNS, UNREADABLE, Examined, examine, fault_of, read_batches
from audit.snapshot.proof.fault import Fault, Note
from audit.text import count_of

#: The longest row of CSV that can be read.
_BLOCK_BYTES = 4 << 20
#: The longest header of a CSV file that can be read.
_HEADER_CHARACTERS = 64 << 10


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


def check_table(folder: Path, name: str, table: TableEntry, names: Mapping[str, str | None]) -> Iterator[Fault | Note]:
    """Check the rows and the digest of a table, and that CSV and Parquet agree. Its files must have been checked.

    The column `org_name` of CSV must have the names of the manifest; version 0.1.0 wrote no such column.

    Args:
        folder: the snapshot's folder.
        name: the table.
        table: its entry in the manifest.
        names: the name of each organization by its UUID.
    """
    try:
        files = files_of(name, table)
    except ValueError as error:
        yield Fault(MANIFEST, f"table {name}: {error} is not a path of its files")
        return
    for kind in (files.parquet, files.csv):
        rows = sum(file.rows for _, file in kind)
        if rows != table.rows and (kind or not table.files):
            yield Fault(MANIFEST, f"table {name} has {count_of(table.rows, 'row')}, but its files have {rows:,}")
    names = _as_in_csv(names)
    if files.parquet:
        yield from _check_parquet(folder, name, table, files, names)
    else:
        if table.rows:
            yield Note(f"table {name}: its digest is not recomputed, as the table has no Parquet")
        for _, file in files.csv:
            yield from _check_csv(folder, file, names, None, None)


def read_parquet(
    path: Path, org_id: str, columns: list[str] | None = None, rows: int | None = None
) -> Iterator[pa.Table]:
    """The rows of a Parquet file in batches, with `org_id` as the first column: only the folder's name holds it.

    Memory is bounded, whatever the file says (`audit.snapshot.parquet`).

    Raises:
        Exception: of `audit.snapshot.parquet.UNREADABLE`: the file can't be read, or must not be.
    """
    yield from _rows(path, org_id, _examine(path, rows), columns)


def _examine(path: Path, rows: int | None) -> Examined:
    found = examine(path, rows)
    if "org_id" in found.schema.names:
        raise ValueError("the column org_id belongs in the name of the folder")
    if ORG_NAME.name in found.schema.names:
        raise ValueError(f"the column {ORG_NAME.name} belongs in the manifest")
    return found


def _rows(path: Path, org_id: str, found: Examined, columns: list[str] | None = None) -> Iterator[pa.Table]:
    for batch in read_batches(path, found, columns):
        yield pa.Table.from_batches([batch]).add_column(0, "org_id", pa.repeat(pa.scalar(org_id), batch.num_rows))


class _Digests:
    """The digests of a table while its Parquet is read: of the table, and of each CSV file."""

    def __init__(self, schema: pa.Schema, files: TableFiles) -> None:
        self.schema = schema
        self._table = ContentDigest(pa.schema([field for field in schema if field.name not in VOLATILE_COLUMNS]))
        self._csv = {org: ContentDigest(schema) for org, _ in files.csv}

    def update(self, org_id: str, rows: pa.Table) -> None:
        self._table.update(rows)
        for org in self._csv.keys() & {org_id, None}:
            self._csv[org].update(without_formulas(rows))

    def of_table(self) -> str:
        return self._table.hexdigest()

    def of_csv(self, org: str | None) -> str:
        return self._csv[org].hexdigest()


def _check_parquet(
    folder: Path, name: str, table: TableEntry, files: TableFiles, names: Mapping[str, str | None]
) -> Iterator[Fault]:
    digests: _Digests | None = None
    for org_id, file in files.parquet:
        try:
            found = _examine(folder / file.path, file.rows)
            schema = found.schema.insert(0, pa.field("org_id", pa.string()))
            digests = digests or _Digests(schema, files)
            if not schema.equals(digests.schema):
                raise ValueError("its columns differ from those of the other files")
            for rows in _rows(folder / file.path, org_id, found):
                digests.update(org_id, rows)
        except UNREADABLE as error:
            yield Fault(file.path, f"can't be read as Parquet: {fault_of(error)}")
            return
        if found.rows != file.rows:
            yield _miscounted(file, found.rows)
    if digests is None:
        return
    if digests.of_table() != table.digest:
        yield Fault(MANIFEST, f"table {name} has the digest {table.digest}, but its Parquet has {digests.of_table()}")
    for org, file in files.csv:
        yield from _check_both(folder, files, names, org, file, digests)


def _check_both(
    folder: Path,
    files: TableFiles,
    names: Mapping[str, str | None],
    org: str | None,
    file: FileEntry,
    digests: _Digests,
) -> list[Fault]:
    """Check that a CSV file holds what the Parquet holds; version 0.1.0 guarded fewer formulas."""
    check = partial(_check_csv, folder, file, names, digests.schema)
    faults = list(check(digests.of_csv(org)))
    if faults and not any(check(_digest_of_0_1(folder, files, org, digests.schema))):
        return []
    return faults


def _digest_of_0_1(folder: Path, files: TableFiles, org: str | None, schema: pa.Schema) -> str:
    """The digest of the CSV that version 0.1.0 made of the Parquet, for an organization or for all."""
    digest = ContentDigest(schema)
    for org_id, file in files.parquet:
        if org in {None, org_id}:
            for rows in read_parquet(folder / file.path, org_id):
                digest.update(without_formulas(rows, GUARDS_OF_0_1))
    return digest.hexdigest()


def _as_in_csv(names: Mapping[str, str | None]) -> dict[str, str | None]:
    guarded = without_formulas(pa.table({ORG_NAME.name: pa.array(names.values(), pa.string())}))
    return dict(zip(names, guarded[ORG_NAME.name].to_pylist(), strict=True))


def _check_csv(
    folder: Path, file: FileEntry, names: Mapping[str, str | None], schema: pa.Schema | None, expected: str | None
) -> Iterator[Fault]:
    rows, are_named = 0, True
    try:
        columns = _columns(folder / file.path, schema)
        has_names = ORG_NAME.name in columns.names
        digest = ContentDigest(schema or columns)
        with _open_csv(folder / file.path, columns) as reader:
            for batch in reader:
                rows += batch.num_rows
                found = pa.Table.from_batches([batch])
                are_named = are_named and (not has_names or _are_named(found, names))
                if expected:
                    digest.update(found)
    except UNREADABLE as error:
        yield Fault(file.path, f"can't be read as CSV: {fault_of(error)}")
        return
    if rows != file.rows:
        yield _miscounted(file, rows)
    elif not are_named:
        yield Fault(file.path, f"does not hold the names of the organizations ({ORG_NAME.name}) as the manifest does")
    elif expected and digest.hexdigest() != expected:
        yield Fault(file.path, "does not hold what the Parquet of the table holds")


def _columns(path: Path, schema: pa.Schema | None) -> pa.Schema:
    """The columns of a CSV file with their types; the columns of the Parquet, if there is Parquet, and `org_name`.

    Raises:
        ValueError: it has other columns.
    """
    # Before Arrow reads any of it: a header may name a million columns.
    names = _header(path)
    if schema is None:
        return pa.schema([(name, pa.string()) for name in names])
    for columns in (with_org_name(schema), schema):
        if names == columns.names:
            return columns
    raise ValueError("its columns differ from those of the Parquet")


def _are_named(rows: pa.Table, names: Mapping[str, str | None]) -> bool:
    """Whether each row has the name of its organization."""
    pairs = rows.group_by(["org_id", ORG_NAME.name]).aggregate([]).to_pylist()
    return all((each["org_id"], each[ORG_NAME.name]) in names.items() for each in pairs)


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


def _header(path: Path) -> list[str]:
    """The names of the columns of a CSV file.

    Raises:
        ValueError: the file has no header, or its header is too long.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        line = file.readline(_HEADER_CHARACTERS)
    names = next(csv.reader([line]), [])
    if not line.endswith("\n") or len(names) > MOST_COLUMNS:
        raise ValueError("its header is too long, or is not a line")
    return names


def _miscounted(file: FileEntry, rows: int) -> Fault:
    return Fault(file.path, f"holds {count_of(rows, 'row')}, but the manifest says {file.rows:,}")
