"""Signed snapshots: a DSSE envelope with an in-toto Statement over all files, in `manifest.dsse.json`.

Sources: DSSE 1.0 (secure-systems-lab/dsse, "protocol.md" and "envelope.md"), in-toto Attestation
Framework 1 (in-toto/attestation, "spec/v1/statement.md"). The signature is Ed25519 (RFC 8032). The id of
a key is the SHA-256 of its public half in DER, which any tool can compute.
"""

import hashlib
import hmac
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from audit.errors import DamagedError, UsageError, words_of
from audit.extras import how_to_add
from audit.files import expand, is_readable_by_others
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import MAX_BYTES, UNDECODABLE, Manifest, Seal, encode
from audit.snapshot.proof.fault import Fault
from audit.storage.content import atomic_file, read_small
from audit.storage.place import Place
from audit.untrusted.decoding import prepared

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

log = logging.getLogger(__name__)

SIGNATURE = "manifest.dsse.json"

_PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
_PREDICATE_TYPE = "urn:webex-audit:snapshot:v1"
#: Keys are smaller; this bounds the read of a file that is named by mistake.
_KEY_BYTES = 65_536
#: Longest envelope that is read: base64 of the paths and digests of a manifest.
_MAX_BYTES = 2 * MAX_BYTES


class _Signature(msgspec.Struct, forbid_unknown_fields=True):
    keyid: str
    sig: bytes


