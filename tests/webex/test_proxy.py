"""Which proxy requests go through, and that its password reaches nothing but the proxy."""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from harness import Result
from hypothesis import given
from hypothesis import strategies as st
from tunnels import Proxy, refuse, serve_proxy, serve_tls
from yarl import URL

from audit.clock import Clock
from audit.errors import UsageError
from audit.outcome import Outcome
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.webex.answer import Answer
from audit.webex.connection import connect
from audit.webex.pace import Pace
from audit.webex.proxy import proxy_for
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import StaticTokens, Token

API = "https://webexapis.com/v1"
Command = Callable[..., Result]


def url_of(environment: dict[str, str], base_url: str = API) -> str | None:
    found = proxy_for(base_url, environment)
    return str(found.url) if found else None


def sent(login: bytes) -> str:
    return f"Basic {b64encode(login).decode()}"


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("HTTP://Proxy.Example.com:3128/", "http://proxy.example.com:3128"),
        ("proxy:3128", "http://proxy:3128"),
        ("//10.1.2.3:8080", "http://10.1.2.3:8080"),
        ("proxy", "http://proxy"),
        ("http://proxy:", "http://proxy"),
        ("https://proxy", "https://proxy"),
        ("[::1]:3128", "http://[::1]:3128"),
        ("http://[2001:db8::1]", "http://[2001:db8::1]"),
        ("http://pröxy.example:3128", "http://xn--prxy-6qa.example:3128"),
        ("http://proxy:3128/proxy.pac?x=1#y", "http://proxy:3128"),
        ('"http://proxy:3128"', "http://proxy:3128"),
        ("'proxy:3128' ", "http://proxy:3128"),
        ("“http://proxy:3128”", "http://proxy:3128"),
        ("\ufeffhttp://proxy:3128\r\n", "http://proxy:3128"),
        ("", None),
        (' "" ', None),
        ("none", None),
        ("DIRECT", None),
    ],
)
def test_a_value_is_read_as_people_write_it(value: str, url: str | None) -> None:
    assert url_of({"HTTPS_PROXY": value}) == (str(URL(url)) if url else None)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("http://s3cret:99999", "port"),
        ("http://user:s3cret", "port"),
        ("http://proxy:０", "port"),
        ("http://proxy:-1", "port"),
        ("http://[::s3cret", "brackets"),
        ("http://[s3cret]:80", "brackets"),
        ("http://::1:3128", "brackets"),
        ("http://", "no host"),
        ("http://user:s3cret@", "no host"),
        ("http://s3 cret:80", "host"),
        ("s3cret\x00:80", "host"),
        ("ftp://s3cret:80", "scheme"),
        ("htp://user:s3cret@proxy", "scheme"),
        ("http://user:s3cret\ud800@proxy", "not text"),
        ("socks5://user:s3cret@proxy:1080", r"SOCKS proxy \(socks5://\) is not supported: name an HTTP proxy"),
        ("SOCKS5H://s3cret", r"\(socks5h://\)"),
        ("socks4a://s3cret", r"\(socks4a://\)"),
        ("socks://s3cret", r"\(socks://\)"),
    ],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "all_proxy"])
def test_a_value_that_names_no_proxy_is_wrong_usage_and_is_not_shown(value: str, reason: str, variable: str) -> None:
    with pytest.raises(UsageError, match=f"^{variable}: .*{reason}") as caught:
        url_of({variable: value})
    assert "cret" not in str(caught.value).lower()
    assert "\n" not in str(caught.value)


@given(st.text(st.characters(exclude_characters="%", codec="utf-8"), min_size=1))
def test_any_password_arrives_as_it_is(password: str) -> None:
    found = proxy_for(API, {"HTTPS_PROXY": f"http://user:{password}@proxy:1"})
    assert found
    assert (str(found.url), found.authorization) == ("http://proxy:1", sent(f"user:{password}".encode()))
    assert found.authorization not in repr(found)


@given(st.text())
def test_any_value_names_a_proxy_or_is_wrong_usage(value: str) -> None:
    with suppress(UsageError):
        found = proxy_for(API, {"HTTPS_PROXY": value})
        assert found is None or found.url.host


