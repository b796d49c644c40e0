"""Servers on a loopback address leave no connection open: not those that they serve, and not those that just come."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from api import serve_answers
from harness import run_virtually
from token_endpoint import Endpoint

from audit.loopback import serving
from audit.simulator.app import ADMIN_TOKEN, Simulation, serve
from audit.simulator.faults import parse
from audit.webex.redirect import Redirect

Server = Callable[[], AbstractAsyncContextManager[int]]
Runner = Callable[[Coroutine[Any, Any, None]], None]
GET = f"GET /v1/workspaces HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n".encode()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@asynccontextmanager
async def of_a_login() -> AsyncIterator[int]:
    port = free_port()
    async with Redirect(port, "state").listening():
        yield port


@asynccontextmanager
async def of_a_simulation() -> AsyncIterator[int]:
    async with serve(Simulation()) as url:
        yield urlsplit(url).port or 0


@asynccontextmanager
async def of_answers() -> AsyncIterator[int]:
    async with serve_answers(lambda *_: web.Response()) as (url, _):
        yield urlsplit(url).port or 0


@asynccontextmanager
async def of_tokens() -> AsyncIterator[int]:
    async with Endpoint([]).serve() as url:
        yield urlsplit(url).port or 0


def run_and_close(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine, and close the loop at once; asyncio.run gives it some more turns."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()


def ends(client: socket.socket) -> bool:
    """Whether the server has closed the connection."""
    client.settimeout(3)
    try:
        while client.recv(1 << 20):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


RUNNERS = [run_virtually, asyncio.run, run_and_close]


@pytest.mark.parametrize("turns", range(7))
@pytest.mark.parametrize("run", RUNNERS)
@pytest.mark.parametrize("server", [of_a_simulation, of_a_login, of_answers, of_tokens])
def test_a_connection_that_comes_as_the_server_ends_is_closed(server: Server, run: Runner, turns: int) -> None:
    clients: list[socket.socket] = []

    async def main() -> None:
        async with server() as port:
            clients.extend(socket.create_connection(("127.0.0.1", port)) for _ in range(3))
            for _ in range(turns):
                await asyncio.sleep(0)

    gc.disable()
    try:
        run(main())
        assert [ends(client) for client in clients] == [True] * 3
    finally:
        gc.enable()
        for client in clients:
            client.close()


@pytest.mark.parametrize("run", RUNNERS)
def test_connections_that_keep_coming_are_closed_or_refused(run: Runner) -> None:
    clients: list[socket.socket] = []

    async def come(port: int) -> None:
        with suppress(ConnectionRefusedError):
            while True:
                clients.append(socket.create_connection(("127.0.0.1", port)))
                await asyncio.sleep(0)

    async def main() -> None:
        async with of_a_simulation() as port:
            coming = asyncio.create_task(come(port))
            for _ in range(20):
                await asyncio.sleep(0)
        await coming

    gc.disable()
    try:
        run(main())
        assert [client.fileno() for client in clients if not ends(client)] == []
    finally:
        gc.enable()
        for client in clients:
            client.close()


@pytest.mark.parametrize(
    ("faults", "sent"),
    [
        ("", b""),
        ("", GET[:30]),
        ("", GET),
        ("hang=1", GET),
        ("reset=1", GET),
        ("truncated=1", GET),
        ("too-long=1", GET),
    ],
    ids=["silent", "half a request", "kept alive", "without an answer", "reset", "cut off", "does not read"],
)
@pytest.mark.parametrize("run", RUNNERS)
def test_a_connection_that_is_served_is_closed(run: Runner, faults: str, sent: bytes) -> None:
    clients: list[socket.socket] = []

    async def main() -> None:
        async with serve(Simulation(faults=parse(faults))) as url:
            client = socket.create_connection(("127.0.0.1", urlsplit(url).port or 0))
            clients.append(client)
            client.sendall(sent)
            await asyncio.sleep(0.1)

    gc.disable()
    try:
        run(main())
        assert ends(clients[0])
    finally:
        gc.enable()
        clients[0].close()


def test_the_port_is_free_again_at_once() -> None:
    async def main() -> None:
        port = 0
        for _ in range(3):
            async with serving(web.Application(), "127.0.0.1", port) as port:
                with pytest.raises(OSError, match="in use"):
                    await serving(web.Application(), "127.0.0.1", port).__aenter__()

    asyncio.run(main())
