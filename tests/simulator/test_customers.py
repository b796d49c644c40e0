"""A partner's token and the organizations that it manages."""

import pytest
from fetching import fetch, person_push_to_talk, push_to_talk, statuses, virtual_line_push_to_talk

from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization

OWN, ONE, OTHER = (Organization(5, seed=seed, odd=False, people=5, virtual_lines=2) for seed in (1, 2, 3))
LISTINGS = ["/workspaces", "/locations", "/people", "/licenses", "/telephony/config/virtualLines"]


def settings_of(organization: Organization) -> list[str]:
    return [
        push_to_talk(organization, 0),
        person_push_to_talk(organization, 0),
        virtual_line_push_to_talk(organization, 0),
    ]


def test_organizations_are_listed_with_the_own_one_first() -> None:
    ((_, body, _),) = fetch(Simulation(OWN, customers=(ONE, OTHER)), "/organizations")
    assert [each["id"] for each in body["items"]] == [OWN.org_id, ONE.org_id, OTHER.org_id]
    ((_, body, _),) = fetch(Simulation(OWN, customers=(ONE,), organizations_listed=(OTHER,)), "/organizations")
    assert [each["displayName"] for each in body["items"]] == [OTHER.name]
    ((_, body, _),) = fetch(Simulation(OWN, organizations_listed=()), "/organizations")
    assert body == {"items": []}


@pytest.mark.parametrize("listing", LISTINGS)
def test_an_organization_is_selected_by_its_id(listing: str) -> None:
    paths = [f"{listing}{query}" for query in ("", f"?orgId={ONE.org_id}", f"?orgId={OTHER.org_id}")]
    answers = fetch(Simulation(OWN, customers=(ONE,)), *paths)
    assert [status for status, _, _ in answers] == [200, 200, 403]
    firsts = [next(iter(body.values()))[0]["id"] for _, body, _ in answers[:2]]
    assert firsts[0] != firsts[1]


def test_an_entity_is_found_in_its_own_organization_only() -> None:
    simulation = Simulation(OWN, customers=(ONE,))
    assert statuses(simulation, *settings_of(OWN)) == [200, 200, 200]
    assert statuses(simulation, *settings_of(ONE)) == [404, 404, 404]
    assert statuses(simulation, *(f"{path}?orgId={ONE.org_id}" for path in settings_of(ONE))) == [200, 200, 200]
    assert statuses(simulation, *(f"{path}?orgId={ONE.org_id}" for path in settings_of(OWN))) == [404, 404, 404]


def test_some_operations_know_no_other_organization() -> None:
    answers = fetch(
        Simulation(OWN, customers=(ONE,)), f"/people/me?orgId={ONE.org_id}", f"/people/{ONE.person(1)['id']}"
    )
    assert (answers[0][1]["orgId"], answers[1][0]) == (OWN.org_id, 404)


def test_a_refused_organization_is_listed_and_closed() -> None:
    simulation = Simulation(OWN, customers=(ONE, OTHER), refused_organizations=frozenset({ONE.org_id}))
    ((_, body, _),) = fetch(simulation, "/organizations")
    assert ONE.org_id in {each["id"] for each in body["items"]}
    paths = [*LISTINGS, *settings_of(ONE)]
    assert set(statuses(simulation, *(f"{path}?orgId={ONE.org_id}" for path in paths))) == {403}
    assert set(statuses(simulation, *(f"{path}?orgId={OTHER.org_id}" for path in LISTINGS))) == {200}


def test_faults_of_an_organization_leave_the_others_alone() -> None:
    simulation = Simulation(
        OWN, parse("max-null"), customers=(ONE, OTHER), faults_of={ONE.org_id: parse("500@2,no-blank")}
    )
    paths = [f"/workspaces?max=2&orgId={each.org_id}" for each in (ONE, OTHER, ONE, ONE)]
    answers = fetch(simulation, *paths, "/workspaces?max=2")
    assert [status for status, _, _ in answers] == [200, 200, 500, 200, 200]
    links = [headers.get("Link", "") for _, _, headers in answers]
    assert [">;rel" in link for link in links] == [True, False, False, True, False]
    assert ["max=null" in link for link in links] == [False, True, False, False, True]


def test_each_organization_has_a_rate_limit_of_its_own() -> None:
    simulation = Simulation(OWN, customers=(ONE,), rate_limit_per_s=2, now_s=lambda: 0.0)
    own, one = "/workspaces", f"/workspaces?orgId={ONE.org_id}"
    assert statuses(simulation, own, own, f"{own}?orgId={OWN.org_id}", one, one, one) == [200, 200, 429, 200, 200, 429]
