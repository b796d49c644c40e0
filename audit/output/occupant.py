"""Who holds the lock of an output, for readers: no lock is taken, nothing is written.

In a folder, asking the kernel for the lock would take it for a moment, and a run that starts in that moment would end.
So `/proc/locks` is read, where there is one, and what the file says of its last holder.
"""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from audit.errors import LockedError, UsageError
from audit.files import open_regular
from audit.output.held import Held
from audit.output.holder import Holder
from audit.output.lock import LOCK, MAX_BYTES, lock
from audit.snapshot.manifest import UNDECODABLE
from audit.storage.objects import ObjectPath
from audit.storage.place import Place

_LOCKS = Path("/proc/locks")
_MAY_NOT_WRITE = (errno.EACCES, errno.EPERM, errno.EROFS)
#: The clocks of the store and of this machine differ by less than this.
_AHEAD = timedelta(minutes=5)


class Occupant(NamedTuple):
    """The last holder of a lock, as the lock names it, which anybody may have written.

    Attributes:
        title: the process in words.
        since: when it took the lock; None if that is not known.
        is_there: whether it holds the lock now; None if this machine can't know.
    """

    title: str
    since: datetime | None
    is_there: bool | None


def occupant_of(output: Place) -> Occupant | None:
    """The last holder of the lock of an output; None if the lock is free, or can't be read.

    Args:
        output: the folder of all snapshots.
    """
    try:
        return _of_store(output) if isinstance(output, ObjectPath) else _of_folder(output)
    except (OSError, UsageError):
        return None


@contextmanager
def lock_to_look(output: Place, *, is_shared: bool = False) -> Iterator[Held]:
    """Hold the lock of an output that is only looked at; without the lock where this user may not write.

    Raises:
        UsageError, OSError: as `audit.output.lock.lock`.
        LockedError: another run holds the lock.
    """
    with ExitStack() as stack:
        try:
            held = stack.enter_context(lock(output, is_shared=is_shared))
        except OSError as error:
            if error.errno not in _MAY_NOT_WRITE:
                raise
            _refuse_beside(occupant_of(output), output)
            held = Held()
        yield held


def _refuse_beside(occupant: Occupant | None, output: Place) -> None:
    if occupant and occupant.is_there:
        since = f", since {occupant.since:%Y-%m-%d %H:%M:%S} UTC" if occupant.since else ""
        raise LockedError(
            f"another run holds the lock on {output}: {occupant.title}{since}; wait until it is done, or stop it"
        )


def _of_store(output: ObjectPath) -> Occupant | None:
    from audit.output.lease import LEASE_S, read_lease  # noqa: PLC0415 - most outputs are folders

    holder, found = read_lease(output / LOCK)
    if isinstance(holder, Holder) and holder.is_released:
        return None
    age = datetime.now(UTC) - found.last_modified
    if age > timedelta(seconds=LEASE_S) + _AHEAD:
        return None
    is_surely_there = age < timedelta(seconds=LEASE_S)
    return _occupant(holder, is_there=True if is_surely_there else None)


def _of_folder(output: Path) -> Occupant | None:
    with open_regular(output / LOCK) as file:
        found, content = os.fstat(file.fileno()), file.read(MAX_BYTES)
    try:
        holder: Holder | str = msgspec.json.decode(content, type=Holder)
    except UNDECODABLE:
        holder = "an unknown process"
    if _is_locked(found):
        return _occupant(holder, is_there=True)
    if isinstance(holder, Holder) and holder.host == socket.gethostname() and _LOCKS.exists():
        return None
    return _occupant(holder, is_there=None)


def _is_locked(found: os.stat_result) -> bool:
    """Whether a process of this machine holds a lock on a file; a container sees its own processes only."""
    # Some file systems show another device there than stat does.
    try:
        lines = _LOCKS.read_text().splitlines()
    except (OSError, ValueError):
        return False
    return any(line.split()[-3].rpartition(":")[2] == str(found.st_ino) for line in lines if "FLOCK" in line)


def _occupant(holder: Holder | str, *, is_there: bool | None) -> Occupant | None:
    if isinstance(holder, str):
        return Occupant(holder, None, is_there) if is_there else None
    since = holder.started_at
    return Occupant(f"process {holder.pid} on {holder.host[:100]}", since.replace(tzinfo=since.tzinfo or UTC), is_there)
