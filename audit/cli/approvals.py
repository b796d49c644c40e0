"""Approvals as text and as JSON, and what the commands of the review know of them."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from audit.config import Settings
from audit.errors import UsageError
from audit.snapshot.approvals import Approval, fault_of, in_force, read_approvals
from audit.snapshot.catalog import Approved, Snapshot, find_approved
from audit.snapshot.layout import MANIFEST
from audit.snapshot.proof.signing import public_key_of
from audit.storage.content import sha256_of
from audit.storage.place import Place
from audit.text import printable

log = logging.getLogger(__name__)


def approved_beside(settings: Settings, snapshot: Snapshot) -> Approved | None:
    """The approved snapshot of the same scope and output as another, if there is one; warns of whose decision it is.

    Raises:
        UsageError: the approval can't be used.
    """
    output = snapshot.path.parent
    found = find_approved(output, snapshot.manifest)
    if found and settings.sign.key_file:
        try:
            key = public_key_of(settings.sign.key_file)
        except UsageError as error:
            log.warning("who signed the approval of %s is not checked: %s", found.manifest.snapshot_id, error)
            return found
        found = find_approved(output, snapshot.manifest, key)
        words = {"missing": "not signed", "of another key": "signed by another key"}
        if found and found.signature in words:
            log.warning("the approval of %s is %s", found.manifest.snapshot_id, words[found.signature])
    return found


def approvals_in(output: Place, snapshots: Iterable[Snapshot]) -> dict[str, Approval]:
    """The approvals that count, by snapshot, for a list; whatever is wrong with the record is logged."""
    found = {}
    try:
        approvals = {each.snapshot_id: each for each in in_force(read_approvals(output))}
        for each in snapshots:
            if approval := approvals.get(each.manifest.snapshot_id):
                if fault := fault_of(approval, each.manifest, sha256_of(each.path / MANIFEST)):
                    log.warning("%s is not shown as approved: %s", approval.snapshot_id, fault)
                else:
                    found[approval.snapshot_id] = approval
    except (UsageError, OSError) as error:
        log.warning("not every approval is shown: %s", error if isinstance(error, UsageError) else error.strerror)
    return found


def describe(approval: Approval) -> dict[str, Any]:
    """A decision for programs."""
    fields: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(approval, envelope=None))
    del fields["envelope"]
    return {**fields, "signed_by": signer_of(approval)}


def signer_of(approval: Approval) -> str | None:
    """Id of the key that a signature names; None without a signature."""
    signatures = approval.envelope.signatures if approval.envelope else []
    return printable(signatures[0].keyid) if signatures else None


def sentence(approval: Approval) -> str:
    """A decision in one line."""
    signer = signer_of(approval)
    signed = f"signed, key {signer}" if signer else "not signed"
    return printable(
        f"{approval.snapshot_id} {approval.decision} by {approval.by} on {approval.at:%Y-%m-%d %H:%M} UTC: "
        f"{approval.reason} ({signed}; {approval.manifest_sha256} is the SHA-256 of its manifest)"
    )


def render_list(approvals: Iterable[Approval]) -> str:
    """All decisions, a line for each; those that count are marked."""
    everything = list(approvals)
    counts = {id(each) for each in in_force(everything)}
    lines = [f"{'*' if id(each) in counts else ' '} {sentence(each)}" for each in everything]
    return "\n".join(lines) or "nothing is approved"


def approval_field(snapshot: Snapshot, approved: Mapping[str, Approval]) -> dict[str, Any]:
    """Whether a snapshot is approved, for programs."""
    found = approved.get(snapshot.manifest.snapshot_id)
    return {"approval": describe(found) if found else None}


def approval_line(snapshot: Snapshot, approved: Mapping[str, Approval]) -> Iterator[str]:
    """By whom a snapshot is approved, as `show` says it."""
    if found := approved.get(snapshot.manifest.snapshot_id):
        yield f"  approval   {sentence(found)}"
