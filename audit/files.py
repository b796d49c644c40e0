"""Private files and folders, each written whole or not at all."""

import codecs
import errno
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Literal

import platformdirs

from audit.errors import UsageError

#: What the system says of a link that is not followed, and of a socket, which can't be opened.
_IRREGULAR = frozenset({errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EOPNOTSUPP})


class IrregularFileError(OSError):
    """A link, pipe, device, socket or folder stands in the place of a file."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "not a regular file", str(path))


def expand(text: str) -> Path:
    """A path as a user writes it, with `~`.

    Raises:
        UsageError: it names a user who does not exist, or can't be a path.
    """
    if "\0" in text:
        raise UsageError(f"path {text!r} holds a NUL character")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UsageError(f"path {text!r}: this user has no home folder: set HOME, or write the whole path") from None


def own_folder(purpose: Literal["config", "state", "log"]) -> Path | None:
    """The folder that webex-audit has in the home folder of this user.

    Args:
        purpose: what the folder is for.

    Returns:
        The path of the folder, which may not exist; None for a user without a home folder, as in many containers.
    """
    try:
        match purpose:
            case "config":
                path = Path(platformdirs.user_config_dir("webex-audit"))
            case "state":
                path = Path(platformdirs.user_state_dir("webex-audit"))
            case "log":
                path = Path(platformdirs.user_log_dir("webex-audit"))
    except RuntimeError:
        return None
    # Older versions of platformdirs return `~/.config` as it is, and take a relative XDG variable, which XDG forbids.
    return path if path.is_absolute() else None


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for this user only, removed with its content when the block ends.

    Raises:
        UsageError: the system has no folder for temporary files, or its path is not UTF-8, which DuckDB and Dask need.
        OSError: the folder can't be made.
    """
    try:
        parent = tempfile.gettempdir()
    except FileNotFoundError:
        raise UsageError("no folder for temporary files can be written: name a folder in TMPDIR") from None
    if not is_utf8(parent):
        raise UsageError(f"path {parent!r} is not UTF-8: name another folder in TMPDIR")
    folder = Path(parent, f"webex-audit-{secrets.token_hex(8)}")
    # A signal may come at any moment: whatever has been made by then is removed.
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except BaseException:
        # A signal came meanwhile.
        shutil.rmtree(folder, ignore_errors=True)
        raise


