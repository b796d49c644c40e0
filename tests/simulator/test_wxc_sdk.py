"""The simulator, judged by a foreign client."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from wxc_sdk import WebexSimpleApi
from wxc_sdk.meetings.preferences import DefaultAudioType
from wxc_sdk.person_settings.answer import AnswerSettings
from wxc_sdk.person_settings.push_to_talk import PTTConnectionType, PushToTalkSettings
from wxc_sdk.rest import RestError, RestSession
from wxc_sdk.tokens import Tokens

from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization

OWN = Organization(60, people=80, virtual_lines=30)
CUSTOMER = Organization(10, seed=2, people=30, virtual_lines=5)


@pytest.fixture
def client(api: Callable[[Simulation], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[WebexSimpleApi]:
    monkeypatch.setattr(RestSession, "BASE", api(Simulation(OWN, customers=(CUSTOMER,), max_page=25)))
    with WebexSimpleApi(tokens=Tokens(access_token=ADMIN_TOKEN)) as client:
        yield client


def assert_same(settings: PushToTalkSettings, expected: dict[str, Any]) -> None:
    assert settings.allow_auto_answer == expected["allowAutoAnswer"]
    assert settings.connection_type == PTTConnectionType(expected["connectionType"])
    assert len(settings.members or []) == len(expected.get("members") or [])


def test_wxc_sdk_lists_the_workspaces_and_reads_their_settings(client: WebexSimpleApi) -> None:
    listed = list(client.workspaces.list())
    assert [each.workspace_id for each in listed] == [OWN.workspace(index)["id"] for index in range(60)]
    served = 0
    for index, workspace in enumerate(listed):
        if OWN.refusal(index):
            with pytest.raises(RestError):
                client.workspace_settings.push_to_talk.read(workspace.workspace_id)
        else:
            assert_same(client.workspace_settings.push_to_talk.read(workspace.workspace_id), OWN.push_to_talk(index))
            served += 1
    assert served > 40
    assert {each.name for each in client.locations.list()} == {each["name"] for each in OWN.locations}


def test_wxc_sdk_lists_the_people_and_reads_their_settings(client: WebexSimpleApi) -> None:
    listed = list(client.people.list(calling_data=True))
    assert [each.person_id for each in listed] == [OWN.person(index)["id"] for index in range(80)]
    assert [each.location_id for each in listed] == [OWN.person_location_id(index) for index in range(80)]
    served = 0
    for index, person in enumerate(listed):
        if OWN.person_refusal(index):
            with pytest.raises(RestError, match="4008"):
                client.person_settings.push_to_talk.read(person.person_id)
        else:
            assert_same(client.person_settings.push_to_talk.read(person.person_id), OWN.person_push_to_talk(index))
            served += 1
    assert served > 50
    assert client.people.me().person_id == OWN.person(0)["id"]
    assert client.people.details(listed[3].person_id).display_name == OWN.person(3)["displayName"]


def test_wxc_sdk_lists_the_virtual_lines_and_reads_their_settings(client: WebexSimpleApi) -> None:
    listed = list(client.telephony.virtual_lines.list())
    assert [each.id for each in listed] == [OWN.virtual_line(index)["id"] for index in range(30)]
    for index, line in enumerate(listed):
        settings = client.telephony.virtual_lines.push_to_talk.read(line.id)
        assert_same(settings, OWN.virtual_line_push_to_talk(index))


def test_wxc_sdk_reads_audio_options_and_sites(client: WebexSimpleApi) -> None:
    addresses = [(index, site["siteUrl"]) for index in range(60) for site in OWN.sites(index)]
    for index, site_url in addresses:
        expected = OWN.audio(index, site_url)
        if isinstance(expected.get("audioPin"), int):
            continue  # which wxc_sdk does not take
        email = OWN.member(index)["email"]
        audio = client.meetings.preferences.audio_options(user_email=email, site_url=site_url)
        assert audio.audio_pin == expected.get("audioPin")
        assert audio.default_audio_type == DefaultAudioType(expected["defaultAudioType"])


def test_wxc_sdk_reads_sites(client: WebexSimpleApi) -> None:
    for index in range(60):
        email, expected = OWN.member(index)["email"], OWN.sites(index)
        if OWN.site_urls[0] in {site["siteUrl"] for site in expected}:
            sites = client.meetings.preferences.site_list(user_email=email)
            assert [{"siteUrl": each.site_url, "default": each.default} for each in sites] == expected
        else:
            with pytest.raises(RestError, match="404"):
                client.meetings.preferences.site_list(user_email=email)


def same_answer(settings: AnswerSettings, expected: dict[str, Any]) -> bool:
    endpoint = settings.preferred_answer_endpoint_type
    is_on = str(expected["autoAnswerEnabled"]).lower() == "true"
    return settings.auto_answer_enabled == is_on and (
        # A word that wxc_sdk does not know stays a text.
        getattr(endpoint, "value", endpoint) == expected["preferredAnswerEndpointType"]
    )


def test_wxc_sdk_reads_answer_settings(client: WebexSimpleApi) -> None:
    for index, line in enumerate(client.telephony.virtual_lines.list()):
        settings = client.telephony.virtual_lines.answer.read(line.id)
        assert same_answer(settings, OWN.answer_settings("virtual_line", index))
    for index in range(40):
        if OWN.person_refusal(index) is None:
            settings = client.person_settings.answer.read(OWN.person(index)["id"])
            assert same_answer(settings, OWN.answer_settings("person", index))
    with pytest.raises(RestError, match="404"):
        # Its path for workspaces is not that of the official document.
        client.workspace_settings.answer.read(OWN.workspace(0)["id"])


def test_wxc_sdk_reads_answer_settings_of_workspaces_where_the_api_has_them(
    api: Callable[[Simulation], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RestSession, "BASE", api(Simulation(OWN, parse("answers-elsewhere"))))
    with WebexSimpleApi(tokens=Tokens(access_token=ADMIN_TOKEN)) as client:
        for index in range(60):
            if OWN.refusal(index) != 404:
                settings = client.workspace_settings.answer.read(OWN.workspace(index)["id"])
                assert same_answer(settings, OWN.answer_settings("workspace", index))


def test_wxc_sdk_reads_paging_groups(client: WebexSimpleApi) -> None:
    listed = list(client.telephony.paging.list())
    assert [each.paging_id for each in listed] == [OWN.paging.item(index)["id"] for index in range(6)]
    for index, group in enumerate(listed):
        expected = OWN.paging.details(index)
        details = client.telephony.paging.details(group.location_id, group.paging_id)
        assert details.enabled == expected["enabled"]
        assert [each.agent_id for each in details.originators or []] == [each["id"] for each in expected["originators"]]
        assert [each.agent_id for each in details.targets or []] == [each["id"] for each in expected["targets"]]


def test_wxc_sdk_reads_a_customer_by_its_id(client: WebexSimpleApi) -> None:
    assert [each.org_id for each in client.organizations.list()] == [OWN.org_id, CUSTOMER.org_id]
    names = [each.name for each in client.licenses.list(org_id=CUSTOMER.org_id)]
    assert names == [each["name"] for each in CUSTOMER.licenses]
    people = list(client.people.list(org_id=CUSTOMER.org_id, calling_data=True))
    assert [each.person_id for each in people] == [CUSTOMER.person(index)["id"] for index in range(30)]
    lines = list(client.telephony.virtual_lines.list(org_id=CUSTOMER.org_id))
    assert [each.id for each in lines] == [CUSTOMER.virtual_line(index)["id"] for index in range(5)]
    workspaces = list(client.workspaces.list(org_id=CUSTOMER.org_id))
    assert [each.workspace_id for each in workspaces] == [CUSTOMER.workspace(index)["id"] for index in range(10)]
    settings = client.person_settings.push_to_talk.read(people[0].person_id, org_id=CUSTOMER.org_id)
    assert_same(settings, CUSTOMER.person_push_to_talk(0))
