"""What interrupted runs have left in an output: drafts to resume, and leftovers to remove.

The caller holds the lock of the output, so no run is at work on what is there and not committed.
"""

import logging
import reprlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from audit.errors import UsageError
from audit.output.draft import Draft, open_draft
from audit.output.held import Held
from audit.output.journal import Journal, read_journal
from audit.output.removals import record_abandoned, unwritten
from audit.output.seal import Keys, is_genuine, seal_of
from audit.snapshot.catalog import Snapshot, is_committed
from audit.snapshot.layout import JOURNAL, MANIFEST, PARTS, SNAPSHOT_ID, is_leftover, is_unwritten
from audit.snapshot.removed import Removed, SealRemoved, readable_removed
from audit.storage.at_once import at_once
from audit.storage.objects import ObjectPath
from audit.storage.place import Place, holds_others, remove, remove_unwritten, subfolders
from audit.text import printable

log = logging.getLogger(__name__)

_NO_KEYS = Keys()
#: Shows the values of a scope, which anybody may have written: bounded, also in depth.
_SHORT = reprlib.Repr()
_SHORT.maxstring = 200
_SHORT.maxlevel = 2


def overtaken_by(draft: Draft, snapshots: Sequence[Snapshot]) -> Snapshot | None:
    """The first snapshot of the same scope that was committed after a draft began; None if there is no such snapshot.

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
    # If the snapshot is gone, it was older than all of these: they came after it.
    return snapshots[ids.index(draft.journal.after) + 1 :] if draft.journal.after in ids else snapshots


def find_unfinished(
    output: Place,
    scope: dict[str, Any],
    snapshots: Sequence[Snapshot],
    *,
    now: datetime,
    within_s: float,
    held: Held,
    keys: Keys = _NO_KEYS,
) -> Draft | None:
    """The newest unfinished run of an output that can be resumed, of those that check out first; None without any.

    A run that a later snapshot has overtaken, that is too old, or that somebody else has changed, is logged and
    discarded. A run that can't be checked, because its key is not available, is unsealed (`Draft.unseal`). In the run
    that is returned, leftovers of interrupted writes are removed.

    Args:
        output: the folder of all snapshots.
        scope: what the new run asks for.
        snapshots: the snapshots of the output, in the order of their chain.
        now: the current time.
        within_s: the highest age, in seconds, of a run that can be resumed.
        held: the lock.
        keys: the available keys.

    Raises:
        UsageError: the unfinished run has another scope; the text tells the difference.
        StoppedError: the lock is lost.
    """
    drafts = _genuine([draft for folder in subfolders(output) if (draft := open_draft(folder, held, keys))], keys)
    # What checks out goes first: whoever may write to the output can make a newer draft without a key.
    drafts.sort(key=lambda each: (each.seal.is_keyed, each.journal.started_at), reverse=True)
    for draft in [each for each in drafts if each.journal.scope == scope]:
        reason = why_outdated(draft, snapshots, now, within_s) or _why_foreign(draft, keys)
        if reason is None:
            _take_up(draft)
            return draft
        log.warning("the unfinished run %s is discarded: %s", draft.journal.run_id, reason)
        draft.discard()
    for draft in drafts:
        is_ours = draft.seal.is_keyed or not keys.signing
        if draft.journal.scope != scope and is_ours and draft.is_worth_resuming:
            _refuse_other_scope(draft, scope, snapshots)
            break
    return None


def _take_up(draft: Draft) -> None:
    draft.held.check()
    remove_unwritten(draft.folder)
    if not draft.seal.is_keyed:
        run_id = draft.journal.run_id
        log.warning(
            "the unfinished run %s can't be checked, because its key is not on this machine: the snapshot will say so",
            run_id,
        )
        draft.unseal()
    draft.forget_given_up()


def _genuine(drafts: list[Draft], keys: Keys) -> list[Draft]:
    """Discard the drafts whose journal is not as it was written, so that none of its words decide anything."""
    forged = [draft for draft in drafts if draft.seal.is_keyed and why_unknown(draft.journal, keys)]
    for draft in forged:
        log.warning(
            "the unfinished run %s is discarded: its %s is not as it was written", draft.journal.run_id, JOURNAL
        )
        draft.discard()
    return [draft for draft in drafts if draft not in forged]


def why_unknown(journal: Journal, keys: Keys) -> str | None:
    """Why a run with these keys takes up no draft with this journal; None if it does."""
    if journal.key is None:
        return "another version of webex-audit began it"
    if not seal_of(journal, keys).is_keyed:
        return "it was not begun with the key of this run (sign.key_file)" if keys.signing else None
    return None if is_genuine(journal, keys) else f"its {JOURNAL} is not as it was written"


def _why_foreign(draft: Draft, keys: Keys) -> str | None:
    if (reason := why_unknown(draft.journal, keys)) or not draft.seal.is_keyed:
        return reason
    path = draft.foreign_file()
    return f"{printable(str(path))} is not as it was written" if path else None


def why_outdated(draft: Draft, snapshots: Sequence[Snapshot], now: datetime, within_s: float) -> str | None:
    """Why a draft is too old to resume; None if it is not.

    Raises:
        OSError: its folder can't be read.
    """
    if later := overtaken_by(draft, snapshots):
        return f"snapshot {later.manifest.snapshot_id} was committed since it began"
    if holds_others(draft.folder):
        return "it holds a link or a pipe, which no run makes"
    age_s = (now - draft.journal.started_at).total_seconds()
    if age_s > within_s:
        return f"it began {age_s / 3600:.0f} h ago, and run.resume_within is {within_s / 3600:g} h"
    return None


def _refuse_other_scope(draft: Draft, scope: dict[str, Any], snapshots: Sequence[Snapshot]) -> None:
    """Refuse to ignore an unfinished run, unless a later run was committed or another version began it."""
    before = draft.journal.scope
    changes = {key: (before.get(key), scope.get(key)) for key in {*before, *scope} if before.get(key) != scope.get(key)}
    if _since(draft, snapshots) or changes.keys() <= {"version"} or before.keys() != scope.keys():
        log.info("the unfinished run %s is ignored: a new run begins", draft.journal.run_id)
        return
    show = _SHORT.repr
    told = "; ".join(f"{key} was {show(was)} and is {show(now)}" for key, (was, now) in sorted(changes.items()))
    raise UsageError(
        f"the unfinished run {draft.journal.run_id} had another scope ({told}): resume it with the same settings, "
        "or run without --resume to start anew"
    )


def tidy(output: Place, held: Held, seal: SealRemoved | None = None) -> None:
    """Remove what no run needs any more: leftovers of commits, and commits that were interrupted.

    Args:
        output: the folder of all snapshots.
        held: the lock.
        seal: signs the record of what is removed; None to sign nothing.

    Raises:
        StoppedError: the lock is lost.
    """
    folders = [each for each in subfolders(output) if SNAPSHOT_ID.fullmatch(each.name) and not each.is_symlink()]
    given_up = _given_up(readable_removed(output))
    found = at_once(partial(_leftovers, given_up=given_up), folders)
    # The previous holder of the lock may still have a request on its way there: the record explains it to `verify`.
    attempts = [each.folder.name for each in found if each.is_attempt and isinstance(each.folder, ObjectPath)]
    try:
        record_abandoned(output, attempts, seal=seal, check_lock=held.check)
        for path in chain(unwritten(output), *(each.paths for each in found)):
            held.check()
            remove(path)
    except (OSError, UsageError) as error:
        log.info("some leftovers in %s could not be removed: %s", output, error)


def is_left_over(folder: Place, removed: Iterable[Removed]) -> bool:
    """Whether `tidy` removes a folder whole.

    Args:
        folder: a folder of an output.
        removed: the record of what was removed there.

    Raises:
        OSError: the folder can't be read.
    """
    return bool(SNAPSHOT_ID.fullmatch(folder.name)) and folder in _leftovers_in(folder, _given_up(removed)).paths


def _given_up(removed: Iterable[Removed]) -> frozenset[str]:
    return frozenset(each.snapshot_id for each in removed if each.is_abandoned)


class _Leftovers(NamedTuple):
    """The paths to remove from a folder, in order; `is_attempt` marks a commit that was interrupted."""

    folder: Place
    paths: list[Place]
    is_attempt: bool = False


def _leftovers(folder: Place, given_up: Collection[str]) -> _Leftovers:
    """What to remove from a folder; nothing if the folder can't be read."""
    try:
        return _leftovers_in(folder, given_up)
    except OSError as error:
        log.info("%s can't be read: %s", folder, error.strerror)
        return _Leftovers(folder, [])


def _leftovers_in(folder: Place, given_up: Collection[str]) -> _Leftovers:
    entries = {each.name: each for each in folder.iterdir()}
    journal = read_journal(folder) if JOURNAL in entries else None
    is_of_other = journal is not None and journal.run_id != folder.name
    if MANIFEST in entries:
        spent = _spent(folder.with_name(journal.run_id), journal) if journal and is_of_other else []
        # The journal last, because it names the draft.
        names = sorted(filter(is_leftover, entries), key=lambda name: name == JOURNAL)
        return _Leftovers(folder, [*spent, *(entries[name] for name in names)])
    if is_of_other or folder.name in given_up:
        return _Leftovers(folder, [*(path for name, path in entries.items() if name != JOURNAL), folder], True)
    # What is left of a draft: its removal was interrupted, or a writer was late.
    is_stray = all(name == PARTS or is_unwritten(name) for name in entries)
    return _Leftovers(folder, [folder] if is_stray else [])


def _spent(folder: Place, journal: Journal) -> list[Place]:
    """What is left of the draft of a committed snapshot, if it has the same journal."""
    if folder.is_symlink() or is_committed(folder) or read_journal(folder) != journal:
        return []
    return [folder / JOURNAL, folder]
