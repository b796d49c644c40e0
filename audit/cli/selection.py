"""Workspaces and users that are selected by name: `--workspace-id`, `--ids-from`, `--user`, `--users-from`."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, TextIO

from audit.errors import UsageError
from audit.files import expand, text_of
from audit.inventory import Users
from audit.webex import ids

_STDIN = "-"
#: What a line of a file names, by what the file selects.
_ITEMS = {"workspace": "an id", "user": "an email address"}
#: The option of a file, by what the file selects.
_FLAGS = {"workspace": "--ids-from", "user": "--users-from"}
#: Enough to recognize an email address; the API knows whether it exists.
_EMAIL = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+")


class Selection(NamedTuple):
    """What a command selects by name, as the options give it."""

    workspace_ids: tuple[str, ...]
    ids_from: str | None
    emails: tuple[str, ...]
    users_from: str | None

    @property
    def reads_stdin(self) -> bool:
        """Whether a file of the selection is standard input."""
        return _STDIN in (self.ids_from, self.users_from)

    def check_stdin(self) -> None:
        """Refuse to read standard input twice.

        Raises:
            UsageError: both files are standard input.
        """
        if self.ids_from == self.users_from == _STDIN:
            raise UsageError("--ids-from and --users-from can't both read standard input")

    def read(self, stdin: TextIO | None) -> tuple[list[str] | None, Users | None]:
        """The selected workspace ids and users (`select`, `select_users`)."""
        wanted = select(self.workspace_ids, self.ids_from, stdin)
        return wanted, select_users(self.emails, self.users_from, stdin)


def select(workspace_ids: Iterable[str], ids_from: str | None, stdin: TextIO | None) -> list[str] | None:
    """The selected workspace ids, without duplicates; None without a selection, which means all workspaces.

    Args:
        workspace_ids: values of `--workspace-id`.
        ids_from: path of a file with one id per line, `-` for standard input; blank lines and lines that begin with
            `#` are skipped.
        stdin: standard input.

    Raises:
        UsageError: the file can't be read or names no workspace, or a text is not an id.
    """
    return _select(workspace_ids, "--workspace-id", ids_from, stdin, "workspace", _check_id) or None


def select_users(emails: Iterable[str], users_from: str | None, stdin: TextIO | None) -> Users | None:
    """The selected users, without duplicates; None without a selection.

    Args:
        emails: values of `--user`.
        users_from: path of a file with one email address per line, as `ids_from` of `select`.
        stdin: standard input.

    Raises:
        UsageError: the file can't be read or names no user, or a text is not an email address.
    """
    selected = _select(emails, "--user", users_from, stdin, "user", _check_email)
    once = {email.lower(): email for email in reversed(selected)}
    return Users("named", tuple(reversed(once.values()))) if once else None


def _select(
    texts: Iterable[str],
    flag: str,
    file: str | None,
    stdin: TextIO | None,
    noun: str,
    check: Callable[[str, str], None],
) -> list[str]:
    selected = dict.fromkeys((text.strip().rstrip("=") for text in texts), flag)
    if file is not None:
        title = "standard input" if file == _STDIN else f"{_FLAGS[noun]} {file}"
        lines = _read(file, title, stdin)
        if not lines:
            raise UsageError(f"{title} names no {noun}: expected {_ITEMS[noun]} per line")
        selected |= lines
    for text, place in selected.items():
        check(text, place)
    return list(selected)


def _read(file: str, title: str, stdin: TextIO | None) -> dict[str, str]:
    try:
        data = _read_stdin(stdin) if file == _STDIN else expand(file).read_bytes()
        text = text_of(data)
    except OSError as error:
        raise UsageError(f"{title}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{title} is not a text file: expected UTF-8") from None
    lines = {line.strip().rstrip("="): f"{title}, line {number}" for number, line in enumerate(text.split("\n"), 1)}
    return {line: place for line, place in lines.items() if line and not line.startswith("#")}


def _read_stdin(stdin: TextIO | None) -> bytes:
    return stdin.buffer.read() if stdin else b""


def _shown(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


def _check_email(text: str, place: str) -> None:
    if not _EMAIL.fullmatch(text) or not text.isprintable():
        raise UsageError(f"{place}: {_shown(text)!r} is not an email address such as alice@example.com")


def _check_id(text: str, place: str) -> None:
    shown = _shown(text)
    if ids.is_uuid(text):
        raise UsageError(
            f"{place}: {shown} is a bare UUID, which does not name the region: give the id as the API lists it "
            "(column entity_id of coverage.csv)"
        )
    uri = ids.uri_of(text)
    if uri is not None and uri.split("/")[3:4] in (["ORGANIZATION"], ["LOCATION"]):
        kind = uri.split("/")[3].lower()
        raise UsageError(f"{place}: {shown} is the id of {'an' if kind[0] == 'o' else 'a'} {kind}, not of a workspace")
    if uri is None:
        raise UsageError(
            f"{place}: {shown!r} is not a Webex id: expected an id such as Y2lzY29… (column entity_id of coverage.csv)"
        )
