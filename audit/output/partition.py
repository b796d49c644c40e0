"""One dataset of one organization in a draft: an inventory, the parts of its batches, and answers without a part.

Several writers may work on a partition, because a writer that is believed dead may still write. So each writer adds
files under names that no other writer uses: an inventory begins an *attempt*, the folder of all parts that were made
for that inventory, and a part carries the name of its writer. Nothing that stands is replaced. A reader decides on
one attempt, and on one part for each batch, and stays with them: two inventories, or two answers to one batch, are
never mixed.
"""

import logging
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import count

import pyarrow as pa

from audit.errors import StoppedError
from audit.output.held import Held
from audit.output.inventory import Gaps, Inventory, write_inventory
from audit.output.journal import PartFacts
from audit.output.part_files import read_facts, read_rows, write_rows
from audit.output.seal import Seal, SealedFile, sealed_file
from audit.snapshot.coverage import COVERAGE
from audit.storage.at_once import ahead
from audit.storage.place import Place, make_dir, remove

log = logging.getLogger(__name__)

INVENTORY = "inventory.arrow"
#: Stands in the place of an inventory where nothing could be listed.
UNLISTED = "unlisted.arrow"
#: Pattern of the coverage files in an attempt.
COVERAGE_FILES = f"[0-9]*.{COVERAGE}.arrow"
_ANSWER_FILES = "[0-9]*.answers"
#: The name of such a file, with the number of entities in it.
_ENTITIES = re.compile(r"[0-9]+\.[^.]+\.[0-9]+\.([0-9]{1,9})\.answers")


