"""Removes old snapshots and the leftovers of interrupted runs: first a plan, then the removal.

The order of a removal never leaves half a snapshot. The manifest (or the journal of a draft) is renamed first, so the
folder is no longer a snapshot. The renamed file is removed last, so a later prune recognizes the folder and goes on.
All snapshots that are to be removed are recorded before the first removal (`audit.snapshot.removed`): a snapshot that
is gone without an entry was not pruned. The caller of `carry_out` holds the lock of the output, so no run is at work.
"""

import hashlib
import math
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Literal

import msgspec

from audit.clock import Clock
from audit.errors import DamagedError, UsageError
from audit.output.draft import Draft, open_draft
from audit.output.held import Held
from audit.output.removals import record_removed
from audit.output.retention import Group, Keep, decide
from audit.output.unfinished import is_left_over, why_outdated
from audit.snapshot.approvals import in_force, read_approvals
from audit.snapshot.catalog import Snapshot
from audit.snapshot.chain import Chain
from audit.snapshot.layout import JOURNAL, MANIFEST, REMOVING, SNAPSHOT_ID, is_unwritten
from audit.snapshot.manifest import MAX_BYTES, UNDECODABLE, Previous, read_manifest
from audit.snapshot.removed import Removed, SealRemoved, read_removed
from audit.storage.at_once import at_once
from audit.storage.content import read_small, sha256_of
from audit.storage.place import Place, exists, is_dir, remove, rename, subfolders, sync_dir
from audit.untrusted.decoding import prepared

Action = Literal["keep", "remove", "removed", "failed", "left"]


class Folder(msgspec.Struct, frozen=True):
    """A folder of an output that is, or may be, a snapshot or a draft.

    Attributes:
        name: its name, which is the id of a snapshot or a run.
        action: `keep`, `remove` (planned), `removed`, `failed`, or `left` if its kind can't be determined.
        reason: why.
        group: the snapshots among which a snapshot was looked at; None for anything else.
    """

    name: str
    action: Action
    reason: str
    group: Group | None = None


@prepared
class _Id(msgspec.Struct):
    """The owner of a file: a snapshot, or an unfinished run."""

    snapshot_id: str | None = None
    run_id: str | None = None


@prepared
class _Named(msgspec.Struct):
    previous: Previous | None


def plan(output: Place, keep: Keep, now: datetime, *, resume_within_s: float = math.inf) -> list[Folder]:
    """Plan what to do with each snapshot, in the order of the chain, and with each leftover. Nothing is written.

    Links, files and foreign folders are not in the plan.

    Args:
        output: the folder of all snapshots.
        keep: which snapshots of each scope to keep.
        now: the time at which ages are measured.
        resume_within_s: the highest age, in seconds, of a run that can be resumed.

    Raises:
        UsageError: the record of what was removed, or of what was approved, is damaged or can't be read.
        OSError: the output can't be read.
    """
    approved = _approved(output)
    try:
        removed = read_removed(output)
    except UsageError as error:
        raise UsageError(
            f"nothing is removed: {error}; restore it from a backup, or move it away: 'webex-audit verify' reports "
            "then what was pruned before as missing"
        ) from None
    folders = sorted((each for each in subfolders(output) if not each.is_symlink()), key=lambda each: each.name)
    others: list[Folder] = []
    snapshots: dict[str, Snapshot] = {}
    drafts: list[Draft] = []
    for looked_into in at_once(partial(_look_into, removed=removed), folders):
        match looked_into:
            case Snapshot() as snapshot:
                snapshots[snapshot.manifest.snapshot_id] = snapshot
            case Draft() as draft:
                drafts.append(draft)
            case Folder() as other:
                others.append(other)
    chain = Chain([each.manifest for each in snapshots.values()], removed)
    in_order = [snapshots[each] for each in chain.order]
    verdicts = decide([each.manifest for each in in_order], approved, keep, now)
    found = [
        Folder(each.snapshot_id, "keep" if each.is_kept else "remove", each.reason, each.group) for each in verdicts
    ]
    others += [_of_draft(draft, in_order, now, resume_within_s) for draft in drafts]
    return [*found, *sorted(others, key=lambda each: each.name)]


def carry_out(
    output: Place,
    folders: list[Folder],
    check_lock: Callable[[], None] = lambda: None,
    seal: SealRemoved | None = None,
) -> list[Folder]:
    """Record the snapshots that are to be removed, then remove them; what can't be removed is `failed`.

    Args:
        output: the folder of all snapshots.
        folders: the result of `plan`.
        check_lock: called before each removal, and before the record is written.
        seal: signs the record; None to sign nothing.

    Raises:
        UsageError: the record can't be extended (`audit.output.removals.record_removed`). Nothing is removed.
        StoppedError: the lock is lost (`check_lock`).
        OSError: the record can't be written. Nothing is removed.
    """
    now = Clock().now()
    wanted = [each for each in folders if each.action == "remove"]
    entries = [entry for each in wanted if (entry := _entry(output / each.name, each.reason, now))]
    record_removed(output, entries, seal=seal, check_lock=check_lock)
    done: list[Folder] = []
    for each in folders:
        check_lock()
        done.append(_remove(output, each) if each.action == "remove" else each)
    sync_dir(output)
    return done


