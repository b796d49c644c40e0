"""Sorts more entities than fit into memory: a table of SQLite in a temporary file."""

import errno
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from audit.entity import Entity
from audit.inventory.devices import Listed

#: Entities in memory at once while the sorted ones are read.
_ROWS = 500

# SQLite sorts a BLOB by its bytes, whatever they are. Of a group, `content` is that of the row that `min` finds
# (sqlite.org/lang_select.html, "Bare columns in an aggregate query").
_CREATE = "CREATE TEMP TABLE entities (number INTEGER PRIMARY KEY, entity_id BLOB, content BLOB, devices BLOB)"
_INSERT = "INSERT INTO entities VALUES (?, ?, ?, ?)"
_DROP = "DELETE FROM entities WHERE number BETWEEN ? AND ?"
_SORTED = "SELECT content, min(number) FROM entities GROUP BY entity_id ORDER BY entity_id"

# An entity of an earlier snapshot comes without devices, and its item of a new listing with them.
_DEVICES = (
    "SELECT CAST(entity_id AS TEXT), devices, min(number) FROM entities WHERE devices IS NOT NULL "
    "GROUP BY entity_id ORDER BY entity_id"
)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entity).decode
_decode_devices = msgspec.msgpack.Decoder(Listed).decode


class EntitySorter:
    """Sorts entities by the bytes (UTF-8) of their ids, and keeps the entity of each id that was added first.

    SQLite spills to files that have no name, so that nothing is left behind, whatever happens. `add` and `sorted`
    block, so call them in threads, but not at the same time.
    """

    def __init__(self) -> None:
        self._opened: sqlite3.Connection | None = None
        #: The number of entities so far, which is the number of the next one.
        self._count = 0
        #: First and last number of each block of entities that was dropped.
        self._dropped: list[tuple[int, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._opened:
            self._opened.close()

    def add(self, entities: Iterable[Entity], devices: Iterable[Listed] = ()) -> None:
        """Add entities.

        Args:
            entities: the entities.
            devices: what is listed of the devices of each; empty if the listing has none.

        Raises:
            OSError: a temporary file can't be written.
        """
        with _disk_errors():
            pairs = zip_longest(entities, devices)
            self._database.executemany(_INSERT, (self._numbered(entity, listed) for entity, listed in pairs))

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """Drop what the block adds if it raises."""
        begin = self._count
        try:
            yield
        except BaseException:
            self._dropped.append((begin, self._count - 1))
            raise

    @property
    def _database(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            # Some builds of SQLite keep temporary tables in memory by default.
            self._opened.execute("PRAGMA temp_store = FILE")
            self._opened.execute(_CREATE)
            # Never committed, as closing drops it all.
            self._opened.execute("BEGIN")
        return self._opened

    def _numbered(self, entity: Entity, listed: Listed | None) -> tuple[int, bytes, bytes, bytes | None]:
        number = self._count
        self._count += 1
        return number, entity.entity_id.encode(), _encode(entity), None if listed is None else _encode(listed)

    def sorted(self) -> Iterator[list[Entity]]:
        """The sorted entities, each id once, in lists of at most 500.

        Raises:
            OSError: a temporary file can't be read or written.
        """
        rows = self._rows(_SORTED)
        while True:
            with _disk_errors():
                entities = [_decode(content) for content, _ in rows.fetchmany(_ROWS)]
            if not entities:
                return
            yield entities

    def devices(self) -> Iterator[tuple[str, Listed]]:
        """The ids of the entities that came with what is listed of their devices, sorted, each id once.

        Raises:
            OSError: a temporary file can't be read or written.
        """
        rows = self._rows(_DEVICES)
        while True:
            with _disk_errors():
                # One at a time, because a workspace may have thousands.
                row = rows.fetchone()
            if row is None:
                return
            yield row[0], _decode_devices(row[1])

    def _rows(self, query: str) -> sqlite3.Cursor:
        with _disk_errors():
            self._database.executemany(_DROP, self._dropped)
            return self._database.execute(query)


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Raise an OSError for a file error of SQLite."""
    try:
        yield
    except sqlite3.OperationalError as error:
        # The low byte of an extended code is the kind of error (sqlite.org/rescode.html).
        match error.sqlite_errorcode & 0xFF:
            case sqlite3.SQLITE_FULL:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), _temporary_folder()) from error
            case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN:
                raise OSError(errno.EIO, os.strerror(errno.EIO), _temporary_folder()) from error
        raise


def _temporary_folder() -> str:
    """The folder of SQLite's temporary files (sqlite.org/tempfiles.html, section 5): the file itself has no name."""
    if os.name != "posix":
        return tempfile.gettempdir()
    folders = [os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"), "/var/tmp", "/usr/tmp", "/tmp"]  # noqa: S108
    is_usable = (each for each in folders if each and Path(each).is_dir() and os.access(each, os.W_OK | os.X_OK))
    return next(is_usable, ".")
