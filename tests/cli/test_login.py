"""`login`, `--profile` and what a run does with them, as a user calls them."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from urllib.parse import parse_qs, urlsplit

import pytest
from browsing import browser
from harness import Result
from signing_in import CLIENT_ID, SECRET, free_port

from audit.config import Profile, known_profiles
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
OWN = Organization(6, people=3, odd=False)


@pytest.fixture
def log_in(webex_audit: Command, secret_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `login`; the browser is a program that accepts."""

    def log_in(base_url: str, *arguments: object, decision: str = "accept") -> Result:
        monkeypatch.setenv("BROWSER", browser(tmp_path, decision))
        app = ["--client-id", CLIENT_ID, "--client-secret-file", secret_file, "--port", free_port()]
        return webex_audit("login", *app, "--base-url", base_url, *arguments)

    return log_in


def test_after_a_login_the_command_that_it_names_audits(api: Api, log_in: Command, webex_audit: Command) -> None:
    told = log_in(api(Simulation(OWN, client_secret=SECRET)))
    assert told.code == 0, told
    person = OWN.person(0)
    assert told.out.startswith(f"signed in as {person['displayName']} <{person['emails'][0]}>\n")
    assert "granted        spark-admin:workspaces_read, spark:people_read\n" in told.out
    assert "(90 days)" in told.out
    following = told.out.rpartition("next: ")[2].split()
    assert following == ["webex-audit", "run"]
    assert webex_audit(*following[1:]).code == 0


@pytest.mark.parametrize(
    ("arguments", "scopes"),
    [
        ([], "spark-admin:workspaces_read"),
        (["--entity", "person"], "spark-admin:people_read"),
        (["--dataset", "audio-options"], "meeting:preferences_read"),
        (["--all-orgs"], "spark-admin:organizations_read spark-admin:workspaces_read"),
        (["--admin-events"], "audit:events_read spark-admin:workspaces_read"),
    ],
)
def test_a_login_asks_for_the_scopes_of_the_run_and_no_more(
    api: Api, log_in: Command, webex_audit: Command, arguments: list[str], scopes: str
) -> None:
    simulation = Simulation(OWN)
    told = log_in(api(simulation), *arguments, "--json")
    granted = set(json.loads(told.out)["login"]["scopes"])
    asked = [parse_qs(urlsplit(line).query)["scope"][0] for line in simulation.log if "GET /v1/authorize?" in line]
    assert [{*each.split()} for each in asked] == [granted]
    needed = set(json.loads(webex_audit("run", "--dry-run", *arguments, "--json").out)["scopes"])
    assert granted == needed | {"spark:people_read"}
    assert granted >= {*scopes.split()}


def test_the_next_command_has_the_same_scope(api: Api, log_in: Command) -> None:
    options = ("--entity", "person", "--entity", "workspace", "--admin-events")
    told = log_in(api(Simulation(OWN)), *options, "--profile", "customer-a")
    following = "next: webex-audit run --profile customer-a --entity person --entity workspace --admin-events\n"
    assert told.out.endswith(following)


def test_fewer_scopes_than_asked_for_are_shown(api: Api, log_in: Command) -> None:
    told = log_in(api(Simulation(OWN, parse("login-fewer-scopes"))))
    assert "NOT granted    spark:people_read: add it to the integration" in told.out
    assert "who has signed in is not known" in told.err


def granted(webex_audit: Command, profile: str) -> set[str]:
    listed = json.loads(webex_audit("login", "--list", "--json").out)
    return next({*each["login"]["scopes"]} for each in listed if each["profile"] == profile)


@pytest.mark.parametrize(
    ("profile", "options"),
    [
        ("default", ("--entity", "person")),
        ("default", ("--all-orgs", "--scope", "spark-admin:locations_read")),
        ("customer-a", ("--dataset", "audio-options", "--all-users", "--admin-events")),
    ],
)
def test_signing_in_again_without_options_keeps_the_scopes(
    profile: str, options: tuple[str, ...], api: Api, log_in: Command, webex_audit: Command
) -> None:
    log_in(api(Simulation(OWN)), "--profile", profile, *options)
    before = granted(webex_audit, profile)
    again = webex_audit("login", "--profile", profile)
    assert (again.code, "had more scopes" in again.err) == (0, False)
    assert granted(webex_audit, profile) == before > {"spark:people_read"}


