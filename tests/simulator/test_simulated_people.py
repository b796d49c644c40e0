from functools import cache

import pytest
from fetching import fetch, pages, person_push_to_talk, statuses, virtual_line_push_to_talk

from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Json, Organization

MANY = Organization(people=3000)


@cache
def everybody() -> list[Json]:
    return [MANY.person(index, calling_data=True) for index in range(3000)]


def share(found: list[bool]) -> float:
    return sum(found) / len(found)


def test_a_person_is_the_same_as_its_member() -> None:
    for index in range(500):
        person, member = MANY.person(index, calling_data=True), MANY.member(index)
        assert (person["id"], person["displayName"]) == (member["id"], member["displayName"])
        assert [each.lower() for each in person["emails"]] == [member["email"]]
        assert person.get("extension", member["numbers"][0]["extension"]) == member["numbers"][0]["extension"]
        assert person.get("locationId") in {None, member.get("location", {}).get("id")}


def test_the_kinds_of_accounts_have_their_shares() -> None:
    assert share([person["type"] == "bot" for person in everybody()]) == pytest.approx(0.02, abs=0.01)
    assert share([person["type"] == "appuser" for person in everybody()]) == pytest.approx(0.01, abs=0.007)
    assert share(["extension" not in person for person in everybody()]) == pytest.approx(0.2, abs=0.03)
    refused = [MANY.person_refusal(index) for index in range(3000)]
    assert set(refused) == {None, 404}
    assert share([status == 404 for status in refused]) == pytest.approx(0.196, abs=0.03)


def test_a_person_without_calling_license_has_no_calling_data_and_no_push_to_talk() -> None:
    names = {each["id"]: each["name"] for each in MANY.licenses}
    for index, person in enumerate(everybody()):
        licenses = ",".join(person.get("licenses", ["unknown"])).split(",")
        if not any(names.get(each, each).startswith(("Webex Calling", "unknown")) for each in licenses):
            assert not person.keys() & {"locationId", "extension"}
            assert MANY.person_refusal(index) == 404
        if person["type"] != "person":
            assert (licenses, "siteUrls" in person, MANY.sites(index)) in [([""], False, []), (["unknown"], False, [])]


def test_the_odd_people_are_all_there() -> None:
    assert any("," in each for person in everybody() for each in person.get("licenses", []))
    assert any("licenses" not in person for person in everybody())
    assert {"false", False, True} <= {person["invitePending"] for person in everybody()}
    assert any("errors" in person for person in everybody())
    assert any(person["emails"][0].isupper() for person in everybody())


@pytest.mark.parametrize("seed", range(1, 20))
def test_the_caller_is_an_ordinary_calling_user(seed: int) -> None:
    organization = Organization(seed=seed)
    ((status, body, _),) = fetch(Simulation(organization), "/people/me?callingData=true")
    assert (status, body) == (200, organization.person(0, calling_data=True))
    assert (body["type"], body["extension"], organization.person_refusal(0)) == ("person", "0000", None)
    assert [site["siteUrl"] for site in organization.sites(0)] == list(organization.site_urls[:2])


def test_an_id_leads_back_to_its_person_and_no_other() -> None:
    organization, other = Organization(people=50), Organization(people=50, seed=2)
    assert [organization.person_index_of(organization.person(index)["id"]) for index in range(50)] == [*range(50)]
    for index in range(50):
        assert organization.person_index_of(other.person(index)["id"]) is None
        assert organization.person_index_of(organization.workspace(index)["id"]) is None
    assert organization.person_index_of(organization.person(50)["id"]) is None
    assert organization.person_index_of_email("USER0007@Example.com") == 7
    for unknown in ("user0050@example.com", "user00007@example.com", "user7@example.com", "", "user٠٠٠٧@example.com"):
        assert organization.person_index_of_email(unknown) is None


def test_an_id_leads_back_to_its_virtual_line_and_no_other() -> None:
    organization, other = Organization(), Organization(seed=2)
    ids = [organization.virtual_line(index)["id"] for index in range(21)]
    assert [organization.virtual_line_index_of(each) for each in ids] == [*range(20), None]
    assert organization.virtual_line_index_of(other.virtual_line(0)["id"]) is None
    assert organization.virtual_line_index_of(organization.person(0)["id"]) is None


def test_virtual_lines_hold_what_is_easily_forgotten() -> None:
    lines = [Organization(virtual_lines=300).virtual_line(index) for index in range(300)]
    assert not any("displayName" in line for line in lines)
    assert any("lastName" not in line for line in lines)
    assert {line["billingPlan"] for line in lines} == {"BCOCP1", "None"}
    settings = [Organization().virtual_line_push_to_talk(index) for index in range(300)]
    assert not any("location" in member for each in settings for member in each.get("members") or [])


