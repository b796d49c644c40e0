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
        self._table = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._table.execute(_CREATE)
        self._table.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._table.close()

    def add(self, ids: Iterable[str]) -> int:
        """Add ids. Returns how many were new. Blocks for a moment, so call it in a thread."""
        before = self._table.total_changes
        self._table.executemany(_INSERT, ((hash(each),) for each in ids))
        return self._table.total_changes - before
