"""What a draft records beside its rows: the intent of its run, and facts about each part."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any

import msgspec

from audit.errors import UsageError
from audit.snapshot.layout import JOURNAL, MANIFEST, SNAPSHOT_ID
from audit.snapshot.manifest import Scope
from audit.snapshot.values import SnapshotId
from audit.storage.at_once import at_once
from audit.storage.content import atomic_file, read_small
from audit.storage.place import Place, exists, subfolders, sync_dir
from audit.untrusted.decoding import UndecodableError, json_of, prepared

#: Largest journal that is read; a real journal has a few hundred bytes.
_MAX_BYTES = 1 << 20


@prepared
class Journal(msgspec.Struct, frozen=True):
    """What a run was asked to do.

    Attributes:
        run_id: the name of the draft's folder. A folder whose journal names another run is the commit of that run.
        started_at: when the run began.
        scope: what the run asks for, in full; a run that resumes it must ask for the same.
        asks: the same scope in the form of a manifest; None in tests that do not need it.
        wants: what the run is to make of it, by key of the configuration; whoever resumes it may want something else.
        after: id of the newest snapshot when the run began; None if there was no snapshot.
        key: the id of the key of all digests (`audit.output.seal`); empty without a key, None in older versions.
        digest: the keyed digest of the rest.
    """

    run_id: SnapshotId
    started_at: Annotated[datetime, msgspec.Meta(tz=True)]
    scope: dict[str, Any]
    asks: Scope | None = None
    wants: dict[str, Any] = {}
    after: str | None = None
    key: str | None = None
    digest: str = ""


@prepared
class PartFacts(msgspec.Struct, frozen=True):
    """What the coverage file of a part holds beside its rows.

    Attributes:
        unknown_fields: how often each field that no table has occurred in the batch.
        is_given_up: some entities were not asked because their organization had failed; a resumed run asks them.
        slices: the number of files of each other table.
        others: by kind of entity, how many answers are not from the documented path.
    """

    unknown_fields: dict[str, int]
    is_given_up: bool = False
    slices: Annotated[int, msgspec.Meta(ge=1)] = 1
    others: dict[str, int] = {}


def write_journal(folder: Place, journal: Journal) -> None:
    """Write the journal of a new folder; flush the journal and the entry of the folder.

    Raises:
        OSError: the disk refuses.
    """
    with atomic_file(folder / JOURNAL) as file:
        file.write(msgspec.json.encode(journal))
    sync_dir(folder.parent)


def read_journal(folder: Place) -> Journal | None:
    """The journal in a folder; None if there is no readable journal."""
    try:
        return json_of(read_small(folder / JOURNAL, _MAX_BYTES) or b"", Journal)
    except (UsageError, UndecodableError):
        return None


def folders_of_runs(output: Place, snapshots: Collection[str]) -> list[Place]:
    """The folders of an output that may be unfinished runs, by name; those that can't be read are among them.

    Args:
        output: the folder of all snapshots.
        snapshots: ids of the snapshots that are known.
    """
    folders = [each for each in subfolders(output) if SNAPSHOT_ID.fullmatch(each.name) and each.name not in snapshots]
    found = zip(folders, at_once(_may_be_run, folders), strict=True)
    return sorted((folder for folder, may_be in found if may_be), key=lambda each: each.name)


def _may_be_run(folder: Place) -> bool:
    try:
        return exists(folder / JOURNAL) and not exists(folder / MANIFEST)
    except OSError:
        return True