def test_signing_in_again_asks_for_what_the_configuration_adds(
    api: Api, log_in: Command, webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(api(Simulation(OWN)), "--scope", "spark-admin:locations_read")
    before = granted(webex_audit, "default")
    monkeypatch.setenv("WEBEX_AUDIT_ENTITY", "person")
    assert webex_audit("login").code == 0
    assert granted(webex_audit, "default") == before | {"spark-admin:people_read"}


def test_signing_in_again_asks_for_what_was_not_granted(api: Api, log_in: Command, webex_audit: Command) -> None:
    simulation = Simulation(OWN, parse("login-fewer-scopes"))
    log_in(api(simulation), "--scope", "spark:zzz")
    assert "NOT granted: spark:zzz" in webex_audit("login").err


@pytest.mark.parametrize(
    ("options", "lost"),
    [
        (("--entity", "workspace"), "audit:events_read, spark-admin:people_read"),
        (("--entity", "person", "--quiet"), "audit:events_read, spark-admin:workspaces_read"),
        (("--scope", "spark-admin:locations_read", "--json"), "audit:events_read, spark-admin:people_read"),
    ],
)
def test_scopes_that_a_login_gives_up_are_a_warning(
    options: tuple[str, ...], lost: str, api: Api, log_in: Command, webex_audit: Command
) -> None:
    log_in(api(Simulation(OWN)), "--entity", "person", "--entity", "workspace", "--admin-events")
    again = webex_audit("login", *options)
    assert again.code == 0
    assert f"webex-audit: warning: the login before had more scopes: {lost}: a run that needs them" in again.err


def test_another_integration_inherits_no_scope(api: Api, log_in: Command, webex_audit: Command) -> None:
    base_url = api(Simulation(OWN))
    log_in(base_url, "--entity", "person")
    app = ("--client-id", "C0ther", "--client-secret-file", "client-secret", "--base-url", base_url)
    other = webex_audit("login", *app, "--replace")
    assert (other.code, other.err.count("had more scopes")) == (0, 0)
    assert granted(webex_audit, "default") == {"spark-admin:workspaces_read", "spark:people_read"}


@pytest.mark.parametrize("options", [("--quiet", "--profile", "customer-a"), ("--json",), ()])
def test_a_scope_that_was_not_granted_is_a_warning_whatever_is_printed(
    options: tuple[str, ...], api: Api, log_in: Command
) -> None:
    """The last scope of those that a login asks for is left out."""
    told = log_in(api(Simulation(OWN, parse("login-fewer-scopes"))), "--scope", "spark:zzz", *options)
    warning = "webex-audit: warning: NOT granted: spark:zzz: add it to the integration, and sign in again\n"
    assert (told.code, told.err.count(warning)) == (0, 1)


@pytest.mark.parametrize(
    ("more", "missing"), [("spark:zzz", "spark:zzz"), ("spark-admin:locations_read", "spark:people_read")]
)
def test_the_list_of_logins_shows_what_was_not_granted(
    more: str, missing: str, api: Api, log_in: Command, webex_audit: Command
) -> None:
    log_in(api(Simulation(OWN, parse("login-fewer-scopes"))), "--scope", more)
    assert f"  NOT granted    {missing}" in webex_audit("login", "--list").out
    log_in(api(Simulation(OWN)), "--scope", more, "--replace")
    assert "NOT granted" not in webex_audit("login", "--list").out


@pytest.mark.parametrize("arguments", [("--profile", "customer-a"), ("--profile", "default")])
def test_a_variable_that_a_named_profile_never_uses_is_not_said_to_go_before_its_login(
    arguments: tuple[str, ...], api: Api, log_in: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "x")
    told = log_in(api(Simulation(OWN)), *arguments)
    assert "WEBEX_ACCESS_TOKEN" not in told.out + told.err


def test_a_second_login_needs_no_options(
    api: Api, log_in: Command, webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = Simulation(OWN)
    log_in(api(simulation))
    again = webex_audit("login")
    assert again.code == 0, again
    asked = [line for line in simulation.log if "GET /v1/authorize?" in line]
    assert len({parse_qs(urlsplit(line).query)["redirect_uri"][0] for line in asked}) == 1
    assert len(asked) == 2


def test_a_variable_that_goes_before_the_login_is_warned_of(
    api: Api, log_in: Command, webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    base_url = api(Simulation(OWN))
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "dead")
    told = log_in(base_url, "--quiet")
    assert (told.code, told.out) == (0, "")
    assert "warning: WEBEX_ACCESS_TOKEN is set, and runs use it instead of this login: unset it\n" in told.err
    assert webex_audit("run").code == 4
    assert "WEBEX_ACCESS_TOKEN" not in log_in(base_url, "--profile", "customer-a").err
    assert webex_audit("run", "--profile", "customer-a").code == 0


def test_a_declined_login_is_one_line_and_exit_code_4(api: Api, log_in: Command) -> None:
    told = log_in(api(Simulation(OWN)), decision="decline")
    assert told.code == 4
    assert told.err.splitlines()[-1] == ("webex-audit: error: access was denied in the browser: nothing was granted")
    assert told.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name yours with --client-id and --client-secret-file; docs/tokens.md"),
        (["--client-id", "C", "--client-secret-file", "quoted"], "leave out quotes"),
        (["--client-id", "C", "--client-secret-file", "empty"], "is empty"),
        (["--client-id", "C"], "name yours with --client-secret-file"),
        (["--client-id", "C", "--client-secret-file", "nowhere"], "client secret file nowhere: No such file"),
        (["--token", "x"], "there is no option --token"),
        (["--client-id", "C", "--client-secret-file", __file__, "--scope", "a b"], "--scope 'a b': expected a scope"),
        (["--client-id", "C", "--client-secret-file", __file__, "--scope", ""], "--scope is empty"),
        (["--profile", "../x"], "--profile '../x': expected up to 63 lower-case letters"),
        (["--profile", "Customer"], "--profile 'Customer': expected up to 63 lower-case letters"),
    ],
)
def test_what_is_missing_is_one_line_and_exit_code_2(webex_audit: Command, arguments: list[str], said: str) -> None:
    Path("quoted").write_text('"s3cret"')
    Path("empty").write_text("\n")
    told = webex_audit("login", *arguments)
    assert told.code == 2
    assert said in told.err
    assert told.err.count("error: ") == 1


