"""A server whose answers a test writes itself, and a client of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from harness import VirtualClock, run_virtually

from audit.loopback import serving
from audit.webex.client import Client
from audit.webex.connection import connect
from audit.webex.pace import Pace
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import StaticTokens, Token

#: Answers a request; it takes the request and the number of those before it.
Answers = Callable[[web.Request, int], web.StreamResponse]


@asynccontextmanager
async def serve_answers(answers: Answers) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve answers while the block runs. Yields the base URL, and the path and query of each request so far."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request.path_qs)
        return answers(request, len(asked) - 1)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with serving(app, "127.0.0.1", shutdown_timeout=0.1, max_line_size=1 << 17) as port:
        yield f"http://127.0.0.1:{port}/v1", asked


def use_answers(answers: Answers, work: Callable[[Client], Awaitable[Any]]) -> tuple[Any, list[str]]:
    """Do some work with a client of such a server, in virtual time. Returns the result, and what was asked."""

    async def main() -> tuple[Any, list[str]]:
        clock = VirtualClock()
        retry = RetryPolicy(4, 8, 300)
        async with (
            serve_answers(answers) as (base_url, asked),
            connect(
                base_url,
                StaticTokens(Token("a-token")),
                Pace(clock),
                concurrency=5,
                timeout_s=5,
                retry=retry,
                clock=clock,
            ) as client,
        ):
            return await work(client), asked

    return run_virtually(main())
