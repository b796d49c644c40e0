"""Reads and renews access tokens."""

import asyncio
import shlex
from abc import ABC, abstractmethod
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from audit.errors import UsageError
from audit.files import text_of
from audit.redaction import learn
from audit.threads import in_thread
from audit.webex.errors import TokenRefusedError

_QUOTES = ('"', "'")
#: The environment variable that Webex' own samples and SDKs read the token from.
TOKEN_VARIABLE = "WEBEX_ACCESS_TOKEN"  # noqa: S105
_COMMAND_TIMEOUT_S = 60.0
_LONG_NAME = 40
_LASTING = "a personal token ends after 12 hours, 'webex-audit login' gets one that renews itself"


class Token:
    """An access token. Neither `repr` nor `str` shows it, and no text that leaves the process does."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret
        learn(secret, is_echoed=True)

    def authorization(self) -> str:
        """The value of the `Authorization` header (RFC 6750)."""
        return f"Bearer {self._secret}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and other._secret == self._secret

    def __hash__(self) -> int:
        return hash(self._secret)

    def __repr__(self) -> str:
        return "Token(…)"


class TokenSource(Protocol):
    """Gives the access token, and another token after a refusal."""

    async def get(self) -> Token:
        """The token to use now; a new one if it is about to expire.

        Raises:
            UsageError: there is no token.
            TokenRefusedError: the API refuses to renew the token.
        """

    async def renew(self, refused: Token) -> Token:
        """A token to use in place of the refused one.

        Raises:
            TokenRefusedError: there is no other token.
        """


class StaticTokens:
    """A token that never changes, such as that of an environment variable.

    Args:
        token: the token.
        remedy: what to do if it is refused.
    """

    def __init__(self, token: Token, remedy: str = "get a new token") -> None:
        self._token = token
        self._remedy = remedy

    async def get(self) -> Token:
        """The token."""
        return self._token

    async def renew(self, refused: Token) -> Token:  # noqa: ARG002
        """Raise, because there is no other token.

        Raises:
            TokenRefusedError: always.
        """
        raise refusal(f"{self._remedy}; {_LASTING}")


class _ReadTokens(ABC):
    """A token that is read from somewhere, and read again when the API refuses it.

    Args:
        unchanged: the end of the message if the token is still the refused one then.
    """

    def __init__(self, unchanged: str) -> None:
        self._token: Token | None = None
        self._unchanged = unchanged

    async def get(self) -> Token:
        """The token as it was last read.

        Raises:
            UsageError: there is no token.
        """
        if self._token is None:
            self._token = await self._read()
        return self._token

    async def renew(self, refused: Token) -> Token:
        """Read the token again.

        Raises:
            TokenRefusedError: it is still the same, or there is none.
        """
        try:
            self._token = await self._read()
        except UsageError as error:
            raise refusal(str(error)) from None
        if self._token == refused:
            raise refusal(self._unchanged)
        return self._token

    @abstractmethod
    async def _read(self) -> Token:
        """The token; UsageError if there is none."""


class FileTokens(_ReadTokens):
    """A token in a file. Another program may replace it there."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"put a new token into {path}; {_LASTING}")
        self._path = path

    async def _read(self) -> Token:
        return await in_thread(read_token, self._path)


class CommandTokens(_ReadTokens):
    """A token that a command prints, such as the client of a vault."""

    def __init__(self, command: str) -> None:
        super().__init__("webex.token_command prints the same token again")
        self._command = command
        learn(command)

    async def _read(self) -> Token:
        title = "webex.token_command"
        try:
            program = shlex.split(self._command)
            # The standard error of the command may hold secrets, so it is not shown.
            process = await asyncio.create_subprocess_exec(*program, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
        except OSError as error:
            raise UsageError(f"{title} can't be started: {error.strerror or 'its program'}: check the path") from None
        except (TypeError, ValueError):  # their texts may quote the command
            raise UsageError(f"{title} can't be started: expected a program and its arguments, quotes closed") from None
        try:
            async with asyncio.timeout(_COMMAND_TIMEOUT_S):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise UsageError(f"{title} did not end within {_COMMAND_TIMEOUT_S:.0f} s") from None
        if process.returncode:
            raise UsageError(f"{title} failed with exit code {process.returncode}")
        try:
            return checked_token(text_of(output).strip(), title)
        except UnicodeDecodeError:
            raise UsageError(f"{title} prints something other than text") from None


def refusal(remedy: str) -> TokenRefusedError:
    """The error that ends a run after the API has refused the token."""
    return TokenRefusedError(
        f"the access token is refused (401): it is expired, revoked or not a Webex token; {remedy}"
    )


def environment_token(environment: Mapping[str, str]) -> Token | None:
    """The token in `WEBEX_ACCESS_TOKEN`; None if the variable is not set.

    Raises:
        UsageError: the variable holds something else.
    """
    text = environment.get(TOKEN_VARIABLE, "").removeprefix("\ufeff").strip()
    return checked_token(text, TOKEN_VARIABLE) if text else None


def read_token(path: Path) -> Token:
    """The token in a file that holds nothing else.

    Raises:
        UsageError: the file can't be read, or holds no token.
    """
    return checked_token(read_secret(path, "token file"), f"token file {path}")


def read_secret(path: Path, title: str) -> str:
    """The text in the file of a secret.

    Raises:
        UsageError: the file can't be read, or is empty.
    """
    try:
        text = text_of(path.read_bytes()).strip()
    except OSError as error:
        # A user may give the secret itself in place of a file name: a log must not show it.
        shown = path if max(map(len, path.parts), default=0) <= _LONG_NAME else "(a name too long to show)"
        raise UsageError(f"{title} {shown}: {error.strerror}: name a file that this user may read") from None
    except UnicodeDecodeError:
        raise UsageError(f"{title} {path}: not a text file") from None
    if not text:
        raise UsageError(f"{title} {path} is empty: it must hold the secret alone")
    learn(text, is_echoed=True)
    return text


def checked_token(text: str, source: str) -> Token:
    """Check a text that should be a token.

    Raises:
        UsageError: the text can't be a token; the message names the source, never the text.
    """
    is_quoted = text[:1] in _QUOTES or text[-1:] in _QUOTES
    if not text or is_quoted or not text.isascii() or not text.isprintable() or " " in text:
        is_header = text.strip("".join(_QUOTES)).lower().startswith(("bearer", "authorization"))
        advice = '; leave out "Bearer"' if is_header else "; leave out the quotes" if is_quoted else ""
        raise UsageError(f"{source} holds no access token: expected one word without blanks, and nothing else{advice}")
    return Token(text)
