"""The lock of an output: one run at a time.

In a folder, the kernel keeps the lock (flock), so the lock ends with its process, in whatever way that ends; the file
only names the holder. In an object store, the lock is a lease (`audit.output.lease`).
"""

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from audit.errors import LockedError, StoppedError, UsageError
from audit.output import lease
from audit.output.access import secure
from audit.output.held import Held
from audit.output.holder import Holder
from audit.output.lease import Lease
from audit.snapshot.layout import MANIFEST, SNAPSHOT_ID
from audit.snapshot.manifest import UNDECODABLE
from audit.storage.content import write_last
from audit.storage.objects import ObjectPath
from audit.storage.place import Place, make_dir

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no flock, and so no lock
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

LOCK = ".lock"
#: Most bytes that are read of a lock file.
MAX_BYTES = 4096


@contextmanager
def lock(output: Place, *, makes: bool = False, is_shared: bool = False) -> Iterator[Held]:
    """Hold the lock of an output, after finishing a commit that the last holder had announced.

    Args:
        output: the folder of all snapshots.
        makes: make the folder if it does not exist.
        is_shared: the user insists on a folder that others may write to.

    Raises:
        UsageError: others may write to the folder (`audit.output.access`), or a foreign file stands in the place of
            the lock.
        LockedError: another run holds the lock; the text says which.
        OSError: the lock can't be made.
    """
    if isinstance(output, ObjectPath):
        with lease.hold(output / LOCK, lease.LEASE_S) as held:
            _keep_promise(output, held)
            yield held
    else:
        if not is_shared:
            secure(output, makes=makes)
        elif makes:
            make_dir(output)
        with _lock_folder(output, is_shared=is_shared) as folder_lock:
            yield folder_lock


class _FolderLock(Held):
    """A kernel lock on a file, which must stay in place: if the file is replaced, another run can lock the new file."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def check(self) -> None:
        """Raise unless the locked file is still the file in the output."""
        try:
            is_same = os.path.samestat(os.fstat(self._descriptor), self._path.lstat())
        except OSError:
            is_same = False
        if not is_same:
            raise StoppedError(f"the lock {self._path} was lost: somebody removed or replaced the file")


@contextmanager
def _lock_folder(output: Path, *, is_shared: bool) -> Iterator[Held]:
    path = output / LOCK
    with os.fdopen(_open(path), "r+b", buffering=0) as file:
        _check_file(path, os.fstat(file.fileno()), output.stat().st_uid if is_shared else None)
        if os.name == "posix" and not is_shared:
            # Whoever may open the file may lock it, and keep every run waiting.
            os.fchmod(file.fileno(), 0o600)
        if fcntl:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LockedError(
                    f"another run holds the lock on {output}: {_describe(file.read(MAX_BYTES))}"
                ) from None
        file.truncate()
        file.write(msgspec.json.encode(Holder.this()))
        yield _FolderLock(path, file.fileno())


def _open(path: Path) -> int:
    """Open the lock file, or make it; no link is followed, and no pipe is waited for."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        # Whoever may not open the file may still see what it is.
        with suppress(FileNotFoundError):
            _check_file(path, path.lstat(), None)
        raise error from None


def _check_file(path: Path, found: os.stat_result, other: int | None) -> None:
    """Check a lock file before anything is written to it; `other` is a user who may own it, too."""
    if not stat.S_ISREG(found.st_mode):
        raise _foreign(path, "is not a regular file")
    if found.st_nlink > 1:
        raise _foreign(path, "has another name, too, under which it may be somebody's file")
    if os.name == "posix" and found.st_uid not in (os.geteuid(), other):
        raise _foreign(path, f"belongs to another user ({found.st_uid})")


def _foreign(path: Path, fault: str) -> UsageError:
    return UsageError(f"the lock {path} {fault}: look what it is, and remove it")


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
            log.warning("snapshot %s is committed, with a manifest other than the announced one", promise.snapshot_id)
    held.fulfil()
