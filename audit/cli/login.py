"""The command that gets a token which lasts: `login`."""

import logging
import os
import shlex
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from audit import config
from audit.cli import login_views, options, signals
from audit.cli.command import Command, heading
from audit.cli.options import settings_of, verbosity_of
from audit.cli.results import print_result
from audit.config import Login, Profile, Settings
from audit.errors import UsageError
from audit.files import expand
from audit.redaction import redact
from audit.text import count_of, printable_lines

if TYPE_CHECKING:
    from audit.run.login.app import App
    from audit.run.login.desk import Desk
    from audit.webex.device import DeviceCode

log = logging.getLogger(__name__)

_PORT = 8765
#: At least one of these variables is set where a browser can open a window, or where the user names a browser.
_DISPLAYS = frozenset({"BROWSER", "DISPLAY", "WAYLAND_DISPLAY"})


@click.command(cls=Command)
@heading("Integration and way to sign in")
@options.flag("webex.client_id", metavar="ID", help="Id of your integration. [default: that of the last login]")
@options.flag(
    "webex.client_secret_file",
    metavar="FILE",
    help="File that holds the client secret of your integration. [default: that of the last login]",
)
@click.option("--device", is_flag=True, help="Sign in on another device, by a code: for machines without a browser.")
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    help="Port on 127.0.0.1 for the answer; register http://127.0.0.1:PORT/callback as redirect URI. [default: that of "
    f"the last login, else {_PORT}]",
)
@options.scope_options
@options.events_option
@heading("Scopes and stored login")
@click.option(
    "--scope",
    "more",
    multiple=True,
    metavar="SCOPE",
    help="Also ask for this scope, such as spark-admin:locations_read for the names of locations; may be repeated.",
)
@click.option("--replace", is_flag=True, help="Overwrite the login of another integration or person.")
@click.option("--list", "lists", is_flag=True, help="List profiles and their logins, and exit.")
@heading("Token and API")
@options.flag("webex.base_url", metavar="URL", help="Base URL of the API.")
@options.profile_options
@options.json_option
@options.logging_options
def login(
    *,
    device: bool,
    port: int | None,
    more: tuple[str, ...],
    replace: bool,
    lists: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Sign in with an integration, and store a token that renews itself.

    Make the integration once, at developer.webex.com; docs/tokens.md has the steps. It asks for the
    scopes that a run with the same options needs, and for no other.
    """
    settings = settings_of(given, makes_profile=True)
    if lists:
        print_result(login_views.render_all(as_json=as_json))
        return 0
    from audit.clock import Clock
    from audit.run.login.app import scopes_again, scopes_for
    from audit.run.login.browser import in_browser
    from audit.run.login.desk import log_in
    from audit.run.login.device import on_device
    from audit.run.login.store import store_of
    from audit.webex.tokens import TOKEN_VARIABLE

    webex, profile = _checked(settings), config.profile_of(given["profile"], os.environ)
    last = config.used_login(profile, webex)
    scopes = scopes_for(settings, more) if more or last is None or _chooses(given) else scopes_again(settings, last)
    app = _app(webex, scopes, port or _last_port(profile) or _PORT)
    store = store_of(profile, expand(webex.refresh_token_file) if webex.refresh_token_file else None, replaces=replace)

    async def way(desk: "Desk") -> None:
        await (on_device(desk, _show_code) if device else in_browser(desk, _show_page))

    found = signals.run_until_signal(log_in(app, store, Clock(), way))
    if lost := _lost(last, found):
        log.warning("the login before had more scopes: %s: a run that needs them is refused now", ", ".join(lost))
    if found.missing_scopes:
        log.warning("%s, and sign in again", login_views.not_granted(found))
    if os.environ.get(TOKEN_VARIABLE) and given["profile"] is None:
        log.warning("%s is set, and runs use it instead of this login: unset it", TOKEN_VARIABLE)
    if as_json:
        print_result(login_views.as_json(profile, found))
    elif verbosity_of(given) != "quiet":
        print_result(login_views.render(profile, found, scopes, _next(profile, given)))
    return 0


def _checked(settings: Settings) -> config.WebexSettings:
    """`[webex]`, if it names an integration, and a run would use its login."""
    webex = settings.webex
    for key in ("token_file", "token_command"):
        if getattr(webex, key):
            raise UsageError(f"webex.{key} is configured, so no run would use a login: leave it out there")
    keys = ("client_id", "client_secret_file")
    if missing := [f"--{config.FLAGS[f'webex.{key}']}" for key in keys if not getattr(webex, key)]:
        raise UsageError(
            f"no integration to sign in with: name yours with {' and '.join(missing)}; docs/tokens.md says how to make "
            "one at developer.webex.com"
        )
    return webex


def _app(webex: config.WebexSettings, scopes: tuple[str, ...], port: int) -> "App":
    from audit.run.credentials import secret_file
    from audit.run.login.app import App
    from audit.webex.refresh_token import SecretFile

    title = "client secret file"
    path = secret_file(webex.client_secret_file, title).absolute()
    secret = SecretFile(path, title).read()
    return App(webex.base_url, webex.client_id or "", secret, path, scopes, port, webex.timeout_s, webex.ca_file)


def _last_port(profile: Profile) -> int | None:
    """The port of the last login: the integration has registered it."""
    try:
        last = config.read_login(profile)
    except UsageError:
        return None
    return last.port if last else None


def _chooses(given: dict[str, Any]) -> bool:
    """Whether options say what a run is to audit."""
    return any(key.startswith("scope.") or key == "run.admin_events" for key in options.given_keys(given))


def _lost(last: Login | None, found: Login) -> list[str]:
    """The scopes that the last login had, that this login has not, and that it has not asked for."""
    if last is None or last.scopes is None or found.scopes is None:
        return []
    return sorted({*last.scopes} - {*found.scopes, *found.missing_scopes})


def _next(profile: Profile, given: dict[str, Any]) -> str:
    """The command that audits what was signed in for."""
    words = ["webex-audit", "run", *profile.option.split()]
    words += ["--config", given["config_file"]] if given["config_file"] else []
    for key, flag in config.FLAGS.items():
        value = given.get(key.replace(".", "__")) if key.startswith("scope.") or key == "run.admin_events" else None
        for each in value if isinstance(value, tuple) else [value] if value else []:
            words += [f"--{flag}"] if each is True else [f"--{flag}", str(each)]
    return shlex.join(words)


async def _show_page(url: str) -> None:
    _tell(f"sign in to Webex in your browser; if none opens, open this address on this machine:\n{url}\n")
    has_display = os.name != "posix" or sys.platform == "darwin" or _DISPLAYS & {*os.environ}
    if has_display and sys.executable:
        # A process of its own: a browser may write to its streams, or take over the terminal. Isolated (-I): no module
        # in the current folder is run in place of the standard library's.
        command = [sys.executable, "-I", "-m", "webbrowser", url]
        silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        start = partial(subprocess.run, command, check=False, start_new_session=True, **silent)
        threading.Thread(target=start, daemon=True).start()


async def _show_code(code: "DeviceCode") -> None:
    _tell(f"open {code.uri} on any device, and enter the code {code.user_code}")
    if code.uri_complete:
        _tell(f"or open this address, which knows the code:\n{code.uri_complete}")
    _tell(f"waiting for {count_of(max(round(code.lifetime_s / 60), 1), 'minute')}")


def _tell(text: str) -> None:
    """Show what a person needs to sign in, whatever the verbosity."""
    click.echo(redact(printable_lines(text)), err=True)
