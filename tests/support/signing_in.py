"""A person who signs in at the simulator."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from browsing import Page, signed_in
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
