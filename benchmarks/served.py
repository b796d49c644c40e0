"""Serves the organization that the contestants read: a process of its own, with every answer rendered beforehand.

nginx serves it where the system has one, else a bare asyncio protocol; both are faster than any client
here. There is no rate limit and no fault, each workspace has Webex Calling, and pages hold 1,000 items.

    python benchmarks/served.py FOLDER     # what `serve` starts where there is no nginx
"""

import asyncio
import getpass
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from audit.simulator.organization import Organization

PAGE = 1000
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
#: Members of a workspace; they make about 13 rows, because some have two numbers.
_MEMBERS = (0, 1, 2, 3, 4, 6, 8, 12, 20, 48)
_NGINX = """
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
{user}
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  default_type application/json;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  map $arg_start $page {{ default $arg_start; '' 0; }}
  map $arg_start $following {{ default ''; {links} }}
  server {{
    listen 127.0.0.1:{port};
    root {folder}/answers;
    location = /v1/workspaces {{ add_header Link $following; try_files /pages/$page =404; }}
    location / {{ try_files $uri =404; }}
  }}
}}
"""


def workspace_ids(count: int) -> list[str]:
    """The ids of the workspaces, in the order of the listing."""
    organization = Organization(count, odd=False)
    return [organization.workspace(index)["id"] for index in range(count)]


def render(folder: Path, count: int) -> int:
    """Write every answer as a file, under its path; returns how many rows of members they hold."""
    organization = Organization(count, odd=False)
    answers = folder / "answers"
    fixed = {
        "people/me": organization.person(0),
        "organizations": {"items": [{"id": organization.org_id, "displayName": organization.name}]},
        "locations": {"items": organization.locations},
    }
    for path, content in fixed.items():
        _write(answers / "v1" / path, content)
    items = [organization.workspace(index) | {"calling": {"type": "webexCalling"}} for index in range(count)]
    # A client may ask for what follows a full page that has no link: nothing.
    for start in range(0, count + 1, PAGE):
        _write(answers / "pages" / str(start), {"items": items[start : start + PAGE]})
    rows = 0
    for index, item in enumerate(items):
        settings = organization.push_to_talk(index)
        dice = random.Random(index)  # noqa: S311 - the same each time
        members = dice.sample(range(organization.people), dice.choice(_MEMBERS))
        settings["members"] = [organization.member(member) for member in members]
        rows += sum(max(1, len(member["numbers"])) for member in settings["members"])
        _write(answers / "v1/telephony/config/workspaces" / item["id"] / "pushToTalk", settings)
    return rows


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, separators=(",", ":"), ensure_ascii=False), "utf-8")


@contextmanager
def serve(folder: Path, count: int, *, by_nginx: bool = True) -> Iterator[tuple[str, str]]:
    """Serve what `render` wrote while the block runs; yields the base URL and the name of the server."""
    port = _free_port()
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if nginx and by_nginx:
        config = folder / "nginx.conf"
        user = f"user {getpass.getuser()};" if os.getuid() == 0 else ""
        links = "".join(f"{key} '{link}'; " for key, link in _links(port, count).items())
        config.write_text(_NGINX.format(folder=folder, port=port, user=user, links=links))
        command = [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config), "-g", "daemon off;"]
    else:
        command = [sys.executable, __file__, str(folder), str(port), str(count)]
    with subprocess.Popen(command) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/v1/people/me", server)
            yield f"http://127.0.0.1:{port}/v1", "nginx" if nginx and by_nginx else "asyncio protocol"
        finally:
            server.terminate()


def _links(port: int, count: int) -> dict[str, str]:
    """The `Link` header of a page, by the text of its `start`."""
    link = f'<http://127.0.0.1:{port}/v1/workspaces?max={PAGE}&start={{}}>; rel="next"'
    return {str(start - PAGE) if start > PAGE else "''": link.format(start) for start in range(PAGE, count, PAGE)}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}")
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.05)
    raise RuntimeError("the server does not answer")


class _Protocol(asyncio.Protocol):
    """HTTP/1.1 as far as a GET of a known path needs it."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = answers
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._waiting = (self._waiting + data).split(b"\r\n\r\n")
        for request in requests:
            target = request.split(b" ", 2)[1]
            self._transport.write(self._answers.get(target) or self._by_query(target))

    def _by_query(self, target: bytes) -> bytes:
        parts = urlsplit(target.decode())
        start = parse_qs(parts.query).get("start", ["0"])[0]
        page = self._answers.get(f"{parts.path} {start}".encode())
        return page or self._answers.get(parts.path.encode(), _NOT_FOUND)


async def _serve_by_asyncio(folder: Path, port: int, count: int) -> None:
    root = folder / "answers"
    links = {key.strip("'") or "0": link for key, link in _links(port, count).items()}
    answers: dict[bytes, bytes] = {}
    for path in root.rglob("*"):
        if path.is_file():
            is_page = path.parent.name == "pages"
            name = f"/v1/workspaces {path.name}" if is_page else f"/{path.relative_to(root).as_posix()}"
            link = links.get(path.name) if is_page else None
            body = path.read_bytes()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            answers[name.encode()] = (head + (f"Link: {link}\r\n" if link else "") + "\r\n").encode() + body
    server = await asyncio.get_running_loop().create_server(lambda: _Protocol(answers), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve_by_asyncio(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
