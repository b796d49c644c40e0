"""Serves an application on a loopback address, so that no connection outlives the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, cast

from aiohttp import web

#: Turns of the event loop from the acceptance of a connection until its protocol knows it.
_TURNS = 3


@asynccontextmanager
async def serving(
    app: web.Application,
    host: str,
    port: int = 0,
    *,
    reuse_address: bool | None = None,
    most_connections: int | None = None,
    **options: Any,
) -> AsyncIterator[int]:
    """Serve an application while the block runs. All its connections are closed after the block.

    Args:
        app: the application.
        host: a loopback address.
        port: 0 for any free port.
        reuse_address: whether the port may be in use by connections that end; by default, the system's custom.
        most_connections: beyond this number, a new connection ends the oldest; None for no limit.
        options: those of `aiohttp.web.AppRunner`.

    Yields:
        The port.

    Raises:
        OSError: the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, **options)
    await runner.setup()
    # Set up by now, which the type does not say.
    server = cast("web.Server", runner.server)
    try:
        loop, accept = asyncio.get_running_loop(), partial(_accepted, server, most_connections)
        listener = await loop.create_server(accept, host, port, reuse_address=reuse_address)
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            await _stop_listening(listener)
    finally:
        transports = [connection.transport for connection in server.connections]
        await runner.cleanup()
        for transport in transports:
            # A transport that is only closed waits for a client that does not read.
            if transport:
                transport.abort()


def _accepted(server: web.Server, most: int | None) -> asyncio.Protocol:
    """The protocol of a new connection.

    A client that connects and stays silent would hold its connection forever, until the process may open no more.
    """
    connections = server.connections if most is not None else []
    if most is not None and len(connections) >= most and (oldest := connections[0].transport):
        oldest.abort()
    return server()


async def _stop_listening(listener: asyncio.Server) -> None:
    """Accept no more connections, then close the listener.

    asyncio makes the transport of a connection a turn after its acceptance. If the listener is closed by then, asyncio
    loses the connection, which stays open until the garbage collector warns of it (CPython issue 109564).
    """
    loop = asyncio.get_running_loop()
    # The loop of Windows has no readers, and accepts in a single turn.
    with suppress(NotImplementedError):
        for socket in listener.sockets:
            loop.remove_reader(socket)
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    listener.close()
