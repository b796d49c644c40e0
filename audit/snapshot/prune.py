"""Removing old snapshots, and what interrupted runs left: first a plan, then the removal.

A folder is removed in an order that leaves no half of a snapshot behind: its manifest (or the journal of a draft)
is renamed first, so that it is a snapshot no more, and the renamed file goes last, so that a later prune knows what
it finds and goes on. An object store renames by a copy: where both are there, the removal had begun, too. Who calls
`carry_out` holds the lock of the output: no run is at work in it then.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from audit.errors import UsageError
from audit.snapshot.draft import Draft, open_draft
from audit.snapshot.held import Held
from audit.snapshot.journal import JOURNAL
from audit.snapshot.manifest import MANIFEST, SNAPSHOT_ID, read_manifest
from audit.snapshot.reader import Snapshot
from audit.snapshot.unfinished import overtaken_by
from audit.storage.place import Place, at_once, exists, remove, rename, subfolders, sync_dir

Action = Literal["keep", "remove", "removed", "failed", "left"]

#: What a manifest or a journal is called while its folder is being removed.
REMOVING = ".removing"
_UNWRITTEN = f".{JOURNAL}.tmp"


@dataclass(frozen=True)
class Keep:
    """What is kept: whatever one of these keeps.

    Attributes:
        last: the newest so many; None for none by number.
        within_s: those begun in the last so many seconds; None for none by age.

    Raises:
        UsageError: neither is set.
    """

    last: int | None = None
    within_s: float | None = None

    def __post_init__(self) -> None:
        if self.last is None and self.within_s is None:
            raise UsageError("say what to keep: --keep-last N, --keep-within TIME (such as 400d), or both")


class Folder(msgspec.Struct, frozen=True):
    """A folder of an output that is ours, or may be.

    Attributes:
        name: its name; of a snapshot or a draft, its id.
        action: `keep`, `remove` (planned), `removed`, `failed`, or `left` where it can't be told what it is.
        reason: why.
    """

    name: str
    action: Action
    reason: str


class _Id(msgspec.Struct):
    """Whose file it is: that of a snapshot, or of an unfinished run."""

    snapshot_id: str | None = None
    run_id: str | None = None


def plan(output: Place, keep: Keep, now: datetime) -> list[Folder]:
    """What is to become of each snapshot and each leftover, by name. Nothing is written.

    Links, files and folders of others are not in it.

    Args:
        output: the folder of all snapshots.
        keep: what is kept.
        now: the time that ages are counted to.

    Raises:
        OSError: the output may not be looked into.
    """
    folders = sorted((each for each in subfolders(output) if not each.is_symlink()), key=lambda each: each.name)
    found: list[Folder] = []
    snapshots: list[Snapshot] = []
    drafts: list[Draft] = []
    for looked_into in at_once(_look_into, folders):
        match looked_into:
            case Snapshot() as snapshot:
                snapshots.append(snapshot)
            case Draft() as draft:
                drafts.append(draft)
            case Folder() as other:
                found.append(other)
    snapshots.sort(key=lambda each: (each.manifest.started_at, each.manifest.snapshot_id))
    found += _of_snapshots(snapshots, keep, now)
    found += [_of_draft(draft, snapshots) for draft in drafts]
    return sorted(found, key=lambda each: each.name)


def carry_out(output: Place, folders: list[Folder], check_lock: Callable[[], None] = lambda: None) -> list[Folder]:
    """Remove what is to be removed; what can't be is told (`failed`), and holds nothing else back.

    Raises:
        StoppedError: the lock is lost (`check_lock`).
    """
    done: list[Folder] = []
    for each in folders:
        check_lock()
        done.append(_remove(output, each) if each.action == "remove" else each)
    sync_dir(output)
    return done


def _look_into(folder: Place) -> Snapshot | Draft | Folder | None:
    """What a folder is; None where it is none of ours."""
    try:
        if _is_half_removed(folder):
            return Folder(folder.name, "remove", "its removal was interrupted")
        if exists(folder / MANIFEST):
            return _committed(folder)
        if draft := open_draft(folder, Held()):
            return draft
        if SNAPSHOT_ID.fullmatch(folder.name) and {each.name for each in folder.iterdir()} <= {_UNWRITTEN}:
            return Folder(folder.name, "remove", "a run was interrupted before it began")
    except OSError as error:
        return Folder(folder.name, "left", f"can't be looked into: {error.strerror}")
    return None


def _committed(folder: Place) -> Snapshot | Folder:
    try:
        snapshot = Snapshot(folder, read_manifest(folder))
    except UsageError as error:
        return Folder(folder.name, "left", str(error))
    if snapshot.manifest.snapshot_id != folder.name:
        return Folder(folder.name, "left", f"holds snapshot {snapshot.manifest.snapshot_id} under another name")
    return snapshot


def _is_half_removed(folder: Place) -> bool:
    try:
        found = msgspec.json.decode((folder / REMOVING).read_bytes(), type=_Id)
    except (FileNotFoundError, msgspec.DecodeError):
        return False
    return folder.name in (found.snapshot_id, found.run_id)


def _of_snapshots(snapshots: list[Snapshot], keep: Keep, now: datetime) -> Iterator[Folder]:
    complete = [each for each in snapshots if each.manifest.status == "complete"]
    for age, snapshot in enumerate(reversed(snapshots)):
        manifest = snapshot.manifest
        reasons = {
            "the newest": age == 0,
            "the newest that is complete": snapshot in complete[-1:],
            f"of the last {keep.last}": keep.last is not None and age < keep.last,
            "young enough": keep.within_s is not None and (now - manifest.started_at).total_seconds() <= keep.within_s,
        }
        why = next((reason for reason, holds in reasons.items() if holds), None)
        yield Folder(manifest.snapshot_id, "keep" if why else "remove", why or f"{manifest.status}, and old")


def _of_draft(draft: Draft, snapshots: list[Snapshot]) -> Folder:
    name = draft.journal.run_id
    if not draft.is_worth_resuming:
        return Folder(name, "remove", "an interrupted run that has nothing to resume")
    if later := overtaken_by(draft, snapshots):
        return Folder(name, "remove", f"an interrupted run, overtaken by snapshot {later.manifest.snapshot_id}")
    return Folder(name, "keep", "an interrupted run that can be resumed")


def _remove(output: Place, folder: Folder) -> Folder:
    try:
        _take_away(output / folder.name)
    except OSError as error:
        return Folder(folder.name, "failed", f"can't be removed: {error.strerror}: {error.filename or folder.name}")
    return Folder(folder.name, "removed", folder.reason)


def _take_away(folder: Place) -> None:
    marked = folder / REMOVING
    if exists(folder / MANIFEST):
        # A commit that was cut off leaves the journal, too: without the manifest, it would be a run to resume.
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
