"""The context tables of an organization in a draft (`audit.snapshot.context`).

As in a partition, several writers may write, and nothing that stands is replaced: each file has a name that no other
file has. A reader decides on one file of a table and stays with it. Who must have the file of a certain listing gives
its name.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from typing import NamedTuple

import msgspec
import pyarrow as pa

from audit.columns import regroup, without_docs
from audit.errors import StoppedError
from audit.output.held import Held
from audit.output.part_files import UNREADABLE, is_damage
from audit.output.seal import Seal, open_sealed, sealed_file
from audit.snapshot.context import CONTEXT
from audit.storage.place import Place, make_dir

log = logging.getLogger(__name__)

#: The folder of all context tables of an organization, beside those of its datasets: no dataset has this name.
CONTEXT_FOLDER = "_context"
_BATCH_ROWS = 10_000
_METADATA = b"webex-audit.gap"
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class ContextTable(NamedTuple):
    """A context table of an organization, to be committed.

    Attributes:
        rows: reads its rows in order, in tables of bounded size.
        gap: what is missing from it, in words; None if nothing is.
    """

    rows: Callable[[], Iterator[pa.Table]]
    gap: str | None = None


class Context:
    """The context tables of one organization, as one writer sees them. Made by `Draft.context`.

    Args:
        folder: the folder of all context tables of the organization.
        writer: the name of this writer.
        held: the lock; each step that writes or removes something checks it first.
        seal: of the draft.
    """

    def __init__(self, folder: Place, writer: str, held: Held, seal: Seal) -> None:
        self._folder = folder
        self._writer = writer
        self._held = held
        self._seal = seal
        self._numbers = count()
        #: The name of the file that was decided on, by table.
        self._chosen: dict[str, str] = {}

    def write(self, table: str, rows: Iterable[pa.Table], gap: str | None = None) -> str:
        """Keep a table, and decide on it. Rows are written as they come.

        Args:
            table: a table of `audit.snapshot.context.CONTEXT`.
            rows: its rows, in order.
            gap: what is missing from it, in words.

        Returns:
            The name of the file, for readers who must have this one.

        Raises:
            StoppedError: the lock is lost.
            OSError: the disk refuses.
        """
        self._held.check()
        name = f"{self._writer}.{next(self._numbers)}"
        make_dir(self._folder / table)
        schema = _schema_of(table)
        with (
            sealed_file(self._path(table, name), self._seal) as file,
            pa.ipc.new_file(file, schema.with_metadata({_METADATA: msgspec.json.encode(gap)}), options=_OPTIONS) as to,
        ):
            for batch in regroup((each.cast(schema) for each in rows), schema, _BATCH_ROWS):
                to.write_table(batch.combine_chunks())
        self._chosen[table] = name
        return name

    def load(self, table: str, name: str | None = None) -> ContextTable | None:
        """A table that was kept, read whole once. None if there is none, or if it is damaged: it is removed then.

        Args:
            table: the table.
            name: the name of its file; None for the file that is decided on.

        Raises:
            StoppedError: the lock is lost.
        """
        while wanted := name or self._choose(table):
            try:
                found = self._open(table, wanted)
                for _ in found.rows():
                    pass
            except FileNotFoundError:
                self._chosen.pop(table, None)
                return None
            except StoppedError as damage:
                log.warning("%s", damage)
                self._held.check()
                self._path(table, wanted).unlink(missing_ok=True)
                self._chosen.pop(table, None)
            else:
                return found
        return None

    def table(self, table: str, name: str | None = None) -> ContextTable | None:
        """A table to be committed, as `load`; None if there is none.

        Raises:
            StoppedError: the table is damaged, or the file of that name is gone; a resumed run reads it anew.
        """
        if wanted := name or self._choose(table):
            try:
                return self._open(table, wanted)
            except FileNotFoundError:
                raise _damaged(self._path(table, wanted)) from None
        return None

    def _choose(self, table: str) -> str | None:
        if table not in self._chosen:
            names = sorted(path.name.removesuffix(".arrow") for path in (self._folder / table).glob("*.arrow"))
            if not names:
                return None
            self._chosen[table] = names[0]
        return self._chosen[table]

    def _path(self, table: str, name: str) -> Place:
        return self._folder / table / f"{name}.arrow"

    def _open(self, table: str, name: str) -> ContextTable:
        path = self._path(table, name)
        try:
            with open_sealed(path, self._seal) as file, pa.ipc.open_file(file) as reader:
                if not reader.schema.equals(_schema_of(table)):
                    raise _damaged(path)
                gap = msgspec.json.decode((reader.schema.metadata or {})[_METADATA], type=str | None)
        except FileNotFoundError:
            raise
        except UNREADABLE as error:
            if not is_damage(error):
                raise
            raise _damaged(path) from None
        return ContextTable(partial(_read, path, self._seal), gap)


def _read(path: Place, seal: Seal) -> Iterator[pa.Table]:
    """The rows of a file.

    Raises:
        StoppedError: the file is damaged.
    """
    try:
        with open_sealed(path, seal) as file, pa.ipc.open_file(file) as reader:
            for index in range(reader.num_record_batches):
                yield pa.Table.from_batches([reader.get_batch(index)]).replace_schema_metadata(None)
    except UNREADABLE as error:
        if not is_damage(error):
            raise
        raise _damaged(path) from None


def _schema_of(table: str) -> pa.Schema:
    return without_docs(CONTEXT[table])


def _damaged(path: Place) -> StoppedError:
    return StoppedError(f"{path} is damaged; a resumed run reads it anew")
