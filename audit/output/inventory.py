"""The inventory of an organization: a file in a draft, read one batch at a time."""

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from audit.columns import regroup
from audit.entity import INVENTORY_SCHEMA
from audit.errors import StoppedError
from audit.output.part_files import UNREADABLE, is_damage
from audit.output.seal import Seal, open_sealed, sealed_file
from audit.storage.place import Place
from audit.untrusted.decoding import prepared

#: Number of entities in a batch, and so in a part: the unit that is crawled, written and resumed.
BATCH_SIZE = 500

#: A file of an older form has another name here.
_METADATA = b"webex-audit.gaps"


@prepared
class Gaps(msgspec.Struct, frozen=True):
    """What the listings of an inventory did not give.

    Attributes:
        unlisted: the kinds of entity that the token may not list, with the reason for each.
        invalid_items: by kind of entity, the number of listed items that name no entity.
        are_names_lost: the names of locations could not be read, or not all of them.
        devices: the name of the file of `workspace_devices` (`audit.output.context`) that the same listing gave; None
            if it gave no devices.
    """

    unlisted: dict[str, str] = {}
    invalid_items: dict[str, int] = {}
    are_names_lost: bool = False
    devices: str | None = None


@dataclass(frozen=True)
class Inventory:
    """The entities of an organization whose settings a dataset reads, sorted by `entity_id`, without duplicates.

    Attributes:
        path: an Arrow file whose record batches are the batches.
        num_rows: the number of entities.
        gaps: what the listings did not give.
        seal: of its draft.
    """

    path: Place
    num_rows: int
    gaps: Gaps
    seal: Seal

    @classmethod
    def open(cls, path: Place, seal: Seal, most: float = math.inf) -> Self:
        """Open the inventory in a file.

        Args:
            path: the file.
            seal: of its draft.
            most: the most bytes that it may have.

        Raises:
            FileNotFoundError: there is no such file.
            StoppedError: the file is damaged, foreign or longer, or another version of webex-audit wrote it in another
                form.
        """
        try:
            with open_sealed(path, seal, most) as file, pa.ipc.open_file(file) as reader:
                if not reader.schema.equals(INVENTORY_SCHEMA):
                    raise _damaged(path)
                gaps = msgspec.json.decode((reader.schema.metadata or {})[_METADATA], type=Gaps)
                last = reader.num_record_batches - 1
                # Every batch but the last is full.
                rows = reader.get_batch(0).num_rows * last + reader.get_batch(last).num_rows if last >= 0 else 0
                return cls(path, rows, gaps, seal)
        except FileNotFoundError:
            raise
        except UNREADABLE as error:
            if not is_damage(error):
                raise
            raise _damaged(path) from None

    def batches(self, done: Collection[int] = ()) -> Iterator[tuple[int, pa.Table]]:
        """The batches (`INVENTORY_SCHEMA`) in order, each with its index, without those that are done.

        Raises:
            StoppedError: the file is damaged; a resumed run takes a new inventory.
        """
        try:
            with open_sealed(self.path, self.seal) as file, pa.ipc.open_file(file) as reader:
                for index in range(reader.num_record_batches):
                    if index not in done:
                        rows = pa.Table.from_batches([reader.get_batch(index)])
                        yield index, rows.replace_schema_metadata(None)
        except UNREADABLE as error:
            if not is_damage(error):
                raise
            raise _damaged(self.path) from None

    def ids(self) -> Iterator[str]:
        """The ids of all entities, in order."""
        for _, rows in self.batches():
            yield from rows["entity_id"].to_pylist()

    def unnamed_ids(self) -> Iterator[str]:
        """The ids of the entities whose location lost its name, in order."""
        for _, rows in self.batches() if self.gaps.are_names_lost else ():
            is_unnamed = pc.and_(pc.is_valid(rows["location_id"]), pc.is_null(rows["location_name"]))
            yield from rows.filter(is_unnamed)["entity_id"].to_pylist()

    def check(self) -> None:
        """Read the whole file, as a resumed run does before it relies on the inventory.

        Raises:
            StoppedError: the file is damaged.
        """
        for _ in self.batches():
            pass

    def rows_in(self, batches: Collection[int]) -> int:
        """The number of entities in these batches, of those that exist."""
        return sum(max(0, min(BATCH_SIZE, self.num_rows - index * BATCH_SIZE)) for index in batches)


def write_inventory(path: Place, entities: Iterable[pa.Table], gaps: Gaps, seal: Seal) -> None:
    """Write entities (`INVENTORY_SCHEMA`), already sorted by `entity_id`, as an inventory.

    Raises:
        OSError: the disk refuses.
    """
    schema = INVENTORY_SCHEMA.with_metadata({_METADATA: msgspec.json.encode(gaps)})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with sealed_file(path, seal) as file, pa.ipc.new_file(file, schema, options=options) as writer:
        for batch in regroup(entities, INVENTORY_SCHEMA, BATCH_SIZE):
            writer.write_table(batch.combine_chunks())


def _damaged(path: Place) -> StoppedError:
    return StoppedError(f"{path} is damaged; a resumed run takes a new inventory")
