"""The lock of an output: one run at a time.

In a folder, the kernel keeps the lock (flock), so the lock ends with its process, in whatever way that ends; the file
only names the holder. In an object store, the lock is a lease (`audit.output.lease`).
"""

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from audit.errors import LockedError, StoppedError, UsageError
from audit.output import lease
from audit.output.held import Held
from audit.output.holder import Holder
from audit.output.lease import Lease
from audit.snapshot.layout import MANIFEST, SNAPSHOT_ID
from audit.snapshot.manifest import UNDECODABLE
from audit.storage.content import write_last
from audit.storage.objects import ObjectPath
from audit.storage.place import Place

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no flock, and so no lock
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

_LOCK = ".lock"
#: Most bytes that are read of a lock file.
_MAX_BYTES = 4096


@contextmanager
def lock(output: Place) -> Iterator[Held]:
    """Hold the lock of an output, after finishing a commit that the last holder had announced.

    Raises:
        LockedError: another run holds the lock; the text says which.
        OSError: the lock can't be made.
    """
    if isinstance(output, ObjectPath):
        with lease.hold(output / _LOCK, lease.LEASE_S) as held:
            _keep_promise(output, held)
            yield held
    else:
        with _lock_folder(output) as folder_lock:
            yield folder_lock


class _FolderLock(Held):
    """A kernel lock on a file, which must stay in place: if the file is replaced, another run can lock the new file."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def check(self) -> None:
        """Raise unless the locked file is still the file in the output."""
        try:
            is_same = os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except OSError:
            is_same = False
        if not is_same:
            raise StoppedError(f"the lock {self._path} was lost: somebody removed or replaced the file")


@contextmanager
def _lock_folder(output: Path) -> Iterator[Held]:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(output / _LOCK, flags, 0o600)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UsageError(f"{output / _LOCK} is not a regular file: remove it")
        if fcntl:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LockedError(
                    f"another run holds the lock on {output}: {_describe(file.read(_MAX_BYTES))}"
                ) from None
        file.truncate()
        file.write(msgspec.json.encode(Holder.this()))
        yield _FolderLock(output / _LOCK, descriptor)


def _describe(content: bytes) -> str:
    try:
        return f"{msgspec.json.decode(content, type=Holder)}; wait until it is done, or stop it"
    except UNDECODABLE:
        return "an unknown process; wait until it is done"


def _keep_promise(output: ObjectPath, held: Lease) -> None:
    """Finish the commit of a holder that had stored all but its manifest; its own request may still arrive."""
    promise = held.inherited
    if promise is None:
        return
    if SNAPSHOT_ID.fullmatch(promise.snapshot_id):
        try:
            write_last(output / promise.snapshot_id / MANIFEST, promise.manifest.encode())
            log.warning("snapshot %s is now committed: its run stopped just before the end", promise.snapshot_id)
        except UsageError:
            log.warning("snapshot %s stands, with a manifest other than the announced one", promise.snapshot_id)
    held.fulfil()
