"""What a commit that was cut off right after its manifest was written leaves in the folder of a snapshot."""

from fnmatch import fnmatchcase

from audit.snapshot.draft import JOURNAL

_PARTS = "parts/"
#: What `audit.files.atomic_file` writes to before it renames.
_UNWRITTEN = ".?*.tmp"


def is_leftover(relative_path: str) -> bool:
    """Whether a file that the manifest does not name is left over from the commit: it may be removed.

    Args:
        relative_path: its path below the folder of the snapshot, with `/` between the parts.
    """
    if "/" in relative_path:
        return relative_path.startswith(_PARTS)
    return relative_path == JOURNAL or fnmatchcase(relative_path, _UNWRITTEN)
