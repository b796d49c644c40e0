"""Where the access token of a run comes from."""

import logging
from collections.abc import Mapping
from pathlib import Path

from audit.clock import Clock
from audit.config import PROFILE_VARIABLE, Named, Profile, WebexSettings, unused_login, used_login
from audit.errors import UsageError
from audit.files import expand, is_readable_by_others
from audit.webex.oauth import OAuthTokens
from audit.webex.tokens import (
    TOKEN_VARIABLE,
    CommandTokens,
    FileTokens,
    StaticTokens,
    Token,
    TokenSource,
    environment_token,
    read_secret,
    read_token,
)

log = logging.getLogger(__name__)

_UNNAMED = Named()
_KEYS = ("token_file", "token_command", "client_id")


def find_tokens(
    settings: WebexSettings, environment: Mapping[str, str], clock: Clock, named: Named = _UNNAMED
) -> TokenSource:
    """The tokens of `--token-file` or `--profile`, else of `WEBEX_ACCESS_TOKEN`, else of the configured source.

    Args:
        settings: `[webex]`.
        environment: the process environment.
        clock: the time.
        named: the source that flags name.

    Raises:
        UsageError: there is no token, several sources are configured, or the content of a source is not a token.
    """
    match _chosen(settings, environment, named):
        case Token() as token:
            hidden = hidden_login(settings, environment, named)
            return StaticTokens(token, hidden or f"set {TOKEN_VARIABLE} to a new token")
        case "token_file":
            path = secret_file(settings.token_file, "token file")
            read_token(path)
            return FileTokens(path)
        case "token_command":
            return CommandTokens(settings.token_command or "")
        case _:
            return _oauth(settings, clock, named.profile)


def source_title(settings: WebexSettings, environment: Mapping[str, str], named: Named) -> str:
    """Where the tokens of `find_tokens` come from, in words.

    Raises:
        UsageError: there is no token, or several sources are configured.
    """
    match _chosen(settings, environment, named):
        case Token():
            keys = ", ".join(f"webex.{key}" for key in _KEYS if getattr(settings, key))
            before = f", which goes before {keys}" if keys else ""
            return hidden_login(settings, environment, named) or f"it is that of {TOKEN_VARIABLE}{before}"
        case "token_file":
            return f"it is that of the token file {settings.token_file}"
        case "token_command":
            return "it is that of webex.token_command"
        case _:
            login = used_login(named.profile, settings)
            if login is None:
                return f"it is that of the refresh token file {settings.refresh_token_file}"
            of_person = f" ({login.person})" if login.person else ""
            return f"it is that of the login of profile {named.profile.name}{of_person}"


def hidden_login(settings: WebexSettings, environment: Mapping[str, str], named: Named) -> str | None:
    """What to say of a login that is not used because a variable holds a token; None if there is none.

    Raises:
        UsageError: there is no token, or several sources are configured.
    """
    profile = named.profile
    if not (used_login(profile, settings) and isinstance(_chosen(settings, environment, named), Token)):
        return None
    return (
        f"the token is that of {TOKEN_VARIABLE}, not that of the login of profile {profile.name}: unset the variable, "
        f"or name the profile with --profile {profile.name}"
    )


def _chosen(settings: WebexSettings, environment: Mapping[str, str], named: Named) -> Token | str:
    """The token of the environment, or the key of `[webex]` that names the source.

    Raises:
        UsageError: there is no token, or several sources are configured.
    """
    configured = [key for key in _KEYS if getattr(settings, key)]
    if named.by_file and settings.token_file:
        return "token_file"
    if not named.by_profile and (token := environment_token(environment)):
        return token
    if len(configured) > 1:
        raise UsageError(
            f"several sources of an access token: keep one of {', '.join(f'webex.{key}' for key in configured)}"
        )
    if configured:
        return configured[0]
    raise UsageError(_without_token(settings, environment, named))


def _without_token(settings: WebexSettings, environment: Mapping[str, str], named: Named) -> str:
    profile = named.profile
    unused = unused_login(profile, settings)
    why = f" ({unused})" if unused else ""
    login = f"'webex-audit login{profile.option}' gets one that renews itself"
    if named.by_profile and environment.get(TOKEN_VARIABLE):
        # The variable may hold the token of another customer.
        return (
            f"profile {profile.name} has no access token{why}, and {TOKEN_VARIABLE} is not used for a profile that "
            f"--profile names: {login}, or name the profile with {PROFILE_VARIABLE} to use the variable"
        )
    others = "--token-file" if named.by_profile else f"{TOKEN_VARIABLE}, --token-file"
    return f"no access token{why}: {login}, or set {others} or a key of [webex]"


def _oauth(settings: WebexSettings, clock: Clock, profile: Profile) -> OAuthTokens:
    login = f"webex-audit login{profile.option}"
    hints = {"client_secret_file": "", "refresh_token_file": f": '{login}' gets a refresh token and stores it"}
    for key, hint in hints.items():
        if not getattr(settings, key):
            raise UsageError(f"webex.client_id needs webex.{key} too{hint}")
    secret = secret_file(settings.client_secret_file, "client secret file")
    try:
        refresh_token = secret_file(settings.refresh_token_file, "refresh token file")
    except UsageError as error:
        raise error.advised(f"'{login}' stores a new refresh token") from None
    return OAuthTokens(
        settings.base_url,
        settings.client_id or "",
        secret,
        refresh_token,
        clock,
        login=login,
        timeout_s=settings.timeout_s,
    )


def secret_file(text: str | None, title: str) -> Path:
    """The path of the file of a secret; a warning says if others may read it.

    Raises:
        UsageError: the file can't be read, or is empty.
    """
    path = expand(text or "")
    read_secret(path, title)
    if is_readable_by_others(path):
        log.warning("%s %s can be read by other users: chmod 600 it", title, path)
    return path
