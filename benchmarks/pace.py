"""Measures the pace against limits that it does not know, over real HTTP, and wxc-sdk on the same work.

    python benchmarks/pace.py [--seconds 120] [--kind bucket|window] [--rate N] [--only ours|wxc]
                              [--change halved|doubled]

Each case serves a simulated organization in a process of its own, with a limit that answers 429 and
`Retry-After`. The number of workspaces is chosen so that an ideal client, which knows the limit, needs
`--seconds` to read them. Each case prints a row of a Markdown table: wall time / ideal time, and the share of
throttled requests. Our client starts cold; wxc-sdk runs with 40 requests at once, as its examples do.
"""

import argparse
import asyncio
import logging
import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any

from wxc_sdk.as_api import AsWebexSimpleApi
from wxc_sdk.as_rest import AsRestSession
from wxc_sdk.tokens import Tokens

from audit.clock import Clock
from audit.simulator.app import ADMIN_TOKEN, Simulation, serve
from audit.simulator.limit import FixedWindow, Limit, TokenBucket
from audit.simulator.organization import Organization
from audit.webex.connection import connect
from audit.webex.pace import Pace
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import StaticTokens, Token

CONCURRENCY = 100
WXC_CONCURRENCY = 40
ORGANIZATION = Organization(200, odd=False)
PATHS = [
    f"/telephony/config/workspaces/{ORGANIZATION.workspace(index)['id']}/pushToTalk"
    for index in range(200)
    if ORGANIZATION.refusal(index) is None
]


class ChangingLimit:
    """A limit that changes to another limit after a time."""

    def __init__(self, before: Limit, after: Limit, at_s: float) -> None:
        self._before = before
        self._after = after
        self._at_s = at_s

    def take(self) -> float:
        """Count a request by the limit in force."""
        return (self._before if time.monotonic() < self._at_s else self._after).take()


class Limited(Simulation):
    """A simulation with a limit from the benchmark."""

    limit: Limit

    def make_limit(self) -> Limit:
        """The limit."""
        return self.limit


def make_limit(kind: str, rate: float) -> Limit:
    """A bucket with a second's worth of burst, or a window of a second."""
    now_s = time.monotonic
    return TokenBucket(rate, max(1.0, rate), now_s) if kind == "bucket" else FixedWindow(rate, 1.0, now_s)


def serve_limited(pipe: Connection, kind: str, rate: float, change: tuple[float, float] | None) -> None:
    """Serve until a message arrives; sends the base URL first, and in the end the share of throttled requests."""

    async def main() -> None:
        simulation = Limited(ORGANIZATION)
        limit = make_limit(kind, rate)
        if change:
            limit = ChangingLimit(limit, make_limit(kind, change[0]), time.monotonic() + change[1])
        counted = Counted(limit)
        simulation.limit = counted
        async with serve(simulation) as url:
            pipe.send(url)
            await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
            pipe.send((counted.requests, counted.throttled))

    asyncio.run(main())


class Counted:
    """A limit that counts the requests that it lets through, and those that it refuses."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self.requests = self.throttled = 0

    def take(self) -> float:
        """Count a request."""
        wait_s = self._limit.take()
        self.requests += 1
        self.throttled += wait_s > 0
        return wait_s


async def ours(url: str, requests: int) -> None:
    """Read workspaces with this project's client, cold."""
    clock = Clock()
    options: dict[str, Any] = {"concurrency": CONCURRENCY, "timeout_s": 30, "retry": RetryPolicy(6, 30, 300)}
    left = iter(range(requests))
    async with connect(url, StaticTokens(Token(ADMIN_TOKEN)), Pace(clock), **options, clock=clock) as client:

        async def worker() -> None:
            for index in left:
                answer = await client.get(PATHS[index % len(PATHS)])
                if answer.status != 200:
                    raise RuntimeError(answer)

        async with asyncio.TaskGroup() as workers:
            for _ in range(CONCURRENCY):
                workers.create_task(worker())


async def wxc(url: str, requests: int) -> None:
    """Read workspaces with wxc-sdk's asyncio client."""
    AsRestSession.BASE = url
    ids = [path.split("/")[4] for path in PATHS]
    left = iter(range(requests))
    tokens = Tokens(access_token=ADMIN_TOKEN)
    async with AsWebexSimpleApi(tokens=tokens, concurrent_requests=WXC_CONCURRENCY) as client:

        async def worker() -> None:
            for index in left:
                await client.workspace_settings.push_to_talk.read(ids[index % len(ids)])

        async with asyncio.TaskGroup() as workers:
            for _ in range(WXC_CONCURRENCY):
                workers.create_task(worker())


def measure(client: Any, kind: str, rate: float, seconds: float, change: float | None) -> tuple[float, float]:
    """Wall time / ideal time, and the share of throttled requests."""
    here, there = multiprocessing.Pipe()
    half_s = seconds / 2
    arguments = (there, kind, rate, (change, half_s) if change else None)
    server = multiprocessing.get_context("spawn").Process(target=serve_limited, args=arguments)
    server.start()
    url = here.recv()
    requests = round(rate * half_s + (change or rate) * half_s)
    began_s = time.monotonic()
    asyncio.run(client(url, requests))
    wall_s = time.monotonic() - began_s
    here.send("stop")
    made, throttled = here.recv()
    server.join()
    return wall_s / seconds, throttled / made


def main() -> None:
    """Run the chosen cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--kind", choices=["bucket", "window"])
    parser.add_argument("--rate", type=float)
    parser.add_argument("--change", choices=["halved", "doubled"])
    parser.add_argument("--only", choices=["ours", "wxc"])
    options = parser.parse_args()
    logging.getLogger("wxc_sdk").setLevel(logging.ERROR)
    clients = {"ours": ours, "wxc": wxc}
    factor = {"halved": 0.5, "doubled": 2.0, None: None}[options.change]
    print("| limit | requests/s | client | wall / ideal | throttled |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    for kind in [options.kind] if options.kind else ["bucket", "window"]:
        for rate in [options.rate] if options.rate else [5, 20, 100, 500]:
            for name in [options.only] if options.only else clients:
                change = rate * factor if factor else None
                ratio, throttled = measure(clients[name], kind, rate, options.seconds, change)
                shown = f"{rate:g} → {change:g}" if change else f"{rate:g}"
                print(f"| {kind} | {shown} | {name} | {ratio:.3f} | {throttled:.2%} |", flush=True)


if __name__ == "__main__":
    main()
