"""The simulator's pages to sign in: what they grant, and what they refuse."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from browsing import Page, decided, fetch, redirected

from audit.simulator.app import Simulation
from audit.simulator.faults import parse

VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REDIRECT = "http://127.0.0.1:1/callback"
ASKED = {
    "response_type": "code",
    "client_id": "C",
    "redirect_uri": REDIRECT,
    "scope": "b a",
    "state": "s&<",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
Api = Callable[[Simulation], str]


def page_of(base_url: str, **changes: str | None) -> str:
    return f"{base_url}/authorize?{urlencode({name: text for name, text in (ASKED | changes).items() if text})}"


def code_of(base_url: str, **changes: str | None) -> str:
    return parse_qs(urlsplit(redirected(page_of(base_url, **changes))).query)["code"][0]


def redeemed(base_url: str, good: str, **changes: str) -> Page:
    form = {
        "grant_type": "authorization_code",
        "client_id": "C",
        "client_secret": "S",
        "code": good,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    return fetch(f"{base_url}/access_token", form | changes)


def test_a_code_brings_the_scopes_that_were_asked_for(api: Api) -> None:
    simulation = Simulation()
    base_url = api(simulation)
    granted = redeemed(base_url, code_of(base_url))
    assert granted.status == 200
    assert '"scope": "a b"' in granted.text
    assert frozenset({"a", "b"}) in simulation.tokens.values()


def test_the_answer_brings_the_state_back_as_it_was(api: Api) -> None:
    url = redirected(page_of(api(Simulation())))
    assert url.startswith(f"{REDIRECT}?")
    assert parse_qs(urlsplit(url).query)["state"] == ["s&<"]


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"redirect_uri": "http://127.0.0.1:2/callback"},
        {"client_id": "D"},
        {"code": "another"},
    ],
)
def test_a_code_is_good_only_with_all_that_belongs_to_it(api: Api, changes: dict[str, str]) -> None:
    base_url = api(Simulation())
    answer = redeemed(base_url, code_of(base_url), **changes)
    assert (answer.status, "invalid_grant" in answer.text) == (400, True)


def test_a_code_is_good_once(api: Api) -> None:
    base_url = api(Simulation())
    code = code_of(base_url)
    assert [redeemed(base_url, code).status for _ in range(3)] == [200, 400, 400]


@pytest.mark.parametrize("secret", ["", "wrong"])
def test_a_wrong_client_secret_is_refused(api: Api, secret: str) -> None:
    base_url = api(Simulation(client_secret="S"))
    assert redeemed(base_url, code_of(base_url), client_secret=secret).status == 401


@pytest.mark.parametrize(
    "changes",
    [{"response_type": "token"}, {"client_id": None}, {"redirect_uri": None}, {"scope": None},
     {"code_challenge_method": "plain"}],
)  # fmt: skip
def test_a_request_that_lacks_something_gets_no_form(api: Api, changes: dict[str, str | None]) -> None:
    page = fetch(page_of(api(Simulation()), **changes))
    assert (page.status, "<form" in page.text) == (400, False)


def test_the_page_shows_names_as_text(api: Api) -> None:
    page = fetch(page_of(api(Simulation()), client_id="<script>x</script>", scope='"><b>'))
    assert "<script>" not in page.text
    assert "<b>" not in page.text


def test_a_refresh_token_of_a_login_keeps_its_scopes(api: Api) -> None:
    simulation = Simulation(faults=parse("token-rotate"))
    base_url = api(simulation)
    refresh = redeemed(base_url, code_of(base_url)).text.split('"refresh_token": "')[1].split('"')[0]
    form = {"grant_type": "refresh_token", "client_id": "C", "client_secret": "S", "refresh_token": refresh}
    assert fetch(f"{base_url}/access_token", form).status == 200
    assert list(simulation.tokens.values())[-1] == frozenset({"a", "b"})


def test_only_a_code_that_was_handed_out_can_be_entered(api: Api) -> None:
    assert decided(f"{api(Simulation())}/device/verify", userCode="000000x").status == 400
