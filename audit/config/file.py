"""Which configuration file is read, and whether it may decide what it says.

A file that somebody names is trusted. `webex-audit.toml` in the current folder is read without being named, so it is
read only where nobody else can have put or changed it (as git judges a repository, and ssh its configuration). An
unpacked archive belongs to its user, too, so this file may not decide who gets the token, or what runs: a user who
trusts it names it.
"""

import logging
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from audit.config.profiles import PROFILE_VARIABLE, Profile
from audit.errors import UsageError
from audit.files import IrregularFileError, expand, open_regular
from audit.storage.bucket import is_uri

log = logging.getLogger(__name__)

#: Names the configuration file if `--config` does not.
CONFIG_VARIABLE = "WEBEX_AUDIT_CONFIG"
#: Read in the current folder if nothing names a file or a profile.
LOCAL_NAME = "webex-audit.toml"
#: Longest file in the current folder that is read.
_MAX_BYTES = 1 << 20
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
#: Keys that a file in the current folder may not set, with what they would let its author do.
_REACHING = {
    "webex.token_command": "runs a program",
    "webex.ca_file": "decides who may pass for the API, and so who gets the token",
    "notify.urls_file": "decides who gets messages",
    "output.shared": "accepts a folder that others may write to",
    "run.metrics_file": "replaces a file",
    "run.scheduler": "decides which machines get the work",
    "sign.key_file": "decides whose signatures count",
    "notify.names": "sends names of people",
    "notify.report": "decides where readers of a message are led",
}
#: Paths that it may set, if they lie in the current folder: else it would send, change, delete or accept what its
#: author can only name.
_INSIDE = (
    "webex.token_file",
    "webex.client_secret_file",
    "webex.refresh_token_file",
    "output.path",
    "check.rules_dir",
    "check.exceptions_file",
    "check.baseline_file",
)


class ConfigFile(NamedTuple):
    """The configuration file of a command. Made by `chosen_file`.

    Attributes:
        path: the file; None for a user without a home folder.
        named_by: what names it; None for the user's own file, and for the file of the current folder.
        is_local: it is the file of the current folder.
        profile: the profile whose file it is, if it is not the default.
    """

    path: Path | None
    named_by: str | None = None
    is_local: bool = False
    profile: str | None = None

    def __str__(self) -> str:
        named_by = "current folder" if self.is_local else self.named_by
        named_by = named_by or (f"profile {self.profile}" if self.profile else "")
        why = f" ({named_by})" if named_by else ""
        if not self.named_by and not (self.path and os.access(self.path, os.R_OK)):
            return f"no file{why}: defaults"
        return f"{self.path and self.path.absolute()}{why}"

    def content(self) -> bytes | None:
        """The content of the file; None if there is no file, and nobody has named one.

        Raises:
            UsageError: it can't be read, or somebody else could have written it.
        """
        if self.path is None:
            return None
        try:
            return _local_content(self.path) if self.is_local else self.path.read_bytes()
        except OSError as error:
            if not (self.named_by or self.is_local):
                return None
            raise UsageError(f"configuration {self.path}: {error.strerror}") from None


def chosen_file(
    flag: str | None,
    environment: Mapping[str, str],
    profile: Profile,
    profile_flag: str | None,
    *,
    looks_here: bool = False,
) -> ConfigFile:
    """The configuration file of a command.

    Args:
        flag: the value of `--config`, which goes before all.
        environment: the process environment.
        profile: the profile of the command.
        profile_flag: the value of `--profile`, which goes before `WEBEX_AUDIT_CONFIG`.
        looks_here: take the file of the current folder if nothing names a file or a profile.
    """
    if flag:
        return ConfigFile(expand(flag), "--config")
    variable = "" if profile_flag else environment.get(CONFIG_VARIABLE, "")
    # A file of variables (`docker run --env-file`) may add this on Windows.
    if named := variable.removeprefix("\ufeff").rstrip("\r\n"):
        return ConfigFile(expand(named), CONFIG_VARIABLE)
    has_profile = profile_flag is not None or bool(environment.get(PROFILE_VARIABLE))
    here = Path(LOCAL_NAME)
    if looks_here and not has_profile and _is_here(here):
        return ConfigFile(here, is_local=True)
    return ConfigFile(profile.config_file, profile=None if profile == Profile() else profile.name)


def check_local(values: Mapping[str, Any]) -> None:
    """Check that a file of the current folder sets no key that reaches beyond its folder.

    Raises:
        UsageError: it does.
    """
    reaching = [f"{key} {why}" for key, why in _REACHING.items() if values.get(key)]
    reaching += [f"{key} leads out of the folder" for key in _INSIDE if not _is_inside(values.get(key))]
    if not _is_of_webex(values.get("webex.base_url")):
        reaching.insert(0, "webex.base_url decides who gets the token")
    if reaching:
        raise UsageError(
            f"./{LOCAL_NAME}: {reaching[0]}, and a file in the current folder may come from elsewhere: look at it, and "
            f"name it with --config {LOCAL_NAME} ({CONFIG_VARIABLE}) if you trust it"
        )


def _is_inside(path: Any) -> bool:
    """Whether a path leads into the current folder, links followed; a value that can't be a path is refused later."""
    if not isinstance(path, str):
        return True
    if is_uri(path):
        return False
    return Path(os.path.realpath(expand(path))).is_relative_to(os.path.realpath("."))


def _is_of_webex(base_url: Any) -> bool:
    """Whether a base URL is of Webex itself or of this machine; what can't be one is refused later."""
    if base_url is None or not isinstance(base_url, str):
        return True
    try:
        host = urlsplit(base_url).hostname or ""
    except ValueError:
        return False
    return host in LOOPBACK or host == "webexapis.com" or host.endswith((".webexapis.com", ".webex.com"))


def _is_here(path: Path) -> bool:
    try:
        return bool(path.lstat())
    except FileNotFoundError:
        return False
    except OSError as error:
        log.debug("the current folder can't be searched for %s: %s", LOCAL_NAME, error.strerror)
        return False


def _local_content(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            _check_owner(f"./{LOCAL_NAME}", LOCAL_NAME, os.fstat(file.fileno()))
            _check_owner("the current folder", ".", Path().stat(), is_folder=True)
            content = file.read(_MAX_BYTES + 1)
    except IrregularFileError:
        raise _refused(f"./{LOCAL_NAME} is not a regular file", "remove it") from None
    if len(content) > _MAX_BYTES:
        raise _refused(f"./{LOCAL_NAME} has more than {_MAX_BYTES:,} bytes", "remove it")
    return content


def _check_owner(title: str, name: str, found: os.stat_result, *, is_folder: bool = False) -> None:
    """Check that only this user and root may change a file, or exchange it in its folder."""
    if os.name != "posix":
        return
    if found.st_uid not in (0, os.geteuid()):
        raise _refused(f"{title} belongs to another user ({found.st_uid})", "run in a folder of your own")
    # With the sticky bit, only its owner may exchange the file.
    is_sticky = is_folder and found.st_mode & stat.S_ISVTX
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not is_sticky:
        raise _refused(f"other users may write to {title}", f"'chmod go-w {name}'")


def _refused(fault: str, remedy: str) -> UsageError:
    return UsageError(
        f"{fault}, so the configuration there is not read: {remedy}, or name a configuration with --config"
    )
