"""The simulator, judged by others: the official OpenAPI document and a client that nobody here wrote."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openapi_schema_validator import OAS30Validator
from wxc_sdk import WebexSimpleApi
from wxc_sdk.person_settings.push_to_talk import PTTConnectionType
from wxc_sdk.rest import RestError, RestSession
from wxc_sdk.tokens import Tokens

from audit.simulator.app import ADMIN_TOKEN, UNSCOPED_TOKEN, Simulation, serve
from audit.simulator.faults import parse
from audit.simulator.organization import Organization, webex_id

OPENAPI = Path(__file__).parents[3] / "shared" / "webex.openapi.json"


def fetch(simulation: Simulation, *paths: str, token: str = ADMIN_TOKEN) -> list[tuple[int, Any, Any]]:
    """Status, decoded body and headers of each path."""

    async def main() -> list[tuple[int, Any, Any]]:
        found = []
        async with (
            serve(simulation) as url,
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        ):
            for path in paths:
                async with session.get(f"{url}{path}") as response:
                    found.append((response.status, json.loads(await response.text() or "null"), response.headers))
        return found

    return asyncio.run(main())


def push_to_talk(organization: Organization, index: int) -> str:
    return f"/telephony/config/workspaces/{organization.workspace(index)['id']}/pushToTalk"


@pytest.mark.skipif(not OPENAPI.exists(), reason="the official document is not part of the project")
def test_answers_are_as_the_official_document_says() -> None:
    document = json.loads(OPENAPI.read_text())
    organization = Organization(200, odd=False)
    served = [index for index in range(200) if organization.refusal(index) is None]
    # Not /locations: the document refers to the schema of another, older object there.
    operations = {
        "/people/me": ["/people/me"],
        "/organizations": ["/organizations"],
        "/workspaces": ["/workspaces?max=200"],
        "/telephony/config/workspaces/{workspaceId}/pushToTalk": [
            push_to_talk(organization, index) for index in served
        ],
    }
    for operation, paths in operations.items():
        schema = document["paths"][operation]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        validator = OAS30Validator({**schema, "components": document["components"]})
        for path, (status, body, _) in zip(paths, fetch(Simulation(organization), *paths), strict=True):
            assert (status, [error.message for error in validator.iter_errors(body)]) == (200, []), path


def test_wxc_sdk_lists_the_workspaces_and_reads_their_settings(
    api: Callable[[Simulation], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    organization = Organization(60)
    monkeypatch.setattr(RestSession, "BASE", api(Simulation(organization, max_page=25)))
    with WebexSimpleApi(tokens=Tokens(access_token=ADMIN_TOKEN)) as client:
        listed = list(client.workspaces.list())
        assert [each.workspace_id for each in listed] == [organization.workspace(index)["id"] for index in range(60)]
        served = 0
        for index, workspace in enumerate(listed):
            if organization.refusal(index):
                with pytest.raises(RestError):
                    client.workspace_settings.push_to_talk.read(workspace.workspace_id)
            else:
                settings = client.workspace_settings.push_to_talk.read(workspace.workspace_id)
                expected = organization.push_to_talk(index)
                assert settings.allow_auto_answer == expected["allowAutoAnswer"]
                assert settings.connection_type == PTTConnectionType(expected["connectionType"])
                assert len(settings.members or []) == len(expected.get("members") or [])
                served += 1
        assert served > 40
        assert {each.name for each in client.locations.list()} == {each["name"] for each in organization.locations}


def test_tokens_scopes_and_organizations_are_checked() -> None:
    organization = Organization(5)
    other = webex_id("ORGANIZATION", "8c9fd285-6500-4518-856e-eb836c6761d8")
    paths = ["/workspaces", f"/workspaces?orgId={organization.org_id}", f"/workspaces?orgId={other}"]
    bare = "/workspaces?orgId=8c9fd285-6500-4518-856e-eb836c6761d8"
    statuses = [status for status, _, _ in fetch(Simulation(organization), *paths, bare)]
    assert statuses == [200, 200, 403, 400]
    for token, status in (("unknown", 401), (UNSCOPED_TOKEN, 403)):
        everything = ["/people/me", "/organizations", "/locations", "/workspaces", push_to_talk(organization, 0)]
        assert {found for found, _, _ in fetch(Simulation(organization), *everything, token=token)} == {status}


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
