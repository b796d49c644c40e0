"""Results for programs are whole or absent: kept until all is made, and taken back where the disk is full."""

import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from shutil import disk_usage
from typing import Any

from audit.errors import StoppedError, UsageError

_IN_MEMORY_BYTES = 4 << 20
_BLOCK = 1 << 16
#: The share of a disk's free space that a result may take.
_SHARE = 2


@contextmanager
def kept(texts: Iterable[str]) -> Iterator[Iterator[str]]:
    """The same text in other pieces, after all of it was made: in memory, or in a file without a name.

    Args:
        texts: any amount of text.

    Raises:
        StoppedError: the disk of `TMPDIR` has no room; half of what is free there is the most that a text may take.
        UsageError: the system has no folder for temporary files.
    """
    file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closing it may fail, as its disk may be full
        _IN_MEMORY_BYTES, "w+", encoding="utf-8", errors="surrogatepass", newline=""
    )
    try:
        _fill(file, texts)
        yield iter(partial(file.read, _BLOCK), "")
    finally:
        with suppress(OSError):
            file.close()


def _fill(file: Any, texts: Iterable[str]) -> None:
    size, most = 0, _IN_MEMORY_BYTES
    for text in texts:
        size += len(text.encode("utf-8", "surrogatepass"))
        with _telling_of_disk():
            if size > most == _IN_MEMORY_BYTES:
                most += disk_usage(tempfile.gettempdir()).free // _SHARE
            if size > most:
                raise OSError(0, f"it takes more than half of what is free there ({most >> 20:,} MiB)")
            file.write(text)
    with _telling_of_disk():
        file.seek(0)


@contextmanager
def _telling_of_disk() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UsageError("no folder for temporary files can be written: name a folder in TMPDIR") from None
    except OSError as error:
        raise StoppedError(
            f"the result can't be kept in {tempfile.gettempdir()} until it is whole: {error.strerror}: ask for less, "
            "or set TMPDIR"
        ) from None


@contextmanager
def taken_back() -> Iterator[None]:
    """If the block fails, cut off what it printed to a file; what went into a pipe or to a terminal can't be undone."""
    begin = _end_of_file()
    try:
        yield
    except BaseException:
        if begin is not None:
            _cut_off(sys.stdout.fileno(), begin)
        raise


def _end_of_file() -> int | None:
    """Where the next byte of standard output goes in its file; None if it is not a file."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        descriptor = sys.stdout.fileno()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            # Whoever appends writes at the end, wherever the position is.
            is_appending = os.name == "posix" and _is_appending(descriptor)
            return os.lseek(descriptor, 0, os.SEEK_END if is_appending else os.SEEK_CUR)
    return None


def _is_appending(descriptor: int) -> bool:
    import fcntl

    return bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND)


def _cut_off(descriptor: int, begin: int) -> None:
    with suppress(OSError):
        os.ftruncate(descriptor, begin)
        os.lseek(descriptor, begin, os.SEEK_SET)
        # What Python still holds in its buffer goes nowhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
