"""Private copies of snapshots for as long as they are read: of files that somebody else may change meanwhile.

Size and SHA-256 are compared with the manifest while a file is copied, and Parquet is examined in its copy
(`audit.snapshot.parquet`). So what is read is what was checked, although others may write to the output: a check of the
file in its place would not hold until DuckDB opens it.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from audit.errors import DamagedError, StoppedError, UsageError
from audit.files import IrregularFileError, make_dir, open_regular, scratch_folder
from audit.snapshot.catalog import Snapshot
from audit.snapshot.layout import MANIFEST, org_of_parquet
from audit.snapshot.manifest import FileEntry, Manifest, read_manifest
from audit.storage.at_once import at_once
from audit.storage.errors import StorageError
from audit.storage.objects import ObjectPath
from audit.storage.place import Place

_AnySnapshot = TypeVar("_AnySnapshot", Snapshot, Snapshot | None)

_BLOCK_BYTES = 1 << 20
_ADVICE = "'webex-audit verify' says more"


@dataclass(frozen=True)
class Staged(Snapshot):
    """A snapshot whose files are private copies, and are what its manifest says.

    Attributes:
        size: bytes of its Parquet files.
    """

    size: int


@contextmanager
def staged(snapshot: _AnySnapshot) -> Iterator[_AnySnapshot]:
    """A snapshot as private copies of its manifest and Parquet files, checked against the manifest.

    The copies lie in a folder that only this user can read, and that is removed at the end. A snapshot that is staged
    already, or None, passes through.

    Raises:
        DamagedError: a file is not what the manifest says, or can't be read in bounded memory.
        UsageError: a file is missing or lies outside the snapshot; the object store refuses or can't be reached.
        StoppedError: the disk is full.
    """
    if snapshot is None or isinstance(snapshot, Staged):
        yield snapshot
        return
    with _copied(snapshot) as copies:
        yield copies


@contextmanager
def _copied(snapshot: Snapshot) -> Iterator[Staged]:
    files = _parquet_of(snapshot.manifest)
    with _fetched(snapshot.path, [MANIFEST, *files], files) as folder:
        if read_manifest(folder) != snapshot.manifest:
            raise DamagedError(snapshot.path / MANIFEST, "it changed while it was read")
        yield Staged(folder, snapshot.manifest, sum(file.bytes for file in files.values()))


def _parquet_of(manifest: Manifest) -> dict[str, FileEntry]:
    files = [file for table in manifest.tables.values() for file in table.files]
    return {file.path: file for file in files if file.path.endswith(".parquet")}


@contextmanager
def staged_table(snapshot: Snapshot, table: str, org_id: str) -> Iterator[list[Path]]:
    """Private copies of the Parquet files of one table and organization, checked against the manifest.

    Raises:
        UsageError, StoppedError: as `staged`.
    """
    files = {
        path: file for path, file in _parquet_of(snapshot.manifest).items() if org_of_parquet(table, path) == org_id
    }
    with _fetched(snapshot.path, files, files) as folder:
        yield [folder / path for path in files]


@contextmanager
def staged_whole(snapshot: Snapshot) -> Iterator[Path]:
    """The folder of a snapshot on this machine, with all its files, unchecked: a local folder is not copied."""
    if isinstance(snapshot.path, Path):
        yield snapshot.path
        return
    place = snapshot.path
    try:
        entries = place.entries(is_recursive=True)
    except OSError as error:
        raise _unfetched(error, place) from None
    paths = [each.key.removeprefix(f"{place.key}/") for each, is_dir in entries if not is_dir]
    with _fetched(place, paths, {}) as folder:
        yield folder


@contextmanager
def _fetched(place: Place, paths: Iterable[str], entries: dict[str, FileEntry]) -> Iterator[Path]:
    """Copies of files of a snapshot; those that have an entry are compared with it."""
    with scratch_folder() as temporary:
        folder = Path(temporary, "snapshot")
        needed = sum(file.bytes for file in entries.values())
        if needed > shutil.disk_usage(temporary).free:
            raise StoppedError(f"{place} needs {needed:,} bytes in {tempfile.gettempdir()}: make room, or set TMPDIR")
        try:
            make_dir(folder)
            at_once(lambda path: _fetch(place, folder, path, entries.get(path)), paths)
        except OSError as error:
            raise _unfetched(error, place) from None
        yield folder


def _fetch(place: Place, folder: Path, relative: str, entry: FileEntry | None) -> None:
    from audit.snapshot.parquet import UNREADABLE, examine, fault_of  # noqa: PLC0415 - Arrow takes long to load

    target = Path(os.path.normpath(folder / relative))
    if "\0" in relative or not target.is_relative_to(folder):
        raise UsageError(f"{place}: its manifest names {relative!r}, a file that is not in this folder")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _copy(place, relative, target, entry)
    except FileNotFoundError:
        if entry:
            raise UsageError(
                f"{place / relative} is missing: 'webex-audit verify' lists everything that is missing"
            ) from None
        target.unlink(missing_ok=True)
        return
    if entry:
        try:
            if examine(target, entry.rows).rows != entry.rows:
                raise ValueError("it does not hold the number of rows that the manifest says")
        except UNREADABLE as error:
            raise DamagedError(place / relative, f"{fault_of(error)}: {_ADVICE}") from None


def _copy(place: Place, relative: str, target: Path, entry: FileEntry | None) -> None:
    """Copy a file, and compare what is copied with its entry: no more is read than the entry says."""
    digest = hashlib.sha256()
    size = 0
    with _new_file(target) as file:
        for block in _blocks(place, relative):
            size += len(block)
            if entry and size > entry.bytes:
                break
            digest.update(block)
            file.write(block)
    if entry and (size != entry.bytes or digest.hexdigest() != entry.sha256):
        raise DamagedError(place / relative, f"it is not the file that the manifest names: {_ADVICE}")


def _new_file(path: Path) -> BinaryIO:
    # Not flushed to the disk: the file lives as long as the command.
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _blocks(place: Place, relative: str) -> Iterator[bytes]:
    if isinstance(place, ObjectPath):
        yield from (place / relative).read_blocks()
        return
    path = _inside(place, relative)
    try:
        with open_regular(path) as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except FileNotFoundError:
        raise
    except IrregularFileError:
        raise DamagedError(path, "it is not a regular file") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def _inside(folder: Path, relative: str) -> Path:
    """The path of a file that a manifest names; a manifest may come from anywhere."""
    # Unlike `resolve`, it takes a link to itself.
    if not Path(os.path.realpath(folder / relative)).is_relative_to(folder.resolve()):
        raise UsageError(f"{folder}: its manifest names {relative!r}, a file that is not in this folder")
    return folder / relative


def _unfetched(error: OSError, place: Place) -> UsageError | StoppedError:
    if isinstance(error, StorageError):
        return UsageError(f"{error.filename}: {error.strerror}")
    here = tempfile.gettempdir()
    return StoppedError(f"{place} can't be fetched to {here}: {error.strerror}: make room, or set TMPDIR")
