"""What a user reads of a 403: our own words, and those of the API once, with `--verbose`."""

import json
from collections.abc import Callable

import pytest
from harness import Result, Where

from audit.errors import StoppedError
from audit.simulator.answers import MESSAGES
from audit.simulator.app import ADMIN_TOKEN, UNSCOPED_TOKEN, Simulation
from audit.simulator.faults import Faults
from audit.simulator.organization import Organization
from audit.simulator.simulation import ADMIN_SCOPES

Api = Callable[[Simulation], str]
THEIRS = MESSAGES["403"]
LISTS_ONLY = {ADMIN_TOKEN: frozenset({"spark-admin:people_read", "spark:people_read"})}
NO_NAMES = {ADMIN_TOKEN: ADMIN_SCOPES - {"spark-admin:locations_read", "spark-admin:organizations_read"}}


@pytest.mark.parametrize(
    ("command", "tokens", "ours"),
    [
        ("run", {UNSCOPED_TOKEN: frozenset[str]()}, "error: the token may not read /workspaces (403): it needs"),
        (
            "run --dataset answer-settings --entity person",
            LISTS_ONLY,
            "the token may not read answer_settings of any person (403",
        ),
        ("run", NO_NAMES, "names can't be read, so they are left out: the token may not read /"),
        ("doctor", {UNSCOPED_TOKEN: frozenset[str]()}, "the token may not read /workspaces (403): it needs"),
        ("doctor --dataset answer-settings --entity person", LISTS_ONLY, "can't be read (HTTP 403, "),
        ("doctor", NO_NAMES, "names can't be read (403): the scope spark-admin:locations_read may add names"),
    ],
    ids=["run without scopes", "run that lists", "run without names", "doctor", "doctor that lists", "doctor names"],
)
def test_a_refusal_is_in_our_words_and_those_of_the_api_come_with_verbose(
    command: str,
    tokens: dict[str, frozenset[str]],
    ours: str,
    api: Api,
    webex_audit: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", next(iter(tokens)))
    monkeypatch.setenv("WEBEX_AUDIT_BASE_URL", api(Simulation(Organization(8), tokens=tokens)))
    told = webex_audit(*command.split())
    assert ours in told.err + told.out
    assert THEIRS not in told.err + told.out
    told = webex_audit(*command.split(), "--verbose", "--output", "other")
    assert ours in told.err + told.out
    assert f"the API says: {THEIRS}" in told.err
    assert told.err.count(THEIRS) == 1


@pytest.fixture
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)


@pytest.mark.parametrize(
    ("refused", "arguments", "code"),
    [
        ("pushtotalk", ("run",), 4),
        ("pushtotalk", ("run", "--entity", "person", "--dataset", "push-to-talk"), 4),
        ("answersettings", ("run", "--dataset", "push-to-talk", "--dataset", "answer-settings"), 3),
        ("/people/", ("run", "--entity", "workspace", "--entity", "person"), 3),
    ],
    ids=["rooms", "people", "one dataset of two", "one kind of two"],
)
@pytest.mark.usefixtures("_token")
@pytest.mark.slow
def test_a_kind_that_is_refused_whole_is_one_line(
    refused: str, arguments: tuple[str, ...], code: int, api: Api, webex_audit: Callable[..., Result]
) -> None:
    """Not one for each of the answers that led to the verdict, of which `--verbose` tells."""
    url = api(Simulation(Organization(25, people=25, odd=False), Where("403", refused)))
    told = webex_audit(*arguments, "--base-url", url)
    assert told.code == code
    (line,) = [each for each in told.err.splitlines() if "(403" in each]
    assert " of any " in line
    told = webex_audit(*arguments, "--base-url", url, "--output", "other", "--verbose", "--log-format", "json")
    lines = [json.loads(each) for each in told.err.splitlines()]
    refusals = [each for each in lines if "the token may not read it (403)" in each["message"]]
    assert len(refusals) > 10
    assert all(each["tracking_id"] and each["entity_id"] for each in refusals)


@pytest.mark.usefixtures("_token")
@pytest.mark.parametrize("index", [0, 3, 24])
def test_a_refusal_of_a_single_room_is_a_line_of_its_own(
    index: int, api: Api, webex_audit: Callable[..., Result]
) -> None:
    own = Organization(25, odd=False)
    url = api(Simulation(own, Where("403", own.workspace(index)["id"])))
    told = webex_audit("run", "--base-url", url)
    assert told.code == 3
    (line,) = [each for each in told.err.splitlines() if "(403" in each]
    assert line.endswith(": forbidden: the token may not read it (403)")


class FirstRefused(Faults):
    """The first room is refused, and no answer of the others comes."""

    refused: str | None = None

    def next(self, url: str) -> str | None:
        if "pushtotalk" not in url.lower():
            return None
        self.refused = self.refused or url
        return "403" if url == self.refused else "hang"


def test_what_waits_for_the_verdict_is_told_if_the_run_stops_before(
    audit: Callable[..., object], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"), pytest.raises(StoppedError):
        audit(Simulation(Organization(5, odd=False), FirstRefused()), run__deadline="10s")
    assert ": forbidden: the token may not read it (403)" in caplog.text
