"""Remembers, from one run to the next, what limit each organization has.

They are kept in the user's state folder. They are a convenience: a failure to keep or read them is not an error.
"""

import logging
import threading
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from audit.files import atomic_file, make_dir, open_regular, own_folder
from audit.untrusted.decoding import UndecodableError, json_of
from audit.webex.rate import Belief

log = logging.getLogger(__name__)

#: Organizations may end at the same time; their rates are written one after the other.
_WRITING = threading.Lock()
#: Longest file that is read: a belief has 200 bytes.
_MAX_BYTES = 64 << 20


def recall(base_url: str, org_id: str) -> Belief | None:
    """What the last run over an organization believed of its limit; None if unknown."""
    return _read().get(_key(base_url, org_id))


def remember(base_url: str, org_id: str, belief: Belief | None) -> None:
    """Keep a belief for the next run over an organization, unless it says nothing."""
    if belief is None or not belief.per_s:
        return
    path = _path()
    if not path:
        log.info("the rate can't be remembered: this user has no home folder")
        return
    try:
        make_dir(path.parent)
        with _WRITING, atomic_file(path) as file:
            # A simulator has a new port each time and would fill the file.
            others = {key: each for key, each in _read().items() if not key.startswith("127.0.0.1:")}
            file.write(msgspec.json.encode(others | {_key(base_url, org_id): belief}))
    except OSError as error:
        log.info("the limit can't be remembered in %s: %s", path, error.strerror)


def _read() -> dict[str, Belief]:
    path = _path()
    try:
        # Earlier versions kept the rate alone.
        kept = json_of(_content(path), dict[str, Belief | float]) if path else {}
        return {key: each if isinstance(each, Belief) else Belief("rate", each) for key, each in kept.items()}
    except (OSError, UndecodableError):
        return {}


def _content(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read(_MAX_BYTES)


def _path() -> Path | None:
    folder = own_folder("state")
    return folder / "rates.json" if folder else None


def _key(base_url: str, org_id: str) -> str:
    return f"{urlsplit(base_url).netloc} {org_id}"
