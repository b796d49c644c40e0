"""How much memory a review may use: it follows from our own limit and the files' size, not from what they say."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.errors import StoppedError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

#: What DuckDB may use of memory; more for the bytes of large snapshots, but at most this part of the machine's memory.
ALLOWED_BYTES = 256 << 20
_SHARE_OF_MACHINE = 4
#: What the process may use in addition, for each byte that DuckDB may use: rows in Python, and what no limit covers.
_BESIDE = 2
#: For what is kept in Python: a large good snapshot may have 350,000 findings.
_KEPT_BYTES = 1 << 30
_STATUS = Path("/proc/self/status")


class _Net:
    """The limit of the process while blocks of `bounded_memory` run; they may overlap, as a generator's block does."""

    blocks = 0
    before = -1


@contextmanager
def bounded_memory(size: int, *, streams: bool) -> Iterator[int]:
    """Bound the memory of a block; yields the bytes that DuckDB may use in it.

    DuckDB keeps to its own limit, except for texts that a function makes (`repeat`). So on Linux the kernel bounds the
    writable memory of the process, too (RLIMIT_DATA): a request for more fails, and is an error of DuckDB, Arrow or
    Python. A limit of the address space (RLIMIT_AS) would count what threads reserve and never use.

    Args:
        size: bytes of the files that are read.
        streams: the block passes rows on, and keeps none.

    Raises:
        StoppedError: the block needs more.
    """
    allowed = ALLOWED_BYTES + min(size, _machine() // _SHARE_OF_MACHINE)
    _cast_net(_BESIDE * allowed + (0 if streams else _KEPT_BYTES))
    try:
        yield allowed
    except MemoryError:
        raise StoppedError(
            f"the review needs more than the {allowed >> 20} MiB of memory that the size of the snapshot allows"
        ) from None
    finally:
        _haul_in_net()


def _cast_net(extra: int) -> None:
    if resource is None or not _STATUS.exists():
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if not _Net.blocks:
        _Net.before = soft
    _Net.blocks += 1
    wanted = _data_bytes() + extra
    # Never above the limit that the user has set.
    bounds = [each for each in (_Net.before, hard) if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *bounds]), hard))


def _haul_in_net() -> None:
    if resource is not None and _Net.blocks:
        _Net.blocks -= 1
        if not _Net.blocks:
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (_Net.before, hard))


def _data_bytes() -> int:
    """The writable memory of this process, as the kernel counts it for RLIMIT_DATA."""
    lines = _STATUS.read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:"))


def _machine() -> int:
    """The memory of this machine in bytes."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
