"""One run at a time in an output folder.

The lock is the kernel's (flock), so it is gone with its process, however that ended; the file only
tells who holds it.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from audit.errors import LockedError

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no flock, and so no lock
    fcntl = None  # type: ignore[assignment]

_LOCK = ".lock"


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock."""

    host: str
    pid: int
    started_at: datetime


@contextmanager
def lock(output: Path) -> Iterator[None]:
    """Hold the lock of an output folder.

    Raises:
        LockedError: another run holds it; the text says which.
        OSError: the file can't be made.
    """
    descriptor = os.open(output / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        if fcntl:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LockedError(f"another run holds the lock on {output}: {_describe(file.read())}") from None
        file.truncate()
        file.write(msgspec.json.encode(Holder(socket.gethostname(), os.getpid(), datetime.now(UTC))))
        yield


def _describe(content: bytes) -> str:
    try:
        holder = msgspec.json.decode(content, type=Holder)
    except msgspec.DecodeError:
        return "it has not told who it is; wait until it is done"
    return (
        f"process {holder.pid} on {holder.host}, since {holder.started_at:%Y-%m-%d %H:%M:%S} UTC; wait until it is "
        "done, or stop it"
    )
