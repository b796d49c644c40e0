"""The record of what was approved, `<output>/approved.json`: each decision, the oldest first.

The last decision about a scope counts. An output may hold several scopes, such as a partner's customers, or those of
several partners, so each has its own approved state. Anybody who may write to the output may have written the record:
it is data, and its signatures say whose decisions these are.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from audit.errors import DamagedError, UsageError
from audit.snapshot.layout import APPROVALS, MANIFEST
from audit.snapshot.manifest import UNDECODABLE, Manifest, SignatureState
from audit.snapshot.proof.signing import Envelope, check_signer, key_id, unwrap_envelope, wrap
from audit.snapshot.scope import are_apart, partners_of, scope_digest
from audit.snapshot.values import Sha256, SnapshotId, Time, Uuid
from audit.storage.content import read_small
from audit.storage.place import Place
from audit.untrusted.decoding import UndecodableError, json_of, prepared

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

#: Largest record that is read, and most characters of a text in it.
MAX_BYTES = 16 << 20
TEXT_CHARS = 1000
#: Decisions that are kept besides those that count.
MOST = 1000
_YEARS = (2000, 9000)
_PREDICATE_TYPE = "urn:webex-audit:approval:v1"

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_CHARS)]
Decision = Literal["approved", "withdrawn"]


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision about the approved state of a scope.

    Attributes:
        snapshot_id: the snapshot that is approved, or that is not approved any more.
        manifest_sha256: SHA-256 of its manifest, in hexadecimal.
        scope: what it audits, as a digest (`audit.snapshot.scope`).
        decision: `approved` or `withdrawn`.
        by: who decided.
        at: when.
        reason: why.
        organizations: UUIDs of its organizations, if all of a token were wanted: two partners have no organization in
            common, and each has an approved state of its own. Empty otherwise, and in older records.
        envelope: the signature, with the same decision in its statement; None if it was not signed.
    """

    snapshot_id: SnapshotId
    manifest_sha256: Sha256
    scope: Sha256
    decision: Decision
    by: Text
    at: Time
    reason: Text
    organizations: list[Uuid] = []
    envelope: Envelope | None = None

    @property
    def title(self) -> str:
        """The decision, as messages name it."""
        return f"the {'approval' if self.decision == 'approved' else 'withdrawal'} of {self.snapshot_id}"

    @property
    def statement(self) -> dict[str, Any]:
        """What is signed."""
        fields: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(self, envelope=None))
        del fields["envelope"]
        if not self.organizations:
            # What older versions have signed does not know them.
            del fields["organizations"]
        return fields

    @property
    def subjects(self) -> list[tuple[str, str]]:
        """The file that a signature is about, and its SHA-256."""
        return [(f"{self.snapshot_id}/{MANIFEST}", self.manifest_sha256)]


@prepared
class RecordOfApprovals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `approved.json`."""

    format_version: Literal[1]
    approvals: list[Approval]


def read_approvals(output: Place) -> list[Approval]:
    """All decisions of an output, the oldest first; empty if there is no record.

    Raises:
        DamagedError: the record is damaged.
        UsageError: the record can't be read.
    """
    data = read_small(output / APPROVALS, MAX_BYTES)
    if data is None:
        return []
    try:
        found = json_of(data, RecordOfApprovals).approvals
    except UndecodableError as error:
        raise DamagedError(output / APPROVALS, str(error)) from None
    for each in found:
        if each.at.utcoffset() != timedelta(0) or not _YEARS[0] <= each.at.year <= _YEARS[1]:
            raise DamagedError(output / APPROVALS, "a time is not in UTC, or in no year of ours")
    # An earlier decision, signed as it is, could be repeated at the end, and would count again.
    if any(later.at < earlier.at for earlier, later in pairwise(found)):
        raise DamagedError(output / APPROVALS, "an older decision stands after a newer decision")
    return found


def last_decisions(approvals: Iterable[Approval]) -> list[Approval]:
    """The decisions that count: the last of each scope, and of each partner."""
    counting: dict[str, list[Approval]] = defaultdict(list)
    for each in approvals:
        others = [earlier for earlier in counting[each.scope] if are_apart(earlier.organizations, each.organizations)]
        counting[each.scope] = [*others, each]
    return [each for of_scope in counting.values() for each in of_scope]


def in_force(approvals: Iterable[Approval]) -> list[Approval]:
    """The approvals that count, at most one of each scope and partner."""
    return [each for each in last_decisions(approvals) if each.decision == "approved"]


def approval_of(output: Place, manifest: Manifest) -> Approval | None:
    """The approval that counts for the scope of a snapshot; None if nothing is approved.

    Raises:
        UsageError: as `read_approvals`.
    """
    scope, organizations = scope_digest(manifest), partners_of(manifest)
    of_scope = [each for each in in_force(read_approvals(output)) if each.scope == scope]
    found = [each for each in of_scope if not are_apart(each.organizations, organizations)]
    return found[-1] if found else None


def signed(approval: Approval, key: "Ed25519PrivateKey | None") -> Approval:
    """The approval with a signature, if there is a key."""
    if key is None:
        return approval
    data = wrap(approval.subjects, _PREDICATE_TYPE, approval.statement, key)
    return msgspec.structs.replace(approval, envelope=msgspec.json.decode(data, type=Envelope))


def fault_of(approval: Approval, manifest: Manifest, manifest_sha256: str) -> str | None:
    """What contradicts an approval in the snapshot that it names; None if nothing does."""
    if manifest_sha256 != approval.manifest_sha256:
        return f"the manifest has SHA-256 {manifest_sha256}, but {approval.manifest_sha256} was approved"
    is_same = approval.organizations in ([], partners_of(manifest)) and scope_digest(manifest) == approval.scope
    return None if is_same else "the approval is for another scope"


def signature_of(approval: Approval, key: "Ed25519PublicKey | None") -> SignatureState:
    """Whose signature an approval has.

    Args:
        approval: the approval.
        key: the available key; None to check only that the statement says the same as the approval.

    Raises:
        UsageError: the signature does not hold.
    """
    if approval.envelope is None:
        return "missing" if key else "not checked"
    try:
        statement = unwrap_envelope(approval.envelope)
        subjects = [(each.name, each.digest.get("sha256")) for each in statement.subject]
        is_same = statement.predicate_type == _PREDICATE_TYPE and statement.predicate == approval.statement
    except UNDECODABLE:
        is_same, subjects = False, []
    if not is_same or subjects != approval.subjects or len(approval.envelope.signatures) != 1:
        raise UsageError(f"{_whose(approval)} is not what was signed")
    if key is None:
        return "not checked"
    if approval.envelope.signatures[0].keyid != key_id(key):
        return "of another key"
    if check_signer(APPROVALS, approval.envelope, key):
        raise UsageError(f"the signature of {_whose(approval)} does not match its content (key {key_id(key)})")
    return "good"


def _whose(approval: Approval) -> str:
    return f"{approval.title} in {APPROVALS}"
