"""Files and folders where snapshots lie: the same words for a path of this machine and for an object store."""

import hashlib
import io
import logging
import os
import shutil
import stat
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeVar, cast

from audit import files
from audit.errors import DamagedError, UsageError
from audit.storage import bucket
from audit.storage.errors import telling
from audit.storage.objects import ObjectPath

if TYPE_CHECKING:
    import pyarrow as pa

#: A file or a folder.
Place: TypeAlias = Path | ObjectPath

log = logging.getLogger(__name__)

_Found = TypeVar("_Found")
#: Round trips at once: each takes some tens of milliseconds.
_AT_ONCE = 8
#: What is to be put whole waits here; more of it on the disk, without a name.
_IN_MEMORY_BYTES = 8 << 20
#: Of the file that makes a folder a snapshot: what can't be written now may be in a moment.
_TRIES = 3


def place(text: str) -> Place:
    """The place that a user names: a path, with `~`, or a URI.

    Raises:
        UsageError: it can't be one.
    """
    return ObjectPath.of(text) if bucket.is_uri(text) else files.expand(text)


def make_dir(folder: Place) -> None:
    """Make a folder, and those above it, for this user only; an object store needs none."""
    if isinstance(folder, Path):
        files.make_dir(folder)


def sync_dir(folder: Place) -> None:
    """Flush a folder's entries to the disk; an object store has done so by itself."""
    if isinstance(folder, Path):
        files.sync_dir(folder)


def exists(path: Place) -> bool:
    """Whether there is such a file or folder.

    Raises:
        OSError: it may not be looked for.
    """
    if isinstance(path, ObjectPath):
        return path.exists()
    with suppress(FileNotFoundError, NotADirectoryError):
        return bool(path.stat())
    return False


def is_dir(path: Place) -> bool:
    """Whether there is such a folder.

    Raises:
        OSError: it may not be looked for.
    """
    if isinstance(path, ObjectPath):
        return path.is_dir()
    with suppress(FileNotFoundError):
        return stat.S_ISDIR(path.stat().st_mode)
    return False


def subfolders(folder: Place) -> list[Place]:
    """The folders in a folder, links to such included; none where there is no such folder.

    Raises:
        OSError: it can't be looked into.
    """
    if isinstance(folder, ObjectPath):
        return [each for each, is_dir in folder.entries() if is_dir]
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        return [Path(each.path) for each in entries if each.is_dir()]
    return []


def at_once(look: Callable[[Place], _Found], places: Iterable[Place]) -> list[_Found]:
    """Look at many places, several at a time: each takes a round trip or more to an object store."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="storage") as executor:
        return list(executor.map(look, places))


def ahead(read: Callable[[Place], _Found], places: Iterable[Place]) -> Iterator[_Found]:
    """Read files one after the other; of an object store, the next few are under way meanwhile."""
    waiting: deque[Future[_Found]] = deque()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="storage") as executor:
        try:
            for each in places:
                waiting.append(executor.submit(read, each))
                if isinstance(each, Path) or len(waiting) == _AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            executor.shutdown(cancel_futures=True)


def remove(path: Place) -> None:
    """Remove a file, or a folder with all that is in it; nothing where there is none.

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
    """Give a file another name; one that has it already is replaced. On an object store, it has both for a moment.

    Raises:
        OSError: it can't be renamed.
    """
    if isinstance(path, ObjectPath):
        path.with_name(name).put(path.read_bytes())
        path.unlink()
    else:
        path.replace(path.with_name(name))


def remove_unwritten(folder: Place) -> None:
    """Remove what `atomic_file` left in a folder, at any depth, where it was cut off; an object store holds no such."""
    if isinstance(folder, Path):
        for leftover in folder.rglob(".*.tmp"):
            leftover.unlink()


@contextmanager
def atomic_file(path: Place) -> Iterator[BinaryIO]:
    """A file that appears at its place, whole and stored, when the block is left without an error.

    Raises:
        OSError: it can't be written.
    """
    if isinstance(path, Path):
        with files.atomic_file(path) as file:
            yield file
    else:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as content:
            yield cast("BinaryIO", content)
            content.seek(0)
            path.put(content)