def is_utf8(path: str) -> bool:
    """Whether a path is UTF-8: Python keeps any other byte as a lone surrogate, which pyarrow and DuckDB refuse."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def text_of(data: bytes) -> str:
    """The text of a file that a person may have written with any editor, on any system.

    A byte order mark and the CR of each CRLF are left out. UTF-16 is understood if it begins with a byte order mark:
    Windows PowerShell writes it (Microsoft, "about_Character_Encoding").

    Raises:
        UnicodeDecodeError: the data is not such a text.
    """
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf16 else "utf-8").lstrip("\ufeff").replace("\r\n", "\n")


def make_dir(path: Path) -> None:
    """Make a folder and its parents, for this user only (0700), and flush each new entry to the disk.

    Raises:
        OSError: a folder can't be made or flushed.
    """
    for missing in [folder for folder in [*reversed(path.parents), path] if not folder.exists()]:
        missing.mkdir(mode=0o700, exist_ok=True)
        # Without this, a power cut may take the folder, and with it the flushed files inside (fsync(2)).
        sync_dir(missing.parent)


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """A new file for this user only (0600); when the block ends without an error, the file is on the disk.

    Raises:
        OSError: the file can't be written, or its name is taken: no link is followed, nothing is overwritten.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def atomic_file(path: Path, mode: int | None = None) -> Iterator[BinaryIO]:
    """A file that appears under its name, whole and on the disk, when the block ends without an error.

    The file takes the place of a link; what the link points to stays as it is.

    Args:
        path: its name.
        mode: its permissions, which it has before it has its name; None for this user only (0600).

    Raises:
        OSError: the file can't be written, or the name is that of a pipe or a device.
    """
    check_regular(path)
    unfinished = _unfinished(path)
    try:
        with private_file(unfinished) as file:
            yield file
            if mode is not None and os.name == "posix":
                os.fchmod(file.fileno(), mode)
            written = os.fstat(file.fileno())
        unfinished.replace(path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise
    _check_owner(path, written.st_uid)
    sync_dir(path.parent)


def _check_owner(path: Path, owner: int) -> None:
    """Check that nobody has exchanged a new file: in a folder that others may write to, they can."""
    with suppress(FileNotFoundError):
        if path.lstat().st_uid != owner:
            raise OSError(errno.EPERM, "another user has put another file in its place", str(path))


def open_regular(path: Path) -> BufferedReader:
    """Open a file that others may have put there: no link is followed, no pipe is waited for, no device is read.

    Raises:
        FileNotFoundError: there is no such file.
        IrregularFileError: it is not a regular file.
        OSError: it can't be opened.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno in _IRREGULAR:
            raise IrregularFileError(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IrregularFileError(path)
    return os.fdopen(descriptor, "rb")


def _unfinished(path: Path) -> Path:
    # A name that nobody can guess: nobody can create it first to read or redirect what is written.
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def rewrite(path: Path, content: bytes) -> None:
    """Replace the content of a small private file. Links, owner and permissions stay.

    A new file takes the place of the old one at once. Where that is impossible (a folder that this user may not write,
    a bind mount of a single file, a full disk, a second hard link), the content is written into the old file; where
    that is impossible too, a new file of this user takes its place.

    Raises:
        OSError: the content can't be written in any of these ways.
    """
    target = Path(os.path.realpath(path))
    check_regular(target)
    try:
        _replace(target, content, keeps_owner=True)
    except OSError:
        try:
            _overwrite(target, content)
        except OSError as error:
            try:
                _replace(target, content, keeps_owner=False)
            except OSError:
                raise error from None


def check_rewritable(path: Path) -> None:
    """Check that `rewrite` would succeed, as far as this can be known without writing.

    Raises:
        OSError: it would fail.
    """
    target = Path(os.path.realpath(path))
    check_regular(target)
    try:
        with target.open("r+b"):
            return
    except OSError as error:
        # A read-only mount or an immutable file, in a folder where other files can be written.
        if error.errno in (errno.EROFS, errno.EPERM, errno.EISDIR):
            raise
    _check_creatable(target)


def check_replaceable(path: Path) -> None:
    """Check that `atomic_file` would succeed, as far as this can be known without replacing the file.

    Raises:
        OSError: it would fail.
    """
    check_regular(path)
    _check_creatable(path)
    with suppress(FileNotFoundError):
        _check_removable(path)


def _check_creatable(path: Path) -> None:
    """Check that a file can be made beside another."""
    beside = _unfinished(path)
    with private_file(beside):
        beside.unlink()


def _check_removable(path: Path) -> None:
    """Check that a file may be exchanged: an immutable file can't, and in a folder such as /tmp, only its owner may."""
    found, folder = path.lstat(), path.parent.stat()
    is_sticky = os.name == "posix" and folder.st_mode & stat.S_ISVTX
    if is_sticky and os.geteuid() not in (0, found.st_uid, folder.st_uid):
        raise OSError(errno.EPERM, "another user owns the file, and only its owner may replace it", str(path))
    try:
        os.close(os.open(path, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)))
    except OSError as error:
        # A file without permissions, or a link, can be replaced.
        if error.errno in (errno.EPERM, errno.EROFS):
            raise


def entry_of(path: Path) -> Path:
    """The place of a file itself: links to its folder are followed, and the file may be a link."""
    return Path(os.path.realpath(path.parent), path.name)


def check_regular(path: Path) -> None:
    """Check that a path is not a pipe or a device: a pipe that its own reader opens for writing never ends.

    Raises:
        OSError: it is a pipe or a device.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise IrregularFileError(path)


def _replace(target: Path, content: bytes, *, keeps_owner: bool) -> None:
    with atomic_file(target) as file:
        if keeps_owner and os.name == "posix" and target.exists():
            old, new = target.stat(), os.fstat(file.fileno())
            if old.st_nlink > 1:
                raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
            if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
                os.fchown(file.fileno(), old.st_uid, old.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
        file.write(content)


def _overwrite(target: Path, content: bytes) -> None:
    with target.open("r+b") as file:
        # A single write of at least the old length, and only then the cut: a crash leaves the old or the new content,
        # because a word fits into one block of the disk. Readers ignore blank lines at the end.
        file.write(content.ljust(os.fstat(file.fileno()).st_size, b"\n"))
        file.flush()
        file.truncate(len(content))
        os.fsync(file.fileno())


def sync_dir(path: Path) -> None:
    """Flush a folder's entries to the disk, if the system can."""
    if os.name != "posix":
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def is_readable_by_others(path: Path) -> bool:
    """Whether other users of this machine may read, write or run a file."""
    if os.name != "posix":
        return False
    found = path.stat()
    # A secret that Kubernetes mounts belongs to root, and its group is how this user reads it.
    needed = stat.S_IRGRP if found.st_uid == 0 != os.geteuid() else 0
    return bool(found.st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~needed)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        OSError: the file can't be read, or is not a regular file.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
