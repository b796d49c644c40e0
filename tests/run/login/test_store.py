"""What a login stores, and what it refuses to overwrite or to write to."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from browsing import browser, decided
from harness import VirtualClock, environment
from signing_in import SCOPES, in_a_browser, on_a_device, with_desk

from audit.config import Profile, load, read_login
from audit.errors import AuditError, LockedError, StoppedError, UsageError
from audit.run.credentials import find_tokens
from audit.run.login.store import store_of
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.webex.oauth import OAuthTokens
from audit.webex.refresh_token import RefreshToken

OWN = Organization(4, people=2, odd=False)
OTHER = Organization(4, seed=9, people=2, odd=False)
ACCEPTS = on_a_device(lambda code: decided(code.uri_complete or ""))


def folder_of(profile: str = "default") -> Path:
    folder = Profile(profile).login_folder
    assert folder
    return folder


def token_of(profile: str = "default") -> str:
    return (folder_of(profile) / "refresh-token").read_text()


def test_a_run_finds_the_token_of_a_login_without_any_configuration(tmp_path: Path) -> None:
    login = with_desk(Simulation(OWN), tmp_path, ACCEPTS)
    settings = load(None, {}, {})
    assert settings.webex.base_url == login.base_url
    assert settings.webex.client_id == login.client_id
    assert isinstance(find_tokens(settings.webex, {}, VirtualClock()), OAuthTokens)


def test_each_profile_has_its_own_token(tmp_path: Path) -> None:
    for name in ("default", "customer-a", "customer-b"):
        with_desk(Simulation(OWN), tmp_path, ACCEPTS, profile=name)
    assert len({token_of(name) for name in ("default", "customer-a", "customer-b")}) == 3
    assert load(None, {}, {}, "customer-a").webex.refresh_token_file == str(folder_of("customer-a") / "refresh-token")
    environment = {"WEBEX_AUDIT_PROFILE": "customer-b"}
    assert load(None, environment, {}).webex.refresh_token_file == str(folder_of("customer-b") / "refresh-token")


def test_a_second_login_of_the_same_person_replaces_the_first(tmp_path: Path) -> None:
    first = with_desk(Simulation(OWN), tmp_path, ACCEPTS)
    before = token_of()
    with_desk(Simulation(OWN), tmp_path, ACCEPTS, at=first.base_url)
    assert token_of() != before


def changed_person(tmp_path: Path, at: str, **options: bool) -> None:
    with_desk(Simulation(OTHER), tmp_path, ACCEPTS, at=at, **options)


def changed_app(tmp_path: Path, at: str, **options: bool) -> None:
    with_desk(Simulation(OWN), tmp_path, ACCEPTS, at=at, client_id="Another", **options)


def changed_api(tmp_path: Path, at: str, **options: bool) -> None:
    with_desk(Simulation(OWN), tmp_path, ACCEPTS, **options)


def foreign_token(tmp_path: Path, at: str, **options: bool) -> None:
    (folder_of() / "login.json").unlink(missing_ok=True)
    with_desk(Simulation(OWN), tmp_path, ACCEPTS, at=at, **options)


def damaged_record(tmp_path: Path, at: str, **options: bool) -> None:
    (folder_of() / "login.json").write_text('{"base_url": 5}')
    with_desk(Simulation(OWN), tmp_path, ACCEPTS, at=at, **options)


@pytest.mark.parametrize(
    ("again", "said"),
    [
        (changed_person, "has signed in, but profile default is of"),
        (changed_app, "holds the login of another integration"),
        (changed_api, "holds a login of http://127.0.0.1"),
        (foreign_token, "holds a refresh token that no login of profile default has stored"),
        (damaged_record, "holds a refresh token that no login of profile default has stored"),
    ],
)
def test_the_token_of_another_login_is_overwritten_only_on_request(tmp_path: Path, again: object, said: str) -> None:
    first = with_desk(Simulation(OWN), tmp_path, ACCEPTS)
    before = token_of()
    with pytest.raises(UsageError, match=f"{said}.*--replace"):
        again(tmp_path, first.base_url)  # type: ignore[operator]
    assert token_of() == before
    again(tmp_path, first.base_url, replaces=True)  # type: ignore[operator]
    assert token_of() != before
    assert read_login(Profile())


def test_two_profiles_do_not_share_a_token_file_unasked(tmp_path: Path) -> None:
    shared = tmp_path / "shared-token"
    with_desk(Simulation(OWN), tmp_path, ACCEPTS, token_file=shared)
    with pytest.raises(UsageError, match="no login of profile customer-a has stored"):
        with_desk(Simulation(OWN), tmp_path, ACCEPTS, token_file=shared, profile="customer-a")


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("name", ["refresh-token", "login.json", "under-way", "refresh-token.trial"])
def test_a_planted_link_in_the_folder_of_a_login_is_not_followed(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder_of().mkdir(parents=True, mode=0o700)
    (folder_of() / name).symlink_to(victim)
    with_desk(Simulation(OWN), tmp_path, ACCEPTS, replaces=True)
    assert victim.read_text() == "precious"
    assert not (folder_of() / "refresh-token").is_symlink()
    assert stat.S_IMODE((folder_of() / "refresh-token").stat().st_mode) == 0o600


@pytest.mark.attack("planted links and files")
def test_a_planted_link_as_lock_is_not_followed(tmp_path: Path) -> None:
    folder_of().mkdir(parents=True, mode=0o700)
    (folder_of() / ".lock").symlink_to(tmp_path / "made-by-login")
    with pytest.raises(UsageError, match="the login can't be stored in"):
        with_desk(Simulation(OWN), tmp_path, ACCEPTS)
    assert not (tmp_path / "made-by-login").exists()


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("plant", ["folder", "pipe", "socket"])
def test_what_is_not_a_file_in_the_place_of_the_token_is_refused_before_anybody_signs_in(
    tmp_path: Path, plant: str
) -> None:
    folder_of().mkdir(parents=True, mode=0o700)
    place = folder_of() / "refresh-token"
    if plant == "folder":
        place.mkdir()
    else:
        os.mkfifo(place) if plant == "pipe" else os.mknod(place, stat.S_IFSOCK | 0o600)
    made = Simulation(OWN)
    with pytest.raises(UsageError):
        with_desk(made, tmp_path, ACCEPTS, replaces=True)
    assert made.log == []


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_to_gets_no_token(tmp_path: Path, mode: int) -> None:
    folder_of().mkdir(parents=True, mode=0o700)
    folder_of().chmod(mode)
    made = Simulation(OWN)
    with pytest.raises(UsageError, match=r"other users may write to .*chmod go-w"):
        with_desk(made, tmp_path, ACCEPTS)
    assert made.log == []


@pytest.mark.attack("planted links and files")
def test_a_folder_above_that_everybody_may_write_to_gets_no_token(tmp_path: Path) -> None:
    folder_of().mkdir(parents=True, mode=0o700)
    folder_of().parents[1].chmod(0o777)
    with pytest.raises(UsageError, match="other users may write to"):
        with_desk(Simulation(OWN), tmp_path, ACCEPTS)


def test_two_logins_of_a_profile_at_once_are_refused_and_of_two_profiles_are_not(tmp_path: Path) -> None:
    with store_of(Profile(), None, replaces=False).opened("https://webexapis.com/v1", "C"):
        with pytest.raises(LockedError, match="another login of profile default is under way"):
            with_desk(Simulation(OWN), tmp_path, ACCEPTS)
        assert with_desk(Simulation(OWN), tmp_path, ACCEPTS, profile="customer-a").scopes


def test_a_token_that_cannot_be_stored_is_reported_as_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "tokens" / "refresh-token"

    def act(code: object) -> None:
        decided(code.uri_complete)  # type: ignore[attr-defined]
        token.parent.rename(tmp_path / "gone")

    with pytest.raises(StoppedError, match=r"can't be stored in .* it is lost: .*webex-audit login"):
        with_desk(Simulation(OWN), tmp_path, on_a_device(act), token_file=token)
    assert read_login(Profile()) is None


def test_the_configured_file_of_the_refresh_token_is_used(tmp_path: Path) -> None:
    token = tmp_path / "mine" / "refresh-token"
    with_desk(Simulation(OWN), tmp_path, ACCEPTS, token_file=token)
    assert token.read_text().startswith("simulated-refresh-token-")
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert not (folder_of() / "refresh-token").exists()


@pytest.mark.attack("redaction")
@pytest.mark.parametrize(
    "flags",
    [
        {"webex.base_url": "https://evil.example/v1"},
        {"webex.client_id": "Another"},
        {"webex.base_url": "http://127.0.0.1:1/v1"},
        {"webex.base_url": "https://webexapis.com/v1"},
    ],
)
def test_a_refresh_token_goes_to_no_other_api_and_no_other_app(tmp_path: Path, flags: dict[str, str]) -> None:
    with_desk(Simulation(OWN), tmp_path, ACCEPTS)
    settings = load(None, {}, flags)
    assert settings.webex.refresh_token_file is None
    with pytest.raises(UsageError):
        find_tokens(settings.webex, {}, VirtualClock())


@pytest.mark.attack("redaction")
def test_the_record_of_a_login_holds_no_secret(tmp_path: Path) -> None:
    with_desk(Simulation(OWN), tmp_path, in_a_browser())
    record = (folder_of() / "login.json").read_text()
    assert token_of().strip() not in record
    assert "s3cret" not in record
    assert "simulated-token" not in record


def test_a_renewal_under_way_does_not_write_over_the_token_of_a_login(tmp_path: Path) -> None:
    first = with_desk(Simulation(OWN), tmp_path, ACCEPTS)
    order: list[str] = []

    async def way(desk: object) -> None:
        running = RefreshToken(folder_of() / "refresh-token", VirtualClock())
        running.read()

        async def renew() -> None:
            async with running.locked(60.0):
                await asyncio.sleep(20)
                running.keep("of-the-run")
                order.append("run")

        renewal = asyncio.create_task(renew())
        await asyncio.sleep(1)
        await ACCEPTS(desk)  # type: ignore[arg-type]
        order.append("login")
        await renewal

    with_desk(Simulation(OWN), tmp_path, way, at=first.base_url)
    assert order == ["run", "login"]
    assert token_of().startswith("simulated-refresh-token-")


def test_a_login_that_is_killed_before_its_token_is_stored_is_not_forgotten(
    tmp_path: Path, api: object, caplog: pytest.LogCaptureFixture
) -> None:
    base_url = api(Simulation(OWN, parse("token-hang=1!")))  # type: ignore[operator]
    secret = tmp_path / "client-secret"
    secret.write_text("s")
    command = [sys.executable, "-m", "audit", "login", "--client-id", "C", "--client-secret-file", str(secret)]
    process = subprocess.Popen(
        [*command, "--base-url", base_url],
        env=environment() | {"BROWSER": browser(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    note, until_s = folder_of() / "under-way", time.monotonic() + 30
    while not note.exists() and time.monotonic() < until_s:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    settings = load(None, {}, {})
    assert "a login of profile default began and has stored no token" in caplog.text
    with pytest.raises(AuditError, match="webex-audit login"):
        find_tokens(settings.webex, {}, VirtualClock())
    with_desk(Simulation(OWN), tmp_path, ACCEPTS, scopes=SCOPES)
    assert "an earlier login of profile default was cut off" in caplog.text
    assert not note.exists()


def test_a_signal_between_the_grant_and_its_file_loses_no_token(tmp_path: Path) -> None:
    made = Simulation(OWN, parse("slow@1"))

    async def way(desk: object) -> None:
        login = asyncio.current_task()
        assert login

        async def interrupt() -> None:
            while not any("/people/me" in line for line in made.log):  # noqa: ASYNC110 - the log is a list
                await asyncio.sleep(0.1)
            login.cancel()

        task = asyncio.create_task(interrupt())
        try:
            await ACCEPTS(desk)  # type: ignore[arg-type]
        finally:
            await task

    with pytest.raises(asyncio.CancelledError):
        with_desk(made, tmp_path, way)
    assert token_of().startswith("simulated-refresh-token-")
    assert read_login(Profile())