class Partition:
    """One dataset of one organization, as one writer sees it. Made by `Draft.partition`.

    Args:
        folder: `<parts>/<organization>/<dataset>`, the folder of all attempts.
        writer: the name of this writer, and of an attempt that it begins.
        held: the lock; each step that writes or removes something checks it first.
        seal: of the draft.

    Attributes:
        attempt: the name of the attempt that was decided on; None before that.
    """

    def __init__(self, folder: Place, writer: str, held: Held, seal: Seal) -> None:
        self.attempt: str | None = None
        self._folder = folder
        self._writer = writer
        self._held = held
        self._seal = seal
        #: The coverage file of each batch that has its part; None until it is needed.
        self._coverage: dict[int, Place] | None = None
        #: Files of answers that this writer has added, by batch.
        self._written: dict[int, list[Place]] = {}
        self._numbers = count()

    def choose(self, attempt: str) -> None:
        """Decide on an attempt, and look again at what it holds."""
        self.attempt = attempt
        self._coverage = None

    def save_inventory(self, entities: Iterable[pa.Table], gaps: Gaps) -> Inventory:
        """Keep an inventory (`audit.output.inventory.write_inventory`), for this run and for a run that resumes it.

        Raises:
            OSError: the disk refuses.
        """
        path = self._begin() / INVENTORY
        write_inventory(path, entities, gaps, self._seal)
        return Inventory.open(path, self._seal)

    def load_inventory(self) -> Inventory | None:
        """The saved inventory. None if there is no inventory, or if it is damaged: its parts are dropped then.

        Raises:
            StoppedError: the lock is lost.
        """
        path = self._attempt_folder() / INVENTORY
        try:
            inventory = Inventory.open(path, self._seal)
            inventory.check()
        except FileNotFoundError:
            pass
        except StoppedError:
            log.warning("%s can't be read: its entities are listed and asked again", path)
        else:
            return inventory
        self.drop()
        return None

    def refuse(self, unlisted: dict[str, str]) -> None:
        """Delete the data, and record why the dataset was refused: these kinds of entity could not be listed.

        A resumed run tries again.
        """
        self.drop()
        write_inventory(self._begin() / UNLISTED, [], Gaps(unlisted), self._seal)

    def inventory(self, most: float = math.inf) -> Inventory | None:
        """The inventory to be committed, or None; if the dataset was refused, the inventory has no entities.

        Args:
            most: the most bytes that its file may have.

        Raises:
            StoppedError: the inventory is damaged, or longer.
        """
        for name in (INVENTORY, UNLISTED):
            with suppress(FileNotFoundError):
                return Inventory.open(self._attempt_folder() / name, self._seal, most)
        return None

    def drop(self) -> None:
        """Remove the attempt that was decided on, if any; those of other writers stay.

        Raises:
            StoppedError: the lock is lost.
        """
        self._held.check()
        self._coverage = None
        attempt, self.attempt = self.attempt, None
        if attempt:
            with suppress(OSError):
                remove(self._folder / attempt)

    def forget_parts(self) -> None:
        """Remove all parts and answers; the inventory stays.

        Raises:
            StoppedError: the lock is lost.
        """
        self._held.check()
        for path in self._coverage_files().values():
            path.unlink(missing_ok=True)
        for paths in self._answer_files().values():
            for path in paths:
                path.unlink(missing_ok=True)
        self._coverage = None

    def write_slice(self, index: int, number: int, tables: Mapping[str, pa.Table]) -> None:
        """Write a slice of a batch's rows, whose part `write_part` completes.

        Raises:
            StoppedError: the lock is lost.
            OSError: the disk refuses, or the draft is gone: then the run is over.
        """
        self._held.check()
        coverage = self._attempt_folder() / f"{index:08d}.{self._writer}.{COVERAGE}.arrow"
        for name in sorted(tables):
            write_rows(_slice_path(coverage, name, number), tables[name], None, self._seal)

    def write_part(self, index: int, tables: dict[str, pa.Table], facts: PartFacts) -> None:
        """Write the part of a batch: the dataset's tables, then `coverage`. Its files of answers are removed.

        Raises:
            StoppedError: the lock is lost.
            OSError: the disk refuses, or the draft is gone: then the run is over.
        """
        self._held.check()
        folder = self._attempt_folder()
        for name in sorted(tables, key=lambda name: name == COVERAGE):
            path = folder / f"{index:08d}.{self._writer}.{name}.arrow"
            write_rows(path, tables[name], facts if name == COVERAGE else None, self._seal)
        if self._coverage is not None:
            self._coverage[index] = path
        if not facts.is_given_up:
            for written in self._written.pop(index, []):
                with suppress(OSError):
                    written.unlink()

    def write_answers(self, index: int, entities: int, answers: bytes) -> None:
        """Keep answers of a batch that is not complete yet (`audit.crawl.answer_log`), those of `entities` entities.

        Raises:
            StoppedError: the lock is lost.
            OSError: the disk refuses.
        """
        self._held.check()
        # Readers show how many there are without reading the answers.
        name = f"{index:08d}.{self._writer}.{next(self._numbers):06d}.{entities}.answers"
        path = self._attempt_folder() / name
        with sealed_file(path, self._seal) as file:
            file.write(answers)
        self._written.setdefault(index, []).append(path)

    def answers(self) -> dict[int, list[SealedFile]]:
        """The files of answers of all writers, by batch, for batches that do not have their part yet."""
        done = self.finished()
        return {
            index: [SealedFile(path, self._seal) for path in paths]
            for index, paths in self._answer_files().items()
            if index not in done
        }

    def kept(self) -> int:
        """The entities with answers in batches that do not have their part yet, as the names of the files say."""
        return sum(_entities_in(file.path) for files in self.answers().values() for file in files)

    def finished(self) -> set[int]:
        """The batches that have their part."""
        return set(self._coverage_files())

    def read_parts(self, table: str) -> Iterator[pa.Table]:
        """The rows of a table, slice by slice (of `coverage`, part by part), in the order of the inventory.

        Raises:
            StoppedError: a part is damaged; a resumed run asks for its batch again.
        """
        slices = [1] * len(self._coverage_files())
        if table != COVERAGE:
            slices = [facts.slices for facts in self.read_facts()]
        parts = zip(self._coverage_files().values(), slices, strict=True)
        paths = [(part, _slice_path(part, table, number)) for part, count in parts for number in range(count)]
        read = ahead(partial(read_rows, seal=self._seal), [path for _, path in paths])
        for (part, path), rows in zip(paths, read, strict=True):
            if rows is None:
                raise self._damaged(path, part)
            yield rows

    def read_facts(self) -> Iterator[PartFacts]:
        """The facts of each part.

        Raises:
            StoppedError: a part is damaged; a resumed run asks for its batch again.
        """
        coverage = list(self._coverage_files().values())
        for path, facts in zip(coverage, ahead(partial(read_facts, seal=self._seal), coverage), strict=True):
            if facts is None:
                raise self._damaged(path, path)
            yield facts

    def _attempt_folder(self) -> Place:
        """The folder of the chosen attempt, else of the fullest, which is then chosen, else of a new attempt."""
        if self.attempt is None:
            attempts = [path.parent for path in self._folder.glob(f"*/{INVENTORY}")]
            if not attempts:
                return self._folder / self._writer
            self.attempt = max(attempts, key=lambda each: (len(list(each.glob("[0-9]*"))), each.name)).name
        return self._folder / self.attempt

    def _begin(self) -> Place:
        """Make the folder of the chosen attempt, else of this writer's own: attempts of others are left alone."""
        self.attempt = self.attempt or self._writer
        folder = self._folder / self.attempt
        make_dir(folder)
        return folder

    def _coverage_files(self) -> dict[int, Place]:
        """The coverage file of each batch that has its part, in order; of several, always the same."""
        if self._coverage is None:
            found: dict[int, Place] = {}
            for path in self._attempt_folder().glob(COVERAGE_FILES):
                index = _batch_of(path)
                found[index] = min(path, found.get(index, path), key=lambda each: each.name)
            self._coverage = found
        return dict(sorted(self._coverage.items()))

    def _answer_files(self) -> dict[int, list[Place]]:
        """The files of answers of all writers, by batch, in an order that is always the same."""
        found: dict[int, list[Place]] = {}
        paths: list[Place] = list(self._attempt_folder().glob(_ANSWER_FILES))
        for path in sorted(paths, key=lambda each: each.name):
            found.setdefault(_batch_of(path), []).append(path)
        return found

    def _damaged(self, path: Place, coverage: Place) -> StoppedError:
        self._held.check()
        # Another writer may have removed it before, or the whole attempt.
        coverage.unlink(missing_ok=True)
        return StoppedError(f"{path} is damaged; a resumed run asks for its batch again")


def _slice_path(coverage: Place, table: str, number: int) -> Place:
    """The file of a slice of a table, given the coverage file of its part."""
    return coverage.with_name(coverage.name.replace(f".{COVERAGE}.", f".{table}.{number}." if number else f".{table}."))


def _batch_of(path: Place) -> int:
    return int(path.name.partition(".")[0])


def _entities_in(path: Place) -> int:
    """The entities of a file of answers; 0 if its name, which anybody may have given, does not say so."""
    found = _ENTITIES.fullmatch(path.name)
    return int(found[1]) if found else 0
