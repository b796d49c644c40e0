"""Profiles: a name for a configuration file and a login of its own, for whoever audits with several tokens."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from audit.errors import UsageError
from audit.files import own_folder

#: Names the profile if `--profile` does not.
PROFILE_VARIABLE = "WEBEX_AUDIT_PROFILE"
#: The profile of those who name none: `config.toml` itself.
DEFAULT = "default"
#: The file in the folder of a login that says what was stored.
RECORD = "login.json"
#: Stands beside the record while a login is under way; its process leaves it behind if it is killed.
UNDER_WAY = "under-way"
#: A name is part of a path: no separator, no dot, and no two names that a file system without case takes for the same.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Profile(NamedTuple):
    """A profile. Made by `profile_of`, which checks its name."""

    name: str = DEFAULT

    @property
    def config_file(self) -> Path | None:
        """Its configuration file, which may not exist; None for a user without a home folder."""
        folder = own_folder("config")
        if folder is None:
            return None
        return folder / "config.toml" if self.name == DEFAULT else folder / "profiles" / f"{self.name}.toml"

    @property
    def login_folder(self) -> Path | None:
        """The folder of its login, which may not exist; None for a user without a home folder."""
        folder = own_folder("state")
        return folder / "logins" / self.name if folder else None

    @property
    def option(self) -> str:
        """The option that names this profile in a command, with a blank before it; nothing for the default."""
        return "" if self.name == DEFAULT else f" --profile {self.name}"


class Named(NamedTuple):
    """What the user names as source of the access token.

    Attributes:
        by_file: a flag names the token file, which goes before every other source.
        by_profile: a flag names the profile, whose token goes before the environment.
        profile: the profile.
    """

    by_file: bool = False
    by_profile: bool = False
    profile: Profile = Profile()


def profile_of(named: str | None, environment: Mapping[str, str]) -> Profile:
    """The profile of a command.

    Args:
        named: the value of `--profile`; None for that of `WEBEX_AUDIT_PROFILE`.
        environment: the process environment.

    Raises:
        UsageError: the name can't be that of a profile.
    """
    source, name = ("--profile", named) if named is not None else (PROFILE_VARIABLE, environment.get(PROFILE_VARIABLE))
    if not name:
        if named is None:
            return Profile()
        name = ""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{source} {name[:80]!r}: expected up to 63 lower-case letters, digits, - and _, such as customer-a"
        )
    return Profile(name)


def known_profiles() -> list[Profile]:
    """The profiles that have a configuration file or a login, stored or cut off, sorted by name, the default first."""
    names = set()
    if folder := own_folder("config"):
        names |= {path.stem for path in (folder / "profiles").glob("*.toml")}
        names |= {DEFAULT} if (folder / "config.toml").is_file() else set()
    if folder := own_folder("state"):
        names |= {path.parent.name for name in (RECORD, UNDER_WAY) for path in folder.glob(f"logins/*/{name}")}
    usable = (name for name in names if _NAME.fullmatch(name))
    return [Profile(name) for name in sorted(usable, key=lambda name: (name != DEFAULT, name))]
