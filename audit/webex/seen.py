"""Remembers which ids a listing has named, in little memory: a listing may have millions."""

import sqlite3
from collections.abc import Iterable
from types import TracebackType
from typing import Self

_CREATE = "CREATE TABLE seen (hash INTEGER PRIMARY KEY)"
_INSERT = "INSERT OR IGNORE INTO seen VALUES (?)"


class SeenIds:
    """A set of ids, kept as 64-bit hashes in a table of SQLite: some 12 bytes for an id, where a set needs 60.

    Two ids with the same hash count as one, which does not matter: a page is judged by all of its ids. Use it as a
    context manager.
    """

    def __init__(self) -> None:
        self._opened: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._opened:
            self._opened.close()

    @property
    def _table(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            self._opened.execute(_CREATE)
            self._opened.execute("BEGIN")
        return self._opened

    def add(self, ids: Iterable[str]) -> int:
        """Add ids. Returns how many were new. Blocks for a moment, so call it in a thread."""
        table = self._table
        before = table.total_changes
        table.executemany(_INSERT, ((hash(each),) for each in ids))
        return table.total_changes - before