@pytest.mark.parametrize(
    ("login", "arrives"),
    [
        ("us%40er:p%3Aw%2Fd", b"us@er:p:w/d"),
        ("DOMAIN\\user:a b+c%", b"DOMAIN\\user:a b+c%"),
        ("user:p\udce4ss", b"user:p\xe4ss"),
        ("user:p%E4ss", b"user:p\xe4ss"),
        ("user:x://y@z", b"user:x://y@z"),
        ("user", b"user:"),
        (":secret", b":secret"),
    ],
)
def test_a_login_arrives_with_its_bytes(login: str, arrives: bytes) -> None:
    for scheme in ("http://", ""):
        found = proxy_for(API, {"HTTPS_PROXY": f"{scheme}{login}@proxy:1"})
        assert found
        assert (str(found.url), found.authorization) == ("http://proxy:1", sent(arrives))


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        ({"HTTPS_PROXY": "upper", "https_proxy": "lower"}, "lower"),
        ({"HTTPS_PROXY": "upper", "https_proxy": " "}, "upper"),
        ({"ALL_PROXY": "all", "HTTPS_PROXY": "https"}, "https"),
        ({"ALL_PROXY": "all", "all_proxy": "lower"}, "lower"),
        ({"ALL_PROXY": "socks5://all", "https_proxy": "https"}, "https"),
        ({"HTTPS_PROXY": "", "ALL_PROXY": "all"}, "all"),
        ({"HTTP_PROXY": "http", "http_proxy": "http"}, None),
    ],
)
def test_the_first_variable_that_is_not_blank_counts(environment: dict[str, str], host: str | None) -> None:
    assert url_of(environment) == (f"http://{host}" if host else None)


@pytest.mark.parametrize(
    ("exceptions", "base_url"),
    [
        ("*", API),
        ("example.com, webexapis.com", API),
        ("example.com webexapis.com:443", API),
        (".webexapis.com", API),
        ("*.webexapis.com", "https://api.webexapis.com/v1"),
        ('"WEBEXAPIS.COM."', API),
        ("https://webexapis.com/", API),
        ("com", API),
        ("localhost:8443", "https://localhost:8443/v1"),
        ("10.0.0.0/8", "https://10.1.2.3/v1"),
        ("10.1.2.3:8443", "https://10.1.2.3:8443/v1"),
        ("::1", "https://[::1]:8443/v1"),
        ("[0:0:0:0:0:0:0:1]", "https://[::1]/v1"),
        ("[::1]:8443", "https://[::1]:8443/v1"),
        ("fd00::/8", "https://[fd00::7]/v1"),
    ],
)
def test_an_exception_connects_directly_whatever_the_proxy(exceptions: str, base_url: str) -> None:
    for variable in ("NO_PROXY", "no_proxy"):
        assert url_of({"HTTPS_PROXY": "socks5://proxy", variable: exceptions}, base_url) is None


@pytest.mark.parametrize(
    ("exceptions", "base_url"),
    [
        ("", API),
        (",. ,;", API),
        ("apis.com", API),
        ("webexapis.com:8443", API),
        ("webexapis.com:99999", API),
        ("api.webexapis.com", API),
        ("10.0.0.0/33", "https://10.1.2.3/v1"),
        ("10.1.2", "https://10.1.2.3/v1"),
        ("[::1]:443", "https://[::1]:8443/v1"),
        ("2.3", "https://10.1.2.3/v1"),
    ],
)
def test_another_exception_changes_nothing(exceptions: str, base_url: str) -> None:
    assert url_of({"HTTPS_PROXY": "proxy", "NO_PROXY": exceptions}, base_url) == "http://proxy"


