"""The content of files in an output: the same functions for a path of this machine and for an object store.

What others may read, or may have written, is written whole and read with bounds.
"""

import hashlib
import io
import logging
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from audit import files
from audit.errors import DamagedError, UsageError
from audit.storage.errors import telling
from audit.storage.objects import ObjectPath
from audit.storage.place import Place

log = logging.getLogger(__name__)

#: Content that is to be put whole waits in memory up to this size; more of it on the disk, without a name.
_IN_MEMORY_BYTES = 8 << 20
#: Attempts to write the file that makes a folder a snapshot: an error may last a moment only.
_TRIES = 3


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


def open_arrow(path: Place) -> pa.NativeFile:
    """A file for Arrow to read here and there.

    Raises:
        OSError: it can't be read.
    """
    return pa.OSFile(str(path)) if isinstance(path, Path) else path.open_input_file()


def read_arrow(path: Place) -> pa.NativeFile:
    """A small file for Arrow to read whole.

    Raises:
        OSError: it can't be read.
    """
    return pa.OSFile(str(path)) if isinstance(path, Path) else pa.BufferReader(path.read_bytes())
