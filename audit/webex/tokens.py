"""Where the access token comes from, and what keeps it from being seen."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from audit.errors import UsageError

#: The environment variable that Webex' own samples and SDKs read the token from.
TOKEN_VARIABLE = "WEBEX_ACCESS_TOKEN"  # noqa: S105


class Token:
    """An access token that neither `repr` nor `str` shows."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def authorization(self) -> str:
        """The value of the `Authorization` header (RFC 6750)."""
        return f"Bearer {self._secret}"

    def redact(self, text: str) -> str:
        """The text without the token, should a server have echoed it."""
        return text.replace(self._secret, "[token]")

    def __repr__(self) -> str:
        return "Token(…)"


def find_token(environment: Mapping[str, str], token_file: str | None, *, file_is_flag: bool = False) -> Token:
    """The token of `--token-file`, else of `WEBEX_ACCESS_TOKEN`, else of the configured file.

    Args:
        environment: the process environment.
        token_file: path of a file that holds the token alone, or None.
        file_is_flag: the path was given as a flag, so that it goes before the environment.

    Raises:
        UsageError: no token is given, its file can't be read, or what it holds is no token.
    """
    text = environment.get(TOKEN_VARIABLE, "").strip()
    if token_file and (file_is_flag or not text):
        return _checked(_read(Path(token_file).expanduser()), f"token file {token_file}")
    if text:
        return _checked(text, TOKEN_VARIABLE)
    raise UsageError(f"no access token: set {TOKEN_VARIABLE}, or name a file with --token-file or webex.token_file")


def is_readable_by_others(path: Path) -> bool:
    """Whether a secret's file is open to other users of this machine."""
    return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise UsageError(f"token file {path}: {error.strerror}: name a file that this user may read") from None
    except UnicodeDecodeError:
        raise UsageError(f"token file {path}: not a text file") from None


def _checked(text: str, source: str) -> Token:
    if not text:
        raise UsageError(f"{source} is empty: it must hold the access token alone")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise UsageError(f"{source} holds no access token: expected one word without blanks, and nothing else")
    return Token(text)
