"""No secret of the configuration, of a proxy or of the token endpoint leaves a real process."""

import json
import os
import re
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from bombs import Bomb, json_bomb, serve_bombs
from harness import Result
from starting import start
from tunnels import Proxy, refuse, serve_proxy

from audit.simulator.organization import Organization

pytestmark = pytest.mark.attack("redaction")

TOKEN = "Zm9v/t0ken+Qx~7731"
CLIENT_SECRET, REFRESH = "cl13nt/S3cret+x", "r3fresh/T0ken=y"
Command = Callable[..., Result]

#: How a server may echo a secret.
ECHOES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in upper case": str.upper,
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "in base64 with its user": lambda text: b64encode(f"user:{text}".encode()).decode(),
    "in HTML": lambda text: "".join(f"&#{ord(char)};" for char in text),
}


def traces(*texts: str) -> list[str]:
    """Parts of the secrets in texts: of each secret, a part that no escape changes."""
    marks = r"t0ken|cl13nt|s3cret|r3fresh|" + "|".join(
        b64encode(f"user:{each}".encode()).decode()[8:16] for each in (TOKEN, CLIENT_SECRET, REFRESH)
    )
    return [found[0] for text in texts for found in re.finditer(marks, text, re.IGNORECASE)]


def stored(folder: Path) -> list[str]:
    return [path.read_text("latin-1") for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def echoing() -> Iterator[Callable[..., str]]:
    """An API that answers some paths well, and others with a status and a body of what was sent; gives its base URL."""
    servers: list[ThreadingHTTPServer] = []

    def serve(status: int, body_of: Callable[[dict[str, str]], str], good: dict[str, str] | None = None) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                sent = {"token": self.headers.get("Authorization", "").removeprefix("Bearer ")}
                self.rfile.read(size)
                path = self.path.partition("?")[0]
                content = (good or {}).get(path) or body_of(sent)
                self.send_response(200 if path in (good or {}) else status)
                self.send_header("Content-Type", "application/json")
                self.send_header("TrackingID", f"ID_{sent['token']}")
                self.send_header("Content-Length", str(len(content.encode())))
                self.end_headers()
                self.wfile.write(content.encode())

            do_POST = do_GET  # noqa: N815 - the name of http.server

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/v1"

    yield serve
    for each in servers:
        each.shutdown()
        each.server_close()


@pytest.mark.few(3)
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_a_token_that_an_error_echoes_is_in_no_line_and_no_file(
    echo: Callable[[str], str],
    echoing: Callable[..., str],
    webex_audit: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", TOKEN)
    url = echoing(400, lambda sent: json.dumps({"message": f"bad header: {'x' * 470}{echo(sent['token'])}"}))
    for command in ("run", "doctor"):
        result = webex_audit(command, "--base-url", url, "--output", "out", "--verbose")
        assert result.code != 0
        assert "bad header" in result.err + result.out
        assert traces(result.err, result.out, *stored(tmp_path)) == []
    assert "[secret" in result.err + result.out


@pytest.mark.few(3)
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_a_token_that_answers_echo_is_in_no_table_no_manifest_and_no_report(
    echo: Callable[[str], str],
    echoing: Callable[..., str],
    webex_audit: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", TOKEN)
    organization = Organization(2)
    room = organization.workspace(1) | {"displayName": f"Room {echo(TOKEN)}"}
    org = {"id": room["orgId"], "displayName": f"Org {echo(TOKEN)}"}
    good = {
        "/v1/people/me": json.dumps({"id": "x", "orgId": room["orgId"]}),
        "/v1/organizations": json.dumps({"items": [org]}),
        "/v1/workspaces": json.dumps({"items": [room]}),
    }
    url = echoing(400, lambda sent: json.dumps({"message": f"bad header: {echo(sent['token'])}"}), good)
    assert webex_audit("run", "--base-url", url, "--output", "out", "--verbose").code == 3
    assert webex_audit("report", "--output", "out", "--file", "report.html").code == 0
    (coverage,) = (pq.read_table(path).to_pylist() for path in tmp_path.glob("out/*/coverage/**/*.parquet"))
    assert coverage[0]["error_message"] == "bad header: [secret]"
    assert coverage[0]["tracking_id"].startswith("ID_[secret]")
    assert "[secret]" in (tmp_path / "report.html").read_text()
    assert traces(json.dumps(coverage, default=str), *stored(tmp_path)) == []


@pytest.mark.few(4)
@pytest.mark.parametrize("left", [6, 10, 20], ids="{} characters before the end".format)
@pytest.mark.parametrize("place", ["header", "trackingId", "message", "errors"])
def test_a_token_where_a_long_text_of_an_answer_is_cut_leaves_no_half(
    place: str, left: int, webex_audit: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret, length = "Zm9vbGFkZ2s0t0ken0123456789", 500 if place in ("message", "errors") else 200
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", secret)
    text = f"{'-' * (length - left)}{secret}"

    def answers(path: str) -> Bomb | None:
        if "pushToTalk" not in path:
            return None
        body: dict[str, Any] = (
            {"errors": [{"description": text}]} if place == "errors" else {"message": "no", "errors": []}
        )
        body |= {place: text} if place in ("message", "trackingId") else {}
        return json_bomb(body, status=400, headers={"TrackingID": text} if place == "header" else {})

    with serve_bombs(answers, 1) as url:
        assert webex_audit("run", "--base-url", url, "--output", "out", "--verbose").code == 3
    (coverage,) = (pq.read_table(path).to_pylist() for path in tmp_path.glob("out/*/coverage/**/*.parquet"))
    assert secret[:4] not in json.dumps(coverage, default=str)
    assert "---[" in json.dumps(coverage, default=str)


@pytest.mark.few(4)
@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_secrets_that_the_token_endpoint_echoes_are_in_no_line(
    echo: Callable[[str], str],
    log_format: str,
    echoing: Callable[..., str],
    webex_audit: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "client").write_text(CLIENT_SECRET)
    (tmp_path / "refresh").write_text(REFRESH)
    for name, value in (("ID", "C1"), ("SECRET_FILE", "client")):
        monkeypatch.setenv(f"WEBEX_AUDIT_WEBEX_CLIENT_{name}", value)
    monkeypatch.setenv("WEBEX_AUDIT_WEBEX_REFRESH_TOKEN_FILE", "refresh")
    text = f"{echo(CLIENT_SECRET)} and {echo(REFRESH)}"
    url = echoing(400, lambda _: json.dumps({"error": "invalid_grant", "error_description": f"refused: {text}"}))
    result = webex_audit("doctor", "--base-url", url, "--output", "out", "--verbose", "--log-format", log_format)
    assert "refused: " in result.err + result.out
    assert traces(result.err, result.out) == []


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    for name in ("https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serve_proxy() as serving:
        yield serving


@pytest.mark.few(2)
@pytest.mark.parametrize("status", [407, 502, 599])
@pytest.mark.slow
def test_the_password_of_a_proxy_is_in_no_line_of_a_process_that_it_refuses(
    status: int, proxy: Proxy, tmp_path: Path
) -> None:
    proxy.says = lambda _: refuse(status)
    login = {"HTTPS_PROXY": f"http://svc:S3cret%2FPw@127.0.0.1:{proxy.port}", "WEBEX_AUDIT_RETRY_ATTEMPTS": "1"}
    for command in (["run", "--verbose"], ["doctor", "--json", "--verbose"]):
        ended = start(*command, "--base-url", "https://webexapis.invalid/v1", "--output", tmp_path / "out", **login)
        assert f"the proxy answers {status}".encode() in ended.stderr + ended.stdout
        assert traces(ended.stderr.decode(), ended.stdout.decode(), *stored(tmp_path)) == []
    assert proxy.logins


@pytest.mark.parametrize(
    "content",
    [
        "base_url = 'https://user:t0ken@webexapis.com/v1'",
        "base_url = 'https://user%3At0ken%40webexapis.com/v1'",
        "base_url = 'https://user:pa/ss-t0ken@webexapis.com/v1'",
        "base_url = 'https://webexapis.com/v1?access_token=t0ken'",
        "base_url = 'https://[t0ken'",
        "token_command = ['vault', 'read', 't0ken']",
        "token_command = {read = 't0ken'}",
        "token_command = 't0ken",
        'token_command = "sh -c \'t0ken"',
        "token_command = '/nowhere/t0ken --password=t0ken'",
        "token_file = ['t0ken']",
        "client_id = {t0ken = 1}",
        "timeout_s = 't0ken'",
        "access_token = 't0ken'",
        "'t0ken/with+what~no/key=has' = 1",
        "t0ken t0ken",
        "token_file = 'a' t0ken",
        'a = "\\t0ken"',
        "[webex]\nt0ken = 1\nt0ken = 1",
    ],
)
def test_a_configuration_that_holds_a_secret_in_the_wrong_place_is_refused_without_showing_it(
    content: str, webex_audit: Command, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(f"[webex]\n{content}\n")
    for flags in ((), ("--verbose", "--log-format", "json")):
        result = webex_audit("doctor", "--config", "config.toml", "--output", "out", *flags)
        assert result.code == 2
        assert traces(result.err, result.out) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("WEBEX_AUDIT_BASE_URL", "https://user:t0ken@webexapis.com"),
        ("WEBEX_AUDIT_WEBEX_TIMEOUT_S", "t0ken"),
        ("WEBEX_AUDIT_CONCURRENCY", f"{'x' * 60}t0ken"),
        ("WEBEX_AUDIT_FORMAT", f"{'x' * 60}t0ken"),
        ("WEBEX_AUDIT_OUTPUT", "s3://key:t0ken@bucket/x"),
        ("WEBEX_AUDIT_OUTPUT", "s3://key%3At0ken%40bucket/x"),
        ("WEBEX_AUDIT_OUTPUT", "s3://key:t0ken@[bucket/x"),
        ("WEBEX_ACCESS_TOKEN", "Bearer t0ken"),
        ("HTTPS_PROXY", "http://user:t0ken@proxy:x"),
    ],
)
def test_a_variable_that_holds_a_secret_in_the_wrong_place_is_refused_without_showing_it(
    variable: str, value: str, webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "another-word")
    monkeypatch.setenv(variable, value)
    result = webex_audit("run", "--verbose")
    assert result.code == 2
    assert traces(result.err, result.out) == []


def test_a_crash_leaves_no_secret_in_its_log(tmp_path: Path) -> None:
    program = """
import asyncio, logging, sys, threading, warnings
import click
from audit import cli, redaction
from audit.cli import group, process

@click.command()
def fail():
    redaction.learn("t0ken/of-the-run")
    logging.getLogger("aiohttp.client").warning("sent %s", "t0ken%2Fof-the-run")
    warnings.warn("T0KEN/OF-THE-RUN", stacklevel=1)
    thread = threading.Thread(target=lambda: {}["t0ken/of-the-run"])
    thread.start(); thread.join()
    async def lose():
        asyncio.get_running_loop().call_exception_handler(
            {"message": "lost", "exception": ValueError("t0ken/of-the-run")})
    asyncio.run(lose())
    raise LookupError("t0ken%252Fof-the-run") from KeyError("t0ken\\/of-the-run")

cli.cli = fail
cli.main([])
"""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "XDG_STATE_HOME": str(tmp_path)}
    ended = start(
        "--version", shell=f"exec {sys.executable} -c '$0'".replace("$0", program.replace("'", "'\\''")), **environment
    )
    assert ended.returncode == 70, ended.stderr
    (log,) = [path.read_text() for path in tmp_path.rglob("crash-*.log")]
    assert "LookupError" in log
    assert "[secret]" in log
    assert traces(log, ended.stderr.decode(), ended.stdout.decode()) == []
    assert ended.stderr.count(b"[secret]") >= 3
