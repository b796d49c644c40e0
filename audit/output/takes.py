"""Which of the inventories and parts in a draft count, where several writers have been at work.

A writer that is believed dead may still write. So what a writer adds has a name that no other writes: an
inventory begins a take, the folder of all parts that were made for it, and a part carries the name of its
writer. Nothing that stands is replaced. Whoever reads decides on one take, and on one part for each batch, and
stays with that: so neither two inventories nor two answers to one batch are ever mixed.
"""

import secrets
from contextlib import suppress
from itertools import count

from audit.snapshot.coverage import COVERAGE
from audit.storage.place import Place, make_dir, remove

INVENTORY = "inventory.arrow"
_COVERAGE_FILE = f"[0-9]*.{COVERAGE}.arrow"
_ANSWERS_FILE = "[0-9]*.answers"


class Attempts:
    """The takes of a draft, as one writer sees them: `<parts>/<organization>/<dataset>/<take>`.

    Args:
        parts: the folder of all of them.

    Attributes:
        writer: the name of this writer, and of a take that it begins.
    """

    def __init__(self, parts: Place) -> None:
        self.writer = secrets.token_hex(4)
        self._parts = parts
        self._chosen: dict[tuple[str, str], str] = {}
        self._coverage: dict[tuple[str, str], dict[int, Place]] = {}
        self._numbers = count()

    def folder(self, org_id: str, dataset: str) -> Place:
        """The take that counts: the one that was decided on, else the fullest, else one that may be begun."""
        folder = self._parts / org_id / dataset
        if (org_id, dataset) not in self._chosen:
            takes = [path.parent for path in folder.glob(f"*/{INVENTORY}")]
            if not takes:
                return folder / self.writer
            fullest = max(takes, key=lambda take: (len(list(take.glob("[0-9]*"))), take.name))
            self._chosen[org_id, dataset] = fullest.name
        return folder / self._chosen[org_id, dataset]

    def begin(self, org_id: str, dataset: str) -> Place:
        """This writer's own take, unless it had decided on another; one that came up since then is left alone."""
        take = self._chosen.setdefault((org_id, dataset), self.writer)
        folder = self._parts / org_id / dataset / take
        make_dir(folder)
        return folder

    def drop(self, org_id: str, dataset: str) -> None:
        """Remove the take that was decided on, if one was."""
        self._coverage.pop((org_id, dataset), None)
        if take := self._chosen.pop((org_id, dataset), None):
            with suppress(OSError):
                remove(self._parts / org_id / dataset / take)

    def chosen(self, org_id: str) -> dict[str, str]:
        """The takes of an organization that were decided on, by dataset."""
        # Of a copy, as other organizations are decided on in other threads meanwhile.
        return {dataset: take for (each, dataset), take in self._chosen.copy().items() if each == org_id}

    def choose(self, org_id: str, takes: dict[str, str]) -> None:
        """Decide on these takes of an organization, and look anew at what they hold."""
        for dataset in {*takes, *self.chosen(org_id)}:
            self._coverage.pop((org_id, dataset), None)
        self._chosen |= {(org_id, dataset): take for dataset, take in takes.items()}

    def path_of(self, org_id: str, dataset: str, index: int, table: str) -> Place:
        """Where this writer puts a table of a batch's part."""
        return self.folder(org_id, dataset) / f"{index:08d}.{self.writer}.{table}.arrow"

    def coverage(self, org_id: str, dataset: str) -> dict[int, Place]:
        """The coverage file of each batch that has its part, in order; of several, always the same one."""
        found = self._coverage.get((org_id, dataset))
        if found is None:
            found = self._coverage[org_id, dataset] = {}
            for path in self.folder(org_id, dataset).glob(_COVERAGE_FILE):
                index = int(path.name.partition(".")[0])
                found[index] = min(path, found.get(index, path), key=lambda each: each.name)
        return dict(sorted(found.items()))

    def add(self, org_id: str, dataset: str, index: int, coverage: Place) -> None:
        """A part has been written."""
        if (org_id, dataset) in self._coverage:
            self._coverage[org_id, dataset][index] = coverage

    def forget_coverage(self, org_id: str, dataset: str) -> None:
        """Look anew at what a take holds."""
        self._coverage.pop((org_id, dataset), None)

    def all_coverage(self, org_id: str = "*") -> list[Place]:
        """The coverage files of an organization, or of all, in whatever take."""
        return list(self._parts.glob(f"{org_id}/*/*/{_COVERAGE_FILE}"))

    def answers_path(self, org_id: str, dataset: str, index: int) -> Place:
        """Where this writer puts further answers of a batch that has no part yet."""
        return self.folder(org_id, dataset) / f"{index:08d}.{self.writer}.{next(self._numbers):06d}.answers"

    def answers(self, org_id: str, dataset: str) -> dict[int, list[Place]]:
        """The files of answers by batch, of all writers, in an order that is always the same."""
        found: dict[int, list[Place]] = {}
        paths: list[Place] = list(self.folder(org_id, dataset).glob(_ANSWERS_FILE))
        for path in sorted(paths, key=lambda each: each.name):
            found.setdefault(int(path.name.partition(".")[0]), []).append(path)
        return found
