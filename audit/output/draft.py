"""A snapshot in the making: what a run has read so far. Each file of it is written whole or not at all.

A draft has a folder of its own, and a commit has another, so nothing that comes late from a worker, or from a run
that has lost its lock, can reach a snapshot. A part is the tables of one batch. Its coverage is written last, so a
batch has its part when, and only when, that file stands. Answers of a batch that is not complete yet are kept in
files of their own, about every second. A resumed run goes on from both. `audit.output.partition` says which of them
count where several writers have been at work.
"""

import logging
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from audit.errors import DamagedError, StoppedError
from audit.output.context import CONTEXT_FOLDER, Context
from audit.output.held import Held
from audit.output.inventory import Inventory
from audit.output.journal import Journal, read_journal, write_journal
from audit.output.part_files import read_facts, read_requests, write_requests
from audit.output.partition import COVERAGE_FILES, INVENTORY, UNLISTED, Partition
from audit.output.seal import Keys, Seal, blocks_of, seal_of, sealed, unsealed
from audit.snapshot.catalog import is_committed
from audit.snapshot.layout import JOURNAL, PARTS, is_unwritten
from audit.snapshot.manifest import Requests, Scope
from audit.storage.at_once import at_once
from audit.storage.errors import unwritable
from audit.storage.place import Place, exists, make_dir, make_new_dir, remove

log = logging.getLogger(__name__)

#: Patterns of the files of a draft.
_FILES = ("*.requests", "*/*/*/*.arrow", "*/*/*/*.answers")
#: Patterns of the folders above them.
_FOLDERS = ("*", "*/*", "*/*/*")
_NO_KEYS = Keys()


class Draft:
    """The folder of a run that is not committed yet, `<output>/<run-id>`. Made by `create` or `open_draft`.

    Args:
        output: the folder of all snapshots.
        journal: what the run set out to do.
        held: the lock; each step that removes something checks it first.
        keys: the available keys.

    Attributes:
        folder: `<output>/<run-id>`.
        writer: the name of this writer, which no other writer of the run has.
        seal: of all its files.
    """

    def __init__(self, output: Place, journal: Journal, held: Held, keys: Keys = _NO_KEYS) -> None:
        self.output = output
        self.journal = journal
        self.held = held
        self.folder = output / journal.run_id
        self.writer = secrets.token_hex(4)
        self.seal = seal_of(journal, keys)
        self._parts = self.folder / PARTS
        self._partitions: dict[tuple[str, str], Partition] = {}
        self._contexts: dict[str, Context] = {}

    def partition(self, org_id: str, dataset: str) -> Partition:
        """One dataset of one organization; the same object for all callers and threads."""
        made = Partition(self._parts / org_id / dataset, self.writer, self.held, self.seal)
        return self._partitions.setdefault((org_id, dataset), made)

    def context(self, org_id: str) -> Context:
        """The context tables of one organization; the same object for all callers and threads."""
        made = Context(self._parts / org_id / CONTEXT_FOLDER, self.writer, self.held, self.seal)
        return self._contexts.setdefault(org_id, made)

    @property
    def is_worth_resuming(self) -> bool:
        """Whether an inventory was taken, so that a resumed run has something to go on from."""
        return any(self._parts.glob(f"*/*/*/{INVENTORY}"))

    def organizations(self) -> set[str]:
        """UUIDs of the organizations that an inventory was taken of."""
        return {path.parent.parent.parent.name for path in self._parts.glob(f"*/*/*/{INVENTORY}")}

    def inventories(self, org_id: str, datasets: Iterable[str]) -> dict[str, Inventory]:
        """The inventories of an organization to be committed, by dataset (`Partition.inventory`).

        Raises:
            StoppedError: an inventory is damaged.
        """
        found = ((dataset, self.partition(org_id, dataset).inventory()) for dataset in datasets)
        return {dataset: inventory for dataset, inventory in found if inventory}

    def attempts(self, org_id: str) -> dict[str, str]:
        """The attempts of an organization that were decided on, by dataset."""
        return {dataset: each.attempt for dataset, each in self._begun(org_id).items() if each.attempt}

    def choose(self, org_id: str, attempts: dict[str, str]) -> None:
        """Decide on the attempts that another writer has made for an organization, by dataset."""
        for dataset, attempt in (self.attempts(org_id) | attempts).items():
            self.partition(org_id, dataset).choose(attempt)

    def forget(self, org_id: str) -> None:
        """Remove the data of an organization; what other writers have added stays.

        Raises:
            StoppedError: the lock is lost.
        """
        for dataset in self.attempts(org_id):
            self.partition(org_id, dataset).drop()

    def forget_given_up(self) -> None:
        """Remove the parts whose entities were not asked, and the records of refusals.

        Raises:
            StoppedError: the lock is lost.
        """
        self.held.check()
        for path in self._parts.glob(f"*/*/*/{UNLISTED}"):
            path.unlink()
        coverage: list[Place] = list(self._parts.glob(f"*/*/*/{COVERAGE_FILES}"))
        for path, facts in zip(coverage, at_once(partial(read_facts, seal=self.seal), coverage), strict=True):
            if facts is None or facts.is_given_up:
                path.unlink(missing_ok=True)

    def save_requests(self, requests: Requests) -> None:
        """Keep the number of requests that this writer has made so far; it replaces the number kept before.

        Raises:
            OSError: the disk refuses.
        """
        write_requests(self._parts / f"{self.writer}.requests", requests, self.seal)

    def requests(self) -> dict[str, Requests]:
        """The number of requests that each writer has kept, by its name: this writer, and those of earlier runs."""
        paths: list[Place] = list(self._parts.glob("*.requests"))
        counts = zip(paths, at_once(partial(read_requests, seal=self.seal), paths), strict=True)
        return {path.name.partition(".")[0]: requests for path, requests in counts if requests}

    def foreign_file(self) -> Place | None:
        """A file that no writer of this run has made, or that was changed since; None if there is no such file.

        Raises:
            OSError: a file can't be read.
        """
        if in_the_way := next(self._files_in_place_of_folders(), None):
            return in_the_way
        paths = [path for pattern in _FILES for path in self._parts.glob(pattern)]
        is_good = at_once(partial(_is_good, seal=self.seal), paths)
        return next((path for path, good in zip(paths, is_good, strict=True) if not good), None)

    def _files_in_place_of_folders(self) -> Iterator[Path]:
        """Files where a writer would make a folder; an object store has no folders."""
        if isinstance(self._parts, Path):
            paths = [self._parts, *(path for pattern in _FOLDERS for path in self._parts.glob(pattern))]
            names = (path for path in paths if path.suffix != ".requests" and not is_unwritten(path.name))
            yield from (path for path in names if path.is_file())

    def unseal(self) -> None:
        """Note for all that resume it that its files can't be checked, because a run without its key goes on with it.

        Raises:
            OSError: the disk refuses.
        """
        self.seal.lift()
        if self.journal.key:
            self.journal = unsealed(self.journal)
            write_journal(self.folder, self.journal)

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
        """Remove what only an unfinished run needs; the next holder of the lock removes what can't be removed now."""
        try:
            self.held.fulfil()
            # The draft's journal first: without it, nobody takes the rest for a run to resume.
            for path in (self.folder / JOURNAL, self.folder, folder / JOURNAL):
                self.held.check()
                remove(path)
        except Exception as error:  # noqa: BLE001 - the snapshot stands: nothing may fail it any more
            log.info("leftovers of %s stay for now; the next run removes them: %s", self.journal.run_id, error)

    def discard(self) -> None:
        """Remove all of it, if the lock is still held; the next run removes what can't be removed now."""
        try:
            self.held.check()
            remove(self.folder)
        except (OSError, StoppedError) as error:
            log.debug("the unfinished run %s is not removed: %s", self.journal.run_id, error)

    def _begun(self, org_id: str) -> dict[str, Partition]:
        # From a copy, because other threads add partitions of other organizations meanwhile.
        return {dataset: each for (owner, dataset), each in self._partitions.copy().items() if owner == org_id}


