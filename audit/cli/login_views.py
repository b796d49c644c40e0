"""Logins as text for people and as JSON for programs."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from audit.cli import views
from audit.config import Login, Profile, known_profiles, read_login, unfinished_login
from audit.errors import AuditError
from audit.text import count_of, printable

_DAY_S = 86_400


def as_json(profile: Profile, login: Login) -> str:
    """A login as JSON."""
    return views.as_json(_data(profile, login, None))


def render(profile: Profile, login: Login, asked: tuple[str, ...], following: str) -> str:
    """A login as text.

    Args:
        profile: its profile.
        login: the login.
        asked: the scopes that were asked for.
        following: the next command.
    """
    granted = "the API does not say: 'webex-audit doctor' finds out" if login.scopes is None else _list(login.scopes)
    extra = sorted({*(login.scopes or ())} - {*asked})
    lines = [
        f"signed in as {printable(login.person or 'a person whose name is not known')}",
        f"  organization   {login.org_id or 'not known'}",
        f"  profile        {profile.name}",
        f"  granted        {granted}",
        *([f"  more than asked {_list(extra)}"] if extra else []),
        *_missing(login),
        f"  refresh token  {_validity(login)}",
        f"  stored in      {printable(login.refresh_token_file)}",
    ]
    return "\n".join([*lines, f"next: {printable(following)}"])


def render_all(*, as_json: bool) -> str:
    """All profiles with their logins."""
    found = [(profile, *_read(profile)) for profile in known_profiles()]
    if as_json:
        return views.as_json([_data(profile, login, fault) for profile, login, fault in found])
    lines = [line for profile, login, fault in found for line in _lines(profile, login, fault)]
    return "\n".join(lines) or "no profile yet: 'webex-audit login' makes one"


def not_granted(login: Login) -> str:
    """The scopes that were asked for and not granted, with what to do."""
    them = "them" if len(login.missing_scopes) > 1 else "it"
    return f"NOT granted: {_list(login.missing_scopes)}: add {them} to the integration"


def _missing(login: Login) -> list[str]:
    title, _, text = not_granted(login).partition(": ")
    return [f"  {title:<14} {text}"] if login.missing_scopes else []


def _read(profile: Profile) -> tuple[Login | None, str | None]:
    try:
        return read_login(profile), unfinished_login(profile)
    except AuditError as error:
        return None, str(error)


def _lines(profile: Profile, login: Login | None, fault: str | None) -> list[str]:
    has_file = profile.config_file and profile.config_file.is_file()
    lines = [
        profile.name,
        f"  configuration  {printable(str(profile.config_file)) if has_file else 'none'}",
    ]
    if login is None:
        return [*lines, f"  login          {printable(fault or 'none')}"]
    return [
        *lines,
        f"  login          {printable(login.person or 'not known')}, organization {login.org_id or 'not known'}",
        f"  API            {printable(login.base_url)}",
        f"  granted        {'not known' if login.scopes is None else _list(login.scopes)}",
        *_missing(login),
        f"  refresh token  {_validity(login)}",
        *([f"  beware         {fault}"] if fault else []),
    ]


def _list(scopes: list[str]) -> str:
    return ", ".join(map(printable, scopes)) or "nothing"


def _validity(login: Login) -> str:
    if login.refresh_until is None:
        return "the API does not say how long it lasts"
    left_s = (login.refresh_until - datetime.now(UTC)).total_seconds()
    if left_s <= 0:
        return f"expired on {login.refresh_until:%Y-%m-%d} unless a run has renewed it: sign in again if it is refused"
    days = count_of(round(left_s / _DAY_S), "day")
    return f"until {login.refresh_until:%Y-%m-%d} ({days}); it may last longer, as runs renew it"


def _data(profile: Profile, login: Login | None, fault: str | None) -> dict[str, Any]:
    has_file = profile.config_file and profile.config_file.is_file()
    return {
        "profile": profile.name,
        "config_file": str(profile.config_file) if has_file else None,
        "login": msgspec.to_builtins(login),
        "fault": fault,
    }
