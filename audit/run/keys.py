"""The keys that drafts are sealed with (`audit.output.seal`)."""

import logging
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from audit.config import Settings
from audit.errors import UsageError
from audit.files import make_dir, open_regular, own_folder, private_file
from audit.output.seal import Keys
from audit.snapshot.proof.signing import draft_key_of

log = logging.getLogger(__name__)

_KEY_BYTES = 32


def keys_of(settings: Settings) -> Keys:
    """The keys of a run.

    Without `sign.key_file`, it is a key of this user on this machine, which workers of a cluster elsewhere do not have.
    A run that can't keep one has a key for itself alone; a run that resumes it can check nothing then.

    Raises:
        UsageError: `sign.key_file` holds no key that can sign.
    """
    signing = draft_key_of(settings.sign.key_file)
    if settings.run.engine == "dask" and settings.run.scheduler:
        return Keys(signing)
    if signing is None:
        _make()
    own = _read()
    if own is None and settings.run.engine == "local":
        own = secrets.token_bytes(_KEY_BYTES)
    return Keys(signing, own)


def keys_at_hand(settings: Settings) -> Keys:
    """The keys that this machine has, for a worker of a cluster or a reader: none is made, and keys never travel."""
    signing = None
    with suppress(UsageError):
        signing = draft_key_of(settings.sign.key_file)
    return Keys(signing, _read())


def _path() -> Path | None:
    folder = own_folder("state")
    return folder / "draft.key" if folder else None


def _read() -> bytes | None:
    """The key of this user; None if there is none that nobody else can read or exchange."""
    path = _path()
    try:
        if path is None:
            return None
        with open_regular(path) as file:
            found, key = os.fstat(file.fileno()), file.read(_KEY_BYTES + 1)
    except OSError:
        return None
    is_private = os.name != "posix" or (found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077)
    if is_private and len(key) == _KEY_BYTES:
        return key
    log.warning("%s is not a private key of this user, so it is not used: remove it", path)
    return None


def _has_home(path: Path) -> bool:
    """Whether a folder above exists, other than `/`: system users have a home that never exists, as `/nonexistent`."""
    return any(os.path.lexists(folder) for folder in path.parents if folder != folder.parent)


def _make() -> None:
    """Make the key of this user, if there is none yet. Of several processes at once, one makes it for all."""
    path = _path()
    if path is None or os.path.lexists(path) or not _has_home(path):
        return
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        make_dir(path.parent)
        with private_file(unfinished) as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        try:
            # Unlike a rename, a link fails if another process was first.
            os.link(unfinished, path)
        except FileExistsError:
            log.debug("another process has made %s", path)
        finally:
            unfinished.unlink()
    except OSError as error:
        log.info("a key for unfinished runs can't be kept in %s: %s", path, error.strerror)
