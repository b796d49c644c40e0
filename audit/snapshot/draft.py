"""A snapshot in the making: the journal and the parts of a run, each written whole or not at all.

A part is the tables of one batch. Its coverage is written last, so a batch has its part when, and
only when, that file stands; that is what a resumed run goes by. Which parts count where several
writers have been at work, is said in `takes`.
"""

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import product
from typing import Any

import msgspec
import pyarrow as pa

from audit.errors import StoppedError, UsageError
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.inventory import Inventory, write_inventory
from audit.snapshot.journal import Journal, PartFacts
from audit.snapshot.manifest import Requests
from audit.snapshot.reader import is_committed, list_snapshots
from audit.snapshot.takes import INVENTORY, Takes
from audit.storage.faults import unwritable
from audit.storage.place import (
    Place,
    ahead,
    at_once,
    atomic_file,
    make_dir,
    read_arrow,
    remove,
    remove_unwritten,
    subfolders,
)

log = logging.getLogger(__name__)

#: What a run set out to do; a folder with it and no manifest is a draft.
JOURNAL = "run.json"
_PARTS = "parts"
#: In the place of an inventory where nothing could be listed.
_UNLISTED = "unlisted.arrow"
_METADATA = b"webex-audit"
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class Draft:
    """The folder of a run that is not committed yet, `<output>/<snapshot-id>`: by `create` or `find_unfinished`.

    Attributes:
        takes: which inventories and parts count.
        requests: those that are known to have been made, by writer.
        check_lock: raises `StoppedError` where the run has lost the lock on its output; to be set by who holds it.
    """

    def __init__(self, output: Place, journal: Journal) -> None:
        self.output = output
        self.journal = journal
        self.check_lock: Callable[[], None] = lambda: None
        self.folder = output / journal.snapshot_id
        self._parts = self.folder / _PARTS
        self.takes = Takes(self._parts)
        self.requests: dict[str, Requests] = {}

    @property
    def is_worth_resuming(self) -> bool:
        """Whether an inventory was taken, so that a resumed run has something to go on from."""
        return any(self._parts.glob(f"*/*/*/{INVENTORY}"))

    def organizations(self) -> set[str]:
        """UUIDs of the organizations that an inventory was taken of."""
        return {path.parent.parent.parent.name for path in self._parts.glob(f"*/*/*/{INVENTORY}")}

    def save_inventory(
        self, org_id: str, dataset: str, entities: Iterable[pa.Table], unlisted: dict[str, str]
    ) -> Inventory:
        """Keep an inventory (`audit.snapshot.inventory.write_inventory`), for this run and one that resumes it.

        Raises:
            OSError: the disk refuses.
        """
        path = self.takes.begin(org_id, dataset) / INVENTORY
        write_inventory(path, entities, unlisted)
        return Inventory.open(path)

    def load_inventory(self, org_id: str, dataset: str) -> Inventory | None:
        """The inventory that was saved, if it was."""
        path = self.takes.folder(org_id, dataset) / INVENTORY
        try:
            return Inventory.open(path)
        except FileNotFoundError:
            pass
        except StoppedError:
            log.warning("%s was damaged: what was read of it is asked for again", path)
        self.takes.drop(org_id, dataset)
        return None

    def refuse(self, org_id: str, dataset: str, unlisted: dict[str, str]) -> None:
        """Drop what there is of a dataset, and keep why: these kinds could not be listed. A resumed run tries again."""
        self.takes.drop(org_id, dataset)
        write_inventory(self.takes.begin(org_id, dataset) / _UNLISTED, [], unlisted)

    def inventories(self, org_id: str, datasets: Iterable[str]) -> dict[str, Inventory]:
        """What is to be committed of an organization, by dataset; one that was refused has no entities.

        Raises:
            StoppedError: one is damaged.
        """
        found: dict[str, Inventory] = {}
        for dataset, name in product(datasets, (_UNLISTED, INVENTORY)):
            with suppress(FileNotFoundError):
                found[dataset] = Inventory.open(self.takes.folder(org_id, dataset) / name)
        return found

    def forget(self, org_id: str) -> None:
        """Drop what there is of an organization, but for what others write."""
        for dataset in self.takes.chosen(org_id):
            self.takes.drop(org_id, dataset)

    def forget_parts(self, org_id: str, dataset: str) -> None:
        """Drop the parts of a dataset, and keep its inventory."""
        for path in self.takes.coverage(org_id, dataset).values():
            path.unlink(missing_ok=True)
        self.takes.forget_coverage(org_id, dataset)

    def write_part(self, org_id: str, dataset: str, index: int, tables: dict[str, pa.Table], facts: PartFacts) -> None:
        """Write the part of a batch: the dataset's tables, then `coverage`.

        Raises:
            StoppedError: the lock is lost.
            OSError: the disk refuses, or what this is a part of is gone: then the run is over.
        """
        self.check_lock()
        for name in sorted(tables, key=lambda name: name == COVERAGE):
            table = tables[name]
            if name == COVERAGE:
                table = table.replace_schema_metadata({_METADATA: msgspec.json.encode(facts)})
            path = self.takes.path_of(org_id, dataset, index, name)
            _write(path, table)
        self.takes.add(org_id, dataset, index, path)

    def finished(self, org_id: str, dataset: str) -> set[int]:
        """The batches that have their part."""
        return set(self.takes.coverage(org_id, dataset))

    def read_parts(self, org_id: str, dataset: str, table: str) -> Iterator[pa.Table]:
        """The rows of a table, part by part, in the order of the inventory.

        Raises:
            StoppedError: a part is damaged; a resumed run asks for its batch again.
        """
        coverage = list(self.takes.coverage(org_id, dataset).values())
        paths = [each.with_name(each.name.replace(f".{COVERAGE}.", f".{table}.")) for each in coverage]
        for index, rows in enumerate(ahead(_read, paths)):
            if rows is None:
                raise _damaged(paths[index], coverage[index])
            yield rows

    def forget_given_up(self) -> None:
        """Drop the parts whose entities were not asked, and what was refused."""
        for path in self._parts.glob(f"*/*/*/{_UNLISTED}"):
            path.unlink()
        at_once(_forget_if_given_up, self.takes.all_coverage())

    def read_facts(self, org_id: str, dataset: str) -> Iterator[PartFacts]:
        """What each part carries beside its rows.

        Raises:
            StoppedError: a part is damaged; a resumed run asks for its batch again.
        """
        yield from ahead(_read_facts, list(self.takes.coverage(org_id, dataset).values()))

    def recall_requests(self, org_id: str = "*") -> None:
        """Know of the requests that the parts of an organization, or of all, tell of: at least so many were made."""
        coverage = self.takes.all_coverage(org_id)
        for path, facts in zip(coverage, ahead(_read_facts, coverage), strict=True):
            writer, requests = self.takes.writer_of(path), facts.requests
            self.requests[writer] = max(requests, self.requests.get(writer, requests), key=lambda each: each.total)

    def remove_files(self) -> None:
        """Drop what a commit that was cut off has written: this one may write other files."""
        for path in self.folder.iterdir():
            if path.name not in (_PARTS, JOURNAL):
                remove(path)

    def remove_parts(self) -> None:
        """Drop what only a resumed run needs, once the manifest stands."""
        with suppress(OSError):
            remove(self._parts)
        remove(self.folder / JOURNAL)

    def discard(self) -> None:
        """Remove all of it."""
        with suppress(OSError):
            remove(self.folder)


