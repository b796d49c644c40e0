"""A snapshot in the making: the parts of a run, each written whole or not at all.

A part is the tables of one batch. Its coverage is written last, so a batch has its part when, and
only when, that file stands.
"""

import secrets
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from audit.errors import UsageError
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.files import atomic_file, make_dir

_PARTS = "parts"


class Draft:
    """The folder of a run that is not committed yet: `<output>/<snapshot-id>`.

    Args:
        output: the folder of all snapshots; made where it is absent.
        started_at: when the run began.

    Raises:
        UsageError: the output can't be written.
    """

    def __init__(self, output: Path, started_at: datetime) -> None:
        self.started_at = started_at
        self.snapshot_id = f"{started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        self.output = output
        self.folder = output / self.snapshot_id
        try:
            make_dir(self.folder / _PARTS)
            with atomic_file(self.folder / _PARTS / "probe") as probe:
                probe.write(b"\0")
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise UsageError(
                f"output {output} can't be written: {error.strerror}: name another folder with --output"
            ) from None

    def write_part(self, org_id: str, dataset: str, index: int, tables: dict[str, pa.Table]) -> None:
        """Write the part of a batch: the dataset's tables, then `coverage`.

        Raises:
            OSError: the disk refuses.
        """
        folder = self._part_folder(org_id, dataset)
        make_dir(folder)
        for name in sorted(tables, key=lambda name: name == COVERAGE):
            with (
                atomic_file(folder / f"{index:08d}.{name}.arrow") as file,
                pa.ipc.new_file(
                    file, tables[name].schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
                ) as writer,
            ):
                writer.write_table(tables[name])

    def read_parts(self, org_id: str, dataset: str, table: str) -> Iterator[pa.Table]:
        """The rows of a table, part by part, in the order of the inventory."""
        for path in sorted(self._part_folder(org_id, dataset).glob(f"*.{table}.arrow")):
            with pa.ipc.open_file(path) as reader:
                yield reader.read_all()

    def remove_parts(self) -> None:
        """Drop the parts, once the manifest stands."""
        shutil.rmtree(self.folder / _PARTS, ignore_errors=True)

    def discard(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _part_folder(self, org_id: str, dataset: str) -> Path:
        return self.folder / _PARTS / org_id / dataset
