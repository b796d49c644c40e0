"""Where snapshots lie: the same functions for a path of this machine and for an object store.

`audit.storage.content` reads and writes the files.
"""

import errno
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from audit import files
from audit.errors import UsageError
from audit.storage import bucket
from audit.storage.objects import ObjectPath

#: A file or a folder.
Place: TypeAlias = Path | ObjectPath


def place(text: str) -> Place:
    """The place that a user names: a path, with `~`, or a URI.

    Raises:
        UsageError: the text can't be a path or a URI, or is a mistyped URI.
    """
    if bucket.is_uri(text):
        return ObjectPath.of(text)
    bucket.check_path(text)
    path = files.expand(text)
    if not files.is_utf8(str(path)):
        raise UsageError(f"path {str(path)!r} is not UTF-8: name another folder")
    return path


def make_dir(folder: Place) -> None:
    """Make a folder and its parents, for this user only; an object store needs no folders."""
    if isinstance(folder, Path):
        files.make_dir(folder)


def make_new_dir(folder: Place) -> None:
    """Make a folder that nobody else has made, for this user only; an object store needs no folders.

    Raises:
        FileExistsError: something has this name already, be it a link.
        OSError: the folder can't be made.
    """
    if isinstance(folder, Path):
        folder.mkdir(mode=0o700)
        files.sync_dir(folder.parent)


def sync_dir(folder: Place) -> None:
    """Flush the entries of a folder to the disk; an object store has done so by itself."""
    if isinstance(folder, Path):
        files.sync_dir(folder)


def exists(path: Place) -> bool:
    """Whether a file or folder exists, or a link, wherever it leads.

    Raises:
        OSError: the folder above it can't be read.
    """
    if isinstance(path, ObjectPath):
        return path.exists()
    with suppress(FileNotFoundError, NotADirectoryError):
        return bool(path.lstat())
    return False


def is_dir(path: Place) -> bool:
    """Whether a folder exists; a text that no file can have as its name is the name of none.

    Raises:
        OSError: the folder above it can't be read.
    """
    if isinstance(path, ObjectPath):
        return path.is_dir()
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            return False
        raise


def subfolders(folder: Place) -> list[Place]:
    """The folders in a folder, including links to folders; empty if the folder does not exist.

    Raises:
        OSError: the folder can't be read.
    """
    if isinstance(folder, ObjectPath):
        return [each for each, is_dir in folder.entries() if is_dir]
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        return [Path(each.path) for each in entries if _is_folder(each)]
    return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):  # a link to itself, or to where this user may not look
        return entry.is_dir()
    return False


def holds_others(folder: Place) -> bool:
    """Whether anything below a folder is neither a file nor a folder: a link, a pipe, a device or a socket.

    Raises:
        OSError: a folder can't be read.
    """
    waiting = [os.fspath(folder)] if isinstance(folder, Path) else []
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for each in entries:
                if each.is_dir(follow_symlinks=False):
                    waiting.append(each.path)
                elif not each.is_file(follow_symlinks=False):
                    return True
    return False


def remove(path: Place) -> None:
    """Remove a file, or a folder with everything in it, if it exists.

    Raises:
        OSError: it can't be removed.
    """
    if isinstance(path, ObjectPath):
        path.remove_tree()
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def rename(path: Place, name: str) -> None:
    """Rename a file, replacing a file of that name. In an object store, both names exist for a moment.

    Raises:
        OSError: it can't be renamed.
    """
    if isinstance(path, ObjectPath):
        path.with_name(name).put(path.read_bytes())
        path.unlink()
    else:
        path.replace(path.with_name(name))


def remove_unwritten(folder: Place) -> None:
    """Remove leftovers of interrupted calls of `atomic_file` in a folder, at any depth; an object store has none."""
    if isinstance(folder, Path):
        for leftover in [*folder.rglob(".*.tmp")]:
            remove(leftover)
