"""Where the tests keep their files: in memory if there is room, as a run syncs its files to the disk."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

#: A file system in memory, and what must be free there.
_IN_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30


def keep_in_memory() -> None:
    """Choose the folder of temporary files, for this process and those that it starts, unless `TMPDIR` names one.

    A sync of an ordinary disk takes milliseconds, and half of the time of the tests.
    """
    if "TMPDIR" not in os.environ and _is_fit(_IN_MEMORY):
        os.environ["TMPDIR"] = str(_IN_MEMORY)
        tempfile.tempdir = None


def _is_fit(folder: Path) -> bool:
    """Whether programs can be written to the folder, and started there."""
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < _ROOM:
        return False
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC


def keep_bytecode() -> None:
    """Compile each module once, and not in each of the processes that the tests start."""
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
