"""What one run leaves for the next: the rate that each organization's limit was found at.

Kept in the user's state folder; a convenience, so that whatever goes wrong with it is no failure.
"""

import logging
import threading
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import platformdirs

from audit.files import atomic_file, make_dir

log = logging.getLogger(__name__)

#: Organizations that end at the same time are remembered one after the other.
_WRITING = threading.Lock()


def recall_rate(base_url: str, org_id: str) -> float | None:
    """The rate (requests a second) that the last run over an organization settled at, if it did."""
    return _read().get(_key(base_url, org_id))


def remember_rate(base_url: str, org_id: str, rate_per_s: float) -> None:
    """Keep a rate (requests a second) for the next run over an organization."""
    path = _path()
    try:
        make_dir(path.parent)
        with _WRITING, atomic_file(path) as file:
            # A simulator has another port each time, and would fill the file.
            others = {key: rate for key, rate in _read().items() if not key.startswith("127.0.0.1:")}
            file.write(msgspec.json.encode(others | {_key(base_url, org_id): round(rate_per_s, 2)}))
    except OSError as error:
        log.info("the rate can't be remembered in %s: %s", path, error.strerror)


def _read() -> dict[str, float]:
    try:
        return msgspec.json.decode(_path().read_bytes(), type=dict[str, float])
    except (OSError, msgspec.DecodeError):
        return {}


def _path() -> Path:
    return Path(platformdirs.user_state_dir("webex-audit")) / "rates.json"


def _key(base_url: str, org_id: str) -> str:
    return f"{urlsplit(base_url).netloc} {org_id}"
