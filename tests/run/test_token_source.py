"""Doctor and run say whose token they use, and a named profile never gets the token of another."""

from collections.abc import Callable
from pathlib import Path

import pytest
from browsing import browser
from harness import Result
from signing_in import CLIENT_ID, SECRET, free_port

from audit.files import own_folder
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
VARIABLE = "WEBEX_ACCESS_TOKEN"


@pytest.fixture
def base_url(api: Api, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv(VARIABLE, raising=False)
    return api(Simulation(Organization(6, people=3, odd=False)))


@pytest.fixture
def secret(tmp_path: Path) -> Callable[[str, str], Path]:
    def secret(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    return secret


@pytest.fixture
def log_in(
    webex_audit: Command,
    base_url: str,
    secret: Callable[[str, str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., None]:
    def log_in(*arguments: object) -> None:
        monkeypatch.setenv("BROWSER", browser(tmp_path))
        app = ["--client-id", CLIENT_ID, "--client-secret-file", secret("client-secret", SECRET)]
        told = webex_audit("login", *app, "--port", free_port(), "--base-url", base_url, *arguments)
        assert told.code == 0, told

    return log_in


def profile_file(name: str, text: str) -> None:
    folder = own_folder("config")
    assert folder
    (folder / "profiles").mkdir(parents=True, exist_ok=True)
    (folder / "profiles" / f"{name}.toml").write_text(text)


def token_line(told: Result) -> str:
    lines: list[str] = [line for line in told.out.splitlines() if line.split()[1:2] == ["token"]]
    assert len(lines) == 1, told
    return lines[0]


@pytest.mark.parametrize("name", ["default", "customer-a"])
def test_the_doctor_names_the_login_and_its_person(
    name: str, log_in: Callable[..., None], webex_audit: Command
) -> None:
    log_in("--profile", name)
    line = token_line(webex_audit("doctor", "--profile", name))
    assert line.startswith("ok ")
    assert f"accepted by the API; it is that of the login of profile {name} (" in line
    assert "@example.com>)" in line


def test_the_doctor_names_variable_file_and_command(
    base_url: str, webex_audit: Command, secret: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = secret("token", ADMIN_TOKEN)
    where = ("doctor", "--base-url", base_url)
    assert f"it is that of the token file {path}" in token_line(webex_audit(*where, "--token-file", path))
    monkeypatch.setenv("WEBEX_AUDIT_WEBEX_TOKEN_COMMAND", f"cat {path}")
    assert token_line(webex_audit(*where)).endswith("it is that of webex.token_command")
    monkeypatch.setenv(VARIABLE, ADMIN_TOKEN)
    assert token_line(webex_audit(*where)).endswith(f"it is that of {VARIABLE}, which goes before webex.token_command")
    monkeypatch.delenv("WEBEX_AUDIT_WEBEX_TOKEN_COMMAND")
    assert token_line(webex_audit(*where)).endswith(f"it is that of {VARIABLE}")
    assert ADMIN_TOKEN not in webex_audit(*where, "--verbose").err


def test_the_doctor_names_the_file_of_a_refresh_token_that_no_login_stored(
    base_url: str, webex_audit: Command, secret: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = secret("refresh", "of-a-service-app")
    monkeypatch.setenv("WEBEX_AUDIT_WEBEX_REFRESH_TOKEN_FILE", str(path))
    app = ("--client-id", CLIENT_ID, "--client-secret-file", secret("client-secret", SECRET))
    monkeypatch.setenv("WEBEX_AUDIT_CLIENT_ID", app[1])
    monkeypatch.setenv("WEBEX_AUDIT_CLIENT_SECRET_FILE", str(app[3]))
    line = token_line(webex_audit("doctor", "--base-url", base_url))
    assert line.endswith(f"it is that of the refresh token file {path}")


@pytest.mark.parametrize("name", ["default", "customer-a"])
@pytest.mark.parametrize("command", ["doctor", "run"])
def test_a_variable_that_hides_a_login_is_a_warning_of_every_run(
    command: str, name: str, log_in: Callable[..., None], webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in("--profile", name)
    monkeypatch.setenv("WEBEX_AUDIT_PROFILE", name)
    monkeypatch.setenv(VARIABLE, ADMIN_TOKEN)
    told = webex_audit(command, "--quiet")
    hidden = f"the token is that of {VARIABLE}, not that of the login of profile {name}: unset the variable"
    assert told.code == 0, told
    assert (hidden in token_line(told)) if command == "doctor" else (f"warning: {hidden}" in told.err)
    assert command == "run" or token_line(told).startswith("warning ")


def test_a_dead_variable_is_named_with_the_login_that_it_hides(
    log_in: Callable[..., None], webex_audit: Command, base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "dead")
    assert f"set {VARIABLE} to a new token" in webex_audit("run", "--base-url", base_url).err.splitlines()[-1]
    monkeypatch.delenv(VARIABLE)
    log_in()
    monkeypatch.setenv(VARIABLE, "dead")
    told = webex_audit("run")
    assert told.code == 4
    assert "not that of the login of profile default: unset the variable" in told.err.splitlines()[-1]


def has_only_a_configuration(log_in: Callable[..., None]) -> None:
    profile_file("customer-c", "[output]\npath = 'c'\n")


def has_a_login_of_another_api(log_in: Callable[..., None]) -> None:
    log_in("--profile", "customer-c")
    profile_file("customer-c", "[webex]\nbase_url = 'https://api-usgov.webex.com/v1'\n")


def has_a_damaged_login(log_in: Callable[..., None]) -> None:
    log_in("--profile", "customer-c")
    _login_folder().joinpath("login.json").write_text("{")


def has_a_login_that_was_cut_off(log_in: Callable[..., None]) -> None:
    log_in("--profile", "customer-c")
    folder = _login_folder()
    folder.joinpath("login.json").rename(folder / "under-way")


def has_a_login_whose_token_is_gone(log_in: Callable[..., None]) -> None:
    log_in("--profile", "customer-c")
    _login_folder().joinpath("refresh-token").unlink()


def _login_folder() -> Path:
    folder = own_folder("state")
    assert folder
    return folder / "logins" / "customer-c"


@pytest.mark.parametrize(
    "has",
    [
        has_only_a_configuration,
        has_a_login_of_another_api,
        has_a_damaged_login,
        has_a_login_that_was_cut_off,
        has_a_login_whose_token_is_gone,
    ],
)
@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_named_profile_without_a_token_never_uses_that_of_the_variable(
    has: Callable[[Callable[..., None]], None],
    command: str,
    log_in: Callable[..., None],
    api: Api,
    webex_audit: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    has(log_in)
    other = Simulation(Organization(6, odd=False))
    monkeypatch.setenv(VARIABLE, ADMIN_TOKEN)
    where = [] if has is has_a_login_of_another_api else ["--base-url", api(other)]
    told = webex_audit(command, "--profile", "customer-c", *where)
    assert told.code == 2, told
    assert "'webex-audit login --profile customer-c'" in told.out + told.err or "refresh token file" in told.err
    assert other.log == []


def test_a_variable_is_used_for_a_profile_of_the_environment(
    base_url: str, webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile_file("customer-c", "[output]\npath = 'c'\n")
    monkeypatch.setenv(VARIABLE, ADMIN_TOKEN)
    told = webex_audit("run", "--profile", "customer-c", "--base-url", base_url)
    assert "name the profile with WEBEX_AUDIT_PROFILE to use the variable" in told.err
    monkeypatch.setenv("WEBEX_AUDIT_PROFILE", "customer-c")
    assert webex_audit("run", "--base-url", base_url).code == 0
    assert Path("c").is_dir()


def test_a_login_that_is_not_used_is_named_with_the_reason(
    log_in: Callable[..., None], webex_audit: Command, base_url: str
) -> None:
    log_in()
    told = webex_audit("run", "--base-url", "https://api-usgov.webex.com/v1")
    assert told.code == 2
    assert f"its login is of another webex.base_url: {base_url}" in told.err
