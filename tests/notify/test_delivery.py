"""A message that can't be sent is a warning: it changes no exit code, holds nothing up, and shows no URL."""

import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from crafted import Audit, crafted, two_way
from harness import Result
from hypothesis import given
from hypothesis import strategies as st
from webhook import Answer, Webhook, serve_webhook, status

from audit.config import NotifySettings
from audit.extras import how_to_add
from audit.notify.addresses import read_addresses
from audit.notify.delivery import send
from audit.notify.message import Message, Notice, compose
from audit.redaction import redact
from audit.simulator.app import Simulation
from audit.text import printable

Command = Callable[..., Result]
MESSAGE = Message("title", "body", "warning")
REFUSED = "the server did not take it, or did not answer in time"
SECRET = "S3cr3tT0kenOfAHook"


@pytest.fixture
def urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """The file of addresses, which the configuration names."""

    def write(*lines: str, mode: int = 0o600) -> Path:
        file = tmp_path / "urls"
        file.write_text("\n".join(lines))
        file.chmod(mode)
        monkeypatch.setenv("WEBEX_AUDIT_NOTIFY_URLS_FILE", str(file))
        return file

    return write


@pytest.fixture
def check(audit: Audit, once: Callable[..., Path], webex_audit: Command) -> Callable[..., Result]:
    """A check that finds something."""
    once(lambda: audit(Simulation(crafted(two_way))))
    return lambda *arguments: webex_audit("check", "--output", "out", *arguments)


def echo(handler: BaseHTTPRequestHandler) -> None:
    status(500, f"<p>{handler.path}</p>{SECRET}", Location=f"http://127.0.0.1:9/{SECRET}")(handler)


@pytest.mark.few(4)
@pytest.mark.attack("redaction")
@pytest.mark.parametrize("verbosity", ["--verbose", "--quiet"])
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"json://user:{SECRET}@127.0.0.1:{{port}}/{SECRET}?+X-Key={SECRET}", REFUSED),
        (f"json://user:{SECRET}@127.0.0.1:9/{SECRET}", REFUSED),
        (f"jsons://127.0.0.1:{{port}}/{SECRET}", REFUSED),
        (f"gopher://{SECRET}/x", "apprise does not know such a URL"),
        (f"slack://{SECRET}", "apprise does not know such a URL"),
    ],
)
def test_a_url_of_a_message_that_fails_is_in_no_line(
    url: str, reason: str, verbosity: str, urls: Callable[..., Path], check: Callable[..., Result]
) -> None:
    with serve_webhook(lambda _: echo) as hook:
        file = urls(url.format(port=hook.port))
        result = check(verbosity)
    assert result.code == 1
    assert f"warning: the notification was not sent: {file}, line 1: {reason}\n" in result.err
    assert SECRET.lower() not in (result.out + result.err).lower()
    assert "apprise" not in result.err.replace("apprise does not know such a URL", "")


@pytest.mark.parametrize("code", [400, 401, 404, 429, 503])
def test_a_refused_message_changes_no_exit_code(
    code: int, urls: Callable[..., Path], check: Callable[..., Result]
) -> None:
    with serve_webhook(lambda _: status(code)) as hook:
        urls(hook.url())
        assert check().code == 1
        assert len(hook.got) == 1


@pytest.mark.attack("redaction")
@pytest.mark.parametrize("code", [302, 303, 307])
def test_a_redirect_leads_no_message_elsewhere_and_is_not_taken_for_success(
    code: int, urls: Callable[..., Path], check: Callable[..., Result]
) -> None:
    """The page to sign in at which a redirect often ends answers with 200."""
    with serve_webhook() as elsewhere:
        target = f"http://127.0.0.1:{elsewhere.port}/sign-in"
        with serve_webhook(lambda _: status(code, Location=target)) as hook:
            file = urls(f"{hook.url()}?+X-Key={SECRET}")
            result = check()
    assert f"{file}, line 1: the server did not take it" in result.err
    assert (result.code, len(hook.got), elsewhere.asked) == (1, 1, 0)