def test_settings_of_people_and_virtual_lines_are_served() -> None:
    organization = Organization(people=200)
    for index in range(20):
        ((_, body, _),) = fetch(Simulation(organization), virtual_line_push_to_talk(organization, index))
        assert body == organization.virtual_line_push_to_talk(index)
    refused = next(index for index in range(200) if organization.person_refusal(index))
    ((status, body, _),) = fetch(Simulation(organization), person_push_to_talk(organization, refused))
    assert (status, body["errorCode"]) == (404, 4008)
    strangers = [person_push_to_talk(Organization(seed=2), 0), virtual_line_push_to_talk(Organization(seed=2), 0)]
    assert statuses(Simulation(organization), *strangers, "/people/Y2lz") == [404, 404, 404]


def test_pages_of_people_are_capped_without_a_word() -> None:
    location = MANY.locations[0]["id"]
    expected = {
        "/people": 100,
        "/people?max=1000": 400,
        "/people?max=1000&callingData=true": 100,
        f"/people?max=1000&locationId={location}": 50,
        f"/people?max=1000&locationId={location}&callingData=true": 50,
        "/people?max=7&start=5": 7,
    }
    answers = fetch(Simulation(MANY, max_page=400), *expected)
    assert [len(body["items"]) for _, body, _ in answers] == list(expected.values())
    assert answers[-1][1]["items"][0] == MANY.person(0)  # start is not known here
    assert all(f"max={size}" in answer[2]["Link"] for answer, size in zip(answers, expected.values(), strict=True))


def test_a_cursor_keeps_every_parameter_and_reaches_everybody() -> None:
    organization = Organization(people=250)
    query = f"callingData=true&excludeStatus=true&orgId={organization.org_id}"
    ((_, _, headers),) = fetch(Simulation(organization), f"/people?{query}&max=60")
    assert query in headers["Link"]
    assert "start=" not in headers["Link"]
    people = [person for page in pages(Simulation(organization), f"/people?{query}&max=60") for person in page["items"]]
    assert [person["id"] for person in people] == [organization.person(index)["id"] for index in range(250)]
    assert not any("status" in person or "lastActivity" in person for person in people)
    assert statuses(Simulation(organization), "/people?after=x", "/people?max=null") == [400, 400]


def test_a_location_lists_its_own() -> None:
    location = MANY.locations[2]["id"]
    listed = [
        each["id"] for page in pages(Simulation(MANY), f"/people?locationId={location}") for each in page["items"]
    ]
    assert listed == [person["id"] for person in everybody() if person.get("locationId") == location]


def test_people_are_found_by_address_and_by_id() -> None:
    organization = Organization(people=20)
    ids = [organization.person(index)["id"] for index in (4, 2)]
    answers = fetch(
        Simulation(organization),
        "/people?email=User0003@EXAMPLE.com",
        "/people?email=nobody@example.com",
        f"/people?id={ids[0]},unknown,{ids[1]}",
        f"/people?id={','.join(['x'] * 86)}",
    )
    assert [each["id"] for each in answers[0][1]["items"]] == [organization.person(3)["id"]]
    assert answers[1][1] == {"items": []}
    assert ([each["id"] for each in answers[2][1]["items"]], answers[2][1]["notFoundIds"]) == (ids, ["unknown"])
    assert answers[3][0] == 400


@pytest.mark.parametrize("listing", ["/people?max=10", "/telephony/config/virtualLines?max=10"])
@pytest.mark.parametrize("quirk", ["duplicate", "empty-page", "empty-body-page", "no-blank", "valueless"])
def test_a_quirk_of_listings_loses_nobody(listing: str, quirk: str) -> None:
    organization = Organization(people=35, virtual_lines=35)
    bodies = pages(Simulation(organization, faults=parse(quirk)), listing)
    ids = {each["id"] for body in bodies if body for key in body for each in body[key]}
    assert len(ids) == 35
    assert len(bodies) == 4 + 3 * quirk.startswith("empty")


@pytest.mark.parametrize("listing", ["/people?max=10", "/telephony/config/virtualLines?max=10"])
@pytest.mark.parametrize("quirk", ["endless", "circle"])
def test_a_listing_without_an_end_has_none(listing: str, quirk: str) -> None:
    organization = Organization(people=35, virtual_lines=35)
    assert len(pages(Simulation(organization, faults=parse(quirk)), listing, most=12)) == 12
