"""The record of removed snapshots, `<output>/pruned.json`: it tells pruned snapshots from missing snapshots.

An entry is written before its snapshot is removed. So an entry whose snapshot still exists means nothing, and a
snapshot that is gone without an entry was not removed by webex-audit.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from audit.errors import DamagedError, UsageError, words_of
from audit.snapshot.layout import REMOVED
from audit.snapshot.manifest import UNDECODABLE, Previous
from audit.snapshot.values import Sha256, SnapshotId
from audit.storage.content import read_small
from audit.storage.place import Place, exists
from audit.untrusted.decoding import prepared

log = logging.getLogger(__name__)

#: The reason in the entry of a folder that never became a snapshot.
ABANDONED = "abandoned"
#: Largest record that is read; hourly runs need 20 years to reach it.
MAX_BYTES = 64 << 20


class Removed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A snapshot that was removed, or a folder that never became a snapshot.

    Attributes:
        snapshot_id: its id, the name of its folder.
        manifest_sha256: SHA-256 of its manifest, in hexadecimal; None if it never had a manifest.
        previous: the snapshot that it named as the snapshot before it.
        removed_at: when the entry was recorded.
        reason: why it was removed.
    """

    snapshot_id: SnapshotId
    manifest_sha256: Sha256 | None
    previous: Previous | None
    removed_at: Annotated[datetime, msgspec.Meta(tz=True)]
    reason: str

    @property
    def key(self) -> tuple[str, str | None]:
        """What no two entries share: an id may occur with two manifests, of which only one is in the chain."""
        return self.snapshot_id, self.manifest_sha256

    @property
    def is_abandoned(self) -> bool:
        """Whether the folder never became a snapshot, so that nothing in the chain can come after it."""
        return self.manifest_sha256 is None


@prepared
class RecordOfRemoved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `pruned.json`."""

    format_version: Literal[1]
    removed: list[Removed]


#: Signs entries, given the output and the entries that are about to be recorded.
SealRemoved = Callable[[Place, Sequence[Removed]], None]


def read_removed(output: Place) -> list[Removed]:
    """The record of removals from an output, the oldest entry first; empty if there is no record.

    Raises:
        DamagedError: the record is damaged.
        UsageError: the record can't be read.
    """
    data = read_small(output / REMOVED, MAX_BYTES)
    if data is None:
        return []
    try:
        return msgspec.json.decode(data, type=RecordOfRemoved).removed
    except UNDECODABLE as error:
        raise DamagedError(output / REMOVED, words_of(error)) from None


def readable_removed(output: Place) -> list[Removed]:
    """As `read_removed`, to order snapshots: a record that can't be read is logged and counts as empty."""
    try:
        return read_removed(output)
    except UsageError as error:
        text = "left out: %s; 'webex-audit verify' shows what is missing"
        log.warning(text, error, extra={"is_once": True})
        return []


def has_record(output: Place) -> bool:
    """Whether an output has a record of removed snapshots, damaged or not.

    Raises:
        OSError: the output can't be read.
    """
    return exists(output / REMOVED)
