"""Completes the first characters of a snapshot id, as git does for a commit."""

from collections.abc import Iterable

from audit.errors import UsageError
from audit.snapshot.layout import JOURNAL, MANIFEST, SNAPSHOT_ID
from audit.storage.at_once import at_once
from audit.storage.place import Place, exists

#: Fewer characters than those of a year name no snapshot.
MIN_CHARS = 4
_SAMPLE = "20261121T190900Z-3f9c1a"
#: Ids that an error lists.
_MOST = 5


def is_prefix(text: str) -> bool:
    """Whether a text can be the beginning of an id."""
    return MIN_CHARS <= len(text) < len(_SAMPLE) and bool(SNAPSHOT_ID.fullmatch(text + _SAMPLE[len(text) :]))


def with_prefix(prefix: str, folders: Iterable[Place]) -> Place | None:
    """The only committed snapshot whose id begins with a prefix; None if there is none.

    A snapshot that can't be read counts, too: else another would be taken for it.

    Args:
        prefix: the first characters of an id.
        folders: the folders of an output.

    Raises:
        UsageError: several ids begin so.
    """
    named = [each for each in folders if SNAPSHOT_ID.fullmatch(each.name) and each.name.startswith(prefix)]
    found = [each for each, stands in zip(named, at_once(_is_committed, named), strict=True) if stands]
    if len(found) > 1:
        ids = sorted(each.name for each in found)
        more = f" and {len(ids) - _MOST} more" if len(ids) > _MOST else ""
        raise UsageError(
            f"{prefix} is the beginning of {len(ids)} snapshot ids: {', '.join(ids[:_MOST])}{more}; add characters"
        )
    return found[0] if found else None


def check_finished(name: str, folders: Iterable[Place]) -> None:
    """Say of an unfinished run what it is: its folder is not a snapshot yet, and its id is in the list of all.

    Args:
        name: an id, or its first characters.
        folders: the folders of an output.

    Raises:
        UsageError: an unfinished run has this id, or an id that begins so.
    """
    for folder in folders:
        is_named = folder.name.startswith(name) and SNAPSHOT_ID.fullmatch(folder.name)
        if is_named and exists(folder / JOURNAL) and not exists(folder / MANIFEST):
            raise UsageError(
                f"{folder.name} is an unfinished run and not a snapshot yet: 'webex-audit snapshots' says how to go on "
                "with it"
            )


def _is_committed(folder: Place) -> bool:
    try:
        return exists(folder / MANIFEST)
    except OSError:
        return True
