"""Which configuration file and which login a command uses."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from audit.config import Login, Profile, known_profiles, load, login_file, profile_of, read_login
from audit.errors import DamagedError, UsageError
from audit.files import expand

LOGIN = Login(
    base_url="https://webexapis.com/v1",
    client_id="C0ffee",
    client_secret_file="/secrets/client-secret",
    refresh_token_file="/tokens/refresh-token",
    port=8765,
    signed_in_at=datetime(2026, 11, 27, tzinfo=UTC),
)


def configured(profile: Profile, output: str) -> Path:
    file = profile.config_file
    assert file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"[output]\npath = '{output}'\n")
    return file


def logged_in(profile: Profile, **changes: Any) -> Path:
    file = login_file(profile)
    assert file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(LOGIN, **changes)))
    return file


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    for name in ("default", "a", "b"):
        configured(Profile(name), f"of-{name}")
        logged_in(Profile(name), client_id=f"of-{name}")
    (tmp_path / "own.toml").write_text("[output]\npath = 'of-own'\n")
    (tmp_path / "other.toml").write_text("[output]\npath = 'of-other'\n")


@pytest.mark.parametrize(
    ("config_file", "profile", "environment", "output", "login"),
    [
        (None, None, {}, "of-default", "of-default"),
        (None, "a", {}, "of-a", "of-a"),
        (None, "default", {}, "of-default", "of-default"),
        (None, None, {"WEBEX_AUDIT_PROFILE": "a"}, "of-a", "of-a"),
        (None, None, {"WEBEX_AUDIT_PROFILE": ""}, "of-default", "of-default"),
        (None, "b", {"WEBEX_AUDIT_PROFILE": "a"}, "of-b", "of-b"),
        (None, None, {"WEBEX_AUDIT_CONFIG": "own.toml"}, "of-own", "of-default"),
        (None, "a", {"WEBEX_AUDIT_CONFIG": "own.toml"}, "of-a", "of-a"),
        (None, None, {"WEBEX_AUDIT_CONFIG": "own.toml", "WEBEX_AUDIT_PROFILE": "a"}, "of-own", "of-a"),
        ("own.toml", "a", {}, "of-own", "of-a"),
        ("own.toml", None, {"WEBEX_AUDIT_PROFILE": "b", "WEBEX_AUDIT_CONFIG": "other.toml"}, "of-own", "of-b"),
    ],
)
def test_a_flag_goes_before_a_variable_and_a_file_before_that_of_a_profile(
    config_file: str | None, profile: str | None, environment: dict[str, str], output: str, login: str
) -> None:
    settings = load(config_file, environment, {}, profile)
    assert (settings.output.path, settings.webex.client_id) == (output, login)


@pytest.mark.parametrize(
    ("flags", "environment", "client_id", "refresh_token_file"),
    [
        ({}, {}, "of-default", "/tokens/refresh-token"),
        ({"webex.client_id": "of-default"}, {}, "of-default", "/tokens/refresh-token"),
        ({"webex.client_id": "other"}, {}, "other", None),
        ({"webex.base_url": "https://webexapis.com/v1/"}, {}, "of-default", "/tokens/refresh-token"),
        ({"webex.base_url": "https://api-usgov.webex.com/v1"}, {}, None, None),
        ({"webex.token_file": "token"}, {}, None, None),
        ({}, {"WEBEX_AUDIT_WEBEX_TOKEN_COMMAND": "vault"}, None, None),
        ({}, {"WEBEX_AUDIT_WEBEX_REFRESH_TOKEN_FILE": "/tokens/../tokens/x"}, None, "/tokens/../tokens/x"),
        ({}, {"WEBEX_AUDIT_WEBEX_REFRESH_TOKEN_FILE": "/tokens/refresh-token"}, "of-default", "/tokens/refresh-token"),
    ],
)
def test_a_login_fills_in_what_agrees_with_it(
    flags: dict[str, str], environment: dict[str, str], client_id: str | None, refresh_token_file: str | None
) -> None:
    webex = load(None, environment, flags).webex
    assert (webex.client_id, webex.refresh_token_file) == (client_id, refresh_token_file)


def test_a_secret_file_of_the_configuration_goes_before_that_of_the_login() -> None:
    webex = load(None, {}, {"webex.client_secret_file": "/new/secret"}).webex
    assert (webex.client_secret_file, webex.client_id) == ("/new/secret", "of-default")


def test_a_home_in_the_path_of_the_token_means_the_same_file() -> None:
    logged_in(Profile(), refresh_token_file=str(expand("~/token")))
    webex = load(None, {"WEBEX_AUDIT_WEBEX_REFRESH_TOKEN_FILE": "~/token"}, {}).webex
    assert webex.client_id == LOGIN.client_id


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"base_url": 5}',
        "null",
        '"x"',
        '{"client_id": "C"}',
        "\x00",
        "[" * 5000,
        '{"a": ' + "9" * 70_000,
    ],
)
def test_a_damaged_record_is_a_warning_and_no_login(content: str, caplog: pytest.LogCaptureFixture) -> None:
    file = login_file(Profile())
    assert file
    file.write_text(content)
    with pytest.raises(DamagedError, match="'webex-audit login' writes it anew"):
        read_login(Profile())
    assert load(None, {}, {}).webex.client_id is None
    assert "is damaged" in caplog.text


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("plant", ["link", "folder", "pipe"])
def test_what_is_not_a_file_in_the_place_of_the_record_is_not_read(plant: str, tmp_path: Path) -> None:
    file = login_file(Profile())
    assert file
    file.rename(tmp_path / "elsewhere.json")
    {
        "link": lambda: file.symlink_to(tmp_path / "elsewhere.json"),
        "folder": file.mkdir,
        "pipe": lambda: os.mkfifo(file),
    }[plant]()
    with pytest.raises(DamagedError):
        read_login(Profile())


@pytest.mark.attack("redaction")
@pytest.mark.parametrize("url", ["http://evil.example/v1", "https://user:pass@evil.example", "file:///etc", "x"])
def test_a_forged_record_sends_no_token_to_an_unsafe_address(url: str) -> None:
    logged_in(Profile(), base_url=url)
    with pytest.raises(UsageError, match=r"webex\.base_url"):
        load(None, {}, {})


def test_unknown_members_of_a_record_of_a_newer_version_are_no_fault() -> None:
    file = login_file(Profile())
    assert file
    file.write_text(json.dumps(json.loads(file.read_text()) | {"new": 1}))
    assert read_login(Profile())


def test_profiles_are_listed_once_with_the_default_first(tmp_path: Path) -> None:
    configured(Profile("c"), "x")
    logged_in(Profile("d"))
    stray = Profile("c").config_file
    assert stray
    stray.with_name("Not a name.toml").write_text("")
    assert [each.name for each in known_profiles()] == ["default", "a", "b", "c", "d"]


def test_a_name_is_refused_before_it_becomes_a_path() -> None:
    for name in ("../a", "a/", "A", "a b", "", "a\n", "é"):
        with pytest.raises(UsageError, match="expected up to 63 lower-case letters"):
            profile_of(name, {})


def test_a_user_without_a_home_has_no_profiles_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)
    assert known_profiles() == []
    assert load(None, {}, {}).webex.client_id is None


@pytest.mark.parametrize("home", ["/dev/null", "/dev/null/x", "/nonexistent"])
def test_a_home_folder_that_is_not_a_folder_has_no_login_and_no_warning(
    home: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", home)
    assert load(None, {}, {}).webex.client_id is None
    assert (known_profiles(), caplog.records) == ([], [])


@pytest.mark.parametrize("name", ["custmer-a", "customer-b", "defualt"])
def test_a_mistyped_profile_is_an_error_beside_a_named_configuration_too(name: str, tmp_path: Path) -> None:
    configured(Profile("customer-a"), "out")
    file = tmp_path / "own.toml"
    file.write_text(f"[webex]\ntoken_file = '{tmp_path}/token'\n")
    with pytest.raises(UsageError, match=f"there is no profile {name}"):
        load(str(file), {}, {}, name)
    with pytest.raises(UsageError, match=f"there is no profile {name}"):
        load(None, {"WEBEX_AUDIT_CONFIG": str(file), "WEBEX_AUDIT_PROFILE": name}, {})
    assert load(str(file), {}, {}, "customer-a").webex.token_file
