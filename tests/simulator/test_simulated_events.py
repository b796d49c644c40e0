"""The simulator answers the administrators' log as section 10 of the notes on the API says."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from fetching import fetch, pages, statuses
from harness import without
from openapi_schema_validator import OAS30Validator

from audit.simulator.app import Simulation
from audit.simulator.changed import Changed
from audit.simulator.faults import parse
from audit.simulator.organization import Organization

PLAIN = Organization(40, odd=False, people=60)
ODD = Organization(40, people=60)
UUID = PLAIN._seed.uuid("organization", 0)
AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
WEEK = "from=2026-11-15T00:00:00.000Z&to=2026-11-22T12:00:00.000Z"
YEAR = "from=2025-11-24T00:00:00.000Z&to=2026-11-22T12:00:00.000Z"
TEXTS = {f"{who}{what}" for who in ("actor", "target") for what in ("Name", "OrgName")} | {
    "actorEmail",
    "actorIp",
    "actorUserAgent",
    "eventCategory",
    "eventDescription",
    "actionText",
}
TEXTS |= {"targetType", "targetId", "targetOrgId", "trackingId"}
#: `AuditEvent` of the official document: no field is required, and none else is documented.
EVENT = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "created": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
        "actorId": {"type": "string"},
        "actorOrgId": {"type": "string"},
        "data": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "adminRoles": {"type": "array", "items": {"type": "string"}},
                **{name: {"type": "string"} for name in TEXTS},
            },
        },
    },
}


def path_of(query: str = WEEK, org_id: str = PLAIN.org_id) -> str:
    return f"/adminAudit/events?orgId={org_id}&{query}"


def events_of(organization: Organization, query: str = YEAR, quirks: str = "") -> list[Any]:
    simulation = Simulation(organization, parse(quirks))
    return [
        each for page in pages(simulation, f"{path_of(query, organization.org_id)}&max=200") for each in page["items"]
    ]


def test_events_are_as_the_document_says() -> None:
    events = events_of(PLAIN, WEEK)
    assert len(events) == 29
    assert [error.message for each in events for error in OAS30Validator(EVENT).iter_errors(each)] == []
    assert all("2026-11-15" < each["created"] < "2026-11-22T12" for each in events)
    assert len({each["id"] for each in events}) == len(events)


def test_the_log_needs_a_scope_of_its_own() -> None:
    categories = "/adminAudit/eventCategories"
    assert statuses(Simulation(PLAIN), path_of(), categories) == [200, 200]
    simulation = Simulation(PLAIN, tokens=without("audit:events_read"))
    assert statuses(simulation, path_of(), categories, "/workspaces") == [403, 403, 200]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "from=2026-11-15T00:00:00.000Z",
        "from=2026-11-15&to=2026-11-16",
        "from=2026-11-15T00:00:00Z&to=2026-11-16T00:00:00Z",
        "from=2026-13-15T00:00:00.000Z&to=2026-11-16T00:00:00.000Z",
        "from=2026-11-16T00:00:00.000Z&to=2026-11-15T00:00:00.000Z",
        "from=2024-11-15T00:00:00.000Z&to=2026-11-15T00:00:00.000Z",
    ],
)
def test_both_ends_are_needed_in_the_exact_form_and_at_most_a_year_apart(query: str) -> None:
    assert statuses(Simulation(PLAIN), path_of(query)) == [400]


def test_the_organization_is_needed_as_an_id_or_as_a_uuid() -> None:
    other = Organization(3, seed=2)
    simulation = Simulation(PLAIN, customers=(other,))
    paths = [path_of(org_id=each) for each in ("", UUID, other.org_id, "8c9fd285-6500-4518-856e-eb836c6761d8")]
    assert statuses(simulation, f"/adminAudit/events?{WEEK}", *paths) == [400, 400, 200, 200, 403]


def test_pages_hold_at_most_200_events_and_go_on_by_link_or_by_offset() -> None:
    first, *others = pages(Simulation(PLAIN), f"{path_of(YEAR)}&max=1000")
    assert (len(first["items"]), len(others)) == (200, 7)
    assert len(pages(Simulation(PLAIN), path_of(YEAR))[0]["items"]) == 100
    unlinked = Simulation(PLAIN, parse("no-link"))
    (_, page, headers), (_, beyond, _) = fetch(unlinked, *(f"{path_of(YEAR)}&offset={each}" for each in (1400, 9999)))
    assert page["items"] == others[-1]["items"]
    assert ("Link" in headers, beyond["items"]) == (False, [])


def test_duplicates_may_stand_at_the_border_of_pages() -> None:
    events = events_of(PLAIN, YEAR, "duplicate")
    assert len(events) == len({each["id"] for each in events}) + 7


def test_events_may_be_of_a_kind_that_no_document_mentions() -> None:
    events = events_of(ODD)
    told = [each["data"] for each in events if each.get("data")]
    assert any(each["eventCategory"].startswith("EventCategory.") for each in told)
    assert any("errorCode" in each for each in told)
    assert any("clientId" in each for each in told)
    assert any("PIN" in each["actionText"] for each in told)
    assert any(len(each["actionText"]) > 100_000 for each in told)
    assert {each.get("actorOrgId") != ODD.org_id for each in events} == {True, False}
    for key in ("id", "created", "data"):
        assert any(key not in each for each in events)


def test_events_are_chosen_by_category_and_by_actor() -> None:
    logins = events_of(PLAIN, f"{WEEK}&eventCategories=LOGINS,LOGOUT")
    assert {each["data"]["eventCategory"] for each in logins} == {"LOGINS", "LOGOUT"}
    assert events_of(PLAIN, f"{WEEK}&eventCategories=LOGINS&eventCategories=LOGOUT") == logins
    assert len(events_of(PLAIN, f"{WEEK}&actorId={quote(PLAIN.member(0)['id'])}")) == 29
    assert events_of(PLAIN, f"{WEEK}&actorId=nobody") == []


def test_a_change_has_events_in_several_forms_and_sometimes_none() -> None:
    changed = Changed.of(Organization(300, odd=False, people=300), 0.5, AT)
    events = [each for each in events_of(changed, WEEK) if each["created"] == "2026-11-22T03:00:00.000Z"]
    told = [each["data"] for each in events]
    for key in ("entityId", "targetId", "ownerId", "updatedSettings", "errorCode", "clientId"):
        assert any(key in each for each in told)
    left = {changed.member(index)["id"] for index in range(300) if changed.has_left(index)}
    assert {each["targetId"] for each in told if each["eventCategory"] == "USERS"} == left
    assert events_of(Changed.of(Organization(300, odd=False, people=300), 0.5), WEEK) == events_of(
        Organization(300, odd=False, people=300), WEEK
    )
