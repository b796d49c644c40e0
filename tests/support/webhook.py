"""Servers that get messages: a webhook and a mail server, on real sockets beside the test."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Answers a request; gets the handler after the body was read.
Answer = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, text: str = "", **headers: str) -> Answer:
    """An answer with a status."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(text.encode())))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return answer


@dataclass
class Webhook:
    """A webhook.

    Attributes:
        port: its port on 127.0.0.1.
        got: path, headers and body of each request.
        asked: number of connections, whatever was asked.
        is_asked: set when a request has come.
        is_over: set at the end, so that a handler can wait for it.
    """

    port: int = 0
    got: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    asked: int = 0
    is_asked: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "hook") -> str:
        """Its URL, as apprise takes it."""
        return f"json://127.0.0.1:{self.port}/{path}"

    @property
    def messages(self) -> list[tuple[str, str]]:
        """Title and text of each message."""
        return [(body["title"], body["message"]) for _, _, body in self.got]


@contextmanager
def serve_webhook(answer: Callable[[Webhook], Answer] = lambda _: status(200)) -> Iterator[Webhook]:
    """Serve a webhook while the block runs."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def setup(self) -> None:
            hook.asked += 1
            super().setup()

        def do_GET(self) -> None:
            answer(hook)(self)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            try:
                content: Any = json.loads(body)
            except ValueError:
                content = body
            hook.got.append((self.path, dict(self.headers), content))
            hook.is_asked.set()
            with suppress(OSError):  # the client has gone
                answer(hook)(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hook.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield hook
    finally:
        hook.is_over.set()
        server.shutdown()
        server.server_close()


@contextmanager
def serve_mail() -> Iterator[tuple[int, list[str]]]:
    """Serve SMTP while the block runs; yields the port, and the messages."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            for line in self.rfile:
                word = line[:4].upper()
                self.wfile.write({b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}.get(word, b"250 ok\r\n"))
                if word == b"DATA":
                    mails.append("".join(text.decode() for text in iter(self.rfile.readline, b".\r\n")))
                    self.wfile.write(b"250 taken\r\n")

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_address[1], mails
    finally:
        server.shutdown()
        server.server_close()
