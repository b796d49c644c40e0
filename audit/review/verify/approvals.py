"""The approvals of an output: their snapshots are here, are what was approved, and the signatures hold."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from audit.errors import DamagedError, UsageError
from audit.snapshot.approvals import Approval, fault_of, last_decisions, read_approvals, signature_of
from audit.snapshot.catalog import read_snapshot
from audit.snapshot.layout import APPROVALS, MANIFEST
from audit.snapshot.proof.fault import Fault, Note
from audit.storage.content import sha256_of
from audit.storage.place import Place

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def check_approvals(
    output: Place, key: "Ed25519PublicKey | None", snapshot_id: str | None = None
) -> Iterator[Fault | Note]:
    """Check the approvals that count, and who ended others.

    Args:
        output: the folder of all snapshots.
        key: the key that must have signed them; None to skip this check.
        snapshot_id: only the decisions about this snapshot; None for all.
    """
    try:
        found = last_decisions(read_approvals(output))
    except DamagedError as error:
        yield Fault(APPROVALS, f"is damaged: {error.reason}")
        return
    except UsageError as error:
        yield Fault(APPROVALS, f"can't be read: {error}")
        return
    for each in found:
        if snapshot_id in (None, each.snapshot_id):
            if each.decision == "approved":
                yield from _check_snapshot(output, each)
            yield from _check_signature(each, key)


def _check_snapshot(output: Place, approval: Approval) -> Iterator[Fault]:
    folder = output / approval.snapshot_id
    try:
        snapshot = read_snapshot(folder)
        if fault := fault_of(approval, snapshot.manifest, sha256_of(folder / MANIFEST)):
            yield Fault(APPROVALS, f"approves {approval.snapshot_id}: {fault}")
    except OSError as error:
        yield Fault(APPROVALS, f"approves {approval.snapshot_id}, which can't be read: {error.strerror}")
    except UsageError as error:
        yield Fault(APPROVALS, f"approves {approval.snapshot_id}, which can't be used: {error}")


def _check_signature(approval: Approval, key: "Ed25519PublicKey | None") -> Iterator[Fault | Note]:
    try:
        signature = signature_of(approval, key)
    except UsageError as error:
        yield Fault(APPROVALS, str(error))
        return
    if signature == "not checked" and approval.envelope:
        yield Note(f"{approval.title} is signed, but who signed it is not checked")
    elif signature == "missing":
        yield Fault(APPROVALS, f"{approval.title} is not signed")
    elif signature == "of another key":
        yield Fault(APPROVALS, f"{approval.title} is signed by another key")
