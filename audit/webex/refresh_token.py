"""Keeps the refresh token of an app: reads and stores its file, and locks it against other processes.

A refresh token may be good for one use (RFC 6749 section 6), so the new one must not get lost, and two processes must
not use the same one. All methods but `locked` block, and belong into a thread.
"""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from io import FileIO
from pathlib import Path

from audit.clock import Clock
from audit.errors import UsageError
from audit.files import check_regular, check_rewritable, rewrite
from audit.threads import in_thread
from audit.webex.tokens import read_secret

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no flock, and so no lock
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

_POLL_S = 0.5


class SecretFile:
    """A file that holds a secret. Once read, the secret survives the loss of the file.

    Args:
        path: the file.
        title: the name of the secret, for messages.
    """

    def __init__(self, path: Path, title: str) -> None:
        self.path = path
        self.title = title
        #: What the file held when it was last read.
        self.last: str | None = None
        self._is_warned = False

    def read(self) -> str:
        """The secret that the file holds, or held last.

        Raises:
            UsageError: the file can't be read, and never was.
        """
        if self.last is not None and self.path.is_fifo():
            # A pipe gives its content once, and then blocks.
            return self.last
        try:
            self.last = _checked(read_secret(self.path, self.title), f"{self.title} {self.path}")
        except UsageError as error:
            if self.last is None:
                raise
            if not self._is_warned:
                log.warning("%s; the run goes on with what the file held before", error)
                self._is_warned = True
        return self.last


class RefreshToken:
    """The refresh token: what its file holds, and what the API has sent since.

    Args:
        path: the file.
        clock: the time.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._file = SecretFile(path, "refresh token file")
        self._clock = clock
        #: A newer refresh token than that in the file, which could not be stored.
        self._unstored: str | None = None
        self._is_checked = False

    def read(self) -> list[str]:
        """The refresh tokens that may be good, the newest first.

        Raises:
            UsageError: there is none.
        """
        before = self._file.last
        held = self._file.read()
        # Whoever changed the file has a newer token than this process.
        newest_first = [self._unstored, held] if held == before else [held, self._unstored]
        return [*dict.fromkeys(filter(None, newest_first))]

    def check(self) -> None:
        """Warn, once, if a new refresh token could not be stored: before a token is used, which may be its last use."""
        if self._is_checked:
            return
        self._is_checked = True
        try:
            check_rewritable(self.path)
        except OSError as error:
            log.warning(
                "refresh token file %s can't be written (%s): if the API sends a new refresh token, only this run has "
                "it; move the file to a place that this user may write",
                self.path,
                error.strerror,
            )

    def keep(self, token: str) -> None:
        """Store the refresh token to use from now on, or remember it if that fails."""
        self._unstored = None if token == self._file.last else token
        self.store()

    def store(self, *, is_last_chance: bool = False) -> None:
        """Store what is not stored yet, and warn if that fails.

        Args:
            is_last_chance: the process ends, so that a token that can't be stored is lost.
        """
        if self._unstored is None:
            return
        try:
            rewrite(self.path, f"{self._unstored}\n".encode())
        except OSError as error:
            effect = (
                "it is lost now; make the file writable, and authorize the app again if the next run is refused"
                if is_last_chance
                else "only this run has it; make the file writable before the run ends, else authorize the app again"
            )
            log.warning("the new refresh token can't be written to %s (%s): %s", self.path, error.strerror, effect)
        else:
            self._file.last, self._unstored = self._unstored, None

    @asynccontextmanager
    async def locked(self, patience_s: float) -> AsyncIterator[None]:
        """Hold the lock on the file while the block runs, against other processes that use the same refresh token.

        The block runs without the lock if the file is gone, if its file system has no locks, or if another process
        holds the lock for too long.

        Args:
            patience_s: the longest wait for the lock, in seconds.
        """
        file = await self._locked_file(patience_s)
        try:
            yield
        finally:
            if file:
                _release(file)

    async def _locked_file(self, patience_s: float) -> FileIO | None:
        until_s = self._clock.monotonic_s() + patience_s
        try:
            while fcntl and self._clock.monotonic_s() <= until_s:
                if file := await in_thread(_lock, self.path):
                    return file
                await self._clock.sleep(_POLL_S)
        except OSError as error:
            log.debug("refresh token file %s is not locked: %s", self.path, error.strerror)
        else:
            log.warning(
                "another process has held the lock on refresh token file %s for %.0f s: going on without the lock",
                self.path,
                patience_s,
            )
        return None


def _checked(text: str, source: str) -> str:
    """A text that is a secret of an app (RFC 6749 appendix A).

    Raises:
        UsageError: it is not a secret; the message does not hold it.
    """
    if not (text.isascii() and text.isprintable()):
        raise UsageError(f"{source} does not hold the secret alone: expected one line of ASCII characters")
    if text[0] in "\"'" or text.lower().startswith("bearer "):
        raise UsageError(f'{source} does not hold the secret alone: leave out quotes and "Bearer"')
    return text


def _lock(path: Path) -> FileIO | None:
    """Lock a file; None if another process holds the lock.

    Raises:
        OSError: the file can't be locked.
    """
    file = _open(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The last holder may have replaced the file; then its lock protects nothing.
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except BlockingIOError:
        pass
    except BaseException:
        _release(file)
        raise
    _release(file)
    return None


def _release(file: FileIO) -> None:
    # Some file systems of a network report an error here; nothing was written.
    with suppress(OSError):
        file.close()


def _open(path: Path) -> FileIO:
    check_regular(path)
    try:
        # NFS locks only files that are open for writing (flock(2)).
        return path.open("r+b", buffering=0)
    except OSError:
        return path.open("rb", buffering=0)