def test_lower_case_exceptions_override_as_well() -> None:
    environment = {"HTTPS_PROXY": "proxy", "no_proxy": "example.com", "NO_PROXY": "*"}
    assert url_of(environment) == "http://proxy"


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    for name in ("https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serve_proxy() as serving:
        yield serving


@pytest.fixture
def secured(api: Callable[[Simulation], str], tmp_path: Path) -> Iterator[Callable[[Simulation], tuple[str, str]]]:
    """Serves a simulation over TLS; returns base URL and CA bundle."""
    servers = []

    def start(simulation: Simulation) -> tuple[str, str]:
        servers.append(serve_tls(int(api(simulation).rpartition(":")[2].partition("/")[0]), tmp_path))
        port, bundle = servers[-1].__enter__()
        return f"https://127.0.0.1:{port}/v1", str(bundle)

    yield start
    for each in servers:
        each.__exit__(None, None, None)


def ask(base_url: str, ca_file: str | None = None) -> Answer:
    async def main() -> Answer:
        clock = Clock()
        tokens = StaticTokens(Token(ADMIN_TOKEN))
        options = {"concurrency": 2, "timeout_s": 20.0, "retry": RetryPolicy(1, 1, 1), "clock": clock}
        async with connect(base_url, tokens, Pace(clock), ca_file=ca_file, **options) as client:  # type: ignore[arg-type]
            return await client.get("/people/me")

    return asyncio.run(main())


@pytest.mark.attack("token")
@pytest.mark.parametrize("login", [None, "svc:S3cretPw", "svc:pä€/#?@[ss"])
def test_requests_go_through_the_proxy_and_the_token_does_not_stop_there(
    login: str | None,
    proxy: Proxy,
    secured: Callable[[Simulation], tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"{login + '@' if login else ''}127.0.0.1:{proxy.port}")
    assert ask(*secured(Simulation())).outcome is Outcome.OK
    assert [head.split()[0] for head in proxy.heads] == ["CONNECT"]
    assert proxy.logins == ([sent(login.encode())] if login else [])
    assert ADMIN_TOKEN not in proxy.heads[0]


@pytest.mark.attack("redaction")
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (refuse(407), "the proxy answers 407: it wants a login: check user and password in HTTPS_PROXY=http://user:"),
        (refuse(403), "the proxy answers 403: its rules forbid the host: ask its administrator to allow it"),
        (refuse(502), "the proxy answers 502: it can't reach the host"),
        (refuse(418), "the proxy answers 418: I'm a Teapot"),
        (refuse(599), "the proxy answers 599: an unknown status"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the answer is not HTTP"),
        (b"\n", "the server closed the connection"),
    ],
)
def test_a_refusal_of_the_proxy_is_said_in_our_words_without_the_password(
    answer: bytes, reason: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.says = lambda _: answer
    monkeypatch.setenv("HTTPS_PROXY", f"http://svc:S3cretPw@127.0.0.1:{proxy.port}")
    message = ask("https://webexapis.invalid/v1").message or ""
    assert message.startswith(f"connection failed: {reason}")
    assert "S3cret" not in message


@pytest.mark.attack("redaction")
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("http://svc:S3cretPw@127.0.0.1:1", "the proxy 127.0.0.1:1: Connection refused"),
        ("http://svc:S3cretPw@proxy.invalid:3128", "proxy.invalid:3128: the name has no address"),
        ("https://svc:S3cretPw@127.0.0.1:{port}", "127.0.0.1:{port}: TLS fails"),
    ],
)
def test_a_proxy_that_can_not_be_reached_is_named_without_the_password(
    value: str, reason: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.says = lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n"
    monkeypatch.setenv("HTTPS_PROXY", value.format(port=proxy.port))
    message = ask("https://webexapis.invalid/v1").message or ""
    assert message.startswith(f"connection failed: {reason.format(port=proxy.port)}")
    assert "S3cret" not in message


def test_a_certificate_that_is_not_trusted_is_named_with_the_remedy(
    proxy: Proxy, secured: Callable[[Simulation], tuple[str, str]]
) -> None:
    base_url, _ = secured(Simulation())
    message = ask(base_url).message or ""
    assert "its certificate is refused: self-signed certificate; webex.ca_file names another CA bundle" in message


def test_what_the_environment_trusts_counts_from_the_next_session_on(
    proxy: Proxy, secured: Callable[[Simulation], tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    base_url, bundle = secured(Simulation())
    assert "its certificate is refused" in (ask(base_url).message or "")
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    assert ask(base_url).outcome is Outcome.OK
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "its certificate is refused" in (ask(base_url).message or "")


@pytest.mark.slow
def test_a_login_that_the_proxy_refuses_amid_a_crawl_reaches_no_file_and_no_line(
    proxy: Proxy,
    secured: Callable[[Simulation], tuple[str, str]],
    webex_audit: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy.says = lambda before: refuse(407) if before > 5 else None
    monkeypatch.setenv("HTTPS_PROXY", f"http://svc:S3cretPw@127.0.0.1:{proxy.port}")
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_RUN_STALL_S", "1")
    base_url, bundle = secured(Simulation(Organization(60), faults=parse("reset=0.3!")))
    monkeypatch.setenv("WEBEX_AUDIT_WEBEX_CA_FILE", bundle)
    output = tmp_path / "out"
    result = webex_audit("run", "--base-url", base_url, "--output", output, "--concurrency", "5", "--verbose")
    assert "the proxy answers 407: it wants a login" in result.err
    assert result.code in (3, 5)
    login = sent(b"svc:S3cretPw").removeprefix("Basic ")
    held = [result.err, result.out, *(path.read_text("latin-1") for path in output.rglob("*") if path.is_file())]
    assert not [text for text in held if "S3cret" in text or login in text]


@pytest.mark.parametrize("value", ["socks5://svc:S3cretPw@proxy:1080", "http://svc:S3cretPw", "http://proxy:port"])
@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_command_says_what_is_wrong_with_the_proxy_and_exits_with_2(
    value: str, command: str, proxy: Proxy, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    result = webex_audit(command, "--output", tmp_path / "out")
    told = result.err + result.out
    assert result.code == 2
    assert "HTTPS_PROXY: " in told
    assert "S3cret" not in told
