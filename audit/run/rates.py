"""Remembers, from one run to the next, the request rate that each organization allows.

The rates are kept in the user's state folder. They are a convenience: a failure to keep or read them is not an error.
"""

import logging
import threading
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from audit.files import atomic_file, make_dir, own_folder

log = logging.getLogger(__name__)

#: Organizations may end at the same time; their rates are written one after the other.
_WRITING = threading.Lock()


def recall_rate(base_url: str, org_id: str) -> float | None:
    """The rate (requests per second) that the last run over an organization settled at; None if unknown."""
    return _read().get(_key(base_url, org_id))


def remember_rate(base_url: str, org_id: str, rate_per_s: float) -> None:
    """Keep a rate (requests per second) for the next run over an organization."""
    path = _path()
    if not path:
        log.info("the rate can't be remembered: this user has no home folder")
        return
    try:
        make_dir(path.parent)
        with _WRITING, atomic_file(path) as file:
            # A simulator has a new port each time and would fill the file.
            others = {key: rate for key, rate in _read().items() if not key.startswith("127.0.0.1:")}
            file.write(msgspec.json.encode(others | {_key(base_url, org_id): round(rate_per_s, 2)}))
    except OSError as error:
        log.info("the rate can't be remembered in %s: %s", path, error.strerror)


def _read() -> dict[str, float]:
    path = _path()
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, float]) if path else {}
    except (OSError, msgspec.DecodeError):
        return {}


def _path() -> Path | None:
    folder = own_folder("state")
    return folder / "rates.json" if folder else None


def _key(base_url: str, org_id: str) -> str:
    return f"{urlsplit(base_url).netloc} {org_id}"
