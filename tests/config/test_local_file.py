"""`webex-audit.toml` in the current folder is read, unless somebody else may have put it there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Result

from audit.config import keys, load
from audit.errors import UsageError
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
HERE = Path("webex-audit.toml")


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)


@pytest.fixture
def simulation() -> Simulation:
    return Simulation(Organization(3))


#: Paths that the file may set, if they lie in the folder.
PATHS = [
    ("webex", "token_file"),
    ("webex", "client_secret_file"),
    ("webex", "refresh_token_file"),
    ("output", "path"),
    ("check", "rules_dir"),
    ("check", "exceptions_file"),
    ("check", "baseline_file"),
]
OUTSIDE = ["/etc/hostname", "~/../../.ssh/id_ed25519", "../other", "link-out/file", "sub/../../other"]
#: Whatever the author of a file sets here decides about the audit, and about nothing outside of it.
HARMLESS = {
    *("webex.client_id", "webex.timeout_s"),
    *("scope.datasets", "scope.entities", "scope.org_ids", "scope.all_orgs", "scope.exclude_orgs"),
    *("scope.all_users", "scope.sites"),
    *("pace.max_rate", "pace.share", "pace.start_rate", "pace.concurrency"),
    *("retry.attempts", "retry.throttled_attempts", "retry.budget"),
    *("output.formats", "output.csv_per_org", "output.csv_dialect", "output.allow_partial"),
    *("run.engine", "run.deadline", "run.stall_s", "run.resume_within"),
    *("run.admin_events", "run.admin_events_with_addresses"),
    *("check.allowed_domains", "check.forbid_toll_free", "check.forbid_global_call_in", "check.timeout"),
    *("notify.on", "log.format"),
}


def write(text: str, path: Path = HERE, mode: int = 0o600) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def own_file() -> Path:
    return Path(os.environ["XDG_CONFIG_HOME"]) / "webex-audit" / "config.toml"


def test_the_file_of_the_current_folder_goes_before_that_of_the_user(webex_audit: Command) -> None:
    write("[output]\npath = 'of-the-user'\n", own_file())
    assert "of-the-user" in webex_audit("show").err
    write("[output]\npath = 'of-the-folder'\n")
    shown = webex_audit("show", "--verbose").err
    assert "of-the-folder" in shown
    assert f"configuration: {HERE.absolute()} (current folder)" in shown


@pytest.mark.parametrize("by", ["--config", "WEBEX_AUDIT_CONFIG", "--profile", "WEBEX_AUDIT_PROFILE", "--output"])
def test_whatever_is_named_goes_before_the_current_folder(
    by: str, webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("[output]\npath = 'of-the-folder'\n")
    write("[output]\npath = 'named'\n", Path("other.toml"))
    write("[output]\npath = 'named'\n", own_file().parent / "profiles" / "customer-a.toml")
    value = {"--config": "other.toml", "WEBEX_AUDIT_CONFIG": "other.toml", "--output": "named"}.get(by, "customer-a")
    if not by.startswith("--"):
        monkeypatch.setenv(by, value)
    shown = webex_audit("show", *([by, value] if by.startswith("--") else [])).err
    assert ("./named" in shown, "of-the-folder" in shown) == (True, False)


@pytest.mark.parametrize(
    ("arguments", "variables", "told"),
    [
        ([], {}, "no file: defaults; base_url"),
        (["--config", "other.toml"], {}, "/other.toml (--config); base_url"),
        ([], {"WEBEX_AUDIT_CONFIG": "other.toml"}, "/other.toml (WEBEX_AUDIT_CONFIG); base_url"),
        (["--profile", "customer-a"], {}, "/profiles/customer-a.toml (profile customer-a); base_url"),
        ([], {"WEBEX_AUDIT_PROFILE": "customer-a"}, "/profiles/customer-a.toml (profile customer-a); base_url"),
        ([], {"WEBEX_AUDIT_OUTPUT": "x"}, "no file: defaults; environment: WEBEX_AUDIT_OUTPUT; base_url"),
    ],
)
def test_the_doctor_names_the_configuration_that_it_read(
    arguments: list[str],
    variables: dict[str, str],
    told: str,
    simulation: Simulation,
    api: Api,
    webex_audit: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("", Path("other.toml"))
    write("", own_file().parent / "profiles" / "customer-a.toml")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = webex_audit("doctor", "--base-url", api(simulation), *arguments)
    assert told in found.out.splitlines()[0]


def test_the_doctor_names_the_file_of_the_current_folder(
    simulation: Simulation, api: Api, webex_audit: Command
) -> None:
    write(f"[webex]\nbase_url = '{api(simulation)}'\n")
    found = webex_audit("doctor")
    assert (found.code, f"{HERE.absolute()} (current folder); base_url" in found.out) == (0, True)


@pytest.mark.attack("planted links and files")
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("given_away", ["webex-audit.toml", "."])
@pytest.mark.parametrize("command", ["run", "doctor", "snapshots", "check"])
def test_a_configuration_of_another_user_gets_no_token(
    given_away: str, command: str, simulation: Simulation, api: Api, webex_audit: Command
) -> None:
    write(f"[webex]\nbase_url = '{api(simulation)}'\n", mode=0o644)
    os.chown(given_away, 65_534, 65_534)
    result = webex_audit(command)
    assert (result.code, result.out, simulation.log) == (2, "", [])
    assert "belongs to another user (65534)" in result.err
    assert "name a configuration with --config" in result.err
    assert "no snapshot in" in webex_audit("show", "--config", os.devnull).err


@pytest.mark.attack("planted links and files")
@pytest.mark.skipif(os.name != "posix", reason="has no such permissions")
@pytest.mark.parametrize(("path", "mode"), [(".", 0o777), (".", 0o775), (HERE, 0o666), (HERE, 0o660), (HERE, 0o646)])
def test_a_configuration_that_others_may_write_gets_no_token(
    path: Path | str, mode: int, simulation: Simulation, api: Api, webex_audit: Command
) -> None:
    write(f"[webex]\nbase_url = '{api(simulation)}'\n")
    Path(path).chmod(mode)
    result = webex_audit("run")
    assert (result.code, result.out, simulation.log) == (2, "", [])
    assert f"'chmod go-w {path}'" in result.err
    Path(path).chmod(0o700)
    assert webex_audit("run").code == 0


@pytest.mark.attack("planted links and files")
def test_in_a_folder_such_as_tmp_the_file_of_the_user_counts_and_a_link_does_not(
    simulation: Simulation, api: Api, webex_audit: Command
) -> None:
    write(f"[webex]\nbase_url = '{api(simulation)}'\n")
    Path().chmod(0o1777)
    assert webex_audit("doctor").code == 0
    HERE.rename("elsewhere.toml")
    HERE.symlink_to("elsewhere.toml")
    asked = len(simulation.log)
    result = webex_audit("run")
    assert (result.code, len(simulation.log)) == (2, asked)
    assert "./webex-audit.toml is not a regular file" in result.err


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("kind", ["dangling link", "pipe", "folder", "huge"])
def test_what_is_not_a_file_of_settings_stops_a_command_at_once(kind: str, webex_audit: Command) -> None:
    match kind:
        case "dangling link":
            HERE.symlink_to("nowhere")
        case "pipe":
            os.mkfifo(HERE)
        case "folder":
            HERE.mkdir()
        case _:
            with HERE.open("wb") as file:
                file.truncate(1 << 33)
            HERE.chmod(0o600)
    result = webex_audit("snapshots")
    assert result.code == 2
    assert "the configuration there is not read" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize(
    "text",
    [
        "[webex]\nbase_url = 'https://webexapis.com.example.net/v1'\n",
        "[webex]\nbase_url = 'https://notwebexapis.com/v1'\n",
        "[webex]\nbase_url = 'https://webexapis.com@example.net/v1'\n",
        "[webex]\nbase_url = 'https://[webexapis.com/v1'\n",
        "[webex]\nca_file = 'ca.pem'\n",
        "[webex]\ntoken_command = 'touch stolen'\n",
        "[run]\nmetrics_file = 'stolen'\n",
        "[run]\nscheduler = 'tls://example.net:8786'\n",
        "[notify]\nurls_file = 'urls'\n",
        "[output]\nshared = true\n",
        "[sign]\nkey_file = 'key.pem'\n",
        "[notify]\nnames = true\n",
        "[notify]\nreport = 'https://example.net/report'\n",
        "[webex]\ntoken_file = '../.vault-token'\n",
        "[output]\npath = 's3://example/snapshots'\n",
        "[output]\npath = 'S3://key:secret@example/snapshots?endpoint_override=http://127.0.0.1:9'\n",
        "[output]\npath = 'gs://example/snapshots'\n",
    ],
)
@pytest.mark.parametrize("command", ["run", "doctor", "snapshots"])
def test_a_file_that_came_with_an_archive_does_not_reach_beyond_its_folder(
    text: str, command: str, webex_audit: Command
) -> None:
    write(text)
    result = webex_audit(command)
    assert (result.code, result.out, Path("stolen").exists()) == (2, "", False)
    assert "name it with --config webex-audit.toml (WEBEX_AUDIT_CONFIG) if you trust it" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("key", sorted(keys().keys() - HARMLESS))
def test_a_key_is_harmless_or_judged_by_its_value(key: str) -> None:
    section, _, name = key.partition(".")
    value = "true" if keys()[key] is bool else "'../elsewhere'"
    write(f"[{section}]\n{name} = {value}\n")
    with pytest.raises(UsageError, match="may come from elsewhere"):
        load(None, {}, {}, looks_here=True)


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize(("section", "name"), PATHS)
@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_out_of_the_folder_is_refused(section: str, name: str, path: str) -> None:
    Path("link-out").symlink_to("..")
    write(f"[{section}]\n{name} = '{path}'\n")
    with pytest.raises(UsageError, match=f"{section}.{name} leads out of the folder"):
        load(None, {}, {}, looks_here=True)


@pytest.mark.parametrize(("section", "name"), PATHS)
@pytest.mark.parametrize("path", ["file", "./sub/file", "sub/../file", "link-in/file", "{here}/file"])
def test_a_path_in_the_folder_may_be_set(section: str, name: str, path: str) -> None:
    Path("sub").mkdir()
    Path("link-in").symlink_to("sub")
    path = path.format(here=Path().absolute())
    write(f"[{section}]\n{name} = '{path}'\n")
    assert getattr(getattr(load(None, {}, {}, looks_here=True), section), name) == path


def test_a_named_file_may_set_everything() -> None:
    write("[webex]\nbase_url = 'https://gateway.example.net/v1'\ntoken_command = 'x'\n")
    assert load("webex-audit.toml", {}, {}).webex.token_command == "x"
    with pytest.raises(UsageError, match="base_url decides who gets the token"):
        load(None, {}, {}, looks_here=True)


@pytest.mark.parametrize(
    "base_url", ["https://webexapis.com/v1", "https://api-usgov.webex.com/v1", "http://127.0.0.1:8080/v1"]
)
def test_the_file_of_the_current_folder_may_name_an_api_of_webex(base_url: str) -> None:
    write(f"[webex]\nbase_url = '{base_url}'\n")
    assert load(None, {}, {}, looks_here=True).webex.base_url == base_url


@pytest.mark.slow
def test_the_demo_reads_no_configuration(webex_audit: Command) -> None:
    write("[output]\npath = 'planted'\n[scope]\ndatasets = ['paging-groups']\n", mode=0o666)
    assert webex_audit("demo", "--output", "shown", "--workspaces", "5", "--people", "5").code == 0
    assert not Path("planted").exists()


def test_what_can_not_be_searched_is_no_file(webex_audit: Command, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    result = webex_audit("snapshots", "--output", str(tmp_path), "--quiet")
    assert (result.code, result.err) == (0, "")
