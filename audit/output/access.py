"""Who else may write to an output folder: they could exchange what a run reads back there, and where it writes.

Root is trusted: it may do everything anyway. So is a folder with the sticky bit above the output, such as /tmp: there,
only the owner of an entry may rename or remove it. As nobody else can exchange a folder on a way that is checked, it
is enough to check the way once.
"""

import logging
import os
import shlex
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from audit.errors import UsageError
from audit.files import make_dir

log = logging.getLogger(__name__)

#: As many links as Linux follows in one path.
_MAX_LINKS = 40
_THREAT = "and could exchange what a run reads and writes there"
_INSIST = "or insist with --output-shared"


def secure(output: Path, *, makes: bool) -> None:
    """Check who may write to an output folder (`check_access`), and log the warnings.

    Args:
        output: the folder of all snapshots.
        makes: make it for this user only if it does not exist.

    Raises:
        UsageError, OSError: as `check_access`.
    """
    is_new = makes and not os.path.lexists(output)
    warnings = check_access(output)
    if makes:
        make_dir(output)
    if is_new:
        # In a folder such as /tmp, somebody may have made it since it was looked for.
        warnings += check_access(output)
    for each in dict.fromkeys(warnings):
        log.warning("%s", each)


def check_access(output: Path) -> list[str]:
    """Check that nobody but this user and root may exchange an output folder or its content.

    Args:
        output: the folder of all snapshots, which may not exist.

    Returns:
        Warnings of a group that may write to the folder, and of other users who own a folder above it.

    Raises:
        UsageError: somebody else may; the text says what helps.
        OSError: the way to the folder can't be read.
    """
    if os.name != "posix":
        return []
    warnings = []
    for above, found in _way(output):
        if stat.S_ISLNK(found.st_mode):
            _check_link(output, above, found)
        elif found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            raise UsageError(_open_to_everybody(output, above))
        elif _is_of_other(found):
            warnings.append(f"output {output} lies in {above}, a folder of {_owner(found)}, who could exchange it")
    with suppress(FileNotFoundError):
        warnings += _check_folder(output, output.stat())
    return warnings


def _check_link(output: Path, link: Path, found: os.stat_result) -> None:
    if _is_of_other(found):
        raise UsageError(
            f"output {output}: {link} is a link of {_owner(found)}, who could make it lead elsewhere: name the folder "
            f"itself, {_INSIST}"
        )


def _check_folder(output: Path, found: os.stat_result) -> Iterator[str]:
    if found.st_mode & stat.S_IWOTH:
        raise UsageError(_open_to_everybody(output, output))
    if _is_of_other(found):
        raise UsageError(
            f"output {output} belongs to {_owner(found)}, who could exchange what a run reads and writes there: run as "
            f"this user, make the folder yours ('chown {os.geteuid()} {_quoted(output)}'), {_INSIST}"
        )
    if found.st_mode & stat.S_IWGRP:
        yield (
            f"output {output}: its group may write there, {_THREAT}: 'chmod g-w {_quoted(output)}', or accept it with "
            "--output-shared"
        )


def _open_to_everybody(output: Path, folder: Path) -> str:
    where = "there" if folder == output else f"to {folder} above it"
    return f"output {output}: everybody may write {where}, {_THREAT}: 'chmod go-w {_quoted(folder)}', {_INSIST}"


def _way(output: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The folders and links on the way to a folder, without the folder itself; ends where nothing exists."""
    # The working folder may be gone.
    whole = output if output.is_absolute() else Path.cwd() / output
    here, waiting, links = Path("/"), deque(whole.parts), 0
    with suppress(FileNotFoundError, NotADirectoryError):
        while waiting:
            part = waiting.popleft()
            here = here.parent if part == ".." else here / part
            found = here.lstat()
            if stat.S_ISLNK(found.st_mode) and (links := links + 1) <= _MAX_LINKS:
                yield here, found
                waiting.extendleft(reversed(here.readlink().parts))
                here = here.parent
            elif waiting:
                yield here, found


def _is_of_other(found: os.stat_result) -> bool:
    """Whether it belongs to neither this user nor root."""
    return found.st_uid not in (0, os.geteuid())


def _owner(found: os.stat_result) -> str:
    with suppress(ImportError, KeyError):
        import pwd  # noqa: PLC0415 - Windows has no such module

        return f"user {pwd.getpwuid(found.st_uid).pw_name}"
    return f"user {found.st_uid}"


def _quoted(folder: Path) -> str:
    return shlex.quote(str(folder))
