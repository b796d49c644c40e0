"""Finds committed snapshots. A folder is a snapshot only if it has a manifest."""

import hashlib
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import DamagedError, UsageError
from audit.snapshot.approvals import Approval, approval_of, fault_of, signature_of
from audit.snapshot.chain import Chain
from audit.snapshot.layout import APPROVALS, MANIFEST, SNAPSHOT_ID
from audit.snapshot.manifest import MAX_BYTES, Manifest, SignatureState, check_readable, read_manifest
from audit.snapshot.prefix import MIN_CHARS, check_finished, is_prefix, with_prefix
from audit.snapshot.removed import read_removed, readable_removed
from audit.storage import bucket
from audit.storage.at_once import at_once
from audit.storage.content import read_small
from audit.storage.errors import StorageError
from audit.storage.place import Place, exists, is_dir, place, subfolders
from audit.text import did_you_mean

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

log = logging.getLogger(__name__)

#: The clocks of two machines differ by less than this.
_AHEAD = timedelta(minutes=5)
_WORDS = ("latest", "previous", "approved")
#: How similar to a word a name must be: `at least` is not a mistyped `latest`.
_SIMILAR = 0.8
_NAMES = f": name an id, its first {MIN_CHARS} characters or more, or a folder ('webex-audit snapshots' lists the ids)"


@dataclass(frozen=True)
class Snapshot:
    """A committed snapshot: its folder and its manifest."""

    path: Place
    manifest: Manifest


@dataclass(frozen=True)
class Approved(Snapshot):
    """The approved snapshot of a scope.

    Attributes:
        approval: who approved it, when and why.
        signature: what is known of the signature of the approval.
    """

    approval: Approval
    signature: SignatureState


def list_snapshots(output: Place) -> list[Snapshot]:
    """The committed snapshots of an output in the order of their chain; the last is the newest.

    Unreadable snapshots are logged and left out.

    Raises:
        UsageError: the folder can't be read.
    """
    found, _ = scan(output)
    return [found[each] for each in chain_of(output, found).order]


def list_all_snapshots(output: Place) -> list[Snapshot]:
    """As `list_snapshots`, for callers that build on the newest: a read error raises instead of hiding a snapshot.

    Damaged snapshots are left out here, too.

    Raises:
        UsageError: the folder, a manifest, or the record of what was removed can't be read.
    """
    found, unreadable = scan(output)
    if unreadable:
        for name in unreadable:
            check_readable(output / name)
        found, _ = scan(output)
    with suppress(DamagedError):
        read_removed(output)
    return [found[each] for each in chain_of(output, found).order]


def ancestors(snapshot: Snapshot) -> list[Snapshot]:
    """The earlier snapshots in the chain of a snapshot, the nearest first, as far as the output still has them.

    Raises:
        UsageError: the folder can't be read.
    """
    output = snapshot.path.parent
    found, _ = scan(output)
    return [found[each] for each in chain_of(output, found).ancestors(snapshot.manifest.snapshot_id)]


def scan(output: Place) -> tuple[dict[str, Snapshot], dict[str, str]]:
    """The snapshots of an output by id, and the folders whose manifest can't be read, each with the reason.

    Raises:
        UsageError: the output can't be read.
    """
    found: dict[str, Snapshot] = {}
    unreadable: dict[str, str] = {}
    folders = sorted(_folders(output), key=lambda each: (not SNAPSHOT_ID.fullmatch(each.name), each.name))
    for folder, read in zip(folders, at_once(_read, folders), strict=True):
        if isinstance(read, Exception):
            log.warning("left out: %s", read, extra={"is_once": True})
            unreadable[folder.name] = str(read)
        elif read:
            snapshot_id = read.manifest.snapshot_id
            # A copy under another name counts only if the folder with the right name is missing.
            if snapshot_id not in found or folder.name == snapshot_id:
                found[snapshot_id] = read
    return found, unreadable


def chain_of(output: Place, found: Mapping[str, Snapshot]) -> Chain:
    """The chain of the snapshots of an output, including what is recorded as pruned."""
    return Chain([each.manifest for each in found.values()], readable_removed(output))


def warn_of_chain(output: Place, now: datetime) -> None:
    """Warn if the newest snapshot lies in the future, or if the chain forks.

    Raises:
        UsageError: the folder can't be read.
    """
    found, _ = scan(output)
    chain = chain_of(output, found)
    if not chain.order:
        return
    newest = chain.manifests[chain.order[-1]]
    if newest.started_at - now > _AHEAD:
        log.warning(
            "the newest snapshot, %s, was begun in the future (%s UTC): check the clock of this machine; this run "
            "still comes after it in the chain",
            newest.snapshot_id,
            f"{newest.started_at:%Y-%m-%d %H:%M:%S}",
        )
    for each in chain.breaks():
        if each.kind == "fork":
            log.warning("%s; 'latest' is %s, 'webex-audit verify' shows more", each, newest.snapshot_id)


def _read(folder: Place) -> Snapshot | Exception | None:
    try:
        return read_snapshot(folder) if is_committed(folder) else None
    except (UsageError, OSError) as error:
        return error


