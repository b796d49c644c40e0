"""Whether a snapshot is still what was committed: files, tables, coverage, chain, signature."""

from collections.abc import Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from audit.errors import DamagedError, UsageError
from audit.files import sha256_of
from audit.review.verify.approvals import check_approvals
from audit.review.verify.chain import check_chain, lost_manifest, read_record
from audit.review.verify.result import Verification
from audit.snapshot.catalog import Snapshot, find_snapshot, is_committed, read_snapshot
from audit.snapshot.layout import MANIFEST, SNAPSHOT_ID
from audit.snapshot.manifest import Manifest
from audit.snapshot.proof.fault import Fault, Note
from audit.snapshot.proof.files import check_files
from audit.snapshot.proof.signing import SIGNATURE, check_signature, key_id
from audit.snapshot.proof.tables import check_tables
from audit.snapshot.staging import staged_whole
from audit.storage.at_once import at_once
from audit.storage.place import Place, subfolders
from audit.text import count_of, printable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def verify(
    output: Place, name: str, key: "Ed25519PublicKey | None" = None, *, with_approvals: bool = True
) -> Verification:
    """Verify the snapshot that a SNAPSHOT argument names.

    Args:
        output: the folder of all snapshots.
        name: `latest`, `previous`, `approved`, an id, or a path.
        key: the key that must have signed it; None to skip this check.
        with_approvals: also check what was approved: all of it, or if one snapshot is named, its approvals.

    Raises:
        UsageError: the snapshot does not exist, or its format is newer.
    """
    everywhere = name in ("latest", "previous", "approved")
    damaged = list(_damaged_manifests(output, key)) if everywhere else []
    damaged += check_approvals(output, key) if everywhere and with_approvals else []
    try:
        snapshot = find_snapshot(output, name)
    except DamagedError as error:
        fault = Fault(MANIFEST, f"is damaged: {error.reason}")
        return Verification(error.path.parent.resolve().name, str(error.path.parent), faults=[fault])
    except UsageError:
        if not any(isinstance(each, Fault) for each in damaged):
            raise
        return _verification(name, str(output), damaged)
    folder = snapshot.path.resolve()
    if with_approvals and not everywhere:
        damaged += check_approvals(folder.parent, key, snapshot.manifest.snapshot_id)
    is_copy = not everywhere and (folder.parent != output.resolve() or not SNAPSHOT_ID.fullmatch(folder.name))
    return _verify(snapshot, damaged, key, everywhere=everywhere, is_copy=is_copy)


def _damaged_manifests(output: Place, key: "Ed25519PublicKey | None") -> Iterator[Fault | Note]:
    """Report manifests that can't be read, as one of them may be the newest."""
    look = partial(_damaged_manifest, removed=read_record(output, key).ids)
    yield from filter(None, at_once(look, sorted(subfolders(output), key=lambda each: each.name)))


def _damaged_manifest(folder: Place, removed: Collection[str]) -> Fault | Note | None:
    try:
        if not is_committed(folder):
            return lost_manifest(folder, removed)
        read_snapshot(folder)
    except DamagedError as error:
        return Fault(f"{folder.name}/{MANIFEST}", f"is damaged: {error.reason}")
    except (UsageError, OSError):
        pass
    return None


def _verify(
    snapshot: Snapshot,
    damaged: list[Fault | Note],
    key: "Ed25519PublicKey | None",
    *,
    everywhere: bool,
    is_copy: bool,
) -> Verification:
    with staged_whole(snapshot) as folder:
        manifest = snapshot.manifest
        sha256 = sha256_of(folder / MANIFEST)
        files = list(check_files(folder, manifest))
        signature = [each for each in files if isinstance(each, Fault) and each.path == SIGNATURE]
        signature = signature or check_signature(folder, manifest, sha256, key)
        chain, links = check_chain(snapshot.path, manifest, sha256, key, everywhere=everywhere, is_copy=is_copy)
        at_fault = {each.path for each in files if isinstance(each, Fault)}
        results = [*damaged, *files, *signature, *links, *check_tables(folder, manifest, at_fault)]
        results += _unchecked(manifest)
        if not key and (folder / SIGNATURE).exists():
            results.append(
                Note("the snapshot is signed, but who signed it is not checked: name the key with --public-key")
            )
    found = _verification(manifest.snapshot_id, str(snapshot.path), results)
    return msgspec.structs.replace(
        found,
        manifest_sha256=sha256,
        files=sum(len(table.files) for table in manifest.tables.values()),
        tables=len(manifest.tables),
        rows=sum(table.rows for table in manifest.tables.values()),
        chain=chain,
        signed_by=key_id(key) if key and not signature else None,
    )


def _unchecked(manifest: Manifest) -> Iterator[Note]:
    """What a snapshot is made from, as far as its run could not check it."""
    basis = manifest.basis
    if basis and basis.draft != "checked":
        yield Note("its run had no key to check what it read back from its draft (docs/snapshots.md, Trust)")
    if basis and basis.retried and basis.retried.signature != "good":
        yield Note(
            f"it keeps answers of snapshot {basis.retried.snapshot}, whose signature was: {basis.retried.signature}"
        )


def _verification(snapshot_id: str, path: str, results: list[Fault | Note]) -> Verification:
    unique = list(dict.fromkeys(results))
    faults = [each for each in unique if isinstance(each, Fault)]
    return Verification(snapshot_id, path, faults=faults, notes=[each for each in unique if isinstance(each, Note)])


def as_data(found: Verification) -> dict[str, Any]:
    """The result for programs."""
    return {"is_verified": not found.faults, **msgspec.to_builtins(found)}


def render(found: Verification) -> str:
    """The result for people: a line for each fault, or one line that says what was verified."""
    if found.faults:
        lines = [printable(f"{fault.path}: {fault.message}") for fault in found.faults]
        count = count_of(len(lines), "fault")
        return "\n".join([*lines, f"not verified: {printable(found.snapshot_id)}, {count}"])
    signed = f", signed by key {found.signed_by}" if found.signed_by else ""
    chain = f", {count_of(len(found.chain), 'earlier snapshot')}" if found.chain else ""
    files, rows, tables = count_of(found.files, "file"), count_of(found.rows, "row"), count_of(found.tables, "table")
    return (
        f"verified {printable(found.snapshot_id)}: {files}, {rows} in {tables}"
        f"{chain}{signed}; {MANIFEST} has SHA-256 {found.manifest_sha256}"
    )