def _entry(folder: Place, reason: str, now: datetime) -> Removed | None:
    """The record of a folder, also if its removal was interrupted; None if the folder is not a snapshot."""
    for name in (MANIFEST, REMOVING):
        with suppress(DamagedError, *UNDECODABLE):
            data = read_small(folder / name, MAX_BYTES) or b""
            previous = msgspec.json.decode(data, type=_Named).previous
            return Removed(folder.name, hashlib.sha256(data).hexdigest(), previous, now, reason)
    return None


def _look_into(folder: Place, removed: list[Removed]) -> Snapshot | Draft | Folder | None:
    """The snapshot or draft in a folder, or what to do with the folder; None if it is not ours."""
    try:
        if SNAPSHOT_ID.fullmatch(folder.name) and _is_half_removed(folder, removed):
            return Folder(folder.name, "remove", "its removal was interrupted")
        if exists(folder / MANIFEST):
            return _committed(folder)
        if draft := open_draft(folder, Held()):
            return draft
        if is_left_over(folder, removed):
            has_begun = any(not is_unwritten(each.name) for each in folder.iterdir())
            why = "left by an unfinished run" if has_begun else "a run was interrupted before it began"
            return Folder(folder.name, "remove", why)
    except (OSError, UsageError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return Folder(folder.name, "left", f"can't be read: {reason}")
    return None


def _committed(folder: Place) -> Snapshot | Folder:
    try:
        snapshot = Snapshot(folder, read_manifest(folder))
    except UsageError as error:
        return Folder(folder.name, "left", str(error))
    if snapshot.manifest.snapshot_id != folder.name:
        return Folder(folder.name, "left", f"holds snapshot {snapshot.manifest.snapshot_id} under another name")
    if not SNAPSHOT_ID.fullmatch(folder.name):
        return Folder(folder.name, "left", "its name is not the id of a snapshot")
    return snapshot


def _is_half_removed(folder: Place, removed: list[Removed]) -> bool:
    """Whether a removal has begun. On an object store, both names may exist: then the record must confirm it."""
    try:
        named = msgspec.json.decode(read_small(folder / REMOVING, MAX_BYTES) or b"", type=_Id)
    except (DamagedError, *UNDECODABLE):
        return False
    if folder.name not in (named.snapshot_id, named.run_id):
        return False
    if not exists(folder / MANIFEST):
        return True
    sha256 = sha256_of(folder / MANIFEST)
    return any(each.snapshot_id == folder.name and each.manifest_sha256 == sha256 for each in removed)


def _approved(output: Place) -> Collection[str]:
    """Ids of the approved snapshots, which stay."""
    try:
        return {each.snapshot_id for each in in_force(read_approvals(output))}
    except UsageError as error:
        raise UsageError(
            f"nothing is removed: {error}; restore it from a backup, or move it away: then nothing is approved"
        ) from None


def _of_draft(draft: Draft, snapshots: list[Snapshot], now: datetime, within_s: float) -> Folder:
    name = draft.journal.run_id
    try:
        if not draft.is_worth_resuming:
            return Folder(name, "remove", "an unfinished run with nothing to resume")
        if reason := why_outdated(draft, snapshots, now, within_s):
            return Folder(name, "remove", f"an unfinished run: {reason}")
    except OSError as error:
        return Folder(name, "left", f"can't be read: {error.strerror}")
    return Folder(name, "keep", "an unfinished run that can be resumed")


def _remove(output: Place, folder: Folder) -> Folder:
    try:
        # What `tidy` has removed since the plan is gone.
        if is_dir(output / folder.name):
            _take_away(output / folder.name)
    except OSError as error:
        reason = f"can't be removed: {error.strerror}: {error.filename or folder.name}"
        return msgspec.structs.replace(folder, action="failed", reason=reason)
    return msgspec.structs.replace(folder, action="removed")


def _take_away(folder: Place) -> None:
    marked = folder / REMOVING
    if exists(folder / MANIFEST):
        # An interrupted commit leaves the journal, too: without the manifest, the folder would be a run to resume.
        (folder / JOURNAL).unlink(missing_ok=True)
    for first in (MANIFEST, JOURNAL):
        if exists(folder / first):
            rename(folder / first, REMOVING)
            sync_dir(folder)
    entries: list[Place] = list(folder.iterdir())
    for entry in entries:
        if entry.name != REMOVING:
            remove(entry)
    sync_dir(folder)
    marked.unlink(missing_ok=True)
    remove(folder)
