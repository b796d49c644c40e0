"""Records removals from an output before they happen (`audit.snapshot.removed` reads the record)."""

import stat
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from audit.clock import Clock
from audit.snapshot.layout import APPROVALS, REMOVED
from audit.snapshot.removed import ABANDONED, RecordOfRemoved, Removed, SealRemoved, read_removed
from audit.storage.content import atomic_file
from audit.storage.place import Place


def record_removed(
    output: Place,
    entries: Iterable[Removed],
    *,
    seal: SealRemoved | None = None,
    check_lock: Callable[[], None] = lambda: None,
) -> None:
    """Record what is about to be removed; the record is on the disk on return. The caller holds the lock of the output.

    Args:
        output: the folder of all snapshots.
        entries: what is about to be removed; entries that are recorded already stay as they are.
        seal: signs the entries before they are recorded.
        check_lock: called before each write.

    Raises:
        DamagedError: the existing record is damaged; nothing is written.
        UsageError: the existing record can't be read, or is signed with another key; nothing is written.
        StoppedError: the lock is lost (`check_lock`).
        OSError: the record can't be written.
    """
    known = {each.key: each for each in read_removed(output)}
    new = [_as_recorded(each, known.get(each.key)) for each in entries]
    if not new:
        return
    if seal:
        check_lock()
        seal(output, new)
    if (recorded := known | {each.key: each for each in new}) != known:
        check_lock()
        with atomic_file(output / REMOVED) as file:
            file.write(
                msgspec.json.format(msgspec.json.encode(RecordOfRemoved(1, [*recorded.values()])), indent=1) + b"\n"
            )


def record_abandoned(
    output: Place,
    snapshot_ids: Iterable[str],
    *,
    seal: SealRemoved | None = None,
    check_lock: Callable[[], None] = lambda: None,
) -> None:
    """Record folders that never became snapshots, before they are removed: a former holder may still write to them.

    Args:
        output: the folder of all snapshots.
        snapshot_ids: the names of the folders.
        seal: as in `record_removed`.
        check_lock: as in `record_removed`.

    Raises:
        UsageError: as in `record_removed`, and so `DamagedError`, `StoppedError` and `OSError`.
    """
    now = Clock().now()
    entries = [Removed(each, None, None, now, ABANDONED) for each in snapshot_ids]
    record_removed(output, entries, seal=seal, check_lock=check_lock)


def unwritten(output: Place) -> list[Path]:
    """What interrupted writes of the records and their signatures have left; an object store keeps nothing."""
    if not isinstance(output, Path):
        return []
    found = [path for name in (REMOVED, APPROVALS) for path in output.glob(f".{Path(name).stem}.*.tmp")]
    return [path for path in found if stat.S_ISREG(path.lstat().st_mode)]


def _as_recorded(entry: Removed, known: Removed | None) -> Removed:
    """The existing entry if it says the same about the chain, because it may be signed; else the new entry."""
    return known if known and known.previous == entry.previous else entry
