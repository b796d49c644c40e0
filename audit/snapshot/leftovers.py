"""What a run leaves in a folder of its output where it was cut off, or where a writer was late."""

from fnmatch import fnmatchcase

from audit.output.journal import JOURNAL

#: What of a draft is read by a run that resumes it.
PARTS = "parts"


def is_unwritten(name: str) -> bool:
    """Whether a file is what a write that was cut off has left (`audit.files.atomic_file`)."""
    return fnmatchcase(name, ".?*.tmp")


def is_leftover(relative_path: str) -> bool:
    """Whether a file that the manifest does not name is left over from the run: it may be removed.

    Args:
        relative_path: its path below the folder, with `/` between the parts.
    """
    first, _, rest = relative_path.partition("/")
    return first == PARTS or (not rest and (first == JOURNAL or is_unwritten(first)))
