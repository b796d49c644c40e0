"""What runs that did not end as they should have left in an output: drafts to go on with, and leftovers to remove.

Who calls these holds the lock of the output: whatever stands there then and is not committed has no run any more.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from audit.errors import UsageError
from audit.output.draft import Draft, open_draft
from audit.output.held import Held
from audit.output.journal import Journal, read_journal
from audit.output.removals import record_abandoned, unwritten
from audit.snapshot.catalog import Snapshot, is_committed
from audit.snapshot.layout import JOURNAL, MANIFEST, PARTS, SNAPSHOT_ID, is_leftover, is_unwritten
from audit.snapshot.removed import SealRemoved, readable_removed
from audit.storage.objects import ObjectPath
from audit.storage.place import Place, at_once, remove, remove_unwritten, subfolders

log = logging.getLogger(__name__)


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


def tidy(output: Place, held: Held, seal: SealRemoved | None = None) -> None:
    """Remove what no run needs any more: leftovers of commits, and commits that did not come to their end.

    Args:
        output: the folder of all snapshots.
        held: the lock.
        seal: signs the record of what is removed; None where nothing is signed.

    Raises:
        StoppedError: the lock is lost.
    """
    folders = [each for each in subfolders(output) if SNAPSHOT_ID.fullmatch(each.name) and not each.is_symlink()]
    given_up = frozenset(each.snapshot_id for each in readable_removed(output) if each.is_abandoned)
    found = at_once(partial(_leftovers, given_up=given_up), folders)
    # Who held the lock before may still have a request on its way there: `verify` must know what that comes to.
    attempts = [each.folder.name for each in found if each.is_attempt and isinstance(each.folder, ObjectPath)]
    try:
        record_abandoned(output, attempts, seal=seal, check_lock=held.check)
        for path in chain(unwritten(output), *(each.paths for each in found)):
            held.check()
            remove(path)
    except (OSError, UsageError) as error:
        log.info("what is left over in %s is not all removed: %s", output, error)


class _Leftovers(NamedTuple):
    """What to remove of a folder, in this order; all of it, where it is a commit that did not come to its end."""

    folder: Place
    paths: list[Place]
    is_attempt: bool = False


def _leftovers(folder: Place, given_up: Collection[str]) -> _Leftovers:
    """What to remove of a folder; nothing where it can't be looked into."""
    try:
        return _leftovers_in(folder, given_up)
    except OSError as error:
        log.info("%s can't be looked into: %s", folder, error.strerror)
        return _Leftovers(folder, [])


def _leftovers_in(folder: Place, given_up: Collection[str]) -> _Leftovers:
    entries = {each.name: each for each in folder.iterdir()}
    journal = read_journal(folder) if JOURNAL in entries else None
    is_of_other = journal is not None and journal.run_id != folder.name
    if MANIFEST in entries:
        spent = _spent(folder.with_name(journal.run_id), journal) if journal and is_of_other else []
        # The journal last, as it is what tells of the draft.
        names = sorted(filter(is_leftover, entries), key=lambda name: name == JOURNAL)
        return _Leftovers(folder, [*spent, *(entries[name] for name in names)])
    if is_of_other or folder.name in given_up:
        return _Leftovers(folder, [*(path for name, path in entries.items() if name != JOURNAL), folder], True)
    # Of a draft that is gone: its removal was cut off, or a writer was late.
    is_stray = all(name == PARTS or is_unwritten(name) for name in entries)
    return _Leftovers(folder, [folder] if is_stray else [])


def _spent(folder: Place, journal: Journal) -> list[Place]:
    """What is left of the draft of a snapshot that stands, if it has the same journal."""
    if folder.is_symlink() or is_committed(folder) or read_journal(folder) != journal:
        return []
    return [folder / JOURNAL, folder]
