"""Files of a snapshot that say far more than they hold, and a manifest that agrees with them."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from audit.snapshot.manifest import FileEntry, read_manifest, write_manifest

#: Makes a Parquet file at a path, with the columns of a table; returns its number of rows.
Bomb = Callable[[Path, pa.Schema], int]


def plant(folder: Path, bomb: Bomb, table: str = "push_to_talk") -> Path:
    """Replace the Parquet of a table by a bomb, and name it in the manifest as if it belonged there."""
    manifest = read_manifest(folder)
    entry = manifest.tables[table]
    path = next(folder / file.path for file in entry.files if file.path.endswith(".parquet"))
    rows = bomb(path, pq.read_schema(path))
    file = named(folder, path, rows)
    replaced = msgspec.structs.replace(entry, rows=rows, files=[file])
    for other in entry.files:
        if other.path != file.path:
            (folder / other.path).unlink()
    write_manifest(folder, msgspec.structs.replace(manifest, tables=manifest.tables | {table: replaced}))
    return path


def named(folder: Path, path: Path, rows: int) -> FileEntry:
    """The entry of a file in the manifest."""
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            sha256.update(block)
    return FileEntry(path.relative_to(folder).as_posix(), path.stat().st_size, rows, sha256.hexdigest())


def write(path: Path, schema: pa.Schema, rows: int, name: str | None, value: Any, **options: Any) -> int:
    """Write rows that are null everywhere but in a column, which repeats a value."""
    columns = [
        pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array([value], field.type))
        if field.name == name
        else pa.nulls(rows, field.type)
        for field in schema
    ]
    # Without Arrow's own schema, the column is a text, whatever it was when it was written.
    written = {"compression": "zstd", "store_schema": False} | options
    pq.write_table(pa.table(columns, schema.names), path, **written)
    return rows


def repeated(path: Path, schema: pa.Schema) -> int:
    """A text of a megabyte, 20,000 times: 20 GB in some kilobytes."""
    return write(path, schema, 20_000, "entity_name", "x" * 1_000_000, dictionary_pagesize_limit=4 << 20)


def countless(path: Path, schema: pa.Schema) -> int:
    """Millions of rows that hold nothing."""
    return write(path, schema, 8_000_000, None, None, row_group_size=1_000_000)


def giant(path: Path, schema: pa.Schema) -> int:
    """A text of 300 MB."""
    return write(path, schema, 1, "entity_name", "x" * 300_000_000, dictionary_pagesize_limit=1 << 30)


def liar(path: Path, schema: pa.Schema) -> int:
    """A text of 300 MB, of which the footer says that it has a thousand bytes: only the page knows."""
    rows = giant(path, schema)
    chunks = [pq.read_metadata(path).row_group(0).column(number) for number in range(len(schema))]
    size = max(chunk.total_uncompressed_size for chunk in chunks)
    restate_number(path, size, 1000)
    restate_number(path, sum(chunk.total_uncompressed_size for chunk in chunks), 1000)
    return rows


def mixed(path: Path, schema: pa.Schema) -> int:
    """Texts of 10 MB that differ, in every column of texts: each page is allowed, all of them together are not."""
    rows = 3
    values = [f"{number}".ljust(10_000_000, "x") for number in range(rows)]
    columns = [pa.array(values) if pa.types.is_string(field.type) else pa.nulls(rows, field.type) for field in schema]
    pq.write_table(pa.table(columns, schema.names), path, compression="zstd", use_dictionary=False)
    return rows


def restate_footer(*pairs: tuple[str, str]) -> Bomb:
    """A file with other bytes in its footer: the first hexadecimal text of each pair becomes the second."""

    def bomb(path: Path, schema: pa.Schema) -> int:
        rows = write(path, schema, 3, None, None, compression="none")
        data = path.read_bytes()
        start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        footer = data[start:-8]
        for old, new in pairs:
            assert bytes.fromhex(old) in footer
            footer = footer.replace(bytes.fromhex(old), bytes.fromhex(new), 1)
        path.write_bytes(data[:start] + footer + len(footer).to_bytes(4, "little") + b"PAR1")
        return rows

    return bomb


def restate_number(path: Path, old: int, new: int) -> None:
    """Replace a number in the footer by another, padded to the same length, as Thrift allows."""
    data = path.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    before = varint(old)
    assert before in data[start:]
    path.write_bytes(data[:start] + data[start:].replace(before, varint(new, len(before))))


def varint(number: int, length: int = 1) -> bytes:
    """A positive number as Thrift writes it, padded to a length in bytes."""
    left, found = number << 1, []
    while left or len(found) < length:
        found.append(left & 127 | 128)
        left >>= 7
    found[-1] &= 127
    return bytes(found)
