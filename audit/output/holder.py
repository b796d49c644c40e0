"""What a lock says about the process that holds it."""

import os
import secrets
import socket
from datetime import UTC, datetime

import msgspec

from audit.untrusted.decoding import prepared


class Promise(msgspec.Struct, frozen=True):
    """A commit that is stored but for its manifest: the id of the snapshot, and the manifest as text."""

    snapshot_id: str
    manifest: str


@prepared
class Holder(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who holds a lock.

    Attributes:
        host: the name of its machine.
        pid: its process id there.
        started_at: when it took the lock, by its own clock.
        lease_s: seconds that the lease holds after each renewal; None if the kernel frees the lock.
        nonce: tells holders apart.
        renewals: the number of renewals, so that no two versions of the object are equal.
        promise: the manifest that the holder is about to write.
        is_released: the holder has given the lock back.
    """

    host: str
    pid: int
    started_at: datetime
    lease_s: float | None = None
    nonce: str = ""
    renewals: int = 0
    promise: Promise | None = None
    is_released: bool = False

    @classmethod
    def this(cls, lease_s: float | None = None) -> "Holder":
        """This process."""
        nonce = secrets.token_hex(8) if lease_s else ""
        return cls(socket.gethostname(), os.getpid(), datetime.now(UTC), lease_s, nonce)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.started_at:%Y-%m-%d %H:%M:%S} UTC"
