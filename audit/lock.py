"""One run at a time in an output.

In a folder, the lock is the kernel's (flock), so it is gone with its process, however that ended; the
file only tells who holds it. In an object store, it is a lease (`audit.lease`).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from audit import lease
from audit.errors import LockedError
from audit.lease import Holder
from audit.storage.objects import ObjectPath
from audit.storage.place import Place

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no flock, and so no lock
    fcntl = None  # type: ignore[assignment]

_LOCK = ".lock"


#: Raises `StoppedError` where the lock is no longer held.
Check = Callable[[], None]


@contextmanager
def lock(output: Place) -> Iterator[Check]:
    """Hold the lock of an output.

    Yields:
        To be called before what only one run may do.

    Raises:
        LockedError: another run holds it; the text says which.
        OSError: it can't be made.
    """
    if isinstance(output, ObjectPath):
        with lease.hold(output / _LOCK, lease.LEASE_S) as held:
            yield held.check
    else:
        with _lock_folder(output):
            yield lambda: None


@contextmanager
def _lock_folder(output: Path) -> Iterator[None]:
    descriptor = os.open(output / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        if fcntl:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LockedError(f"another run holds the lock on {output}: {_describe(file.read())}") from None
        file.truncate()
        file.write(msgspec.json.encode(Holder.this()))
        yield


def _describe(content: bytes) -> str:
    try:
        return f"{msgspec.json.decode(content, type=Holder)}; wait until it is done, or stop it"
    except msgspec.DecodeError:
        return "it has not told who it is; wait until it is done"