def test_further_scopes_can_be_asked_for(api: Api, log_in: Command) -> None:
    more = ["--scope", "spark-admin:locations_read", "--scope", "spark-admin:organizations_read"]
    told = log_in(api(Simulation(OWN)), *more)
    assert "spark-admin:locations_read, spark-admin:organizations_read, spark-admin:workspaces_read" in told.out
    assert "more than asked" not in told.out


@pytest.mark.parametrize("key", ["token_file", "token_command"])
def test_a_login_that_no_run_would_use_is_refused(
    webex_audit: Command, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv(f"WEBEX_AUDIT_WEBEX_{key.upper()}", "x")
    told = webex_audit("login", "--client-id", "C", "--client-secret-file", "x")
    assert (told.code, f"webex.{key} is configured" in told.err) == (2, True)


def test_a_secret_that_others_may_read_is_pointed_out(api: Api, log_in: Command, secret_file: Path) -> None:
    secret_file.chmod(0o640)
    assert (
        f"client secret file {secret_file} can be read by other users: chmod 600 it" in log_in(api(Simulation(OWN))).err
    )


@pytest.mark.parametrize("command", [["run"], ["run", "--dry-run"], ["doctor"]])
def test_without_a_token_a_command_names_login(webex_audit: Command, command: list[str]) -> None:
    told = webex_audit(*command)
    assert told.code == 2
    assert "'webex-audit login' gets one" in told.out + told.err


def test_a_partner_has_a_profile_for_each_customer(api: Api, log_in: Command, webex_audit: Command) -> None:
    for seed, name in enumerate(["customer-a", "customer-b", "customer-c"], 1):
        assert log_in(api(Simulation(Organization(4, seed=seed, people=2))), "--profile", name).code == 0
    for name in ["customer-a", "customer-b", "customer-c"]:
        assert webex_audit("run", "--profile", name, "--output", name).code == 0
    listed = json.loads(webex_audit("login", "--list", "--json").out)
    assert [each["profile"] for each in listed] == ["customer-a", "customer-b", "customer-c"]
    assert len({each["login"]["org_id"] for each in listed}) == 3
    assert "customer-b\n" in webex_audit("login", "--list").out


def test_a_profile_has_a_configuration_file_of_its_own(webex_audit: Command, tmp_path: Path) -> None:
    for name in ("customer-a", "customer-b"):
        file = Profile(name).config_file
        assert file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"[output]\npath = '{tmp_path}/{name}'\n")
        assert f"{tmp_path}/{name}" in webex_audit("show", "--profile", name).err
    assert [each.name for each in known_profiles()] == ["customer-a", "customer-b"]