@prepared
class Envelope(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A DSSE envelope: the signed bytes and the signatures."""

    payload: bytes
    payload_type: Literal["application/vnd.in-toto+json"]
    signatures: list[_Signature]


class Subject(msgspec.Struct):
    """A file that a statement is about: its path, and its digests by algorithm."""

    name: str
    digest: dict[str, str]


@prepared
class Statement(msgspec.Struct, rename="camel"):
    """An in-toto Statement."""

    statement_type: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(name="_type")
    subject: list[Subject]
    predicate_type: str
    predicate: dict[str, Any]


def seal_with(key_file: str | None) -> Seal | None:
    """A function that signs a snapshot in its commit; None if no key is configured.

    Args:
        key_file: path of an Ed25519 private key (PEM, PKCS#8, not encrypted): `sign.key_file`.

    Raises:
        UsageError: the file holds no such key, or the package that signs is not installed.
    """
    if key_file is None:
        return None
    key = load_private_key(expand(key_file))

    def seal(folder: Place, manifest: Manifest) -> None:
        with atomic_file(folder / SIGNATURE) as file:
            file.write(sign(manifest, key))

    return seal


def draft_key_of(key_file: str | None) -> bytes | None:
    """A key that follows from `sign.key_file`, for digests of what a run reads back; None if no key is configured.

    Raises:
        UsageError: as `seal_with`.
    """
    if not key_file:
        return None
    key = load_private_key(expand(key_file))
    return hmac.digest(key.private_bytes_raw(), b"webex-audit: key of drafts", "sha256")


def public_key_of(key_file: str | None) -> "Ed25519PublicKey | None":
    """The public half of `sign.key_file`; None if no key is configured.

    Raises:
        UsageError: as `seal_with`.
    """
    return load_private_key(expand(key_file)).public_key() if key_file else None


def sign(manifest: Manifest, key: "Ed25519PrivateKey") -> bytes:
    """The envelope of a snapshot, as it is stored."""
    subjects = _subjects(manifest, _own_sha256(manifest))
    return wrap(subjects, _PREDICATE_TYPE, {"snapshot_id": manifest.snapshot_id}, key)


def wrap(
    subjects: list[tuple[str, str]], predicate_type: str, predicate: dict[str, Any], key: "Ed25519PrivateKey"
) -> bytes:
    """A signed statement, as it is stored.

    Args:
        subjects: the files that it is about: path and SHA-256 of each.
        predicate_type: a URI for the meaning of the predicate.
        predicate: what the statement says about the files.
        key: the key that signs.
    """
    subject = [Subject(path, {"sha256": sha256}) for path, sha256 in subjects]
    payload = _formatted(Statement(_STATEMENT_TYPE, subject, predicate_type, predicate))
    signature = _Signature(key_id(key.public_key()), key.sign(_signed_bytes(payload)))
    return _formatted(Envelope(payload, _PAYLOAD_TYPE, [signature]))


def unwrap(data: bytes) -> tuple[Envelope, Statement]:
    """Decode an envelope and the statement in it. The signature is not checked.

    Raises:
        Exception: one of `audit.snapshot.manifest.UNDECODABLE`: the data is not an envelope.
    """
    envelope = msgspec.json.decode(data, type=Envelope)
    return envelope, unwrap_envelope(envelope)


def unwrap_envelope(envelope: Envelope) -> Statement:
    """Decode the statement in an envelope. The signature is not checked.

    Raises:
        Exception: one of `audit.snapshot.manifest.UNDECODABLE`: it is not a statement.
    """
    return msgspec.json.decode(envelope.payload, type=Statement)


def check_signature(
    folder: Path, manifest: Manifest, manifest_sha256: str, key: "Ed25519PublicKey | None"
) -> list[Fault]:
    """Check the envelope of a snapshot, if it has one: what was signed, and by whom.

    Args:
        folder: the snapshot's folder.
        manifest: its manifest.
        manifest_sha256: SHA-256 of the manifest file.
        key: the key that must have signed; None to compare digests without checking who signed.
    """
    try:
        data = read_small(folder / SIGNATURE, _MAX_BYTES)
        if data is None:
            return [Fault(SIGNATURE, "is missing: the snapshot is not signed")] if key else []
        envelope, statement = unwrap(data)
    except DamagedError as error:
        return [Fault(SIGNATURE, f"is damaged: {error.reason}")]
    except UsageError as error:
        return [Fault(SIGNATURE, f"can't be read: {error}")]
    except UNDECODABLE as error:
        return [Fault(SIGNATURE, f"is damaged: {words_of(error)}")]
    faults = check_key(SIGNATURE, data, envelope, key) if key else []
    signed = {each.name: each.digest.get("sha256") for each in statement.subject}
    found = dict(_subjects(manifest, manifest_sha256))
    for path in sorted(signed.keys() | found.keys()):
        if path not in signed:
            faults.append(Fault(path, f"was not signed ({SIGNATURE})"))
        elif path not in found:
            faults.append(Fault(path, f"was signed ({SIGNATURE}), but {MANIFEST} does not name it"))
        elif signed[path] != found[path]:
            faults.append(Fault(path, f"has SHA-256 {found[path]}, but {signed[path]} was signed ({SIGNATURE})"))
    return faults


def check_key(name: str, data: bytes, envelope: Envelope, key: "Ed25519PublicKey") -> list[Fault]:
    """Check that an envelope is as it was written, and signed by a key.

    Args:
        name: its file, to name in faults.
        data: its bytes.
        envelope: the same, decoded.
        key: the key that must have signed.
    """
    return (
        [Fault(name, "is not as it was written")] if data != _formatted(envelope) else check_signer(name, envelope, key)
    )


def check_signer(name: str, envelope: Envelope, key: "Ed25519PublicKey") -> list[Fault]:
    """Check that an envelope is signed by a key, and by no other; arguments as `check_key`."""
    exceptions, _, _ = _cryptography()
    wanted = key_id(key)
    if len(envelope.signatures) != 1:
        return [Fault(name, "is not as it was written")]
    (signature,) = envelope.signatures
    if signature.keyid != wanted:
        return [Fault(name, f"is signed by another key: expected {wanted}, but it names {signature.keyid}")]
    try:
        key.verify(signature.sig, _signed_bytes(envelope.payload))
    except exceptions.InvalidSignature:
        return [Fault(name, f"its signature does not match its content (key {wanted})")]
    return []


def key_id(key: "Ed25519PublicKey") -> str:
    """The SHA-256 of a public key in DER (SubjectPublicKeyInfo), in hexadecimal."""
    _, serialization, _ = _cryptography()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def load_private_key(path: Path) -> "Ed25519PrivateKey":
    """Read the key that signs.

    Raises:
        UsageError: the file holds no unencrypted Ed25519 private key, or the package that signs is not installed.
    """
    exceptions, serialization, ed25519 = _cryptography()
    title = f"sign.key_file {path}"
    data = _read(path, title)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except TypeError:
        raise UsageError(f"{title} is encrypted: a run can't ask for its passphrase; use a key without one") from None
    except (ValueError, exceptions.UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise UsageError(
            f"{title} is not an Ed25519 private key in PEM: make one with 'openssl genpkey -algorithm ed25519'"
        )
    if is_readable_by_others(path):
        log.warning("%s can be read by other users: chmod 600 it", title)
    return key  # type: ignore[no-any-return]


def load_public_key(path: Path) -> "Ed25519PublicKey":
    """Read the key that must have signed.

    Raises:
        UsageError: the file holds no Ed25519 public key, or the package that verifies is not installed.
    """
    exceptions, serialization, ed25519 = _cryptography()
    data = _read(path, f"--public-key {path}")
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, exceptions.UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise UsageError(
            f"--public-key {path} is not an Ed25519 public key in PEM: make it with 'openssl pkey -pubout'"
        )
    return key  # type: ignore[no-any-return]


def _cryptography() -> tuple[Any, Any, Any]:
    try:
        from cryptography import exceptions  # noqa: PLC0415 - only signatures need it
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
    except ImportError:
        raise UsageError(f"signatures need the package cryptography: {how_to_add('review')}") from None
    return exceptions, serialization, ed25519


def _read(path: Path, title: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_KEY_BYTES)
    except OSError as error:
        raise UsageError(f"{title}: {error.strerror}") from None


def _subjects(manifest: Manifest, manifest_sha256: str) -> list[tuple[str, str]]:
    files = [(file.path, file.sha256) for table in manifest.tables.values() for file in table.files]
    return [(MANIFEST, manifest_sha256), *files]


def _own_sha256(manifest: Manifest) -> str:
    return hashlib.sha256(encode(manifest)).hexdigest()


def _formatted(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _signed_bytes(payload: bytes) -> bytes:
    """The bytes that are signed: type and length before the payload (DSSE, "Pre-Authentication Encoding")."""
    kind = _PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
