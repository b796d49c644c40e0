"""The bodies of the answers of a batch: in memory as long as those of all batches are few, else on the disk."""

import tempfile
from threading import Lock
from typing import BinaryIO, NamedTuple

from audit.untrusted.bounds import HELD_BYTES


class Spot(NamedTuple):
    """The place of a body in the file of its shelf."""

    start: int
    size: int


class Shelf:
    """Keeps bodies. Its file has no name, so nothing is left behind, whatever happens.

    All shelves of a process share a budget of memory. `put` and `get` block, so call them in a thread.
    """

    _lock = Lock()
    _held_by_all = 0

    def __init__(self) -> None:
        self._held = 0
        self._file: BinaryIO | None = None

    def hold(self, size: int) -> bool:
        """Whether this many more bytes may stay in memory; if they may, they count from now on."""
        with Shelf._lock:
            if Shelf._held_by_all + size > HELD_BYTES:
                return False
            Shelf._held_by_all += size
        self._held += size
        return True

    def put(self, body: bytes) -> Spot:
        """Keep a body on the disk.

        Raises:
            OSError: the temporary file can't be written.
        """
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the shelf
        start = self._file.seek(0, 2)
        self._file.write(body)
        return Spot(start, len(body))

    def get(self, spot: Spot) -> bytes:
        """A body that was put.

        Raises:
            OSError: the temporary file can't be read.
        """
        if self._file is None:
            return b""
        self._file.seek(spot.start)
        return self._file.read(spot.size)

    def close(self) -> None:
        """Forget all bodies."""
        with Shelf._lock:
            Shelf._held_by_all -= self._held
            self._held = 0
        if self._file:
            self._file.close()
            self._file = None

    def __del__(self) -> None:
        self.close()
