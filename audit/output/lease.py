"""The lock of an output in an object store: a lease, because no kernel frees the lock of a dead process there.

The object names its holder, who renews it all the time. Each step is a conditional write, so at most one process
succeeds. Only the store's clock decides whether a lease has expired: a newcomer writes an object beside the lock to
read that clock. A holder judges its own lease by a clock that counts suspend (CLOCK_BOOTTIME), from before the
renewal began, so the holder gives up before the store frees the lock.

A paused holder can't know that its lease is over until it looks, and a request that it has sent may arrive at any
time. So nothing that it writes may matter by then: a commit goes into a folder of its own, and its manifest is first
*promised* in the lock itself. A run that has lost the lock can't promise. A run that takes over a lock with a promise
keeps the promise first (`audit.output.lock`), so there is never doubt whether a snapshot stands.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import msgspec

from audit.clock import boot_s
from audit.errors import LockedError, StoppedError, UsageError, words_of
from audit.output.held import Held
from audit.output.holder import Holder, Promise
from audit.snapshot.manifest import MAX_BYTES, UNDECODABLE
from audit.storage.content import first_of
from audit.storage.objects import Head, Mode, ObjectPath, Version

log = logging.getLogger(__name__)

#: Seconds that a lease holds. After a crash, the output stays locked this long.
LEASE_S = 60.0
#: Attempts to take an expired lease. A run that loses all of them competes with live runs.
_TRIES = 3
#: Most bytes that are read of a lock, which may hold a manifest as text: a longer lock is of an unknown process.
_MAX_BYTES = 2 * MAX_BYTES
#: A version that no object ever has (`ObjectPath.put`).
_NEVER: Version = {"e_tag": '"00000000000000000000000000000000"', "version": "1"}


class Lease(Held):
    """The lock of an output in an object store. Made by `hold`.

    Args:
        path: the lock's object.
        lease_s: seconds that the lease holds after each renewal.

    Attributes:
        inherited: what the previous holder had promised and may not have done.
    """

    def __init__(self, path: ObjectPath, lease_s: float) -> None:
        self._path = path
        self._lease_s = lease_s
        self._holder = Holder.this(lease_s)
        self._version: Version = {}
        self._until_s = 0.0
        self._tried_at_s: float | None = None
        self._is_lost = False
        self.inherited: Promise | None = None
        #: The thread that renews the lock and the thread that makes a promise take turns.
        self._writing = threading.Lock()
        self._ended = threading.Event()
        self._keeping = threading.Thread(target=self._keep, name="lock", daemon=True)

    def check(self) -> None:
        """Raise unless the lock is still held.

        Raises:
            StoppedError: the lock is lost: another run may be at work.
        """
        if not self._is_held:
            raise StoppedError(f"the lock {self._path} was lost: it was not renewed in time, or another run took it")

    @property
    def _is_held(self) -> bool:
        return not self._is_lost and boot_s() < self._until_s

    def promise(self, snapshot_id: str, manifest: bytes) -> None:
        """Write the manifest that is about to be written into the lock, if the lock is still held.

        Raises:
            StoppedError: the lock is lost: another run may have taken it before it held the promise.
            OSError: the store refuses.
        """
        with self._writing:
            self.check()
            self._holder = msgspec.structs.replace(self._holder, promise=Promise(snapshot_id, manifest.decode()))
            self._write_or_lose()
        self.check()

    def fulfil(self) -> None:
        """Record that the promised manifest stands; an inherited promise is removed from the lock at once.

        Raises:
            OSError: the store refuses.
        """
        with self._writing:
            self._holder = msgspec.structs.replace(self._holder, promise=None)
            if self.inherited:
                self.inherited = None
                self._write_or_lose()

    def take(self) -> None:
        """Take the lock.

        Raises:
            LockedError: another run holds it; the text says which.
            UsageError: the store ignores conditions.
            OSError: the store refuses.
        """
        for _ in range(_TRIES):
            if self._create() or self._take_over():
                self._insist_on_conditions()
                return
        raise LockedError(f"other runs are taking the lock on {self._path.parent} at the same time: run again")

    def _create(self) -> bool:
        """Create the lock's object; False if there is one already."""
        self._inherit(None)
        try:
            self._write("create")
        except FileExistsError:
            self._tried_at_s = None
            return False
        return True

    def _take_over(self) -> bool:
        """Take a lock that is released or has expired; False if it changes meanwhile.

        Raises:
            LockedError: another run holds it.
        """
        try:
            holder, found = self._read()
            is_free = isinstance(holder, Holder) and holder.is_released
            left_s = 0 if is_free else self._left_s(holder, found)
        except FileNotFoundError:  # removed meanwhile
            return False
        if left_s > 0:
            raise LockedError(
                f"another run holds the lock on {self._path.parent}: {holder}; wait until it is done, or stop it; "
                f"if it is dead, the lock is free in {left_s:.0f} s"
            )
        self._inherit(holder.promise if isinstance(holder, Holder) else None)
        try:
            self._write(found.version)
        except FileExistsError:
            return False
        if not is_free:
            log.warning("the lock of a run that ended without releasing it was taken over: %s", holder)
        return True

    def _inherit(self, promise: Promise | None) -> None:
        """Take on a promise: it stays in the lock until it is kept, even if this holder dies, too."""
        self.inherited = promise
        self._holder = msgspec.structs.replace(self._holder, promise=promise)

    def keep(self) -> None:
        """Start the thread that renews the lock, well before it expires, until it is released or lost."""
        self._keeping.start()

    def release(self) -> None:
        """Give the lock back if it is held. With a promise that is not kept yet, it is left to expire."""
        self._ended.set()
        self._keeping.join()
        if not self._is_held or self._holder.promise:
            return
        try:
            # Not removed: a store has no conditional removal, and by then another run may have the lock.
            with self._writing:
                self._holder = msgspec.structs.replace(self._holder, is_released=True)
                self._write_or_lose()
        except OSError as error:
            log.warning(
                "the lock could not be released: %s: it expires by itself in %.0f s", words_of(error), self._lease_s
            )

    def _insist_on_conditions(self) -> None:
        """Create the lock again, and overwrite a version that never existed: the store must refuse both.

        Raises:
            UsageError: the store accepts one, so two runs could hold the lock at the same time.
        """
        never = cast("Version", {name: value for name, value in _NEVER.items() if name in self._version})
        modes: list[Mode] = ["create", never]
        for mode in modes:
            try:
                self._path.put(msgspec.json.encode(self._holder), mode)
            except FileExistsError:
                continue
            raise UsageError(
                f"{self._path.parent}: the store ignores conditions (If-None-Match, If-Match) and so can't lock: "
                "use a store that supports them (docs/object-stores.md)"
            )

    def _keep(self) -> None:
        while not self._ended.wait(self._lease_s / 4) and not self._is_lost:
            try:
                with self._writing:
                    self._write_or_lose()
            except OSError as error:
                log.warning("the lock could not be renewed; trying again: %s", words_of(error))

    def _write_or_lose(self) -> None:
        """Write a new version of the lock; if somebody else has written a version, the lock is lost."""
        try:
            self._write(self._version)
        except FileExistsError:
            self._is_lost = True

    def _write(self, mode: Mode) -> None:
        # An attempt that seemed to fail may have succeeded, so the lease counts from the first attempt.
        self._tried_at_s = self._tried_at_s or boot_s()
        holder = msgspec.structs.replace(self._holder, renewals=self._holder.renewals + 1)
        data = msgspec.json.encode(holder)
        try:
            self._version = self._path.put(data, mode)
        except FileExistsError:
            self._version = self._settled(data)
        self._holder = holder
        self._until_s = self._tried_at_s + self._lease_s
        self._tried_at_s = None

    def _settled(self, data: bytes) -> Version:
        """The version that stands after a refused write: an earlier attempt may have succeeded unnoticed.

        Raises:
            FileExistsError: another run has written it.
        """
        try:
            holder, found = self._read()
            if not isinstance(holder, Holder) or holder.nonce != self._holder.nonce:
                raise FileExistsError(str(self._path))
        except FileNotFoundError:
            raise FileExistsError(str(self._path)) from None
        return found.version if msgspec.json.encode(holder) == data else self._path.put(data, found.version)

    def _read(self) -> tuple[Holder | str, Head]:
        return read_lease(self._path)

    def _left_s(self, holder: Holder | str, found: Head) -> float:
        """Seconds until a lease expires, by the store's clock, which counts whole seconds."""
        probe = self._path.with_name(f"{self._path.name}.{self._holder.nonce}")
        probe.put(b"")
        try:
            now = probe.head().last_modified
        finally:
            probe.unlink(missing_ok=True)
        lease_s = holder.lease_s if isinstance(holder, Holder) and holder.lease_s else self._lease_s
        return lease_s - (now - found.last_modified).total_seconds() + 1


def read_lease(path: ObjectPath) -> tuple[Holder | str, Head]:
    """What a lock in an object store says of its holder, and when that was written; nothing is written.

    Raises:
        OSError: the store refuses, or there is no lock.
    """
    found = path.head()
    try:
        return msgspec.json.decode(first_of(path, _MAX_BYTES), type=Holder), found
    except UNDECODABLE:
        return "an unknown process", found


@contextmanager
def hold(path: ObjectPath, lease_s: float) -> Iterator[Lease]:
    """Hold the lock of an output in an object store.

    Args:
        path: the lock's object.
        lease_s: seconds that the lease holds after each renewal.

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
