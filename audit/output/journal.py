"""What a draft says of itself, beside its rows."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from audit.errors import UsageError
from audit.snapshot.layout import JOURNAL
from audit.snapshot.manifest import UNDECODABLE, Scope, SnapshotId
from audit.storage.content import atomic_file, read_small
from audit.storage.place import Place, sync_dir

#: Of a journal; one has some hundred bytes.
_MAX_BYTES = 1 << 20


class Journal(msgspec.Struct, frozen=True):
    """What a run set out to do.

    Attributes:
        run_id: the name of the draft's folder. A folder whose journal names another run is that run's commit.
        started_at: when the run began.
        scope: what it asks for, in full; the same for a run that resumes it.
        asks: the same as a manifest says it; None in a test that does not matter.
        after: id of the newest snapshot when the run began; None where there was none.
    """

    run_id: SnapshotId
    started_at: Annotated[datetime, msgspec.Meta(tz=True)]
    scope: dict[str, Any]
    asks: Scope | None = None
    after: str | None = None


class PartFacts(msgspec.Struct, frozen=True):
    """What a part's coverage file carries beside the rows.

    Attributes:
        unknown_fields: how often each field occurred in the batch that is in no table.
        is_given_up: entities of it were not asked, as their organization had failed; a resumed run asks.
    """

    unknown_fields: dict[str, int]
    is_given_up: bool = False


def write_journal(folder: Place, journal: Journal) -> None:
    """Write the journal of a new folder, and flush it with the folder's own entry.

    Raises:
        OSError: the disk refuses.
    """
    with atomic_file(folder / JOURNAL) as file:
        file.write(msgspec.json.encode(journal))
    sync_dir(folder.parent)


def read_journal(folder: Place) -> Journal | None:
    """The journal in a folder; None where there is none that can be read."""
    try:
        return msgspec.json.decode(read_small(folder / JOURNAL, _MAX_BYTES) or b"", type=Journal)
    except (UsageError, *UNDECODABLE):
        return None