@pytest.mark.parametrize("command", ["run", "doctor", "check", "diff", "report", "query", "show", "snapshots",
                                     "verify", "prune", "approve"])  # fmt: skip
def test_every_command_that_reads_a_configuration_takes_a_profile(webex_audit: Command, command: str) -> None:
    file = Profile("customer-a").config_file
    assert file
    file.parent.mkdir(parents=True)
    file.write_text("")
    told = webex_audit(command, "--profile", "customer-b")
    assert told.code == 2
    assert (
        "there is no profile customer-b ('webex-audit login --profile customer-b' makes it); did you mean" in told.err
    )


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("name", ["..", ".", "a/b", "a\\b", "/etc/passwd", "a\0b", "a" * 64, "-x", "con.toml", "Ä"])
def test_the_name_of_a_profile_is_never_a_path(
    webex_audit: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for told in (webex_audit("show", f"--profile={name}"), webex_audit("login", f"--profile={name}")):
        assert told.code == 2
        assert "expected up to 63 lower-case letters" in told.err
    if "\0" not in name:
        monkeypatch.setenv("WEBEX_AUDIT_PROFILE", name)
        assert "WEBEX_AUDIT_PROFILE" in webex_audit("show").err


@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.parametrize("text", ["\x1b[2J\x1b]0;owned\x07Ann", "Ann\nnext: rm -rf", "\u202eAnn", "A" * 5000])
def test_a_hostile_name_of_a_person_reaches_no_terminal(
    api: Api, log_in: Command, webex_audit: Command, text: str
) -> None:
    class Hostile(Organization):
        def person(self, index: int, *, calling_data: bool = False) -> dict[str, object]:
            return super().person(index, calling_data=calling_data) | {"displayName": text, "emails": [text]}

    for told in (log_in(api(Simulation(Hostile(3, people=2)))), webex_audit("login", "--list")):
        assert told.code == 0
        shown = told.out + told.err
        assert shown.replace("\n", "").isprintable()
        assert not re.search(r"^next: rm", shown, re.MULTILINE)
        assert len(shown) < 5000


@pytest.mark.few(4)
@pytest.mark.attack("redaction")
@pytest.mark.parametrize("way", [[], ["--device"]])
@pytest.mark.parametrize("faults", ["", "token-invalid-grant=1!", "token-500=1!", "token-html@1"])
def test_no_secret_of_a_login_is_shown_at_any_verbosity(
    api: Api, log_in: Command, faults: str, way: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = Simulation(OWN, parse(f"{faults},device-decline"))
    monkeypatch.setattr("audit.run.login.browser._PAUSE_S", 0.01)
    told = log_in(api(simulation), *way, "--verbose", "--log-format", "json")
    folder = Profile().login_folder
    assert folder
    stored = (folder / "refresh-token").read_text().strip() if (folder / "refresh-token").exists() else "none"
    codes = [parse_qs(urlsplit(line).query).get("code", ["none"])[0] for line in simulation.log]
    for secret in (SECRET, stored, *simulation.tokens, "simulated-code", *codes):
        assert secret == "none" or secret not in told.out + told.err


@pytest.mark.slow
def test_a_device_login_shows_code_and_page_whatever_the_verbosity(api: Api, log_in: Command) -> None:
    told = log_in(api(Simulation(OWN, parse("device-decline"))), "--device", "--quiet")
    assert told.code == 4
    assert re.search(r"^open http://\S+/device/verify on any device, and enter the code \d{6}$", told.err, re.MULTILINE)


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("module", ["webbrowser", "shlex", "subprocess"])
def test_a_module_that_is_planted_in_the_current_folder_is_not_run(
    api: Api, log_in: Command, tmp_path: Path, module: str
) -> None:
    Path(f"{module}.py").write_text(f"open({str(tmp_path / 'was-run')!r}, 'w')\n")
    assert log_in(api(Simulation(OWN))).code == 0
    assert not (tmp_path / "was-run").exists()


def test_the_example_of_the_documentation_is_what_the_command_prints(api: Api, log_in: Command) -> None:
    page = (Path(__file__).parents[2] / "docs" / "tokens.md").read_text()
    shown = dedent(f"   signed in as {page.partition('   signed in as ')[2].partition('   ```')[0]}").splitlines()
    told = log_in(api(Simulation(OWN))).out.splitlines()
    assert [line[:13] for line in shown] == [line[:13] for line in told]
    assert shown[-1] == told[-1]
