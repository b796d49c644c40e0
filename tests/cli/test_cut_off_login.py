"""A login that was cut off is reported by whatever command comes next, also beside an earlier login."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from browsing import browser
from harness import Result
from signing_in import CLIENT_ID, SECRET, free_port

from audit.files import own_folder
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
SAID = "a login of profile customer-a began and has stored no token"
AGAIN = "run 'webex-audit login --profile customer-a' again"


def cut_off() -> Path:
    """Leave what a killed login leaves."""
    state = own_folder("state")
    assert state
    folder = state / "logins" / "customer-a"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "under-way").write_text("a login began here and has not stored its token\n")
    return folder


@pytest.fixture
def base_url(api: Api, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The API of an earlier login."""
    monkeypatch.delenv("WEBEX_ACCESS_TOKEN", raising=False)
    secret = tmp_path / "client-secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    monkeypatch.setenv("BROWSER", browser(tmp_path))
    base_url = api(Simulation(Organization(4, people=2, odd=False)))
    app = ["--client-id", CLIENT_ID, "--client-secret-file", secret, "--port", free_port(), "--base-url", base_url]
    assert webex_audit("login", "--profile", "customer-a", *app).code == 0
    return base_url


@pytest.mark.few(2)
@pytest.mark.parametrize("command", [["run"], ["doctor"], ["run", "--config", "own.toml"], ["run", "--quiet"]])
def test_a_cut_off_login_beside_an_earlier_one_is_a_warning(
    command: list[str], base_url: str, webex_audit: Command
) -> None:
    Path("own.toml").write_text(f"[webex]\nbase_url = '{base_url}'\n")
    assert SAID not in webex_audit(*command, "--profile", "customer-a").err
    cut_off()
    told = webex_audit(*command, "--profile", "customer-a")
    assert told.code == 0, told
    assert SAID in told.err
    assert f"{AGAIN}; until then, the earlier login stays" in told.err


def test_the_list_of_logins_shows_what_was_cut_off(webex_audit: Command) -> None:
    cut_off()
    told = webex_audit("login", "--list")
    assert told.out.startswith("customer-a\n")
    assert f"  login          {SAID}" in told.out
    (found,) = json.loads(webex_audit("login", "--list", "--json").out)
    assert found["login"] is None
    assert AGAIN in found["fault"]


def test_the_list_of_logins_shows_a_cut_off_one_beside_the_earlier(base_url: str, webex_audit: Command) -> None:
    assert "beware" not in webex_audit("login", "--list").out
    folder = cut_off()
    told = webex_audit("login", "--list")
    assert f"  beware         {SAID}" in told.out
    assert f"  API            {base_url}\n" in told.out
    assert webex_audit("login", "--profile", "customer-a").code == 0
    assert not (folder / "under-way").exists()
    assert "beware" not in webex_audit("login", "--list").out
