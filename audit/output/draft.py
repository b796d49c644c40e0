"""A snapshot in the making: what a run has read so far, each file of it written whole or not at all.

A draft has a folder of its own, and a commit another one, so nothing that is late, of a worker or of a run that
has lost its lock, can reach a snapshot. A part is the tables of one batch; its coverage is written last, so a
batch has its part when, and only when, that file stands. Answers of a batch that is not complete yet are kept in
files of their own, every second or so. A resumed run goes by both. `takes` says which of them count where several
writers have been at work.
"""

import logging
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import product
from typing import Any

import msgspec
import pyarrow as pa

from audit.errors import StoppedError
from audit.output.held import Held
from audit.output.inventory import Inventory, write_inventory
from audit.output.journal import Journal, PartFacts, read_journal, write_journal
from audit.output.part_files import read_facts, read_requests, read_rows, write_rows
from audit.output.takes import INVENTORY, Attempts
from audit.snapshot.catalog import is_committed
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.layout import JOURNAL, PARTS
from audit.snapshot.manifest import Requests, Scope
from audit.storage.errors import unwritable
from audit.storage.place import Place, ahead, at_once, atomic_file, exists, make_dir, remove

log = logging.getLogger(__name__)

#: In the place of an inventory where nothing could be listed.
_UNLISTED = "unlisted.arrow"


class Draft:
    """The folder of a run that is not committed yet, `<output>/<run-id>`: by `create` or `open_draft`.

    Args:
        output: the folder of all snapshots.
        journal: what the run set out to do.
        held: the lock; each step that removes something asks it first.

    Attributes:
        takes: which inventories and parts count.
    """

    def __init__(self, output: Place, journal: Journal, held: Held) -> None:
        self.output = output
        self.journal = journal
        self.held = held
        self.folder = output / journal.run_id
        self._parts = self.folder / PARTS
        self.takes = Attempts(self._parts)
        #: Files of answers that this writer has added, by organization, dataset and batch.
        self._answers: dict[tuple[str, str, int], list[Place]] = {}

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
        """Keep an inventory (`audit.output.inventory.write_inventory`), for this run and one that resumes it.

        Raises:
            OSError: the disk refuses.
        """
        path = self.takes.begin(org_id, dataset) / INVENTORY
        write_inventory(path, entities, unlisted)
        return Inventory.open(path)

    def load_inventory(self, org_id: str, dataset: str) -> Inventory | None:
        """The inventory that was saved, if it was, and is whole.

        Raises:
            StoppedError: it is damaged, and the lock is lost.
        """
        path = self.takes.folder(org_id, dataset) / INVENTORY
        try:
            inventory = Inventory.open(path)
            inventory.check()
        except FileNotFoundError:
            pass
        except StoppedError:
            log.warning("%s was damaged: what was read of it is asked for again", path)
        else:
            return inventory
        self._drop(org_id, dataset)
        return None

    def refuse(self, org_id: str, dataset: str, unlisted: dict[str, str]) -> None:
        """Delete a dataset's data, and record why it was refused: these kinds could not be listed.

        A resumed run tries again.
        """
        self._drop(org_id, dataset)
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
            self._drop(org_id, dataset)

    def forget_parts(self, org_id: str, dataset: str) -> None:
        """Drop the parts and answers of a dataset, and keep its inventory."""
        self.held.check()
        for path in self.takes.coverage(org_id, dataset).values():
            path.unlink(missing_ok=True)
        for paths in self.takes.answers(org_id, dataset).values():
            for path in paths:
                path.unlink(missing_ok=True)
        self.takes.forget_coverage(org_id, dataset)

    def write_part(self, org_id: str, dataset: str, index: int, tables: dict[str, pa.Table], facts: PartFacts) -> None:
        """Write the part of a batch: the dataset's tables, then `coverage`. The answers in it need no file any more.

        Raises:
            StoppedError: the lock is lost.
            OSError: the disk refuses, or what this is a part of is gone: then the run is over.
        """
        self.held.check()
        for name in sorted(tables, key=lambda name: name == COVERAGE):
            path = self.takes.path_of(org_id, dataset, index, name)
            write_rows(path, tables[name], facts if name == COVERAGE else None)
        self.takes.add(org_id, dataset, index, path)
        if not facts.is_given_up:
            for written in self._answers.pop((org_id, dataset, index), []):
                with suppress(OSError):
                    written.unlink()

    def write_answers(self, org_id: str, dataset: str, index: int, answers: bytes) -> None:
        """Keep answers of a batch that is not complete yet (`audit.crawl.answer_log`).

        Raises:
            StoppedError: the lock is lost.
            OSError: the disk refuses.
        """
        self.held.check()
        path = self.takes.answers_path(org_id, dataset, index)
        with atomic_file(path) as file:
            file.write(answers)
        self._answers.setdefault((org_id, dataset, index), []).append(path)

    def answers(self, org_id: str, dataset: str) -> dict[int, list[Place]]:
        """The files of answers that writers have left, by batch; those of batches that have their part are no use."""
        done = self.finished(org_id, dataset)
        return {index: paths for index, paths in self.takes.answers(org_id, dataset).items() if index not in done}

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
        for index, rows in enumerate(ahead(read_rows, paths)):
            if rows is None:
                raise self._damaged(paths[index], coverage[index])
            yield rows

    def read_facts(self, org_id: str, dataset: str) -> Iterator[PartFacts]:
        """What each part carries beside its rows.

        Raises:
            StoppedError: a part is damaged; a resumed run asks for its batch again.
        """
        coverage = list(self.takes.coverage(org_id, dataset).values())
        for path, facts in zip(coverage, ahead(read_facts, coverage), strict=True):
            if facts is None:
                raise self._damaged(path, path)
            yield facts

    def forget_given_up(self) -> None:
        """Drop the parts whose entities were not asked, and what was refused.

        Raises:
            StoppedError: the lock is lost.
        """
        self.held.check()
        for path in self._parts.glob(f"*/*/*/{_UNLISTED}"):
            path.unlink()
        coverage = self.takes.all_coverage()
        for path, facts in zip(coverage, at_once(read_facts, coverage), strict=True):
            if facts is None or facts.is_given_up:
                path.unlink(missing_ok=True)

    def save_requests(self, requests: Requests) -> None:
        """Keep how many requests this writer has made so far; in place of what it had kept before.

        Raises:
            OSError: the disk refuses.
        """
        with atomic_file(self._parts / f"{self.takes.writer}.requests") as file:
            file.write(msgspec.json.encode(requests))

    def requests(self) -> dict[str, Requests]:
        """The requests that each writer has kept, by its name: this one, and those of earlier attempts."""
        paths: list[Place] = list(self._parts.glob("*.requests"))
        counts = zip(paths, at_once(read_requests, paths), strict=True)
        return {path.name.partition(".")[0]: requests for path, requests in counts if requests}

    def begin_commit(self) -> Place:
        """A new folder for the files of a snapshot; its journal names this run until the snapshot stands.

        Raises:
            StoppedError: the lock is lost.
            OSError: the disk refuses.
        """
        self.held.check()
        folder = _new_folder(self.output, self.journal.started_at)
        write_journal(folder, self.journal)
        return folder

    def end_commit(self, folder: Place) -> None:
        """Remove what only an unfinished run needs. What can't be removed is left to the next holder of the lock."""
        try:
            self.held.fulfil()
            # The journal of the draft first: without it, nobody takes the rest for a run to resume.
            for path in (self.folder / JOURNAL, self.folder, folder / JOURNAL):
                self.held.check()
                remove(path)
        except Exception as error:  # noqa: BLE001 - the snapshot stands: nothing may fail it any more
            log.info("what %s needed is not all removed; the next run does it: %s", self.journal.run_id, error)

    def discard(self) -> None:
        """Remove all of it, if the lock is still held; what can't be removed is left to the next run."""
        try:
            self.held.check()
            remove(self.folder)
        except (OSError, StoppedError) as error:
            log.debug("the unfinished run %s is not removed: %s", self.journal.run_id, error)

    def _drop(self, org_id: str, dataset: str) -> None:
        self.held.check()
        self.takes.drop(org_id, dataset)

    def _damaged(self, path: Place, coverage: Place) -> StoppedError:
        self.held.check()
        # Another writer may have found so before, or have dropped the whole take.
        coverage.unlink(missing_ok=True)
        return StoppedError(f"{path} was damaged; a resumed run asks for its batch again")


