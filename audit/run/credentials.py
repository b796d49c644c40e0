"""Where the access token of a run comes from."""

import logging
from collections.abc import Mapping
from pathlib import Path

from audit.clock import Clock
from audit.config import Named, Profile, WebexSettings
from audit.errors import UsageError
from audit.files import expand, is_readable_by_others
from audit.webex.oauth import OAuthTokens
from audit.webex.tokens import (
    TOKEN_VARIABLE,
    CommandTokens,
    FileTokens,
    StaticTokens,
    TokenSource,
    environment_token,
    read_secret,
    read_token,
)

log = logging.getLogger(__name__)

_UNNAMED = Named()


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
    configured = [key for key in ("token_file", "token_command", "client_id") if getattr(settings, key)]
    if named.by_file and settings.token_file:
        configured = ["token_file"]
    elif not (named.by_profile and configured) and (token := environment_token(environment)):
        return StaticTokens(token)
    if len(configured) > 1:
        raise UsageError(
            f"several sources of an access token: keep one of {', '.join(f'webex.{key}' for key in configured)}"
        )
    match configured:
        case ["token_file"]:
            path = secret_file(settings.token_file, "token file")
            read_token(path)
            return FileTokens(path)
        case ["token_command"]:
            return CommandTokens(settings.token_command or "")
        case ["client_id"]:
            return _oauth(settings, clock, named.profile)
    raise UsageError(
        f"no access token: 'webex-audit login{named.profile.option}' gets one that renews itself, or "
        f"set {TOKEN_VARIABLE}, --token-file or a key of [webex]"
    )


def _oauth(settings: WebexSettings, clock: Clock, profile: Profile) -> OAuthTokens:
    login = f"webex-audit login{profile.option}"
    hints = {"client_secret_file": "", "refresh_token_file": f": '{login}' gets a refresh token and stores it"}
    for key, hint in hints.items():
        if not getattr(settings, key):
            raise UsageError(f"webex.client_id needs webex.{key} too{hint}")
    return OAuthTokens(
        settings.base_url,
        settings.client_id or "",
        secret_file(settings.client_secret_file, "client secret file"),
        secret_file(settings.refresh_token_file, "refresh token file"),
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
