"""A server that answers with whatever fills memory, and a run against it that measures itself."""

import base64
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from harness import environment

from audit.snapshot.catalog import Snapshot, list_snapshots

ORG = base64.b64encode(b"ciscospark://us/ORGANIZATION/11111111-1111-1111-1111-111111111111").decode().rstrip("=")
MEASURED = Path(__file__).parent / "measured.py"
MIB = 1 << 20
#: What no answer may make of a run.
MOST_MIB = 400


class Bomb(NamedTuple):
    """An answer: a body in one piece, or pieces that are sent as chunks until the client has enough."""

    body: bytes | Iterable[bytes]
    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})


#: Answers a path with its query; None for the answer of a small, good organization.
Answers = Callable[[str], Bomb | None]


def json_bomb(content: Any, **more: Any) -> Bomb:
    return Bomb(json.dumps(content).encode(), **more)


def settings(**fields: Any) -> dict[str, Any]:
    return {"allowAutoAnswer": True, "connectionType": "ONE_WAY", "accessType": "ALLOW_MEMBERS"} | fields


def endless(piece: bytes = b" " * 65_536) -> Iterable[bytes]:
    return repeat(piece)


def rooms(count: int) -> list[dict[str, str]]:
    return [{"id": f"room-{number:04d}", "orgId": ORG, "displayName": f"Room {number}"} for number in range(count)]


def good(path: str, count: int) -> Bomb:
    """The answer of a good organization with this many rooms."""
    if path.startswith("/v1/people/me"):
        return json_bomb({"id": "me", "orgId": ORG, "emails": ["me@example.com"], "displayName": "Me"})
    if path.startswith("/v1/workspaces"):
        return json_bomb({"items": rooms(count) if "start=" not in path else []})
    return json_bomb(settings()) if "pushToTalk" in path else json_bomb({"items": []})


@contextmanager
def serve_bombs(answers: Answers, count: int) -> Iterator[str]:
    """Serve answers while the block runs. Yields the base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with suppress(ConnectionError):
                self.answer(answers(self.path) or good(self.path, count))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def answer(self, bomb: Bomb) -> None:
            whole = bomb.body if isinstance(bomb.body, bytes) else None
            self.send_response(bomb.status)
            for name, value in bomb.headers.items():
                self.send_header(name, value)
            if whole is None:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            if whole is not None:
                self.wfile.write(whole)
                return
            for piece in bomb.body:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Ended(NamedTuple):
    """A run that has ended."""

    code: int
    err: str
    peak_mib: float
    snapshot: Snapshot | None

    @property
    def outcomes(self) -> dict[str, dict[str, int]]:
        assert self.snapshot, self.err
        return self.snapshot.manifest.outcomes


def run_against(answers: Answers, output: Path, *arguments: object, count: int = 30, **variables: str) -> Ended:
    """Run the command against such a server, in a process of its own."""
    with serve_bombs(answers, count) as url:
        command = [
            sys.executable,
            str(MEASURED),
            "run",
            "--base-url",
            url,
            "--output",
            str(output),
            *map(str, arguments),
        ]
        quick = {"WEBEX_AUDIT_PACE_START_RATE": "10000", "WEBEX_AUDIT_RETRY_ATTEMPTS": "1"}
        done = subprocess.run(
            command, env=environment() | quick | variables, capture_output=True, text=True, timeout=110, check=False
        )
    found = re.search(r"peak KiB: (\d+)", done.stderr)
    assert found, done.stderr
    assert "Traceback" not in done.stderr
    snapshots = list_snapshots(output) if output.exists() else []
    return Ended(done.returncode, done.stderr, int(found[1]) / 1024, snapshots[-1] if snapshots else None)


def check_memory(ended: Ended) -> Ended:
    """Check that a run took no more memory than any run may, and did not end with a bug."""
    assert ended.code != 70, ended.err
    assert ended.peak_mib < MOST_MIB, f"{ended.peak_mib:.0f} MiB"
    return ended
