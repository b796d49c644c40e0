"""A person who signs in: reads the pages of the simulator, presses their buttons, and follows where they lead."""

import asyncio
import html
import re
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from harness import VirtualClock, run_virtually

from audit.config import Login, Profile
from audit.run.login.app import App
from audit.run.login.browser import in_browser
from audit.run.login.desk import Desk, log_in
from audit.run.login.device import on_device
from audit.run.login.store import store_of
from audit.simulator.app import Simulation, serve
from audit.threads import in_thread
from audit.webex.device import DeviceCode

CLIENT_ID, SECRET = "C0ffee", "cl13nt-s3cret"
SCOPES = ("spark-admin:workspaces_read", "spark:people_read")


class Page(NamedTuple):
    """What a browser gets."""

    status: int
    text: str
    headers: dict[str, str]


class _Unfollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


_BROWSER = urllib.request.build_opener(_Unfollowed)


def fetch(url: str, form: dict[str, str] | None = None) -> Page:
    """Get a page, or send a form; follows no redirect."""
    data = urlencode(form).encode() if form is not None else None
    try:
        with _BROWSER.open(urllib.request.Request(url, data), timeout=20) as answer:
            return Page(answer.status, answer.read().decode(), dict(answer.headers))
    except urllib.error.HTTPError as error:
        with error:
            return Page(error.code, error.read().decode(), dict(error.headers))


def decided(url: str, decision: str = "accept", **fields: str) -> Page:
    """Open the page of a URL, and press a button of its form."""
    page = fetch(url)
    assert page.status == 200, page
    found = re.findall(r'name="(\w+)" value="([^"]*)"', page.text)
    form = {name: html.unescape(text) for name, text in found if name != "decision"}
    return fetch(url, form | fields | {"decision": decision})


def redirected(url: str, decision: str = "accept") -> str:
    """Sign in; returns the URL that the browser is sent to."""
    answer = decided(url, decision)
    assert answer.status == 302, answer
    return answer.headers["Location"]


def signed_in(url: str, decision: str = "accept") -> Page:
    """Sign in, and follow to the page at the end."""
    return fetch(redirected(url, decision))


def with_query(url: str, **changes: str | None) -> str:
    """A URL with other parameters; None leaves a parameter out."""
    before, _, query = url.partition("?")
    given: dict[str, str | None] = {name: texts[0] for name, texts in parse_qs(query).items()}
    return f"{before}?{urlencode({name: text for name, text in (given | changes).items() if text is not None})}"


def raw(url: str, *, host: str | None = None, method: str = "GET") -> Page:
    """Ask the address of a URL under any host name, as DNS rebinding does."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    connection.putrequest(method, f"{parts.path}?{parts.query}", skip_host=True)
    connection.putheader("Host", parts.netloc if host is None else host)
    connection.endheaders()
    answer = connection.getresponse()
    page = Page(answer.status, answer.read().decode(), dict(answer.headers))
    connection.close()
    return page


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def browser(tmp_path: Path, decision: str = "accept") -> str:
    """A value of `BROWSER`: a program that signs in at the address that it gets."""
    program = tmp_path / "browser.py"
    support = str(Path(__file__).parent)
    lines = ["import sys", f"sys.path[:0] = {[support, *sys.path]!r}", "from signing_in import signed_in"]
    program.write_text("\n".join([*lines, f"signed_in(sys.argv[1], {decision!r})\n"]))
    return f"{sys.executable} {program} %s"


def with_desk(
    simulation: Simulation,
    folder: Path,
    way: Callable[[Desk], Awaitable[None]],
    *,
    profile: str = "default",
    replaces: bool = False,
    token_file: Path | None = None,
    at: str | None = None,
    **given: Any,
) -> Login:
    """Sign in at a simulation, in virtual time.

    Args:
        simulation: the simulation.
        folder: for the client secret.
        way: signs in.
        profile: the name of the profile.
        replaces: overwrite the login of another.
        token_file: the file of the refresh token.
        at: the base URL of an earlier simulation, which this one takes the place of.
        given: other attributes of the app.
    """
    secret_file = folder / "client-secret"
    secret_file.write_text(SECRET)
    secret_file.chmod(0o600)

    async def main() -> Login:
        simulation.now_s = asyncio.get_running_loop().time
        async with serve(simulation, port=urlsplit(at).port or 0 if at else 0) as base_url:
            attributes: dict[str, Any] = {"base_url": base_url, "client_id": CLIENT_ID, "client_secret": SECRET}
            attributes |= {"client_secret_file": secret_file, "scopes": SCOPES}
            attributes |= {"port": free_port()} | given
            store = store_of(Profile(profile), token_file, replaces=replaces)
            return await log_in(App(**attributes), store, VirtualClock(), way)

    return run_virtually(main())


def in_a_browser(act: Callable[[str], object] = signed_in) -> Callable[[Desk], Awaitable[None]]:
    """The way through a browser, in which a person acts on the address."""

    async def way(desk: Desk) -> None:
        acts: list[asyncio.Task[object]] = []

        async def show(url: str) -> None:
            acts.append(asyncio.create_task(in_thread(act, url)))

        try:
            await in_browser(desk, show)
        finally:
            await asyncio.gather(*acts)

    return way


def on_a_device(act: Callable[[DeviceCode], object]) -> Callable[[Desk], Awaitable[None]]:
    """The way through another device, on which a person acts on the code."""

    async def way(desk: Desk) -> None:
        acts: list[asyncio.Task[object]] = []

        async def show(code: DeviceCode) -> None:
            acts.append(asyncio.create_task(in_thread(act, code)))

        try:
            await on_device(desk, show)
        finally:
            await asyncio.gather(*acts)

    return way