def create(
    output: Place,
    started_at: datetime,
    scope: dict[str, Any],
    *,
    asks: Scope | None = None,
    wants: dict[str, Any] | None = None,
    after: str | None = None,
    held: Held,
    keys: Keys = _NO_KEYS,
) -> Draft:
    """Begin a draft.

    Args:
        output: the folder of all snapshots, which exists.
        started_at: when the run began.
        scope: what the run asks for, in full (`audit.output.journal.Journal`).
        asks: the same scope, in the form of a manifest.
        wants: what the run is to make of it, by key of the configuration.
        after: id of the newest snapshot.
        held: the lock.
        keys: the available keys.

    Raises:
        UsageError: the output can't be written.
    """
    try:
        folder = _new_folder(output, started_at)
        journal = sealed(Journal(folder.name, started_at, scope, asks, wants or {}, after), keys)
        draft = Draft(output, journal, held, keys)
        make_dir(folder / PARTS)
        write_journal(folder, draft.journal)
    except OSError as error:
        raise unwritable(output, error) from None
    return draft


def _is_good(path: Place, seal: Seal) -> bool:
    try:
        for _ in blocks_of(path, seal):
            pass
    except (DamagedError, FileNotFoundError, PermissionError):
        return False
    return True


def open_draft(folder: Place, held: Held, keys: Keys = _NO_KEYS) -> Draft | None:
    """The draft in a folder; None where the folder is not a draft."""
    journal = read_journal(folder)
    if journal is None or journal.run_id != folder.name or folder.is_symlink() or is_committed(folder):
        return None
    return Draft(folder.parent, journal, held, keys)


def _new_folder(output: Place, started_at: datetime) -> Place:
    """A new folder with a name that nobody has used (`audit.snapshot.layout.SNAPSHOT_ID`)."""
    while True:
        folder = output / f"{started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        with suppress(FileExistsError):
            if not exists(folder):
                make_new_dir(folder)
                return folder