def create(output: Place, started_at: datetime, scope: dict[str, Any]) -> Draft:
    """Begin a draft.

    Args:
        output: the folder of all snapshots, which exists.
        started_at: when the run began.
        scope: what it sets out to do.

    Raises:
        UsageError: the output can't be written.
    """
    journal = Journal(f"{started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}", started_at, scope)
    draft = Draft(output, journal)
    try:
        make_dir(draft.folder)
        with atomic_file(draft.folder / JOURNAL) as file:
            file.write(msgspec.json.encode(journal))
    except OSError as error:
        draft.discard()
        raise unwritable(output, error) from None
    return draft


def find_unfinished(output: Place, scope: dict[str, Any]) -> Draft | None:
    """The newest run of an output that was not committed, to be resumed; None where there is none.

    Leftovers of a write that was cut off are removed from it.

    Raises:
        UsageError: it was started with another scope; the text tells the difference.
    """
    drafts = [draft for folder in subfolders(output) if (draft := open_draft(folder)) and draft.is_worth_resuming]
    drafts.sort(key=lambda each: each.journal.started_at)
    for draft in reversed(drafts):
        if draft.journal.scope == scope:
            remove_unwritten(draft.folder)
            draft.forget_given_up()
            return draft
    if drafts:
        _refuse_other_scope(drafts[-1], scope)
    return None


def _refuse_other_scope(draft: Draft, scope: dict[str, Any]) -> None:
    """Refuse to pass over an unfinished run, unless a later one was committed or this is another version."""
    before = draft.journal.scope
    changes = {key: (before.get(key), scope.get(key)) for key in {*before, *scope} if before.get(key) != scope.get(key)}
    is_outdated = any(each.manifest.started_at >= draft.journal.started_at for each in list_snapshots(draft.output))
    if is_outdated or changes.keys() == {"version"}:
        log.info("the unfinished run %s is passed over: a new run is begun", draft.journal.snapshot_id)
        return
    told = "; ".join(f"{key} was {was!r} and is {now!r}" for key, (was, now) in sorted(changes.items()))
    raise UsageError(
        f"the unfinished run {draft.journal.snapshot_id} had another scope ({told}): resume it with the same settings, "
        "or run without --resume to start anew"
    )


def open_draft(folder: Place) -> Draft | None:
    """The draft of a folder, if it is one."""
    try:
        journal = msgspec.json.decode((folder / JOURNAL).read_bytes(), type=Journal)
    except (OSError, msgspec.DecodeError):
        return None
    return None if is_committed(folder) or journal.snapshot_id != folder.name else Draft(folder.parent, journal)


def _read_facts(path: Place) -> PartFacts:
    try:
        with pa.ipc.open_file(read_arrow(path)) as reader:
            return msgspec.json.decode(reader.schema.metadata[_METADATA], type=PartFacts)
    except (pa.ArrowInvalid, FileNotFoundError, msgspec.DecodeError, KeyError, TypeError):
        raise _damaged(path, path) from None


def _forget_if_given_up(path: Place) -> None:
    # A damaged one is gone by then, and is asked for again as well.
    with suppress(StoppedError):
        if _read_facts(path).is_given_up:
            path.unlink()


def _damaged(path: Place, coverage: Place) -> StoppedError:
    # Another writer may have found so before, or have dropped the whole take.
    coverage.unlink(missing_ok=True)
    return StoppedError(f"{path} was damaged; a resumed run asks for its batch again")


def _write(path: Place, table: pa.Table) -> None:
    # Into memory first: Arrow would ask for the interpreter, which the event loop is using, for each buffer.
    content = pa.BufferOutputStream()
    with pa.ipc.new_file(content, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table)
    with atomic_file(path) as file:
        file.write(content.getvalue())


def _read(path: Place) -> pa.Table | None:
    """The rows of a part's file; None where it is damaged, or gone."""
    try:
        with pa.ipc.open_file(read_arrow(path)) as reader:
            return reader.read_all().replace_schema_metadata(None)
    except (pa.ArrowInvalid, FileNotFoundError):
        return None
