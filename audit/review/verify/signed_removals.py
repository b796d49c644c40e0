"""The signed record of removed snapshots: a DSSE envelope over the entries of `pruned.json`, in `pruned.dsse.json`.

The statement holds the entries themselves: it stays valid while `pruned.json` is one step behind, and does not cover
an entry that somebody else adds there. Its subjects are the manifests that were removed.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from audit.errors import DamagedError, UsageError, words_of
from audit.files import expand
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import UNDECODABLE
from audit.snapshot.proof.fault import Fault
from audit.snapshot.proof.signing import check_key, load_private_key, unwrap, wrap
from audit.snapshot.removed import MAX_BYTES, Removed, SealRemoved
from audit.storage.content import atomic_file, read_small
from audit.storage.place import Place
from audit.untrusted.decoding import prepared

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE_OF_REMOVED = "pruned.dsse.json"
_PREDICATE_TYPE = "urn:webex-audit:removed:v1"


@prepared
class _Predicate(msgspec.Struct, forbid_unknown_fields=True):
    removed: list[Removed]


def seal_removed_with(key_file: str | None) -> SealRemoved | None:
    """A function that signs the record of removed snapshots; None if no key is configured.

    Args:
        key_file: path of an Ed25519 private key (PEM, PKCS#8, not encrypted): `sign.key_file`.

    Raises:
        UsageError: the file holds no such key, or the package that signs is not installed.
    """
    if key_file is None:
        return None
    key = load_private_key(expand(key_file))

    def seal(output: Place, entries: Sequence[Removed]) -> None:
        signed, faults = _signed(output, key.public_key())
        if faults:
            raise UsageError(
                f"nothing was removed: {output / SIGNATURE_OF_REMOVED} {faults[0].message}; restore it from a backup, "
                "or move it out of the output and keep it as evidence"
            )
        everything = {each.key: each for each in (*signed, *entries)}
        if list(everything.values()) != signed:
            with atomic_file(output / SIGNATURE_OF_REMOVED) as file:
                file.write(_sign([*everything.values()], key))

    return seal


def check_removed(
    output: Place, entries: Sequence[Removed], key: "Ed25519PublicKey"
) -> tuple[list[Removed], list[Fault]]:
    """Check which entries of the record of removed snapshots are signed.

    Args:
        output: the folder of all snapshots.
        entries: all entries of the record.
        key: the key that must have signed.

    Returns:
        The entries that the key has signed, and the faults of the signature.
    """
    signed, faults = _signed(output, key)
    known = set(signed)
    return [each for each in entries if each in known], faults


def _sign(entries: list[Removed], key: "Ed25519PrivateKey") -> bytes:
    subjects = [(f"{each.snapshot_id}/{MANIFEST}", each.manifest_sha256) for each in entries if each.manifest_sha256]
    return wrap(subjects, _PREDICATE_TYPE, msgspec.to_builtins(_Predicate(entries)), key)


def _signed(output: Place, key: "Ed25519PublicKey") -> tuple[list[Removed], list[Fault]]:
    """The entries that a key has signed; none if nothing was signed or the signature is not good."""
    name = SIGNATURE_OF_REMOVED
    try:
        data = read_small(output / name, 2 * MAX_BYTES)
        if data is None:
            return [], []
        envelope, statement = unwrap(data)
        entries = msgspec.convert(statement.predicate, _Predicate).removed
    except DamagedError as error:
        return [], [Fault(name, f"is damaged: {error.reason}")]
    except UsageError as error:
        return [], [Fault(name, f"can't be read: {error}")]
    except UNDECODABLE as error:
        return [], [Fault(name, f"is damaged: {words_of(error)}")]
    faults = check_key(name, data, envelope, key)
    if statement.predicate_type != _PREDICATE_TYPE:
        faults.append(Fault(name, f"is a statement of another kind: {statement.predicate_type}"))
    return [] if faults else entries, faults
