"""Records what is removed from an output, before it is removed (`audit.snapshot.removed` reads the record)."""

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from audit.clock import Clock
from audit.snapshot.layout import REMOVED
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
    """Record what is about to be removed, on the disk when this returns. The caller holds the lock of the output.

    Args:
        output: the folder of all snapshots.
        entries: what is about to be removed; what is recorded already, stays as it is.
        seal: signs the entries before they are recorded.
        check_lock: called before each write.

    Raises:
        DamagedError: the record that stands is damaged. Nothing is written.
        UsageError: the record can't be read, or was signed with another key. Nothing is written.
        StoppedError: the lock is lost (`check_lock`).
        OSError: it can't be written.
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
    """What a write of the record, or of its signatures, has left where it was cut off; an object store keeps none."""
    return [*output.glob(f".{Path(REMOVED).stem}.*.tmp")] if isinstance(output, Path) else []


def _as_recorded(entry: Removed, known: Removed | None) -> Removed:
    """The entry as it stands, where that says the same of the chain: it may be signed."""
    return known if known and known.previous == entry.previous else entry
