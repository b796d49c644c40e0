"""The lock of an output in an object store: a lease, as no kernel frees what a dead process held there.

The object says who holds it and is renewed all the while. Each step is a conditional write, so that one
process at most succeeds. Whether a lease has expired is told by the store's clock alone: what a
newcomer writes beside the lock has a time of that clock, too. Whether one's own still holds is told by
one's own monotonic clock, from before the renewal began, so that it is lost here before it is free there.
"""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from audit.errors import LockedError, StoppedError
from audit.storage.objects import ObjectPath

log = logging.getLogger(__name__)

#: Seconds that a lease holds. A run that was killed is in the way for so long.
LEASE_S = 60.0
#: Tries at once to take an expired lease; who loses all of them has met runs that are alive.
_TRIES = 3


class Holder(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who holds a lock.

    Attributes:
        host: name of its machine.
        pid: its process there.
        started_at: when it took the lock, by its own clock.
        lease_s: seconds that it holds after each renewal; None where the kernel frees it.
        nonce: tells one holder from another.
        renewals: so many; two versions of the object never are the same.
    """

    host: str
    pid: int
    started_at: datetime
    lease_s: float | None = None
    nonce: str = ""
    renewals: int = 0

    @classmethod
    def this(cls, lease_s: float | None = None) -> "Holder":
        """This process."""
        nonce = secrets.token_hex(8) if lease_s else ""
        return cls(socket.gethostname(), os.getpid(), datetime.now(UTC), lease_s, nonce)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.started_at:%Y-%m-%d %H:%M:%S} UTC"


class Lease:
    """A lock that is held, by `hold`."""

    def __init__(self, path: ObjectPath, lease_s: float) -> None:
        self._path = path
        self._lease_s = lease_s
        self._holder = Holder.this(lease_s)
        self._version: dict[str, Any] = {}
        self._until_s = 0.0
        self._tried_at_s: float | None = None
        self._is_lost = False
        self._ended = threading.Event()
        self._keeping = threading.Thread(target=self._keep, name="lock", daemon=True)

    def check(self) -> None:
        """Go on only while the lock is held.

        Raises:
            StoppedError: it is lost: another run may be at work.
        """
        if self._is_lost or time.monotonic() >= self._until_s:
            raise StoppedError(f"the lock {self._path} was lost: it was not renewed in time, or another run took it")

    def take(self) -> None:
        """Take the lock.

        Raises:
            LockedError: another run holds it; the text says which.
            OSError: the store refuses.
        """
        for _ in range(_TRIES):
            try:
                self._write("create")
                return
            except FileExistsError:
                self._tried_at_s = None
            try:
                holder, found = self._read()
                left_s = self._left_s(holder, found)
            except FileNotFoundError:  # released meanwhile
                continue
            if left_s > 0:
                raise LockedError(
                    f"another run holds the lock on {self._path.parent}: {holder}; wait until it is done, or stop it; "
                    f"if it is dead, the lock is free in {left_s:.0f} s"
                )
            try:
                self._write({key: value for key, value in found.items() if key != "last_modified"})
                log.warning("the lock of a run that ended without a word was taken over: %s", holder)
                return
            except FileExistsError:
                pass
        raise LockedError(f"other runs take the lock on {self._path.parent} at the same time: run again")

    def keep(self) -> None:
        """Renew the lock, well before it expires, until it is released or lost; in a thread of its own."""
        self._keeping.start()

    def release(self) -> None:
        """Give the lock back, if it is held."""
        self._ended.set()
        self._keeping.join()
        if self._is_lost or time.monotonic() >= self._until_s:
            return
        try:
            self._path.unlink()
        except OSError as error:
            log.warning("the lock could not be released: %s: it expires by itself in %.0f s", error, self._lease_s)

    def _keep(self) -> None:
        while not self._ended.wait(self._lease_s / 4) and not self._is_lost:
            try:
                self._write(self._version)
            except FileExistsError:
                self._is_lost = True
            except OSError as error:
                log.warning("the lock could not be renewed, and is tried again: %s", error)

    def _write(self, mode: Any) -> None:
        # A try that seemed to fail may have succeeded: the lease holds from the first one on, and no longer.
        self._tried_at_s = self._tried_at_s or time.monotonic()
        holder = msgspec.structs.replace(self._holder, renewals=self._holder.renewals + 1)
        data = msgspec.json.encode(holder)
        try:
            self._version = self._path.put(data, mode)
        except FileExistsError:
            # Such a try is known by what it left, which no other one writes.
            try:
                if self._path.read_bytes() != data:
                    raise
                self._version = {key: value for key, value in self._path.head().items() if key != "last_modified"}
            except FileNotFoundError:
                raise FileExistsError(str(self._path)) from None
        self._holder = holder
        self._until_s = self._tried_at_s + self._lease_s
        self._tried_at_s = None

    def _read(self) -> tuple[Holder | str, dict[str, Any]]:
        found = self._path.head()
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Holder), found
        except msgspec.DecodeError:
            return "it has not told who it is", found

    def _left_s(self, holder: Holder | str, found: dict[str, Any]) -> float:
        """Seconds until a lease expires, by the store's clock, which has full seconds."""
        probe = self._path.with_name(f"{self._path.name}.{self._holder.nonce}")
        probe.put(b"")
        try:
            now = probe.head()["last_modified"]
        finally:
            probe.unlink(missing_ok=True)
        lease_s = holder.lease_s if isinstance(holder, Holder) and holder.lease_s else self._lease_s
        return float(lease_s - (now - found["last_modified"]).total_seconds() + 1)


@contextmanager
def hold(path: ObjectPath, lease_s: float) -> Iterator[Lease]:
    """Hold the lock of an output in an object store.

    Args:
        path: the lock's object.
        lease_s: seconds that it holds after each renewal.

    Raises:
        LockedError: another run holds it; the text says which.
        OSError: the store refuses.
    """
    lease = Lease(path, lease_s)
    lease.take()
    lease.keep()
    try:
        yield lease
    finally:
        lease.release()
