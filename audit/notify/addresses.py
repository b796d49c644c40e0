"""Reads the addresses that get messages. They hold tokens and passwords, so no text shows them."""

import errno
import logging
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from audit.config import NotifySettings
from audit.errors import UsageError
from audit.files import expand, is_readable_by_others, open_regular, text_of
from audit.redaction import learn

log = logging.getLogger(__name__)

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(\S.*)?")
#: Far more than addresses need.
_MOST_BYTES = 1_000_000
#: A part of a URL of this length is a token; with a dot it may be the name of a host, unless it is longer than most.
_TOKEN_CHARS, _LONG_CHARS = 16, 40
_PARTS = re.compile(r"[/?&=@:#]+")


class Address(NamedTuple):
    """An address: a URL as apprise takes it.

    Attributes:
        line: its line in the file, which names it in messages.
        url: the URL, a secret.
    """

    line: int
    url: str


class Addresses(NamedTuple):
    """The addresses in a file.

    Attributes:
        path: its path.
        found: the addresses.
        wrong: a sentence for each line that is not a URL.
    """

    path: Path
    found: list[Address]
    wrong: list[str]


def read_addresses(settings: NotifySettings) -> Addresses:
    """Read the addresses, one on each line; empty lines and those that begin with `#` are left out.

    Raises:
        UsageError: the file can't be read, or holds no address.
    """
    named = settings.urls_file or ""
    if "://" in named:
        raise UsageError("notify.urls_file: name a file that holds the URLs; a URL never stands in the configuration")
    path = expand(named)
    try:
        lines = text_of(_content(path)).splitlines()
        is_open = is_readable_by_others(path)
    except OSError as error:
        raise UsageError(f"notify.urls_file {path}: {error.strerror}: name a file that this user may read") from None
    except UnicodeDecodeError:
        raise UsageError(f"notify.urls_file {path}: not a text file") from None
    found = [Address(number, text) for number, line in enumerate(lines, 1) if _is_address(text := line.strip())]
    for each in found:
        _learn(each.url)
    usable = [each for each in found if _URL.fullmatch(each.url)]
    wrong = [
        f"notify.urls_file {path}, line {each.line}: expected a URL such as json://host/path"
        for each in found
        if each not in usable
    ]
    if wrong and not usable:
        raise UsageError(wrong[0])
    if not found:
        raise UsageError(f"notify.urls_file {path} holds no URL: write a URL on a line")
    if is_open:
        log.warning("notify.urls_file %s can be read by other users: chmod 600 it", path)
    return Addresses(path, usable, wrong)


def _content(path: Path) -> bytes:
    """The content of a small file. A pipe or a device may never end, and would hold up the command."""
    with open_regular(path.resolve()) as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise OSError(errno.EFBIG, "larger than 1 MB")
    return data


def _is_address(text: str) -> bool:
    return bool(text) and not text.startswith("#")


def _learn(url: str) -> None:
    """Remember a URL, and each part of it that is a token or a password, as secrets; a host alone is none."""
    _, _, rest = url.partition("://")
    login = rest.rpartition("@")[0].rpartition("/")[2]
    password = login.partition(":")[2]
    tokens = [
        each
        for each in _PARTS.split(rest)
        if len(each) >= _LONG_CHARS or (len(each) >= _TOKEN_CHARS and "." not in each)
    ]
    for secret in (url, password, *tokens):
        learn(secret)
        learn(unquote(secret))
