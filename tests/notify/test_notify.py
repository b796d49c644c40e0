"""Somebody hears of a run and of a check: once, shortly, and without what is nobody's business."""

import re
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email import message_from_string
from pathlib import Path

import pytest
from crafted import Audit, TickingClock, crafted, two_way
from harness import Result, Where, environment
from tunnels import serve_proxy, serve_tls
from webhook import Webhook, serve_mail, serve_webhook

from audit.output.lock import lock
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with serve_webhook() as webhook:
        yield webhook


@pytest.fixture
def tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Configures the notifications."""

    def tell(*urls: str, **settings: str) -> None:
        file = tmp_path / "urls"
        file.write_text("# who hears of it\n\n" + "".join(f"{url}\n" for url in urls))
        file.chmod(0o600)
        monkeypatch.setenv("WEBEX_AUDIT_NOTIFY_URLS_FILE", str(file))
        for name, value in settings.items():
            monkeypatch.setenv(f"WEBEX_AUDIT_NOTIFY_{name.upper()}", value)

    return tell


def test_a_partial_run_tells_what_is_not_known_and_where_it_is(
    api: Api, webex_audit: Command, hook: Webhook, tell: Callable[..., None]
) -> None:
    tell(hook.url(), report="https://intranet/x.html")
    organization = Organization(8)
    simulation = Simulation(organization, Where("400", f"{organization.workspace(1)['id']}/pushToTalk"))
    run = webex_audit("run", "--base-url", api(simulation))
    ((title, text),) = hook.messages
    assert (run.code, title) == (3, "webex-audit run: partial")
    (snapshot_id,) = re.findall(r"snapshot (\S+)  partial", run.out)
    assert text.splitlines() == [
        f"snapshot {snapshot_id}: partial",
        "1 organization, 1 not complete",
        "not known: 1 without an answer (1 bad_request)",
        f"where: {Path('snapshots') / snapshot_id}",
        "report: https://intranet/x.html",
    ]
    assert "notification" not in run.err


@pytest.mark.parametrize(
    ("token", "code", "meaning"),
    [("expired", 4, "the token is refused or lacks a scope"), ("", 2, "wrong usage or configuration")],
)
def test_a_run_that_fails_tells_its_exit_code(
    token: str,
    code: int,
    meaning: str,
    api: Api,
    webex_audit: Command,
    hook: Webhook,
    tell: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell(hook.url())
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", token)
    assert webex_audit("run", "--base-url", api(Simulation(Organization(2)))).code == code
    ((title, text),) = hook.messages
    assert title == "webex-audit run: failed"
    assert text.startswith(f"exit code {code}: {meaning}")


@pytest.mark.few(4)
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--output", "out", "--metrics-file", "absent/m.prom"),
        ("check", "--output", "out", "--rule", "nonsense"),
        ("check", "--output", "out", "--csv-dialect", "excel"),
        ("check", "--output", "out", "--json", "--format", "csv"),
        ("run", "--format", "parquet", "--csv-dialect", "excel"),
        ("run", "--admin-events-with-addresses"),
        ("run", "--retry-failed", "latest", "--user", "a@example.com"),
        ("run", "--metrics-file", "absent/m.prom"),
    ],
)
def test_whatever_is_wrong_after_the_settings_are_read_is_told(
    arguments: tuple[str, ...], audit: Audit, webex_audit: Command, hook: Webhook, tell: Callable[..., None]
) -> None:
    audit(Simulation(crafted()))
    tell(hook.url(), on="failed")
    assert webex_audit(*arguments).code == 2
    assert [title for title, _ in hook.messages] == [f"webex-audit {arguments[0]}: failed"]


def test_a_check_without_its_extra_is_told(
    audit: Audit, webex_audit: Command, hook: Webhook, tell: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    audit(Simulation(crafted()))
    tell(hook.url(), on="failed")
    for name in [each for each in sys.modules if each.startswith(("duckdb", "audit.review.check"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    result = webex_audit("check", "--output", "out")
    assert (result.code, "duckdb is not installed" in result.err) == (2, True)
    assert [title for title, _ in hook.messages] == ["webex-audit check: failed"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.slow
def test_a_check_whose_result_is_lost_is_told_as_a_failure(
    audit: Audit, webex_audit: Command, hook: Webhook, tell: Callable[..., None], tmp_path: Path
) -> None:
    audit(Simulation(crafted(two_way)))
    tell(hook.url(), on="failed")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "audit", "check", "--output", "out"], stdout=full, cwd=tmp_path, check=False
        )
    assert done.returncode == 5
    assert [title for title, _ in hook.messages] == ["webex-audit check: failed"]


def test_a_run_that_does_not_reach_the_api_tells_that_it_stopped(
    webex_audit: Command, hook: Webhook, tell: Callable[..., None]
) -> None:
    tell(hook.url())
    assert webex_audit("run", "--base-url", "http://127.0.0.1:9/v1").code == 5
    assert [title for title, _ in hook.messages] == ["webex-audit run: failed"]
    assert "--resume" in hook.messages[0][1]


@pytest.mark.slow
def test_a_good_run_is_told_only_if_that_is_wanted(
    api: Api, webex_audit: Command, hook: Webhook, tell: Callable[..., None]
) -> None:
    url = api(Simulation(crafted()))
    tell(hook.url())
    assert webex_audit("run", "--base-url", url).code == 0
    assert webex_audit("check").code == 0
    assert hook.got == []
    tell(hook.url(), on="always")
    assert webex_audit("run", "--base-url", url).code == 0
    assert webex_audit("check").code == 0
    assert [title for title, _ in hook.messages] == [
        "webex-audit run: complete",
        "webex-audit check: 0 findings, 0 new",
    ]


@pytest.mark.parametrize("on", ["failed", "findings", "failed,findings"])
def test_what_is_not_wanted_is_not_told(
    on: str, api: Api, webex_audit: Command, hook: Webhook, tell: Callable[..., None]
) -> None:
    tell(hook.url(), on=on)
    simulation = Simulation(Organization(2), Where("400", "pushtotalk"))
    assert webex_audit("run", "--base-url", api(simulation)).code == 3
    assert hook.got == []


@pytest.mark.parametrize(
    ("on", "said"),
    [("[]", "must not be empty"), ('["partail"]', "is none of failed, partial"), ('"failed"', "expected a list")],
)
def test_a_list_that_nothing_could_be_sent_for_is_refused(on: str, said: str, webex_audit: Command) -> None:
    Path("webex.toml").write_text(f"[notify]\non = {on}\n")
    result = webex_audit("snapshots", "--config", "webex.toml", "--quiet")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert result.err.startswith("webex-audit: error: webex.toml: notify.on = (not shown): ")
    assert said in result.err


@pytest.mark.parametrize("arguments", [("--dry-run",), ("--output", "out")])
def test_a_dry_run_and_a_lock_are_not_told(
    arguments: tuple[str, ...], webex_audit: Command, hook: Webhook, tell: Callable[..., None], tmp_path: Path
) -> None:
    tell(hook.url(), on="always")
    with lock(tmp_path / "out", makes=True):
        assert webex_audit("run", "--base-url", "http://127.0.0.1:9/v1", *arguments).code in (5, 6)
    assert hook.got == []


@pytest.mark.slow
def test_a_check_tells_new_findings_by_severity_and_what_opened(
    audit: Audit, webex_audit: Command, hook: Webhook, tell: Callable[..., None]
) -> None:
    tell(hook.url())
    audit(Simulation(crafted()))
    audit(Simulation(crafted(two_way, two_way)))
    assert webex_audit("check", "--output", "out").code == 1
    audit(Simulation(crafted(two_way, two_way, two_way)))
    assert webex_audit("check", "--output", "out").code == 1
    audit(Simulation(crafted(two_way, two_way, two_way)))
    assert webex_audit("check", "--output", "out").code == 1
    assert [title for title, _ in hook.messages] == [
        "webex-audit check: 2 findings, 2 new (2 high)",
        "webex-audit check: 3 findings, 1 new (1 high)",
        "webex-audit check: 3 findings, 0 new",
    ]
    opened = [re.findall(r"open more than in the snapshot before: (\d+)", text) for _, text in hook.messages]
    assert opened == [["2"], ["1"], ["0"]]


def test_a_first_check_does_not_call_everything_new(
    audit: Audit, webex_audit: Command, hook: Webhook, tell: Callable[..., None]
) -> None:
    tell(hook.url())
    audit(Simulation(crafted(two_way)))
    webex_audit("check", "--output", "out")
    assert [title for title, _ in hook.messages] == ["webex-audit check: 1 finding"]


def test_a_check_without_a_snapshot_is_told(webex_audit: Command, hook: Webhook, tell: Callable[..., None]) -> None:
    tell(hook.url())
    assert webex_audit("check", "--output", "absent").code == 2
    assert [title for title, _ in hook.messages] == ["webex-audit check: failed"]


def test_a_new_baseline_is_not_told(
    audit: Audit, webex_audit: Command, hook: Webhook, tell: Callable[..., None]
) -> None:
    tell(hook.url(), on="always")
    audit(Simulation(crafted(two_way)))
    assert webex_audit("check", "--output", "out", "--write-baseline", "b.toml").code == 0
    assert hook.got == []


@pytest.mark.slow
def test_names_are_sent_only_if_that_is_wanted(
    audit: Audit, webex_audit: Command, hook: Webhook, tell: Callable[..., None]
) -> None:
    audit(Simulation(crafted()))
    organization = crafted(two_way)
    audit(Simulation(organization))
    tell(hook.url())
    webex_audit("check", "--output", "out")
    tell(hook.url(), names="true")
    webex_audit("check", "--output", "out")
    without, with_names = (text for _, text in hook.messages)
    for word in ("Room 0", organization.name, "two-way"):
        assert word not in without
    assert "high two-way-auto-answer: Room 0 (workspace in " in with_names
    assert "answers by itself and lets callers listen" in with_names


def test_an_error_is_quoted_only_if_names_are_wanted(
    webex_audit: Command, hook: Webhook, tell: Callable[..., None]
) -> None:
    for names in ("false", "true"):
        tell(hook.url(), names=names)
        webex_audit("check", "--output", "Contoso")
    assert ["Contoso" in text for _, text in hook.messages] == [False, True]


def test_every_address_gets_the_message(
    audit: Audit, webex_audit: Command, hook: Webhook, tell: Callable[..., None]
) -> None:
    tell(hook.url("one"), hook.url("two"), hook.url("three"))
    audit(Simulation(crafted(two_way)))
    assert webex_audit("check", "--output", "out").code == 1
    assert sorted(path for path, _, _ in hook.got) == ["/one", "/three", "/two"]


def test_a_mail_is_sent(audit: Audit, webex_audit: Command, tell: Callable[..., None]) -> None:
    audit(Simulation(crafted(two_way)))
    with serve_mail() as (port, mails):
        tell(f"mailto://127.0.0.1:{port}?from=audit@example.com&to=security@example.com&mode=insecure")
        result = webex_audit("check", "--output", "out")
    assert "notification" not in result.err
    (mail,) = map(message_from_string, mails)
    assert mail["Subject"] == "webex-audit check: 1 finding"
    assert "security@example.com" in mail["To"]


def test_a_message_reaches_a_webex_space(
    audit: Audit, webex_audit: Command, tell: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit(Simulation(crafted(two_way)))
    bot, room = b64encode(bytes(range(72))).decode(), b64encode(b"ciscospark://us/ROOM/" + b"r" * 36).decode()
    with ExitStack() as stack:
        hook = stack.enter_context(serve_webhook())
        tls, bundle = stack.enter_context(serve_tls(hook.port, tmp_path, "webexapis.com"))
        proxy = stack.enter_context(serve_proxy())
        proxy.leads_to = tls
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        tell(f"webex://{bot.replace('+', '-').replace('/', '_')}/{room.rstrip('=')}")
        result = webex_audit("check", "--output", "out")
        assert "notification" not in result.err
        ((path, headers, body),) = hook.got
    assert (path, headers["Host"]) == ("/v1/messages", "webexapis.com")
    assert headers["Authorization"].startswith("Bearer ")
    assert "1 finding" in str(body)


def test_the_doctor_sends_a_test_message(
    api: Api, webex_audit: Command, hook: Webhook, tell: Callable[..., None]
) -> None:
    url = api(Simulation(Organization(2)))
    tell(hook.url(), hook.url("two"))
    assert "ok       notify         2 addresses can be used" in webex_audit("doctor", "--base-url", url).out
    assert hook.got == []
    tried = webex_audit("doctor", "--base-url", url, "--notify")
    assert (tried.code, "2 addresses got a test message" in tried.out) == (0, True)
    assert {title for title, _ in hook.messages} == {"webex-audit: test"}
    tell(hook.url(), "json://127.0.0.1:9/dead")
    failed = webex_audit("doctor", "--base-url", url, "--notify")
    assert (failed.code, "line 4: the server did not take it" in failed.out) == (2, True)


def test_the_doctor_needs_an_address_for_its_test(api: Api, webex_audit: Command) -> None:
    url = api(Simulation(Organization(2)))
    assert "notify" not in webex_audit("doctor", "--base-url", url).out
    refused = webex_audit("doctor", "--base-url", url, "--notify")
    assert (refused.code, "notify.urls_file, which is not set" in refused.err) == (2, True)


@pytest.mark.slow
def test_a_signal_while_the_message_is_on_its_way_fails_no_committed_run(
    api: Api, tell: Callable[..., None], tmp_path: Path
) -> None:
    with serve_webhook(lambda hook: lambda _: hook.is_over.wait(30)) as hook:
        tell(f"{hook.url()}?rto=60", on="always")
        command = [sys.executable, "-m", "audit", "run", "--base-url", api(Simulation(Organization(2)))]
        with subprocess.Popen(command, env=environment(), cwd=tmp_path, stderr=subprocess.PIPE, text=True) as run:
            assert hook.is_asked.wait(60)
            run.send_signal(signal.SIGTERM)
            hook.is_over.set()
            _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert "the snapshot is committed" in err
