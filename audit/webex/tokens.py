"""Where access tokens come from, how they are renewed, and what keeps them from being seen."""

import asyncio
import re
import shlex
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from audit.errors import UsageError
from audit.webex.errors import TokenRefusedError

#: The environment variable that Webex' own samples and SDKs read the token from.
TOKEN_VARIABLE = "WEBEX_ACCESS_TOKEN"  # noqa: S105
_COMMAND_TIMEOUT_S = 60.0
_LONG_NAME = 40


class Token:
    """An access token that neither `repr` nor `str` shows."""

    __slots__ = ("_in_bytes", "_in_text", "_secret")

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._in_text = re.compile(re.escape(secret), re.IGNORECASE)
        self._in_bytes = secret.encode()

    def authorization(self) -> str:
        """The value of the `Authorization` header (RFC 6750)."""
        return f"Bearer {self._secret}"

    def redact(self, text: str) -> str:
        """The text without the token, in any case, should a server have echoed it."""
        return self._in_text.sub("[token]", text)

    def redact_bytes(self, body: bytes) -> bytes:
        """The body without the token, should a server have echoed it."""
        return body.replace(self._in_bytes, b"[token]")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token) and other._secret == self._secret

    def __hash__(self) -> int:
        return hash(self._secret)

    def __repr__(self) -> str:
        return "Token(…)"


class TokenSource(Protocol):
    """Gives the access token, and another one when it is refused."""

    async def get(self) -> Token:
        """The token to use now; near its known end, a new one.

        Raises:
            UsageError: there is none where one should be.
            TokenRefusedError: a new one is refused.
        """

    async def renew(self, refused: Token) -> Token:
        """A token to use instead of one that was refused.

        Raises:
            TokenRefusedError: there is no other.
        """


class StaticTokens:
    """A token that is given once, such as in the environment."""

    def __init__(self, token: Token) -> None:
        self._token = token

    async def get(self) -> Token:
        """The token."""
        return self._token

    async def renew(self, refused: Token) -> Token:  # noqa: ARG002
        """There is no other.

        Raises:
            TokenRefusedError: always.
        """
        raise refusal("get a new one and set it again")


class FileTokens:
    """A token that a file holds; read again when it is refused, as another program may have renewed it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token: Token | None = None

    async def get(self) -> Token:
        """The token that the file held when it was last read."""
        if self._token is None:
            self._token = read_token(self._path)
        return self._token

    async def renew(self, refused: Token) -> Token:
        """The token in the file, if it has changed.

        Raises:
            TokenRefusedError: it is still the same, or there is none.
        """
        try:
            self._token = read_token(self._path)
        except UsageError as error:
            raise refusal(str(error)) from None
        if self._token == refused:
            raise refusal(f"put a new one into {self._path}")
        return self._token


class CommandTokens:
    """A token that a command prints, such as that of a vault; run again when it is refused."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._token: Token | None = None

    async def get(self) -> Token:
        """The token that the command printed.

        Raises:
            UsageError: the command fails, or prints no token.
        """
        if self._token is None:
            self._token = await self._run()
        return self._token

    async def renew(self, refused: Token) -> Token:
        """The token that the command prints now.

        Raises:
            TokenRefusedError: it is still the same, or there is none.
        """
        try:
            self._token = await self._run()
        except UsageError as error:
            raise refusal(str(error)) from None
        if self._token == refused:
            raise refusal("webex.token_command prints the same one again")
        return self._token

    async def _run(self) -> Token:
        title = "webex.token_command"
        try:
            program = shlex.split(self._command)
            # Its own standard error may hold secrets, and is not ours.
            process = await asyncio.create_subprocess_exec(*program, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
        except (OSError, TypeError, ValueError) as error:
            raise UsageError(f"{title} can't be started: {getattr(error, 'strerror', None) or error}") from None
        try:
            async with asyncio.timeout(_COMMAND_TIMEOUT_S):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise UsageError(f"{title} did not end within {_COMMAND_TIMEOUT_S:.0f} s") from None
        if process.returncode:
            raise UsageError(f"{title} failed with exit code {process.returncode}")
        return checked_token(output.decode("utf-8", "replace").strip(), title)


def refusal(remedy: str) -> TokenRefusedError:
    """The error that a refused token ends a run with."""
    return TokenRefusedError(
        f"the access token is refused (401): it is expired, revoked or not a Webex token; {remedy}"
    )


def environment_token(environment: Mapping[str, str]) -> Token | None:
    """The token of `WEBEX_ACCESS_TOKEN`, if it is set.

    Raises:
        UsageError: it holds no token.
    """
    text = environment.get(TOKEN_VARIABLE, "").strip()
    return checked_token(text, TOKEN_VARIABLE) if text else None


def read_token(path: Path) -> Token:
    """The token that a file holds, alone.

    Raises:
        UsageError: the file can't be read, or holds no token.
    """
    return checked_token(read_secret(path, "token file"), f"token file {path}")


def read_secret(path: Path, title: str) -> str:
    """The text of a secret's file.

    Raises:
        UsageError: it can't be read, or is empty.
    """
    try:
        text = path.read_text("utf-8").strip()
    except OSError as error:
        # Who gives the secret itself for the name of its file should not find it in a log.
        shown = path if len(path.name) <= _LONG_NAME else "(a name too long to show)"
        raise UsageError(f"{title} {shown}: {error.strerror}: name a file that this user may read") from None
    except UnicodeDecodeError:
        raise UsageError(f"{title} {path}: not a text file") from None
    if not text:
        raise UsageError(f"{title} {path} is empty: it must hold the secret alone")
    return text


def checked_token(text: str, source: str) -> Token:
    """A text as a token.

    Raises:
        UsageError: it is none; the text names the source, never the token.
    """
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        advice = '; leave out "Bearer"' if text.lower().startswith("bearer") else ""
        raise UsageError(f"{source} holds no access token: expected one word without blanks, and nothing else{advice}")
    return Token(text)
