"""A login on another device, against the simulator's endpoints over real HTTP and in virtual time."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from browsing import Page, decided
from signing_in import SCOPES, on_a_device, with_desk

from audit.config import Profile, read_login
from audit.errors import RefusedError, StoppedError
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.webex.device import DeviceCode, Ended, Pending, judge_device_code, judge_poll
from audit.webex.grant import Grant, Refusal, Trouble

OWN = Organization(4, people=2, odd=False)
CODE = {"device_code": "d3vice", "user_code": "729703", "verification_uri": "https://example.com/verify"}


def accepts(code: DeviceCode) -> Page:
    return decided(code.uri_complete or "")


def nothing(_: DeviceCode) -> None:
    pass


def simulation(faults: str = "", secret: str | None = "cl13nt-s3cret") -> Simulation:
    return Simulation(OWN, parse(faults), client_secret=secret)


@pytest.mark.parametrize(
    "faults", ["", "device-pending-400", "device-slow-down", "device-pending-400,device-slow-down"]
)
def test_a_code_that_is_entered_elsewhere_brings_a_token(tmp_path: Path, faults: str) -> None:
    login = with_desk(simulation(faults), tmp_path, on_a_device(accepts))
    assert login.scopes == sorted(SCOPES)
    assert login == read_login(Profile())


def test_a_code_may_also_be_typed(tmp_path: Path) -> None:
    assert with_desk(
        simulation(), tmp_path, on_a_device(lambda code: decided(code.uri, userCode=code.user_code))
    ).scopes


def test_polls_keep_their_distance_and_slow_down(tmp_path: Path) -> None:
    made = simulation("device-slow-down,device-pending-400")
    with pytest.raises(StoppedError, match="the code has expired: nobody has entered it within 5 minutes"):
        with_desk(made, tmp_path, on_a_device(nothing))
    polls = sum(line.startswith("POST /v1/device/token") for line in made.log)
    # Two polls after 2 s and 7 s; then one every 12 s, up to 300 s.
    assert polls == 2 + (300 - 9) // 12


def test_without_a_request_to_slow_down_polls_come_every_two_seconds(tmp_path: Path) -> None:
    made = simulation()
    with pytest.raises(StoppedError):
        with_desk(made, tmp_path, on_a_device(nothing))
    assert sum(line.startswith("POST /v1/device/token") for line in made.log) == pytest.approx(150, abs=1)


def test_a_code_that_the_server_calls_expired_ends_the_login(tmp_path: Path) -> None:
    with pytest.raises(StoppedError, match="the code has expired"):
        with_desk(simulation("device-expired"), tmp_path, on_a_device(nothing))


@pytest.mark.parametrize(
    ("faults", "act"),
    [("device-decline", nothing), ("", lambda code: decided(code.uri_complete, "decline"))],
)
def test_a_person_who_declines_ends_the_login(tmp_path: Path, faults: str, act: Callable[[DeviceCode], object]) -> None:
    with pytest.raises(RefusedError, match="access was denied on the other device"):
        with_desk(simulation(faults), tmp_path, on_a_device(act))


def test_a_wrong_secret_is_named(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="the client id or its secret is refused"):
        with_desk(simulation(secret="another"), tmp_path, on_a_device(nothing))


def test_a_refused_device_code_says_which_redirect_uris_are_needed(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"redirect URIs: https://oauth-helper-a.wbx2.com/.*-d.wbx2.com"):
        with_desk(simulation(), tmp_path, on_a_device(nothing), client_id="")


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (428, {}, Pending()),
        (428, {"message": "later", "errors": [{"description": "authorization_pending"}]}, Pending()),
        (400, {"error": "authorization_pending"}, Pending()),
        (400, {"errors": [{"description": "authorization_pending"}], "message": "x"}, Pending()),
        (400, {"error": "slow_down"}, Pending(is_slow=True)),
        (400, {"message": "slow_down"}, Pending(is_slow=True)),
        (400, {"errors": [None, {"description": 5}, {"description": "slow_down"}]}, Pending(is_slow=True)),
        (400, {"error": "expired_token"}, Ended(is_denied=False)),
        (400, {"error": "invalid_grant"}, Ended(is_denied=False)),
        (403, {"error": "access_denied"}, Ended(is_denied=True)),
        (400, {"errors": [{"description": "access_denied"}]}, Ended(is_denied=True)),
    ],
)
def test_each_answer_to_a_poll_has_a_meaning_wherever_its_code_stands(
    status: int, body: dict[str, object], meaning: object
) -> None:
    assert judge_poll(status, {}, json.dumps(body).encode()) == meaning


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"access_token": "a"}, Grant),
        (400, {"error": "invalid_client"}, Refusal),
        (401, {"error": "unauthorized_client"}, Refusal),
        (429, {}, Trouble),
        (503, {}, Trouble),
        (200, {}, Trouble),
        (200, ["authorization_pending"], Trouble),
    ],
)
def test_other_answers_mean_what_they_mean_elsewhere(status: int, body: object, kind: type) -> None:
    assert isinstance(judge_poll(status, {}, json.dumps(body).encode()), kind)


@pytest.mark.parametrize(
    ("given", "lifetime_s", "interval_s"),
    [
        ({}, 300, 5),
        ({"expires_in": "600", "interval": "2"}, 600, 2),
        ({"expires_in": -1, "interval": -1}, 300, 5),
        ({"expires_in": 1e300, "interval": 1e300}, 300, 5),
        ({"expires_in": 99_999, "interval": 3600}, 1800, 60),
        ({"expires_in": None, "interval": 0.001}, 300, 1),
    ],
)
def test_odd_times_of_a_device_code_are_bounded(given: dict[str, object], lifetime_s: float, interval_s: float) -> None:
    code = judge_device_code(200, {}, json.dumps(CODE | given).encode())
    assert isinstance(code, DeviceCode)
    assert (code.lifetime_s, code.interval_s) == (lifetime_s, interval_s)


@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.parametrize(
    "given",
    [
        {"user_code": "7297\x1b[2J03"},
        {"user_code": "729703\nopen https://evil.example"},
        {"user_code": 729703},
        {"user_code": "x" * 200},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "http://evil.example/verify"},
        {"verification_uri": "https://webex.com@evil.example/verify"},
        {"verification_uri": "https://example.com/\x1b]8;;"},
        {"verification_uri": "https://example.com/ --x"},
        {"verification_uri": "https://[::1/"},
        {"verification_uri": "file:///etc/passwd"},
        {"device_code": "a\r\nb"},
        {"device_code": ""},
        {"device_code": ["x"]},
    ],
)
def test_a_device_code_that_could_mislead_a_person_or_a_terminal_is_refused(given: dict[str, object]) -> None:
    assert isinstance(judge_device_code(200, {}, json.dumps(CODE | given).encode()), Trouble)


@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.parametrize("page", ["javascript:alert(1)", "http://evil.example/", "https://a@b/", 5, "https://x\n"])
def test_an_unsafe_complete_page_is_left_out(page: object) -> None:
    code = judge_device_code(200, {}, json.dumps(CODE | {"verification_uri_complete": page}).encode())
    assert isinstance(code, DeviceCode)
    assert code.uri_complete is None
