"""Copies of snapshots from object stores on this machine, for as long as they are read."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from audit.errors import StoppedError, UsageError
from audit.files import make_dir, private_file, scratch_folder
from audit.snapshot.catalog import Snapshot
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import Manifest
from audit.storage.errors import StorageError
from audit.storage.objects import ObjectPath

_AnySnapshot = TypeVar("_AnySnapshot", Snapshot, Snapshot | None)

#: Number of files that are fetched at once; a block of each is in memory.
_AT_ONCE = 8


@contextmanager
def staged(snapshot: _AnySnapshot) -> Iterator[_AnySnapshot]:
    """A snapshot with its manifest and Parquet files on this machine.

    From an object store, the files are fetched to a folder that only this user can read, and that is removed at the
    end. A local snapshot, or None, passes through.

    Raises:
        UsageError: the object store refuses or can't be reached, or a file lies outside the snapshot.
        StoppedError: the disk is full.
    """
    if snapshot is None or isinstance(snapshot.path, Path):
        yield snapshot
        return
    with _fetched(snapshot.path, [MANIFEST, *_parquet_of(snapshot.manifest)]) as folder:
        yield replace(snapshot, path=folder)


def _parquet_of(manifest: Manifest) -> list[str]:
    return [file.path for table in manifest.tables.values() for file in table.files if file.path.endswith(".parquet")]


@contextmanager
def staged_whole(snapshot: Snapshot) -> Iterator[Path]:
    """The folder of a snapshot on this machine, with all its files; otherwise as `staged`."""
    if isinstance(snapshot.path, Path):
        yield snapshot.path
        return
    place = snapshot.path
    try:
        entries = place.entries(is_recursive=True)
    except OSError as error:
        raise _unfetched(error, place) from None
    with _fetched(place, [each.key.removeprefix(f"{place.key}/") for each, is_dir in entries if not is_dir]) as folder:
        yield folder


@contextmanager
def _fetched(place: ObjectPath, paths: Iterable[str]) -> Iterator[Path]:
    with scratch_folder() as temporary:
        folder = Path(temporary, place.name or "snapshot")
        try:
            make_dir(folder)
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch") as executor:
                for fetched in [executor.submit(_fetch, place, folder, path) for path in paths]:
                    fetched.result()
        except OSError as error:
            raise _unfetched(error, place) from None
        yield folder


def _fetch(place: ObjectPath, folder: Path, relative: str) -> None:
    target = Path(os.path.normpath(folder / relative))
    if "\0" in relative or not target.is_relative_to(folder):
        raise UsageError(f"{place}: {relative!r} is not in this folder")
    make_dir(target.parent)
    try:
        with private_file(target) as file:
            for block in (place / relative).read_blocks():
                file.write(block)
    except FileNotFoundError:
        # The reader reports which file is missing.
        target.unlink(missing_ok=True)


def _unfetched(error: OSError, place: ObjectPath) -> UsageError | StoppedError:
    if isinstance(error, StorageError):
        return UsageError(f"{error.filename}: {error.strerror}")
    here = tempfile.gettempdir()
    return StoppedError(f"{place} can't be fetched to {here}: {error.strerror}: make room, or set TMPDIR")
