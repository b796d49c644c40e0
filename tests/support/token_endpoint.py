"""A token endpoint that gives prepared answers, one after the other."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import aiohttp
from aiohttp import web
from harness import VirtualClock, run_virtually

from audit.loopback import serving
from audit.webex.oauth import OAuthTokens

SECRET, REFRESH = "cl13nt-s3cret", "r3fresh"
GOOD = '{"access_token": "a"}'
HTML = "<html><head><title>Blocked</title></head></html>"
#: Status, body and headers; or a function that answers.
Answer = tuple[Any, ...] | Callable[[web.Request], Awaitable[web.StreamResponse]]


def granted(token: str = "a", **members: Any) -> tuple[int, str]:
    """The answer with a grant."""
    return 200, json.dumps({"access_token": token, "token_type": "Bearer"} | members)


@dataclass
class Endpoint:
    """The endpoint: its answers, of which the last repeats, and what it was asked.

    Attributes:
        answers: the answers.
        good: the refresh token that it accepts; None for any. Others are refused.
        forms: the form of each request.
        times: when each request came, in seconds since the first, on the virtual clock.
    """

    answers: list[Answer]
    good: str | None = None
    forms: list[dict[str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        form = {name: values[0] for name, values in parse_qs(await request.text()).items()}
        self.forms.append(form)
        now_s = asyncio.get_running_loop().time()
        self.times.append(now_s)
        if self.good is not None and form["refresh_token"] != self.good:
            return web.Response(status=400, text='{"error": "invalid_grant"}')
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            return await answer(request)
        status, body, *headers = answer
        content = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
        return web.Response(status=status, body=content, headers=headers[0] if headers else None)

    @property
    def used(self) -> list[str]:
        """The refresh token of each request."""
        return [form["refresh_token"] for form in self.forms]

    @property
    def waits(self) -> list[int]:
        """The whole seconds between the requests."""
        return [round(after - before) for before, after in zip(self.times, self.times[1:], strict=False)]

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Serve the endpoint while the block runs; yields the base URL."""
        app = web.Application()
        app.router.add_post("/v1/access_token", self.answer)
        async with serving(app, "127.0.0.1", shutdown_timeout=0.1, handler_cancellation=True) as port:
            yield f"http://127.0.0.1:{port}/v1"


def with_endpoint(
    endpoint: Endpoint,
    secrets: tuple[Path, Path],
    work: Callable[[OAuthTokens], Awaitable[Any]] = lambda tokens: tokens.get(),
    clock: VirtualClock | None = None,
    **use: Any,
) -> Any:
    """Do work with the tokens of an endpoint, in virtual time."""

    async def main() -> Any:
        async with endpoint.serve() as url, aiohttp.ClientSession() as session:
            tokens = OAuthTokens(url, "C0ffee", *secrets, clock or VirtualClock())
            tokens.use(session, **use)
            try:
                return await work(tokens)
            finally:
                await tokens.close()

    return run_virtually(main())