def read_snapshot(folder: Place) -> Snapshot:
    """The snapshot in a folder. A folder, or a link to one, named as another snapshot is damage: that one is gone.

    Raises:
        DamagedError: the folder holds no manifest that can be read, or that of another snapshot.
        UsageError: there is no manifest, or it has a newer format.
    """
    manifest = read_manifest(folder)
    for name in (folder.name, folder.resolve().name):
        if SNAPSHOT_ID.fullmatch(name) and name != manifest.snapshot_id:
            raise DamagedError(folder / MANIFEST, f"it is of snapshot {manifest.snapshot_id}, but its folder is {name}")
    return Snapshot(folder, manifest)


def is_committed(folder: Place) -> bool:
    """Whether a folder is a committed snapshot.

    Raises:
        OSError: the folder can't be read.
    """
    return exists(folder / MANIFEST)


def _folders(output: Place) -> list[Place]:
    try:
        return subfolders(output)
    except OSError as error:
        advice = "" if isinstance(error, StorageError) else ": name the folder with --output"
        raise UsageError(f"output {str(output)[:100]}: {error.strerror}{advice}") from None


def find_snapshot(output: Place, name: str) -> Snapshot:
    """The snapshot that a SNAPSHOT argument names: `latest`, `previous`, `approved`, an id, a path, or a URI.

    `approved` is of the same scope as the newest snapshot. The first characters of an id are enough if no other id
    begins so; a folder of that name goes first.

    Raises:
        UsageError: there is no such snapshot, or there are several.
    """
    if name in ("latest", "previous"):
        return _of_chain(output, name)
    if name == "approved":
        return approved_of(output, _of_chain(output, "latest").manifest)
    for path in [place(name)] if bucket.is_uri(name) else [output / name, place(name)]:
        try:
            if is_dir(path):
                check_finished(path.name, [path])
                return read_snapshot(path)
        except OSError as error:
            raise UsageError(f"snapshot {str(path)[:100]}: {error.strerror}") from None
    if is_prefix(name):
        folders = _folders(output)
        if folder := with_prefix(name, folders):
            return read_snapshot(folder)
        check_finished(name, folders)
    raise UsageError(
        f"no snapshot {name[:100]} in {_shown(output)}{did_you_mean(name, _WORDS, otherwise=_NAMES, cutoff=_SIMILAR)}"
    )


def find_approved(output: Place, manifest: Manifest, key: "Ed25519PublicKey | None" = None) -> Approved | None:
    """The approved snapshot of the same scope as another snapshot; None if nothing is approved.

    Args:
        output: the folder of all snapshots.
        manifest: manifest of the other snapshot.
        key: the available key, to say who signed the approval.

    Raises:
        UsageError: the approval can't be read, its signature does not hold, or its snapshot is not what was approved.
    """
    approval = approval_of(output, manifest)
    if approval is None:
        return None
    folder = output / approval.snapshot_id
    try:
        snapshot = read_snapshot(folder)
        sha256 = hashlib.sha256(read_small(folder / MANIFEST, MAX_BYTES) or b"").hexdigest()
        signature = signature_of(approval, key)
    except UsageError as error:
        raise _void(output, approval, str(error)) from None
    if fault := fault_of(approval, snapshot.manifest, sha256):
        raise _void(output, approval, fault)
    return Approved(folder, snapshot.manifest, approval, signature)


def approved_of(output: Place, manifest: Manifest) -> Approved:
    """As `find_approved`, if something must be approved.

    Raises:
        UsageError: also if nothing is approved.
    """
    if found := find_approved(output, manifest):
        return found
    raise UsageError(
        f"no approved snapshot of the scope of {manifest.snapshot_id} in {_shown(output)}: 'webex-audit approve' "
        "approves one, --output names another folder"
    )


def _void(output: Place, approval: Approval, fault: str) -> UsageError:
    return UsageError(
        f"the approved snapshot {approval.snapshot_id} ({output / APPROVALS}) can't be used: {fault}; approve another "
        f"with 'webex-audit approve', or end it with 'webex-audit approve --withdraw {approval.snapshot_id}'"
    )


def _of_chain(output: Place, name: str) -> Snapshot:
    """The newest snapshot, or the nearest earlier snapshot that is still there."""
    found, unreadable = scan(output)
    chain = chain_of(output, found)
    unread = [each for each in unreadable if SNAPSHOT_ID.fullmatch(each) and not chain.is_named(each)]
    if unread:
        raise UsageError(
            f"the newest snapshot can't be read: {unreadable[max(unread)]}; name another snapshot by its id, or move "
            "this folder out of the output"
        )
    wanted = chain.order[-1:]
    if wanted and name == "previous":
        wanted = list(chain.ancestors(wanted[0]))[:1]
    if not wanted:
        raise UsageError(_no_snapshot(output, found))
    return found[wanted[0]]


def nothing_in(output: Place) -> str:
    """The sentence about an output without snapshots."""
    return f"no snapshot in {_shown(output)} yet: 'webex-audit run' makes one, --output names another folder"


def check_output(output: Place) -> None:
    """Raise a `UsageError` if the output is a folder of this machine that does not exist."""
    if isinstance(output, Path) and not output.exists():
        raise UsageError(nothing_in(output))


def _no_snapshot(output: Place, found: Mapping[str, Snapshot]) -> str:
    if not found:
        return nothing_in(output)
    return f"no previous snapshot in {_shown(output)}: there is none before the latest; --output names another folder"


def _shown(output: Place) -> str:
    """A folder as messages show it: `./snapshots` reads as a folder, `snapshots` alone as a word."""
    is_below = isinstance(output, Path) and not output.is_absolute() and output.parts[:1] not in ((), ("..",))
    return f"./{output}" if is_below else str(output)
