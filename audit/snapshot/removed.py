"""The record of removed snapshots, `<output>/pruned.json`: it tells what was pruned from what is missing.

An entry is written before its snapshot is removed. So an entry whose snapshot still stands says nothing, and a
snapshot that is gone without an entry was not removed by webex-audit.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from audit.errors import DamagedError, UsageError
from audit.snapshot.layout import REMOVED
from audit.snapshot.manifest import UNDECODABLE, Previous, SnapshotId
from audit.storage.content import read_small
from audit.storage.place import Place, exists

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


class RecordOfRemoved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `pruned.json`."""

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
        return msgspec.json.decode(data, type=RecordOfRemoved).removed
    except UNDECODABLE as error:
        raise DamagedError(output / REMOVED, str(error)) from None


def readable_removed(output: Place) -> list[Removed]:
    """The same, for the order of snapshots alone: a record that can't be read is logged and counts as empty."""
    try:
        return read_removed(output)
    except UsageError as error:
        log.warning("left out: %s; 'webex-audit verify' tells what is missing", error)
        return []


def has_record(output: Place) -> bool:
    """Whether an output has a record of removed snapshots, damaged or not.

    Raises:
        OSError: it may not be looked for.
    """
    return exists(output / REMOVED)
