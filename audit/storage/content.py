"""The content of files in an output: the same functions for a path of this machine and for an object store.

What others may read, or may have written, is written whole and read with bounds.
"""

import hashlib
import io
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from audit import files
from audit.errors import DamagedError, UsageError
from audit.storage.errors import telling
from audit.storage.objects import ObjectPath
from audit.storage.place import Place

if TYPE_CHECKING:
    from _hashlib import HMAC
    from hashlib import _Hash

    import pyarrow as pa

log = logging.getLogger(__name__)

#: Content that is to be put whole waits in memory up to this size; more of it on the disk, without a name.
_IN_MEMORY_BYTES = 8 << 20
_BLOCK_BYTES = 1 << 20
#: Attempts to write the file that makes a folder a snapshot: an error may last a moment only.
_TRIES = 3
#: Longest file that is read whole for Arrow: a part, which has the rows of 500 entities.
_MAX_ARROW_BYTES = 1 << 30


@contextmanager
def atomic_file(path: Place) -> Iterator[BinaryIO]:
    """A file that appears at its place, whole and stored, when the block ends without an error.

    Raises:
        OSError: the file can't be written.
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
    """Read a small file of an output, which others may write to: links are not followed, and memory is bounded.

    Returns:
        The content; None if the file does not exist.

    Raises:
        DamagedError: the file has more than `max_bytes`, or is not a regular file.
        UsageError: the file can't be read.
    """
    try:
        if isinstance(path, Path):
            with files.open_regular(path) as file:
                # Nothing is read from a file that is too large anyway; it may also grow meanwhile.
                size = os.fstat(file.fileno()).st_size
                is_large = size > max_bytes
                # Python makes room for all that it is asked for.
                data = b"" if is_large else file.read(size + 1)
        else:
            data = first_of(path, max_bytes + 1)
            is_large = False
    except FileNotFoundError:
        return None
    except files.IrregularFileError:
        raise DamagedError(path, "it is not a regular file") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if is_large or len(data) > max_bytes:
        raise DamagedError(path, f"it has more than {max_bytes} bytes")
    return data


def read_regular(folder: Place, relative: str) -> Iterator[bytes]:
    """The content of a file in a folder that others may write to, from first to last block; no link is followed.

    Args:
        folder: the folder.
        relative: the path below it, with `/` between the parts.

    Raises:
        DamagedError: it is not a regular file, or a link leads to it.
        OSError: the file can't be read, or does not exist.
    """
    if not isinstance(folder, Path):
        yield from (folder / relative).read_blocks()
        return
    path = folder / relative
    # Unlike `resolve`, it takes a link to itself.
    if Path(os.path.realpath(path)) != Path(os.path.realpath(folder)) / relative:
        raise DamagedError(path, "it is not a regular file")
    try:
        file = files.open_regular(path)
    except files.IrregularFileError:
        raise DamagedError(path, "it is not a regular file") from None
    with file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def first_of(path: ObjectPath, size: int) -> bytes:
    """The first bytes of an object: at least `size` of them, or all."""
    data = bytearray()
    for block in path.read_blocks():
        data += block
        if len(data) >= size:
            break
    return bytes(data)


def write_last(path: Place, data: bytes) -> None:
    """Write the file that makes a folder a snapshot: whole, and in an object store only if there is none yet.

    After an error, the file is looked for before the error counts: the answer of a store may be lost, or the flush of
    the folder may fail, although the file stands.

    Raises:
        UsageError: somebody else has written the file.
        OSError: the file can't be written, and does not stand.
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
                    f"{path} was written by another run meanwhile: that run counts, and this run is void"
                ) from None
            return
        except OSError as error:
            if _holds(path, data):
                log.warning("%s is in place, although writing it ended with an error: %s", path, error.strerror)
                return
            if not tries_left:
                raise


def _holds(path: Place, data: bytes) -> bool:
    try:
        return read_small(path, len(data)) == data
    except (OSError, UsageError):
        return False


@contextmanager
def new_file(path: Place) -> Iterator["DigestedFile"]:
    """A large file, for this user only, stored when the block ends without an error.

    Raises:
        OSError: the file can't be written.
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
    """A file that is digested while it is written from first to last byte.

    Args:
        stream: the open file.
        path: its place, for error messages.
        digest: takes each byte; by default, a new SHA-256.

    Attributes:
        size: the number of bytes so far.
    """

    def __init__(self, stream: "BinaryIO | pa.NativeFile", path: Place, digest: "_Hash | HMAC | None" = None) -> None:
        super().__init__()
        self.size = 0
        self._stream = stream
        self._path = path
        self._digest = digest or hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The digest of the bytes so far, in hexadecimal."""
        return self._digest.hexdigest()

    def writable(self) -> bool:
        """True, as `io` asks."""
        return True

    def tell(self) -> int:
        """The position of the next byte."""
        return self.size

    def write(self, data: Any) -> int:
        """Write bytes, or any buffer of bytes, as pyarrow does."""
        with telling(self._path) if isinstance(self._path, ObjectPath) else nullcontext():
            self._stream.write(data)
        self._digest.update(data)
        self.size += len(data)
        return len(data)


def sha256_of(path: Place) -> str:
    """The SHA-256 of the bytes of a file, in hexadecimal.

    Raises:
        OSError: the file can't be read.
    """
    if isinstance(path, Path):
        return files.sha256_of(path)
    digest = hashlib.sha256()
    for block in path.read_blocks():
        digest.update(block)
    return digest.hexdigest()


def open_arrow(path: Place) -> "pa.NativeFile":
    """A file that Arrow reads at any position.

    Raises:
        OSError: the file can't be read.
    """
    import pyarrow as pa  # noqa: PLC0415 - takes longer to load than most commands run

    return pa.PythonFile(files.open_regular(path), "r") if isinstance(path, Path) else path.open_input_file()


def read_arrow(path: Place) -> "pa.NativeFile":
    """A small file that Arrow reads whole.

    Raises:
        OSError: the file can't be read; without an error number, if it is too large.
    """
    import pyarrow as pa  # noqa: PLC0415 - as above

    if isinstance(path, Path):
        with files.open_regular(path) as file:
            data = file.read(_MAX_ARROW_BYTES + 1)
        if len(data) > _MAX_ARROW_BYTES:
            raise OSError(f"{path} has more than {_MAX_ARROW_BYTES} bytes")
        return pa.BufferReader(data)
    return pa.BufferReader(path.read_bytes())