def read_small(path: Place, max_bytes: int) -> bytes | None:
    """A small file of an output, which others may write to: links are not followed, and memory is bounded.

    Returns:
        Its content; None where there is no such file.

    Raises:
        DamagedError: it is larger, or not a regular file.
        UsageError: it can't be read.
    """
    try:
        if isinstance(path, Path):
            if not stat.S_ISREG(path.lstat().st_mode):
                raise DamagedError(path, "it is not a regular file")
            with path.open("rb") as file:
                data = file.read(max_bytes + 1)
        else:
            data = b""
            for block in path.read_blocks():
                data += block
                if len(data) > max_bytes:
                    break
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if len(data) > max_bytes:
        raise DamagedError(path, f"it has more than {max_bytes} bytes")
    return data


def write_last(path: Place, data: bytes) -> None:
    """Write the file that makes a folder a snapshot: whole, and on an object store only where nobody else has.

    An error is not believed before the file was looked for: an answer may be lost, and a flush of the folder fail,
    once the file stands.

    Raises:
        UsageError: somebody else has written it.
        OSError: it can't be written, and does not stand.
    """
    for tries_left in reversed(range(_TRIES)):
        try:
            if isinstance(path, Path):
                with files.atomic_file(path) as file:
                    file.write(data)
            else:
                path.put(data, "create")
            return
        except FileExistsError:
            if path.read_bytes() != data:
                raise UsageError(
                    f"{path} was written by another run meanwhile: it stands, and this run is void"
                ) from None
            return
        except OSError as error:
            if _holds(path, data):
                log.warning("%s stands, although writing it ended with an error: %s", path, error.strerror)
                return
            if not tries_left:
                raise


def _holds(path: Place, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


@contextmanager
def new_file(path: Place) -> Iterator["DigestedFile"]:
    """A large file, for this user only, stored when the block is left without an error.

    Raises:
        OSError: it can't be written.
    """
    if isinstance(path, Path):
        files.make_dir(path.parent)
        with files.private_file(path) as file:
            yield DigestedFile(file, path)
        files.sync_dir(path.parent)
        return
    stream = path.open_output_stream()
    yield DigestedFile(stream, path)
    with telling(path):
        stream.close()


class DigestedFile(io.RawIOBase):
    """A file that is written from first to last, and digested as it is.

    Attributes:
        size: its bytes so far.
    """

    def __init__(self, stream: Any, path: Place) -> None:
        super().__init__()
        self.size = 0
        self._stream = stream
        self._path = path
        self._sha256 = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The SHA-256 of its bytes so far, in hexadecimal."""
        return self._sha256.hexdigest()

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte goes."""
        return self.size

    def write(self, data: Any) -> int:
        """Write bytes."""
        with telling(self._path) if isinstance(self._path, ObjectPath) else nullcontext():
            self._stream.write(data)
        self._sha256.update(data)
        self.size += len(data)
        return len(data)


def sha256_of(path: Place) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        OSError: it can't be read.
    """
    if isinstance(path, Path):
        return files.sha256_of(path)
    digest = hashlib.sha256()
    for block in path.read_blocks():
        digest.update(block)
    return digest.hexdigest()


def open_arrow(path: Place) -> "pa.NativeFile":
    """A file for Arrow to read here and there.

    Raises:
        OSError: it can't be read.
    """
    import pyarrow as pa  # noqa: PLC0415 - takes longer to load than most commands run

    return pa.OSFile(str(path)) if isinstance(path, Path) else path.open_input_file()


def read_arrow(path: Place) -> "pa.NativeFile":
    """A small file for Arrow to read whole.

    Raises:
        OSError: it can't be read.
    """
    import pyarrow as pa  # noqa: PLC0415 - as above

    return pa.OSFile(str(path)) if isinstance(path, Path) else pa.BufferReader(path.read_bytes())
