"""Whole runs in which something other than the API answers, or the API answers in an odd form."""

from collections.abc import Callable

import pytest
from harness import Where

from audit.outcome import Outcome
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

Audit = Callable[..., Snapshot]


def of_some(kind: str, organization: Organization) -> Where:
    """A fault for the settings of three rooms."""
    ids = [organization.workspace(index)["id"] for index in (1, 2, 5)]
    return Where(kind, *(f"{webex_id}/pushtotalk" for webex_id in ids))


@pytest.mark.few(5)
@pytest.mark.parametrize(
    "kind", ["404-html", "404-empty", "404-json", "404-message", "302", "204", "html", "200-message"]
)
@pytest.mark.parametrize("is_all", [True, False])
def test_what_is_not_the_api_says_nothing_of_a_room(kind: str, audit: Audit, *, is_all: bool) -> None:
    organization = Organization(30, odd=False)
    faults = Where(kind, "pushtotalk") if is_all else of_some(kind, organization)
    snapshot = audit(Simulation(organization, faults))
    outcomes = snapshot.manifest.outcomes["push_to_talk"]
    assert snapshot.manifest.status == "partial"
    assert Outcome.NOT_FOUND not in outcomes
    assert outcomes[Outcome.INVALID_RESPONSE] >= (20 if is_all else 3)


@pytest.mark.parametrize("kind", ["bom", "odd-number", "odd-text"])
def test_an_odd_form_of_every_answer_costs_nothing(kind: str, audit: Audit) -> None:
    organization = Organization(30, odd=False)
    plain = audit(Simulation(organization))
    odd = audit(Simulation(organization, Where(kind, "/")))
    assert odd.manifest.status == "complete"
    assert {name: table.digest for name, table in odd.manifest.tables.items() if name != "coverage"} == {
        name: table.digest for name, table in plain.manifest.tables.items() if name != "coverage"
    }


@pytest.mark.parametrize("kind", ["null-member", "too-long"])
def test_an_answer_that_can_not_be_kept_is_invalid_and_harms_no_other(kind: str, audit: Audit) -> None:
    organization = Organization(30, odd=False)
    simulation = Simulation(organization, of_some(kind, organization))
    snapshot = audit(simulation)
    assert snapshot.manifest.outcomes["push_to_talk"][Outcome.INVALID_RESPONSE] == 3
    asked = [url for url in simulation.log if "pushToTalk" in url]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("quirk", ["single-quotes", "no-brackets", "long-link", "unreadable-link", "lost-link"])
def test_a_snapshot_has_every_room_whatever_the_form_of_links(quirk: str, audit: Audit) -> None:
    snapshot = audit(Simulation(Organization(45, odd=False), parse(quirk), max_page=10))
    assert (snapshot.manifest.status, snapshot.manifest.orgs[0].entities) == ("complete", 45)
