"""The same race over real HTTP and in real time: a server in a process of its own, and clients of aiohttp."""

import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import mean

import aiohttp
from aiohttp import web
from kinds import Kind

from audit.clock import Clock
from audit.loopback import serving
from audit.webex.connection import connect
from audit.webex.pace import Ceiling, Pace
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import StaticTokens, Token

#: Requests at once of our client.
AT_ONCE = 50


@dataclass(frozen=True)
class Measured:
    """What a client needed: seconds, and the share of requests that was refused."""

    wall_s: float
    share: float


def _serve(pipe: Connection, name: str, seed: int, latency_s: float) -> None:
    """Serve a kind of limit until a message arrives; sends the URL first, and in the end the counts."""
    from kinds import REPORTING  # noqa: PLC0415 - a limit does not travel to another process

    limit = next(kind for kind in REPORTING if kind.name == name).make(seed)
    count = {"sent": 0, "refused": 0}
    began_s: list[float] = []

    async def answer(_: web.Request) -> web.Response:
        began_s.append(time.monotonic()) if not began_s else None
        now_s = time.monotonic() - began_s[0]
        count["sent"] += 1
        wait_s = limit.take(now_s)
        if wait_s is not None:
            count["refused"] += 1
            return web.json_response({}, status=429, headers={"Retry-After": f"{wait_s:.0f}"})
        await asyncio.sleep(limit.service_s(now_s, latency_s))
        limit.leave()
        return web.json_response({})

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        async with serving(app, "127.0.0.1") as port:
            pipe.send(f"http://127.0.0.1:{port}/v1")
            await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
            pipe.send((count["sent"], count["refused"]))

    asyncio.run(main())


async def _workers(number: int, reads: int, read: Callable[[int], Awaitable[None]]) -> None:
    left = iter(range(reads))

    async def work() -> None:
        for index in left:
            await read(index)

    async with asyncio.TaskGroup() as group:
        for _ in range(number):
            group.create_task(work())


async def ours(url: str, reads: int) -> None:
    """This project's client, cold."""
    clock = Clock()
    retry = RetryPolicy(6, 1000, 300)
    pace = Pace(clock, Ceiling(AT_ONCE))
    tokens = StaticTokens(Token("benchmark"))
    async with connect(url, tokens, pace, concurrency=AT_ONCE, timeout_s=60, retry=retry, clock=clock) as client:

        async def read(index: int) -> None:
            answer = await client.get(f"/read/{index}")
            if answer.status != 200:
                raise RuntimeError(answer)

        await _workers(AT_ONCE, reads, read)


def plain(at_once: int, *, is_shared: bool = True) -> Callable[[str, int], Awaitable[None]]:
    """A client with this many requests at once, and one shared pause; else each waits for its own, as wxc-sdk does."""

    async def run(url: str, reads: int) -> None:
        resume_at_s = 0.0
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:

            async def read(index: int) -> None:
                nonlocal resume_at_s
                own_s = 0.0
                while True:
                    while (until_s := max(own_s, resume_at_s * is_shared)) > time.monotonic():  # noqa: ASYNC110
                        await asyncio.sleep(until_s - time.monotonic())
                    async with session.get(f"{url}/read/{index}") as response:
                        await response.read()
                    if response.status == 200:
                        return
                    own_s = time.monotonic() + float(response.headers["Retry-After"])
                    resume_at_s = max(resume_at_s, own_s)

            await _workers(at_once, reads, read)

    return run


def measure(kind: Kind, client: Callable[[str, int], Awaitable[None]], latency_s: float, seeds: range) -> Measured:
    """Run a client against a kind of limit, in real time, once for each seed. Returns the means."""
    runs = [_measure(kind, client, latency_s, seed) for seed in seeds]
    return Measured(mean(run.wall_s for run in runs), mean(run.share for run in runs))


def _measure(kind: Kind, client: Callable[[str, int], Awaitable[None]], latency_s: float, seed: int) -> Measured:
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, kind.name, seed, latency_s))
    server.start()
    url = here.recv()
    began_s = time.monotonic()
    asyncio.run(client(url, kind.reads))  # type: ignore[arg-type]
    wall_s = time.monotonic() - began_s
    here.send("stop")
    sent, refused = here.recv()
    server.join()
    return Measured(wall_s, refused / sent)
