"""Tells of the unfinished runs of an output: no lock is taken, nothing is written or removed.

Anybody may have written what is read here. It decides nothing: `audit.output.unfinished` judges again, with the lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from audit import __version__
from audit.errors import StoppedError, UsageError
from audit.output.draft import Draft
from audit.output.held import Held
from audit.output.journal import Journal, folders_of_runs, read_journal
from audit.output.occupant import Occupant, occupant_of
from audit.output.partition import INVENTORY
from audit.output.seal import Keys
from audit.output.unfinished import why_outdated, why_unknown
from audit.snapshot.catalog import Snapshot
from audit.snapshot.layout import JOURNAL, PARTS
from audit.storage.place import Place, exists

#: Longest inventory that is read only to count its entities.
_MAX_BYTES = 256 << 20


@dataclass(frozen=True)
class Pending:
    """An unfinished run, as far as a reader can tell.

    Attributes:
        run_id: its id, the name of its folder.
        folder: its folder.
        journal: what it was asked to do; None if that can't be read.
        is_checked: the journal is as the run has written it.
        entities: the entities that it set out to read, of each dataset; None if that can't be checked.
        answered: those with answers that are kept.
        until: when it gets too old to resume.
        occupant: the process that is, or may be, at work on it.
        fault: why `--resume` does not go on with it; None if it does.
    """

    run_id: str
    folder: Place
    journal: Journal | None = None
    is_checked: bool = False
    entities: int | None = None
    answered: int | None = None
    until: datetime | None = None
    occupant: Occupant | None = None
    fault: str | None = None

    @property
    def started_at(self) -> datetime:
        """When it began; the beginning of all time if that is not known."""
        return self.journal.started_at if self.journal else datetime.min.replace(tzinfo=UTC)


def pending_runs(
    output: Place, snapshots: Sequence[Snapshot], *, now: datetime, within_s: float, keys: Keys
) -> list[Pending]:
    """The unfinished runs of an output, the oldest first.

    Args:
        output: the folder of all snapshots.
        snapshots: its snapshots, in the order of their chain.
        now: the current time.
        within_s: the highest age, in seconds, of a run that can be resumed.
        keys: the available keys.
    """
    folders = folders_of_runs(output, {each.manifest.snapshot_id for each in snapshots})
    if not folders:
        return []
    occupant = occupant_of(output)
    looked = (_look(folder, snapshots, now, within_s, keys, occupant) for folder in folders)
    found = [each for each in looked if each]
    return [_behind(each, found) for each in found]


def _behind(run: Pending, others: list[Pending]) -> Pending:
    """The run, with a fault if `--resume` prefers another run of the same scope (`find_unfinished`)."""
    if run.fault or run.journal is None:
        return run
    rivals = [each for each in others if not each.fault and each.journal and each.journal.scope == run.journal.scope]
    best = max(rivals, key=lambda each: (each.is_checked, each.started_at))
    return run if best is run else replace(run, fault=f"--resume goes on with {best.run_id} of the same scope")


def _look(
    folder: Place,
    snapshots: Sequence[Snapshot],
    now: datetime,
    within_s: float,
    keys: Keys,
    occupant: Occupant | None,
) -> Pending | None:
    """The unfinished run in a folder; None if the folder is the commit of another run, or is gone by now."""
    unreadable = Pending(folder.name, folder, fault=f"its {JOURNAL} can't be read")
    if folder.is_symlink():
        return Pending(folder.name, folder, fault="its folder is a link, which no run makes")
    try:
        journal = read_journal(folder)
        if journal is None:
            return unreadable if exists(folder / JOURNAL) else None
        if journal.run_id != folder.name:
            return None
        draft = Draft(folder.parent, journal, Held(), keys)
        fault = why_unknown(journal, keys) or _version_fault(journal)
        fault = fault or why_outdated(draft, snapshots, now, within_s)
    except (OSError, UsageError):
        return unreadable
    is_checked = draft.seal.is_keyed and not why_unknown(journal, keys)
    entities, answered = _progress(draft) if is_checked else (None, None)
    if occupant and occupant.since and occupant.since > journal.started_at:
        # Whoever took the lock later may be resuming it.
        occupant = occupant._replace(is_there=None) if occupant.is_there else None
    until = _later(journal.started_at, within_s)
    return Pending(folder.name, folder, journal, is_checked, entities, answered, until, occupant, fault)


def _version_fault(journal: Journal) -> str | None:
    return None if journal.scope.get("version") == __version__ else "another version of webex-audit began it"


def _later(time: datetime, seconds: float) -> datetime | None:
    """A time that is so much later; None if no calendar has it."""
    try:
        return time + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _progress(draft: Draft) -> tuple[int | None, int | None]:
    """The entities of a draft that checks out, and those with answers; None if they can't be counted."""
    entities = answered = 0
    try:
        paths = (draft.folder / PARTS).glob(f"*/*/*/{INVENTORY}")
        for org_id, dataset in sorted({(path.parent.parent.parent.name, path.parent.parent.name) for path in paths}):
            partition = draft.partition(org_id, dataset)
            inventory = partition.inventory(_MAX_BYTES)
            if inventory:
                entities += inventory.num_rows
                answered += min(inventory.num_rows, inventory.rows_in(partition.finished()) + partition.kept())
    except (StoppedError, UsageError, OSError):
        return None, None
    return entities, answered
