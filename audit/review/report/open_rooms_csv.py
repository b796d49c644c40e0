"""The view `open_rooms` as one CSV file: who may open which room, since when, and whether it is approved."""

from collections.abc import Iterator
from typing import BinaryIO

import duckdb
import pyarrow as pa

from audit.config import CsvDialect
from audit.errors import UsageError
from audit.review.approval import add_approval
from audit.review.open_rooms import OPEN_ROOMS, add_open_rooms, all_unread
from audit.review.query.rows import as_csv
from audit.review.tables import open_tables
from audit.review.vocabulary import WAY_FLAGS
from audit.review.ways import readable
from audit.snapshot.catalog import Approved, Snapshot

_BATCH_ROWS = 10_000


def write_open_rooms(
    snapshot: Snapshot,
    against: Snapshot | None,
    stream: BinaryIO,
    *,
    approved: Approved | None = None,
    dialect: CsvDialect = "rfc4180",
) -> tuple[int, list[str]]:
    """Write the rows of `open_rooms`; returns their number, and what is missing because it was not read.

    Args:
        snapshot: the snapshot.
        against: an earlier snapshot.
        stream: a file that is open for writing.
        approved: the approved snapshot of the same scope.
        dialect: the form of the file.

    Raises:
        UsageError: the snapshot holds no such settings, or a table can't be read.
        OSError: the file can't be written.
    """
    with open_tables(snapshot, against, approved=approved) as connection:
        if approved:
            add_approval(connection, snapshot.manifest, approved.manifest)
        is_added = add_open_rooms(
            connection,
            snapshot.manifest,
            previous=against.manifest if against else None,
            approved=approved.manifest if approved else None,
        )
        if not is_added:
            raise UsageError(f"{OPEN_ROOMS} needs one of {', '.join(WAY_FLAGS)} in the snapshot")
        with readable(snapshot.manifest):
            rows = _write(connection, stream, dialect)
        return rows, all_unread(connection, snapshot.manifest)


def _write(connection: duckdb.DuckDBPyConnection, stream: BinaryIO, dialect: CsvDialect) -> int:
    reader = connection.sql(f"FROM {OPEN_ROOMS}").to_arrow_reader(_BATCH_ROWS)
    rows = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal rows
        for batch in reader:
            rows += batch.num_rows
            yield batch

    stream.writelines(block.encode() for block in as_csv(reader.schema, counted(), dialect))
    return rows
