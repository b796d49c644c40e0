"""The simulator answers the answer settings as section 11 of the notes on the API says."""

import pytest
from fetching import fetch, statuses
from harness import without
from openapi_schema_validator import OAS30Validator

from audit.simulator.app import Simulation
from audit.simulator.changed import Changed
from audit.simulator.faults import parse
from audit.simulator.organization import Organization

PLAIN = Organization(120, odd=False, people=60, virtual_lines=10)
#: `GetWorkspaceAnswerSettingsObject` of the official document; section 11 cites it.
SCHEMA = {
    "type": "object",
    "required": ["preferredAnswerEndpointRequired", "autoAnswerEnabled"],
    "additionalProperties": False,
    "properties": {
        "autoAnswerEnabled": {"type": "boolean"},
        "preferredAnswerEndpointRequired": {"type": "boolean"},
        "preferredAnswerEndpointId": {"type": "string"},
        "preferredAnswerEndpointType": {
            "enum": ["WEBEX_APP_DESKTOP", "PRIMARY_DEVICE", "NON_PRIMARY_DEVICE", "HOTDESK_DEVICE", "NONE"]
        },
        "preferredAnswerEndpointIdType": {"enum": ["APPLICATION", "CALLING_DEVICE", "HOTDESKING_GUEST"]},
        "isPreferredEndpointClearableByPerson": {"type": "boolean"},
    },
}
ROOM = PLAIN.workspace(0)["id"]
PATHS = {
    "workspaces": [PLAIN.workspace(index)["id"] for index in range(120) if not PLAIN.refusal(index)],
    "people": [PLAIN.person(index)["id"] for index in range(60) if not PLAIN.person_refusal(index)],
    "virtualLines": [PLAIN.virtual_line(index)["id"] for index in range(10)],
}


@pytest.mark.parametrize("kind", PATHS)
def test_answers_are_as_the_document_says(kind: str) -> None:
    paths = [f"/telephony/config/{kind}/{each}/answerSettings" for each in PATHS[kind]]
    answers = [(status, body) for status, body, _ in fetch(Simulation(PLAIN), *paths)]
    assert {status for status, _ in answers} == {200}
    assert [error for _, body in answers for error in OAS30Validator(SCHEMA).iter_errors(body)] == []
    assert kind == "virtualLines" or {body["autoAnswerEnabled"] for _, body in answers} == {True, False}


@pytest.mark.parametrize("kind", PATHS)
def test_each_operation_needs_the_scope_of_the_document(kind: str) -> None:
    path = f"/telephony/config/{kind}/{PATHS[kind][0]}/answerSettings"
    assert statuses(Simulation(PLAIN, tokens=without("spark-admin:telephony_config_read")), path) == [403]
    others = without("spark-admin:workspaces_read", "spark-admin:people_read")
    assert statuses(Simulation(PLAIN, tokens=others), path) == [200]


@pytest.mark.parametrize(
    ("quirk", "documented", "elsewhere"),
    [("", 200, 404), ("no-answers", 404, 404), ("no-answers-405", 405, 405), ("answers-elsewhere", 404, 200)],
)
def test_an_organization_may_not_know_the_path(quirk: str, documented: int, elsewhere: int) -> None:
    paths = [f"/telephony/config/workspaces/{ROOM}/answerSettings", f"/workspaces/{ROOM}/answerSettings"]
    assert statuses(Simulation(PLAIN, parse(quirk)), *paths) == [documented, elsewhere]


def test_an_unknown_entity_and_one_without_calling_are_refused() -> None:
    gone = next(index for index in range(120) if PLAIN.refusal(index) == 404)
    paths = [f"/telephony/config/workspaces/{each}/answerSettings" for each in ("nobody", PLAIN.workspace(gone)["id"])]
    (_, unknown, _), (_, uncalled, _) = fetch(Simulation(PLAIN), *paths)
    assert "errorCode" not in unknown
    assert uncalled["errorCode"] == 4008


def test_some_rooms_answer_otherwise_later() -> None:
    later = Changed.of(PLAIN, 0.3)
    now = [PLAIN.answer_settings("workspace", index) for index in range(120)]
    then = [later.answer_settings("workspace", index) for index in range(120) if later.fate(index) == "same"]
    same = [answer for index, answer in enumerate(now) if later.fate(index) == "same"]
    assert 0 < sum(one != other for one, other in zip(same, then, strict=True)) < len(same) / 2
