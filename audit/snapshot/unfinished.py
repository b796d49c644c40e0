"""What runs that did not end as they should have left in an output: drafts to go on with, and leftovers to remove.

Who calls these holds the lock of the output: whatever stands there then and is not committed has no run any more.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from audit.errors import UsageError
from audit.snapshot.draft import PARTS, Draft, open_draft
from audit.snapshot.held import Held
from audit.snapshot.journal import JOURNAL, read_journal
from audit.snapshot.manifest import MANIFEST, SNAPSHOT_ID
from audit.snapshot.reader import Snapshot, is_committed
from audit.storage.place import Place, at_once, remove, remove_unwritten, subfolders

log = logging.getLogger(__name__)


def is_unwritten(name: str) -> bool:
    """Whether a file is one that a write which was cut off has left (`audit.files.atomic_file`)."""
    return name.startswith(".") and name.endswith(".tmp")


def is_leftover(path: str) -> bool:
    """Whether a path below a snapshot's folder is that of a file which its run needed, and may have left there."""
    return path == JOURNAL or path.partition("/")[0] == PARTS or ("/" not in path and is_unwritten(path))


def overtaken_by(draft: Draft, snapshots: Sequence[Snapshot]) -> Snapshot | None:
    """The first snapshot of the same scope that was committed after a draft was begun; None where there is none.

    Args:
        draft: the unfinished run.
        snapshots: the snapshots of its output, in the order of their chain.
    """
    begun = draft.organizations()
    for each in _since(draft, snapshots):
        is_same = draft.journal.asks is None or each.manifest.scope == draft.journal.asks
        if is_same and (not begun or any(org.org_id in begun for org in each.manifest.orgs)):
            return each
    return None


def _since(draft: Draft, snapshots: Sequence[Snapshot]) -> Sequence[Snapshot]:
    ids = [each.manifest.snapshot_id for each in snapshots]
    if draft.journal.after is None:
        return snapshots
    # A snapshot that is no longer there was the oldest of these: all others came after it.
    return snapshots[ids.index(draft.journal.after) + 1 :] if draft.journal.after in ids else snapshots


def find_unfinished(
    output: Place,
    scope: dict[str, Any],
    snapshots: Sequence[Snapshot],
    *,
    now: datetime,
    within_s: float,
    held: Held,
) -> Draft | None:
    """The newest run of an output that was not committed and may be resumed; None where there is none.

    One that a later snapshot has overtaken, or that is too old, is logged and discarded. From the one that is found,
    what a write which was cut off has left is removed.

    Args:
        output: the folder of all snapshots.
        scope: what is asked for.
        snapshots: those of the output, in the order of their chain.
        now: the time.
        within_s: how old, in seconds, an unfinished run may be.
        held: the lock.

    Raises:
        UsageError: there is one of another scope; the text tells the difference.
        StoppedError: the lock is lost.
    """
    drafts = [draft for folder in subfolders(output) if (draft := open_draft(folder, held))]
    drafts.sort(key=lambda each: each.journal.started_at, reverse=True)
    for draft in [each for each in drafts if each.journal.scope == scope]:
        reason = _why_outdated(draft, snapshots, now, within_s)
        if reason is None:
            held.check()
            remove_unwritten(draft.folder)
            draft.forget_given_up()
            return draft
        log.warning("the unfinished run %s is discarded: %s", draft.journal.run_id, reason)
        draft.discard()
    for draft in drafts:
        if draft.journal.scope != scope and draft.is_worth_resuming:
            _refuse_other_scope(draft, scope, snapshots)
            break
    return None


def _why_outdated(draft: Draft, snapshots: Sequence[Snapshot], now: datetime, within_s: float) -> str | None:
    if later := overtaken_by(draft, snapshots):
        return f"snapshot {later.manifest.snapshot_id} was committed since it began"
    age_s = (now - draft.journal.started_at).total_seconds()
    if age_s > within_s:
        return f"it began {age_s / 3600:.0f} h ago, and run.resume_within is {within_s / 3600:g} h"
    return None


def _refuse_other_scope(draft: Draft, scope: dict[str, Any], snapshots: Sequence[Snapshot]) -> None:
    """Refuse to pass over an unfinished run, unless a later one was committed or this is another version."""
    before = draft.journal.scope
    changes = {key: (before.get(key), scope.get(key)) for key in {*before, *scope} if before.get(key) != scope.get(key)}
    if _since(draft, snapshots) or changes.keys() == {"version"}:
        log.info("the unfinished run %s is passed over: a new run is begun", draft.journal.run_id)
        return
    told = "; ".join(f"{key} was {was!r} and is {now!r}" for key, (was, now) in sorted(changes.items()))
    raise UsageError(
        f"the unfinished run {draft.journal.run_id} had another scope ({told}): resume it with the same settings, "
        "or run without --resume to start anew"
    )


def tidy(output: Place, held: Held) -> None:
    """Remove what no run needs any more: leftovers of commits, and commits that did not come to their end.

    Raises:
        StoppedError: the lock is lost.
    """
    folders = [each for each in subfolders(output) if SNAPSHOT_ID.fullmatch(each.name) and not each.is_symlink()]
    for leftovers in at_once(_leftovers, folders):
        for path in leftovers:
            held.check()
            try:
                remove(path)
            except OSError as error:
                log.info("%s is left over, and can't be removed: %s", path, error.strerror)
                break


def _leftovers(folder: Place) -> list[Place]:
    """What to remove of a folder, in this order; nothing where it can't be looked into."""
    try:
        return list(_leftovers_in(folder))
    except OSError as error:
        log.info("%s can't be looked into: %s", folder, error.strerror)
        return []


def _leftovers_in(folder: Place) -> Iterator[Place]:
    entries = {each.name: each for each in folder.iterdir()}
    journal = read_journal(folder) if JOURNAL in entries else None
    if MANIFEST in entries:
        if journal and SNAPSHOT_ID.fullmatch(journal.run_id) and journal.run_id != folder.name:
            yield from _spent(folder.with_name(journal.run_id))
        # The journal last, as it is what tells of the draft.
        yield from (entries[name] for name in sorted(filter(is_leftover, entries), key=lambda name: name == JOURNAL))
    elif journal and journal.run_id != folder.name:
        yield from (path for name, path in entries.items() if name != JOURNAL)
        yield folder
    elif all(name == PARTS or is_unwritten(name) for name in entries):
        # Of a draft that is gone: its removal was cut off, or a writer was late.
        yield folder


def _spent(folder: Place) -> Iterator[Place]:
    """What is left of the draft of a snapshot that stands."""
    if not is_committed(folder):
        yield folder / JOURNAL
        yield folder
