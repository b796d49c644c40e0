"""The record of a login: whose refresh token lies where. It holds no secret, and fills in `[webex]`."""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from audit.config.profiles import RECORD, UNDER_WAY, Profile
from audit.config.settings import WebexSettings
from audit.errors import DamagedError, words_of
from audit.files import expand, open_regular
from audit.untrusted.decoding import UndecodableError, json_of, prepared

_MOST_BYTES = 64 << 10
#: The keys of `[webex]` that a login fills in.
_KEYS = ("base_url", "client_id", "client_secret_file", "refresh_token_file")
#: Those in which the configuration must agree with it: a secret goes to no other API, and to no other app.
_AGREED = ("base_url", "client_id", "refresh_token_file")


@prepared
class Login(msgspec.Struct, frozen=True, kw_only=True):
    """What a login has stored.

    Attributes:
        base_url: the API that gave the refresh token, and the only one that gets it.
        client_id: the id of the integration.
        client_secret_file: the file of its client secret, as a whole path.
        refresh_token_file: the file of the refresh token, as a whole path.
        port: the port of the redirect URI.
        signed_in_at: when.
        scopes: the scopes that were granted; None if the API did not say.
        missing_scopes: the scopes that were asked for and not granted.
        refresh_until: when the refresh token expires if no run uses it; None if the API did not say.
        person: display name and email address of the person who signed in; None if the API did not say.
        person_id: the id of that person.
        org_id: the UUID of that person's organization.
    """

    base_url: str
    client_id: str
    client_secret_file: str
    refresh_token_file: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]
    signed_in_at: datetime
    scopes: list[str] | None = None
    missing_scopes: list[str] = []
    refresh_until: datetime | None = None
    person: str | None = None
    person_id: str | None = None
    org_id: str | None = None


def login_file(profile: Profile) -> Path | None:
    """The file of a profile's login, which may not exist; None for a user without a home folder."""
    return profile.login_folder / RECORD if profile.login_folder else None


def read_login(profile: Profile) -> Login | None:
    """The login of a profile; None if there is none.

    Raises:
        DamagedError: its file can't be read, or is not as it was written.
    """
    path = login_file(profile)
    if path is None:
        return None
    try:
        with open_regular(path) as file:
            return json_of(file.read(_MOST_BYTES), Login)
    except (FileNotFoundError, NotADirectoryError):  # the latter if the home folder is /dev/null
        return None
    except (OSError, UndecodableError) as error:
        raise DamagedError(path, f"{words_of(error)}: 'webex-audit login{profile.option}' writes it anew") from None


def unfinished_login(profile: Profile) -> str | None:
    """What to say of a login that has begun and has not stored its token; None if there is none."""
    folder = profile.login_folder
    if folder is None or not os.path.lexists(folder / UNDER_WAY):
        return None
    earlier = "; until then, the earlier login stays" if os.path.lexists(folder / RECORD) else ""
    return (
        f"a login of profile {profile.name} began and has stored no token: it is still under way, or was cut off, and "
        f"what it was granted is lost: run 'webex-audit login{profile.option}' again{earlier}"
    )


def filled_in(login: Login, webex: Mapping[str, str]) -> dict[str, str]:
    """The keys of `[webex]` that a login fills in: none if the configuration names another token, API or app.

    Args:
        login: the login.
        webex: the keys of `[webex]` that flags, environment and file give.
    """
    if webex.get("token_file") or webex.get("token_command"):
        return {}
    own = {key: str(getattr(login, key)) for key in _KEYS}
    if any(_normal(key, webex[key]) != _normal(key, own[key]) for key in _AGREED if webex.get(key)):
        return {}
    return {key: text for key, text in own.items() if not webex.get(key)}


def used_login(profile: Profile, webex: WebexSettings) -> Login | None:
    """The login of a profile if these settings use it, or would without another source of the token."""
    login = _readable(profile)
    is_used = login and all(
        _normal(key, getattr(webex, key) or "") == _normal(key, getattr(login, key)) for key in _AGREED
    )
    return login if is_used else None


def unused_login(profile: Profile, webex: WebexSettings) -> str | None:
    """Why these settings do not use the login of a profile; None if they do, or if it has none."""
    login = _readable(profile)
    if login is None or used_login(profile, webex):
        return None
    for key in reversed(_AGREED):
        given, own = getattr(webex, key), getattr(login, key)
        if given and _normal(key, given) != _normal(key, own):
            return f"its login is of another webex.{key}: {own}"
    return None


def _readable(profile: Profile) -> Login | None:
    try:
        return read_login(profile)
    except DamagedError:
        return None


def _normal(key: str, text: str) -> str:
    return str(expand(text).absolute()) if key.endswith("_file") else text.rstrip("/")
