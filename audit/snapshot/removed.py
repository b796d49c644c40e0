"""The record of removed snapshots, `<output>/pruned.json`: it tells what was pruned from what is missing.

An entry is written before its snapshot is removed. So an entry whose snapshot still stands says nothing, and a
snapshot that is gone without an entry was not removed by webex-audit.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from audit.clock import Clock
from audit.errors import DamagedError, UsageError
from audit.snapshot.layout import REMOVED
from audit.snapshot.manifest import UNDECODABLE, Previous, SnapshotId
from audit.storage.place import Place, atomic_file, exists, read_small

log = logging.getLogger(__name__)

#: The reason of an entry for a folder that never became a snapshot.
ABANDONED = "abandoned"
#: A larger file is not ours: an hourly run needs 20 years for it.
MAX_BYTES = 64 << 20

_Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Removed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A snapshot that was removed, or a folder that never became one.

    Attributes:
        snapshot_id: its id, the name of its folder.
        manifest_sha256: SHA-256 of its manifest, in hexadecimal; None where it never had one.
        previous: the snapshot that it named as the one before it.
        removed_at: when this was recorded.
        reason: why it was removed.
    """

    snapshot_id: SnapshotId
    manifest_sha256: _Sha256 | None
    previous: Previous | None
    removed_at: Annotated[datetime, msgspec.Meta(tz=True)]
    reason: str

    @property
    def key(self) -> tuple[str, str | None]:
        """What is recorded once: an id may stand with two manifests, of which only one is in the chain."""
        return self.snapshot_id, self.manifest_sha256

    @property
    def is_abandoned(self) -> bool:
        """Whether the folder never became a snapshot: then nothing can follow from it in the chain."""
        return self.manifest_sha256 is None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format_version: Literal[1]
    removed: list[Removed]


#: Signs entries: is given the output and those that are about to be recorded.
SealRemoved = Callable[[Place, Sequence[Removed]], None]


def read_removed(output: Place) -> list[Removed]:
    """What was removed from an output, the oldest entry first; nothing where there is no record.

    Raises:
        DamagedError: the record is not what webex-audit writes.
        UsageError: it can't be read.
    """
    data = read_small(output / REMOVED, MAX_BYTES)
    if data is None:
        return []
    try:
        return msgspec.json.decode(data, type=_File).removed
    except UNDECODABLE as error:
        raise DamagedError(output / REMOVED, str(error)) from None


def readable_removed(output: Place) -> list[Removed]:
    """The same, for the order of snapshots alone: a record that can't be read is logged and counts as empty."""
    try:
        return read_removed(output)
    except UsageError as error:
        log.warning("left out: %s; 'webex-audit verify' tells what is missing", error)
        return []


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
            file.write(msgspec.json.format(msgspec.json.encode(_File(1, [*recorded.values()])), indent=1) + b"\n")


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


def has_record(output: Place) -> bool:
    """Whether an output has a record of removed snapshots, damaged or not.

    Raises:
        OSError: it may not be looked for.
    """
    return exists(output / REMOVED)


def _as_recorded(entry: Removed, known: Removed | None) -> Removed:
    """The entry as it stands, where that says the same of the chain: it may be signed."""
    return known if known and known.previous == entry.previous else entry