@pytest.mark.attack("redaction")
@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "holds no URL: write a URL on a line"),
        (["# json://x/y"], "holds no URL: write a URL on a line"),
        (["json://127.0.0.1/a", SECRET], "line 2: expected a URL such as json://host/path"),
        ([f"json:/{SECRET}"], "line 1: expected a URL such as json://host/path"),
    ],
)
def test_a_file_without_usable_urls_is_warned_of_and_not_quoted(
    lines: list[str], said: str, urls: Callable[..., Path], check: Callable[..., Result]
) -> None:
    urls(*lines)
    result = check()
    assert result.code == 1
    assert re.search(rf"warning: the notification was not sent: notify\.urls_file .*{re.escape(said)}", result.err)
    assert SECRET not in result.err


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (Path.mkdir, "not a regular file|Is a directory"),
        (lambda path: (path.touch(), os.truncate(path, 1 << 40)), "larger than 1 MB"),
    ],
)
def test_a_file_that_never_ends_holds_nothing_up(
    make: Callable[[Path], object],
    said: str,
    check: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make(tmp_path / "urls")
    monkeypatch.setenv("WEBEX_AUDIT_NOTIFY_URLS_FILE", "urls")
    result = check()
    assert result.code == 1
    assert re.search(f"warning: the notification was not sent: notify.urls_file urls: ({said})", result.err)


def test_a_link_to_a_file_of_addresses_is_followed(
    urls: Callable[..., Path], check: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubernetes mounts secrets as links."""
    with serve_webhook() as hook:
        (tmp_path / "link").symlink_to(urls(hook.url()))
        monkeypatch.setenv("WEBEX_AUDIT_NOTIFY_URLS_FILE", "link")
        assert check().err == ""
    assert len(hook.got) == 1


@pytest.mark.parametrize("wrong", [SECRET, f"json:/{SECRET}", f"{SECRET} json://127.0.0.1/a"])
def test_a_line_that_is_not_a_url_keeps_no_message_from_the_others(
    wrong: str, urls: Callable[..., Path], check: Callable[..., Result]
) -> None:
    with serve_webhook() as hook:
        urls(hook.url(), wrong, hook.url("other"))
        result = check()
    assert sorted(path for path, _, _ in hook.got) == ["/hook", "/other"]
    assert re.search(r"warning: the notification was not sent: notify\.urls_file .*, line 2: expected", result.err)
    assert SECRET not in result.err


@pytest.mark.parametrize("url", ["syslog://", "dbus://", "json://"])
def test_a_url_may_end_after_its_scheme(url: str, urls: Callable[..., Path]) -> None:
    """That is how apprise names the services of this machine."""
    assert [each.url for each in read_addresses(NotifySettings(urls_file=str(urls(url)))).found] == [url]


@pytest.mark.attack("redaction")
def test_a_url_in_place_of_its_file_is_refused_and_not_quoted(
    check: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_AUDIT_NOTIFY_URLS_FILE", f"json://127.0.0.1/{SECRET}")
    result = check("--verbose")
    assert result.code == 1
    assert "name a file that holds the URLs" in result.err
    assert SECRET not in result.err


@pytest.mark.attack("redaction")
@pytest.mark.parametrize("key", ["urls", "url", "urls_file"])
def test_a_url_in_the_configuration_is_refused_and_not_quoted(key: str, webex_audit: Command, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f'[notify]\n{key} = ["json://127.0.0.1/{SECRET}"]\n')
    result = webex_audit("check", "--config", "config.toml", "--verbose")
    assert (result.code, "notify.urls_file" in result.err) == (2, True)
    assert SECRET not in result.err


@pytest.mark.parametrize("url", ["json://localhost", "json://127.0.0.1:9", "mailto://localhost?to=a@example.com"])
def test_a_host_alone_is_not_taken_for_a_secret(url: str, urls: Callable[..., Path]) -> None:
    read_addresses(NotifySettings(urls_file=str(urls(url))))
    assert redact("http://localhost:80 127.0.0.1:9 a@example.com") == "http://localhost:80 127.0.0.1:9 a@example.com"


def test_a_file_that_is_not_there_is_named(check: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBEX_AUDIT_NOTIFY_URLS_FILE", "absent")
    result = check()
    assert (result.code, "notify.urls_file absent: No such file or directory" in result.err) == (1, True)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: None, "No such file or directory"),
        (lambda path: path.write_text(""), "holds no URL"),
        (lambda path: path.write_text(SECRET), "line 1: expected a URL"),
        (lambda path: path.write_text(f"json://x/y\n{SECRET}"), "line 2: expected a URL"),
    ],
)
def test_what_would_keep_a_later_message_from_being_sent_is_warned_of_on_a_good_night(
    make: Callable[[Path], object], said: str, audit: Audit, webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit(Simulation(crafted()))
    monkeypatch.setenv("WEBEX_AUDIT_NOTIFY_URLS_FILE", "urls")
    make(Path("urls"))
    with suppress(FileNotFoundError):
        Path("urls").chmod(0o600)
    result = webex_audit("check", "--output", "out", "--quiet")
    assert (result.code, result.out, result.err.count("\n")) == (0, "", 1)
    assert result.err.startswith("webex-audit: warning: a notification could not be sent: notify.urls_file urls")
    assert said in result.err
    assert SECRET not in result.err


def test_a_missing_extra_is_warned_of_on_a_good_night(
    audit: Audit, urls: Callable[..., Path], webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit(Simulation(crafted()))
    assert webex_audit("check", "--output", "out", "--quiet") == Result(0, "", "")
    urls("json://127.0.0.1/x")
    monkeypatch.setattr(sys, "path", [each for each in sys.path if not (Path(each) / "apprise").exists()])
    monkeypatch.delitem(sys.modules, "apprise", raising=False)
    result = webex_audit("check", "--output", "out", "--quiet")
    assert (result.code, result.out) == (0, "")
    assert "warning: a notification could not be sent: apprise is not installed" in result.err


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_can_read_is_warned_of(
    mode: int, urls: Callable[..., Path], check: Callable[..., Result]
) -> None:
    with serve_webhook() as hook:
        file = urls(hook.url(), mode=mode)
        assert f"warning: notify.urls_file {file} can be read by other users: chmod 600 it" in check().err
        assert len(hook.got) == 1


def test_an_extra_that_is_missing_is_named(
    urls: Callable[..., Path], check: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    check()  # loads what the check itself needs
    urls("json://127.0.0.1/x")
    elsewhere = [each for each in sys.path if not (Path(each) / "apprise").exists()]
    monkeypatch.setattr(sys, "path", elsewhere)
    monkeypatch.delitem(sys.modules, "apprise", raising=False)
    result = check()
    assert (result.code, f"apprise is not installed: {how_to_add('notify')}" in result.err) == (1, True)


def silent(hook: Webhook) -> Answer:
    return lambda _: hook.is_over.wait(30) and None


def trickling(hook: Webhook) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        while not hook.is_over.wait(0.1):
            handler.wfile.write(b"H")
            handler.wfile.flush()

    return answer


def endless(hook: Webhook) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not hook.is_over.wait(0.01):
            handler.wfile.write(b"x" * 1000)

    return answer


@pytest.fixture
def accepting() -> Iterator[int]:
    """A server that accepts nobody."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        yield listener.getsockname()[1]


@pytest.mark.attack("memory")
@pytest.mark.parametrize("answer", [silent, trickling, endless])
@pytest.mark.slow
def test_a_server_that_never_ends_its_answer_holds_nothing_up(
    answer: Callable[[Webhook], Answer], urls: Callable[..., Path]
) -> None:
    with serve_webhook(answer) as hanging, serve_webhook() as hook:
        file = urls(f"{hanging.url()}?rto=60", hook.url())
        began_s = time.monotonic()
        faults = send(MESSAGE, read_addresses(NotifySettings(urls_file=str(file))), 4)
        assert time.monotonic() - began_s < 10
        assert hook.messages == [("title", "body")]
    assert faults in ([f"{file}, line 1: no answer within 4 s"], [])
    assert answer is endless or faults


@pytest.mark.slow
def test_a_server_that_takes_no_connection_holds_nothing_up(accepting: int, urls: Callable[..., Path]) -> None:
    file = urls(f"json://127.0.0.1:{accepting}/x?rto=60&cto=60")
    assert send(MESSAGE, read_addresses(NotifySettings(urls_file=str(file))), 3) == [
        f"{file}, line 1: no answer within 3 s"
    ]


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("name", ["apprise", "audit", "json"])
def test_a_planted_module_in_the_current_folder_is_not_run(
    name: str, urls: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / f"{name}.py").write_text("open('planted', 'w')")
    with serve_webhook() as hook:
        file = urls(hook.url())
        assert send(MESSAGE, read_addresses(NotifySettings(urls_file=str(file)))) == []
    assert not (tmp_path / "planted").exists()


def test_the_token_of_webex_is_not_handed_on(urls: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """As PYTHONSTARTUP or a hook of apprise might read it."""
    from audit.notify import delivery  # noqa: PLC0415

    seen: list[Any] = []
    run = delivery.subprocess.run
    monkeypatch.setattr(delivery.subprocess, "run", lambda *given, **more: seen.append(more) or run(*given, **more))
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "t0ken-of-webex")
    with serve_webhook() as hook:
        send(MESSAGE, read_addresses(NotifySettings(urls_file=str(urls(hook.url())))))
    assert "t0ken-of-webex" not in str(seen)
    assert hook.url() not in str(seen[0]["env"])


names = st.text(min_size=1, max_size=400)


@given(st.lists(names, max_size=30), st.booleans())
def test_a_message_is_short_and_no_name_breaks_its_lines(given_names: list[str], with_names: bool) -> None:  # noqa: FBT001
    notice = Notice("findings", "title", ["first"], given_names)
    message = compose(notice, "https://report", with_names=with_names)
    assert len(message.body) <= 2000
    shown = min(len(given_names), 10) + (len(given_names) > 10) if with_names else 0
    assert message.body.count("\n") == shown + 1
    assert all(printable(line) == line for line in message.body.split("\n"))
    assert message.body.endswith("\nreport: https://report")


@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.parametrize(
    "name",
    [
        "<!channel> look",
        "@everyone look",
        "[click](https://evil.example/x)",
        "<https://evil.example|look>",
        "`a` *b*",
        "look at evil.example/x",
        "WWW.EVIL.EXAMPLE look",
        "look: пример.рф",
    ],
)
def test_a_name_mentions_nobody_and_holds_no_link(name: str) -> None:
    body = compose(Notice("findings", "t", [], [name]), None, with_names=True).body
    assert not re.search(r"[<>@`*|\[\]]|://|\w\.[^\W\d]", body)
    assert "look" in body or "click" in body or "b" in body
