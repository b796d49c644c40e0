"""A proxy for an S3 server that makes faults of networks and stores on demand."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
from object_stores import BUCKET
from yarl import URL

from audit.loopback import serving

#: Decides on a request by its method, path with query, and body: `forward`, `503`, `lost` (forwarded, but not its
#: answer), `unconditional` (forwarded without its conditions), or an event to wait for before it is forwarded.
Rule = Callable[[str, str, bytes], "str | threading.Event"]

_CONDITIONS = {"if-match", "if-none-match"}
_OF_CONNECTION = {"transfer-encoding", "content-length", "expect", "connection"}


class Proxy:
    """A running proxy.

    Attributes:
        rule: decides on each request.
    """

    def __init__(self, upstream_port: int, session: ClientSession) -> None:
        self.rule: Rule = lambda *_: "forward"
        self.port = 0
        self._upstream_port = upstream_port
        self._session = session

    def uri(self, folder: str) -> str:
        return f"s3://{BUCKET}/{folder}?endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        what = self.rule(request.method, request.path_qs, body)
        if isinstance(what, threading.Event):
            await asyncio.to_thread(what.wait, 60)
        if what == "503":
            return web.Response(status=503, body=b"<Error><Code>ServiceUnavailable</Code></Error>")
        left_out = _OF_CONNECTION | (_CONDITIONS if what == "unconditional" else set())
        headers = {name: value for name, value in request.headers.items() if name.lower() not in left_out}
        url = URL(f"http://127.0.0.1:{self._upstream_port}{request.raw_path}", encoded=True)
        own = ["Content-Type", "Accept-Encoding"]
        async with self._session.request(
            request.method, url, headers=headers, data=body, skip_auto_headers=own
        ) as found:
            content = await found.read()
            told = {name: value for name, value in found.headers.items() if name.lower() not in _OF_CONNECTION}
            if request.method == "HEAD":
                told["Content-Length"] = found.headers.get("Content-Length", "0")
        if what == "lost" and request.transport:
            request.transport.abort()
        if request.method == "HEAD":
            answer = web.StreamResponse(status=found.status, headers=told)
            await answer.prepare(request)
            return answer
        return web.Response(status=found.status, headers=told, body=content)


@contextmanager
def serve_proxy(upstream_port: int) -> Iterator[Proxy]:
    """Serve a proxy in a thread of this process."""
    loop = asyncio.new_event_loop()
    proxies: list[Proxy] = []
    is_ready, is_over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        connector = TCPConnector(limit=0, force_close=True)
        async with ClientSession(connector=connector, auto_decompress=False, cookie_jar=DummyCookieJar()) as session:
            proxy = Proxy(upstream_port, session)
            app = web.Application(client_max_size=1 << 30)
            app.router.add_route("*", "/{any:.*}", proxy.handle)
            async with serving(app, "127.0.0.1", shutdown_timeout=0.1) as proxy.port:
                proxies.append(proxy)
                is_ready.set()
                await is_over.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    assert is_ready.wait(20)
    try:
        yield proxies[0]
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join()
