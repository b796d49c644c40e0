"""What a user reads of a 403: our own words, and those of the API once, with `--verbose`."""

from collections.abc import Callable

import pytest
from harness import Result

from audit.simulator.answers import MESSAGES
from audit.simulator.app import ADMIN_TOKEN, UNSCOPED_TOKEN, Simulation
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
        ("run --dataset answer-settings --entity person", LISTS_ONLY, "the token may not read it (403)"),
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
