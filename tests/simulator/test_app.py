import asyncio

import aiohttp
import pytest
from fetching import fetch, person_push_to_talk, push_to_talk, statuses, virtual_line_push_to_talk

from audit.simulator.app import UNSCOPED_TOKEN, USER_TOKEN, Simulation, serve
from audit.simulator.faults import parse
from audit.simulator.organization import Organization, webex_id


def test_tokens_scopes_and_organizations_are_checked() -> None:
    organization = Organization(5)
    other = webex_id("ORGANIZATION", "8c9fd285-6500-4518-856e-eb836c6761d8")
    paths = ["/workspaces", f"/workspaces?orgId={organization.org_id}", f"/workspaces?orgId={other}"]
    bare = "/workspaces?orgId=8c9fd285-6500-4518-856e-eb836c6761d8"
    assert statuses(Simulation(organization), *paths, bare) == [200, 200, 403, 400]
    for token, status in (("unknown", 401), (UNSCOPED_TOKEN, 403)):
        everything = [*PATHS, "/people/me", "/organizations", "/locations", "/meetingPreferences/sites"]
        assert set(statuses(Simulation(PLAIN), *everything, token=token)) == {status}


PLAIN = Organization(5, odd=False, people=5, virtual_lines=2)
PATHS = {
    "/workspaces": "spark-admin:workspaces_read",
    push_to_talk(PLAIN, 0): "spark-admin:workspaces_read",
    "/people": "spark-admin:people_read",
    "/people?email=user0003@example.com": "spark:people_read",
    f"/people?id={PLAIN.person(3)['id']}": "spark:people_read",
    f"/people/{PLAIN.person(3)['id']}": "spark:people_read",
    "/people/me?callingData=true": "spark:people_read",
    person_push_to_talk(PLAIN, 0): "spark-admin:people_read",
    "/telephony/config/virtualLines": "spark-admin:telephony_config_read",
    virtual_line_push_to_talk(PLAIN, 0): "spark-admin:telephony_config_read",
    "/licenses": "spark-admin:licenses_read",
    "/meetingPreferences/audio": "meeting:preferences_read",
}


@pytest.mark.parametrize("path", PATHS)
def test_every_operation_wants_its_own_scope(path: str) -> None:
    every = set(PATHS.values())
    assert statuses(Simulation(PLAIN, tokens={"t": frozenset({PATHS[path]})}), path, token="t") == [200]
    stronger = {"spark:people_read": {"spark-admin:people_read"}}.get(PATHS[path], set())
    others = frozenset(every - {PATHS[path]} - stronger)
    assert statuses(Simulation(PLAIN, tokens={"t": others}), path, token="t") == [403]


def test_a_users_token_reads_people_by_address_or_id_only() -> None:
    expected = [200 if scope in {"spark:people_read", "meeting:preferences_read"} else 403 for scope in PATHS.values()]
    assert statuses(Simulation(PLAIN), *PATHS, token=USER_TOKEN) == expected


def test_unlicensed_workspaces_are_refused_in_both_known_ways() -> None:
    organization = Organization(200)
    refused = {organization.refusal(index): index for index in range(200)}
    bodies = {
        status: body
        for status, body, _ in fetch(
            Simulation(organization), *(push_to_talk(organization, refused[code]) for code in (404, 405))
        )
    }
    assert (bodies[405]["errorCode"], bodies[404]["errorCode"]) == (25409, 4008)
    ((status, body, _),) = fetch(Simulation(organization), "/telephony/config/workspaces/Y2lz/pushToTalk")
    assert (status, "errorCode" in body) == (404, False)


def test_a_rate_limit_answers_429_with_a_time_to_come_back() -> None:
    answers = fetch(Simulation(rate_limit_per_s=3, now_s=lambda: 0.0), *["/people/me"] * 5)
    assert [status for status, _, _ in answers] == [200, 200, 200, 429, 429]
    assert answers[3][2]["Retry-After"] == "1"
    answers = fetch(Simulation(rate_limit_per_s=3, limit_kind="window", now_s=lambda: 0.0), *["/people/me"] * 5)
    assert [status for status, _, _ in answers] == [200, 200, 200, 429, 429]


@pytest.mark.parametrize(
    ("quirk", "sign"),
    [
        ("max-null", "max=null"),
        ("no-blank", '>;rel="next"'),
        ("valueless", "&before>"),
        ("foreign-link", "https://webexapis.example.net/"),
    ],
)
def test_a_quirk_shows_in_the_link(quirk: str, sign: str) -> None:
    ((_, _, headers),) = fetch(Simulation(faults=parse(quirk)), "/workspaces?max=10")
    assert sign in headers["Link"]


def test_a_refresh_token_is_traded_for_an_access_token() -> None:
    simulation = Simulation()
    form = {"grant_type": "refresh_token", "client_id": "i", "client_secret": "s", "refresh_token": "r"}

    async def main() -> tuple[str, int]:
        async with serve(simulation) as url, aiohttp.ClientSession() as session:
            async with session.post(f"{url}/access_token", data=form) as response:
                granted = await response.json()
            async with session.post(f"{url}/access_token", data=form | {"grant_type": "password"}) as refused:
                return granted["access_token"], refused.status

    token, refused_status = asyncio.run(main())
    assert refused_status == 400
    assert fetch(simulation, "/people/me", token=token)[0][0] == 200
