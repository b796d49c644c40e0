"""The files of a snapshot, byte for byte."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from audit.files import sha256_of
from audit.snapshot.layout import MANIFEST, is_leftover
from audit.snapshot.manifest import FileEntry, Manifest
from audit.snapshot.proof.fault import Fault, Note
from audit.snapshot.proof.signing import SIGNATURE
from audit.text import count_of, printable


def entries_of(manifest: Manifest) -> list[FileEntry]:
    """The files that a manifest names."""
    return [file for table in manifest.tables.values() for file in table.files]


def check_names(manifest: Manifest) -> Iterator[Fault]:
    """Check that a manifest names each file once."""
    for path, count in Counter(file.path for file in entries_of(manifest)).items():
        if count > 1:
            yield Fault(MANIFEST, f"names {path} {count} times")


def compare_file(file: FileEntry, size: int, sha256: str) -> Iterator[Fault]:
    """Compare the size and the SHA-256 of a file with its entry."""
    if size != file.bytes:
        yield Fault(file.path, f"has {size} bytes, but the manifest says {file.bytes}")
    elif sha256 != file.sha256:
        yield Fault(file.path, f"has SHA-256 {sha256}, but the manifest says {file.sha256}")


def check_files(folder: Path, manifest: Manifest) -> Iterator[Fault | Note]:
    """Check that the folder holds the files of the manifest, byte for byte, and no others."""
    found = dict(_walk(folder))
    entries = entries_of(manifest)
    yield from check_names(manifest)
    for path, is_file in found.items():
        if not is_file:
            yield Fault(path, "is not a regular file, or can't be opened")
    for file in entries:
        if file.path not in found:
            yield Fault(file.path, "is missing")
        elif found[file.path]:
            yield from _check_file(folder / file.path, file)
    yield from _check_others({path for path in found if found[path]} - {file.path for file in entries})


def _check_others(paths: set[str]) -> Iterator[Fault | Note]:
    """Report files that the manifest does not name."""
    others = sorted(paths - {MANIFEST, SIGNATURE})
    leftovers = [path for path in others if is_leftover(path)]
    for path in others:
        if path not in leftovers:
            yield Fault(path, "is not named by the manifest")
    if leftovers:
        count = count_of(len(leftovers), "file is", "files are")
        yield Note(f"{count} left over from the commit; the next run or prune removes them: {printable(leftovers[0])}")


def _check_file(path: Path, file: FileEntry) -> Iterator[Fault]:
    try:
        size, sha256 = path.stat().st_size, sha256_of(path)
    except OSError as error:
        yield Fault(file.path, f"can't be read: {error.strerror}")
        return
    yield from compare_file(file, size, sha256)


def _walk(folder: Path) -> Iterator[tuple[str, bool]]:
    """The content of a folder without following links: relative path, and whether it is a regular file."""
    errors: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=errors.append):
        for name in [*names, *(each for each in folders if Path(place, each).is_symlink())]:
            path = Path(place, name)
            yield _text(path.relative_to(folder)), stat.S_ISREG(path.lstat().st_mode)
    for error in errors:
        yield _text(Path(error.filename).relative_to(folder)), False


def _text(path: Path) -> str:
    """A path as printable text: names are bytes that may not be UTF-8."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
