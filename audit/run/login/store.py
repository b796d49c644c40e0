"""Stores what a login brings: the refresh token where a run finds it, and the record of the login beside it.

A grant can't be asked for twice. So all that may fail is tried before a person signs in, and a note says that a login
is under way: if the process dies between grant and file, the note is left, and the next command says what was lost.
"""

import logging
import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from audit.clock import Clock
from audit.config import Login, Profile, login_file, read_login
from audit.config.profiles import RECORD, UNDER_WAY
from audit.errors import DamagedError, LockedError, StoppedError, UsageError, words_of
from audit.files import IrregularFileError, atomic_file, check_regular, make_dir
from audit.threads import in_thread
from audit.webex.refresh_token import RefreshToken

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no flock, and so no lock
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

_LOCK = ".lock"
#: A run holds the lock on the refresh token for one request at most.
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class LoginStore:
    """The place of a profile's login.

    Attributes:
        profile: the profile.
        token_file: the file of the refresh token; by default, one in the folder of the login.
        replaces: overwrite the token of another login.
    """

    profile: Profile
    token_file: Path
    replaces: bool = False

    @property
    def folder(self) -> Path:
        """The folder of the login."""
        return _folder_of(self.profile)

    @contextmanager
    def opened(self, base_url: str, client_id: str) -> Iterator[Login | None]:
        """Hold the place while the block runs, against other logins, and prove that it can be written.

        Args:
            base_url: the API to sign in to.
            client_id: the integration to sign in with.

        Yields:
            The earlier login of the profile; None if there is none.

        Raises:
            UsageError: the place can't be written, others may write there, or it holds the token of another login.
            LockedError: another login of this profile is under way.
        """
        with ExitStack() as stack:
            try:
                earlier = self._prepared(stack, base_url, client_id)
            except OSError as error:
                raise UsageError(
                    f"the login can't be stored in {error.filename or self.folder}: {words_of(error)}: make it "
                    "writable for this user, or name another place with XDG_STATE_HOME or webex.refresh_token_file"
                ) from None
            yield earlier

    def _prepared(self, stack: ExitStack, base_url: str, client_id: str) -> Login | None:
        for folder in (self.folder, self.token_file.parent):
            make_dir(folder)
            _check_folder(folder)
        stack.enter_context(_locked(self.folder / _LOCK, self.profile))
        earlier = self._earlier()
        self._check_owner(earlier, base_url, client_id)
        note, trial = self.folder / UNDER_WAY, self.token_file.with_name(f"{self.token_file.name}.trial")
        if os.path.lexists(note):
            log.warning("an earlier login of profile %s was cut off: what it was granted is lost", self.profile.name)
        for path in (trial, note):
            with atomic_file(path) as file:
                file.write(b"a login began here and has not stored its token\n")
        trial.unlink()
        stack.callback(_remove, note)
        return earlier

    async def keep(self, refresh_token: str, login: Login, clock: Clock) -> None:
        """Store the refresh token, and then the record of the login.

        Raises:
            StoppedError: they can't be stored, so the refresh token is lost.
        """
        try:
            # A run that renews its token at this moment would write over the new one.
            async with RefreshToken(self.token_file, clock).locked(_PATIENCE_S):
                await in_thread(self._write, refresh_token, login)
        except OSError as error:
            raise StoppedError(
                f"the new refresh token can't be stored in {self.token_file} ({words_of(error)}), so "
                f"it is lost: make room there, and run 'webex-audit login{self.profile.option}' again"
            ) from None
        log.info("the refresh token is stored in %s", self.token_file)

    def _write(self, refresh_token: str, login: Login) -> None:
        record = login_file(self.profile)
        with atomic_file(self.token_file) as file:
            file.write(f"{refresh_token}\n".encode())
        if record:
            with atomic_file(record) as file:
                file.write(msgspec.json.format(msgspec.json.encode(login), indent=2) + b"\n")

    def _earlier(self) -> Login | None:
        try:
            return read_login(self.profile)
        except DamagedError as error:
            log.warning("%s", error)
            return None

    def _check_owner(self, earlier: Login | None, base_url: str, client_id: str) -> None:
        for path in (self.token_file, self.folder / RECORD):
            check_regular(path)
            if path.is_dir() and not path.is_symlink():
                raise IrregularFileError(path)
        if self.replaces or not (os.path.lexists(self.token_file) or earlier):
            return
        advice = "sign in under another name with --profile, or overwrite it with --replace"
        if earlier is None or Path(earlier.refresh_token_file) != self.token_file:
            if os.path.lexists(self.token_file):
                raise UsageError(
                    f"{self.token_file} holds a refresh token that no login of profile {self.profile.name} has stored: "
                    f"{advice}"
                )
            return
        if earlier.client_id != client_id:
            raise UsageError(
                f"profile {self.profile.name} holds the login of another integration ({earlier.client_id}): {advice}"
            )
        if earlier.base_url.rstrip("/") != base_url.rstrip("/"):
            raise UsageError(f"profile {self.profile.name} holds a login of {earlier.base_url}: {advice}")


def store_of(profile: Profile, token_file: Path | None, *, replaces: bool) -> LoginStore:
    """The place of a profile's login.

    Args:
        profile: the profile.
        token_file: the file of the refresh token that the configuration names; None for a file of the login's own.
        replaces: overwrite the token of another login.

    Raises:
        UsageError: this user has no home folder.
    """
    return LoginStore(profile, (token_file or _folder_of(profile) / "refresh-token").absolute(), replaces)


def _folder_of(profile: Profile) -> Path:
    if profile.login_folder is None:
        raise UsageError("this user has no home folder to store a login in: set HOME or XDG_STATE_HOME")
    return profile.login_folder


def _check_folder(folder: Path) -> None:
    """Check that nobody but this user and root may exchange what lies in a folder.

    Raises:
        UsageError: others may.
    """
    if os.name != "posix":
        return
    found = folder.stat()
    if found.st_uid not in (0, os.geteuid()):
        raise UsageError(f"{folder} belongs to another user, who could exchange the token there")
    for each in (folder, *folder.resolve().parents):
        mode = each.stat().st_mode
        others = stat.S_IWOTH | (stat.S_IWGRP if each == folder else 0)
        if mode & others and not mode & stat.S_ISVTX:
            raise UsageError(
                f"other users may write to {each}, and could exchange the token there: "
                f"chmod go-w {shlex.quote(str(each))}"
            )


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


@contextmanager
def _locked(path: Path, profile: Profile) -> Iterator[None]:
    if not fcntl:  # pragma: no cover
        yield
        return
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o600), "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(
                f"another login of profile {profile.name} is under way: finish or stop it first"
            ) from None
        yield