def create(
    output: Place,
    started_at: datetime,
    scope: dict[str, Any],
    *,
    asks: Scope | None = None,
    after: str | None = None,
    held: Held,
) -> Draft:
    """Begin a draft.

    Args:
        output: the folder of all snapshots, which exists.
        started_at: when the run began.
        scope: what it sets out to do; `asks` and `after` as well (`audit.output.journal.Journal`).
        asks: the same as a manifest says it.
        after: id of the newest snapshot.
        held: the lock.

    Raises:
        UsageError: the output can't be written.
    """
    try:
        folder = _new_folder(output, started_at)
        draft = Draft(output, Journal(folder.name, started_at, scope, asks, after), held)
        make_dir(folder / PARTS)
        write_journal(folder, draft.journal)
    except OSError as error:
        raise unwritable(output, error) from None
    return draft


def open_draft(folder: Place, held: Held) -> Draft | None:
    """The draft of a folder, if it is one."""
    journal = read_journal(folder)
    if journal is None or journal.run_id != folder.name or is_committed(folder):
        return None
    return Draft(folder.parent, journal, held)


def _new_folder(output: Place, started_at: datetime) -> Place:
    """A folder that nobody has used, named as a snapshot is (`audit.snapshot.layout.SNAPSHOT_ID`)."""
    while exists(folder := output / f"{started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"):
        pass
    make_dir(folder)
    return folder
