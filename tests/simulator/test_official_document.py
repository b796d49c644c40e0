"""The simulator, judged by the official OpenAPI document."""

import json
from pathlib import Path

import pytest
from fetching import fetch, person_push_to_talk, push_to_talk, virtual_line_push_to_talk
from openapi_schema_validator import OAS30Validator

from audit.simulator.app import Simulation
from audit.simulator.organization import Organization

OPENAPI = Path(__file__).parents[3] / "shared" / "webex.openapi.json"
PEOPLE = 120
PLAIN = Organization(200, odd=False, people=PEOPLE)


def audio_of(index: int) -> list[str]:
    email = PLAIN.member(index)["email"]
    return [f"/meetingPreferences/audio?userEmail={email}&siteUrl={site['siteUrl']}" for site in PLAIN.sites(index)]


def sites_of(index: int) -> list[str]:
    return [path.replace("/audio", "/sites") for path in audio_of(index)[:1]]


# Not /locations: there the document refers to the schema of another, older object.
OPERATIONS = {
    "/organizations": ["/organizations"],
    "/licenses": ["/licenses"],
    "/workspaces": ["/workspaces?max=200", "/workspaces?max=200&includeDevices=true"],
    "/people": ["/people?max=1000", "/people?callingData=true", "/people?id=unknown", "/people?email=nobody"],
    "/people/me": ["/people/me", "/people/me?callingData=true"],
    "/people/{personId}": [f"/people/{PLAIN.person(index)['id']}?callingData=true" for index in range(PEOPLE)],
    "/people/{personId}/features/pushToTalk": [
        person_push_to_talk(PLAIN, index) for index in range(PEOPLE) if PLAIN.person_refusal(index) is None
    ],
    "/telephony/config/virtualLines": ["/telephony/config/virtualLines"],
    "/telephony/config/virtualLines/{virtualLineId}/pushToTalk": [
        virtual_line_push_to_talk(PLAIN, index) for index in range(PLAIN.virtual_lines)
    ],
    "/telephony/config/workspaces/{workspaceId}/pushToTalk": [
        push_to_talk(PLAIN, index) for index in range(200) if PLAIN.refusal(index) is None
    ],
    "/meetingPreferences/audio": [path for index in range(PEOPLE) for path in audio_of(index)],
    "/meetingPreferences/sites": [path for index in range(PEOPLE) for path in sites_of(index)],
}


@pytest.mark.skipif(not OPENAPI.exists(), reason="the official document is not part of the project")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_answers_are_as_the_official_document_says(operation: str) -> None:
    document = json.loads(OPENAPI.read_text())
    ((content_type, described),) = document["paths"][operation]["get"]["responses"]["200"]["content"].items()
    validator = OAS30Validator({**described["schema"], "components": document["components"]})
    paths = OPERATIONS[operation]
    for path, (status, body, headers) in zip(paths, fetch(Simulation(PLAIN), *paths), strict=True):
        assert (status, [error.message for error in validator.iter_errors(body)]) == (200, []), path
        if "charset" in content_type:
            assert headers["Content-Type"] == content_type
