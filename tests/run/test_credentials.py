import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from harness import VirtualClock

from audit.config import Named, Profile, WebexSettings
from audit.errors import UsageError
from audit.run.credentials import find_tokens
from audit.webex.oauth import OAuthTokens
from audit.webex.tokens import CommandTokens, Token

ENVIRONMENT = {"WEBEX_ACCESS_TOKEN": "of-environment"}


def token(settings: WebexSettings, environment: dict[str, str], **options: Any) -> Token:
    return asyncio.run(find_tokens(settings, environment, VirtualClock(), **options).get())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("of-file")
    path.chmod(0o600)
    return path


def test_a_flag_goes_before_the_environment_and_that_before_the_file(file: Path) -> None:
    settings = WebexSettings(token_file=str(file), token_command="echo x")
    assert token(settings, ENVIRONMENT, named=Named(by_file=True)) == Token("of-file")
    assert token(settings, ENVIRONMENT) == Token("of-environment")
    assert token(WebexSettings(token_file=str(file)), {}) == Token("of-file")
    assert token(WebexSettings(token_file="/nowhere"), ENVIRONMENT) == Token("of-environment")


def test_the_token_of_a_named_profile_goes_before_the_environment(file: Path) -> None:
    named = Named(by_profile=True, profile=Profile("customer-a"))
    for settings in (WebexSettings(token_file=str(file)), WebexSettings(token_command="echo of-file")):
        assert token(settings, ENVIRONMENT, named=named) == Token("of-file")
    app = WebexSettings(client_id="C", client_secret_file=str(file), refresh_token_file=str(file))
    assert isinstance(find_tokens(app, ENVIRONMENT, VirtualClock(), named), OAuthTokens)


def test_a_named_profile_without_a_token_does_not_take_that_of_the_environment() -> None:
    named = Named(by_profile=True, profile=Profile("customer-a"))
    with pytest.raises(
        UsageError, match=r"^profile customer-a has no access token, and WEBEX_ACCESS_TOKEN is not used"
    ):
        token(WebexSettings(), ENVIRONMENT, named=named)
    assert token(WebexSettings(), ENVIRONMENT, named=Named(profile=Profile("customer-a"))) == Token("of-environment")


@pytest.mark.parametrize("settings", [{}, {"client_id": "C", "client_secret_file": "s"}])
def test_a_profile_without_a_login_is_told_how_to_sign_in(settings: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="'webex-audit login --profile customer-a'"):
        token(WebexSettings(**settings), {}, named=Named(profile=Profile("customer-a")))


@pytest.mark.parametrize("name", ["customer-a", "default", "x"])
def test_a_named_profile_is_not_advised_to_set_the_variable_that_it_never_uses(name: str) -> None:
    profile = Profile(name)
    with pytest.raises(UsageError) as caught:
        token(WebexSettings(), {}, named=Named(by_profile=True, profile=profile))
    assert "WEBEX_ACCESS_TOKEN" not in str(caught.value)
    with pytest.raises(UsageError, match="or set WEBEX_ACCESS_TOKEN, --token-file or a key"):
        token(WebexSettings(), {}, named=Named(profile=profile))


def test_the_one_configured_source_is_taken(file: Path) -> None:
    command = find_tokens(WebexSettings(token_command="echo t"), {}, VirtualClock())
    assert isinstance(command, CommandTokens)
    app = WebexSettings(client_id="C", client_secret_file=str(file), refresh_token_file=str(file))
    assert isinstance(find_tokens(app, {}, VirtualClock()), OAuthTokens)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (WebexSettings(), "no access token: 'webex-audit login'"),
        (WebexSettings(token_file="/nowhere"), "token file /nowhere: No such file"),
        (WebexSettings(token_command="x", client_id="C"), "keep one of webex.token_command, webex.client_id"),
        (WebexSettings(client_id="C"), "webex.client_id needs webex.client_secret_file too"),
    ],
)
def test_what_is_wrong_with_the_sources_is_told(settings: WebexSettings, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        token(settings, {})


def test_a_secret_open_to_others_is_warned_of(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        token(WebexSettings(token_file=str(file)), {})
    assert "can be read by other users: chmod 600 it" in caplog.text


@pytest.mark.parametrize("content", [None, "", "\n", b"\xff\xfe\x00\xd8"])
@pytest.mark.parametrize("profile", ["default", "customer-a"])
def test_a_refresh_token_that_is_lost_names_the_command_that_stores_another(
    content: str | bytes | None, profile: str, file: Path, tmp_path: Path
) -> None:
    lost = tmp_path / "refresh-token"
    if content is not None:
        lost.write_bytes(content.encode() if isinstance(content, str) else content)
    app = WebexSettings(client_id="C", client_secret_file=str(file), refresh_token_file=str(lost))
    with pytest.raises(UsageError) as caught:
        find_tokens(app, {}, VirtualClock(), Named(profile=Profile(profile)))
    assert str(caught.value).startswith(f"refresh token file {lost}")
    assert str(caught.value).endswith(f"; 'webex-audit login{Profile(profile).option}' stores a new refresh token")
