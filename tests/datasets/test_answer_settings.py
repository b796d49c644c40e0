"""Answer settings become one row for each entity, whatever is absent, new or odd in an answer.

The fields are those of section 11 of the notes on the API: `GetWorkspaceAnswerSettingsObject` of the official
document for workspaces, and wxc_sdk 1.41 for people and virtual lines.
"""

import json
from typing import Any

import pyarrow as pa
import pytest

from audit.columns import IDENTITY_SCHEMA
from audit.datasets import DATASETS, SUBJECT_SCHEMA
from audit.datasets.answers import read_answers
from audit.entity import Entity, EntityType

ANSWERS = DATASETS["answer_settings"]
WHOLE = {
    "preferredAnswerEndpointRequired": True,
    "autoAnswerEnabled": True,
    "preferredAnswerEndpointId": "Y2lzY29",
    "preferredAnswerEndpointType": "PRIMARY_DEVICE",
    "preferredAnswerEndpointIdType": "CALLING_DEVICE",
    "isPreferredEndpointClearableByPerson": False,
}


def flatten(*answers: Any) -> list[dict[str, Any]]:
    read = read_answers([json.dumps(answer).encode() for answer in answers], ANSWERS.answer, ANSWERS.required)
    assert not read.defects
    ids = [[f"{name} {position}" for position in read.positions] for name in SUBJECT_SCHEMA.names]
    tables = ANSWERS.flatten(pa.table(ids, schema=SUBJECT_SCHEMA), read.table)
    assert {name: table.schema for name, table in tables.items()} == ANSWERS.tables
    rows: list[dict[str, Any]] = tables["answer_settings"].to_pylist()
    return rows


def settings(answer: Any) -> list[Any]:
    (row,) = flatten(answer)
    return [row[name] for name in row if name not in IDENTITY_SCHEMA.names]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (EntityType.WORKSPACE, "/telephony/config/workspaces/Y2%2F%2B%3D/answerSettings"),
        (EntityType.PERSON, "/telephony/config/people/Y2%2F%2B%3D/answerSettings"),
        (EntityType.VIRTUAL_LINE, "/telephony/config/virtualLines/Y2%2F%2B%3D/answerSettings"),
    ],
)
def test_the_path_names_the_entity_percent_encoded(kind: EntityType, path: str) -> None:
    assert ANSWERS.request(Entity(kind, "Y2/+="), None).path == path
    assert ANSWERS.scopes[kind] == "spark-admin:telephony_config_read"


def test_a_whole_answer_fills_every_column_of_its_entity() -> None:
    (row,) = flatten(WHOLE)
    assert row["entity_id"] == "entity_id 0"
    assert settings(WHOLE) == [True, True, "Y2lzY29", "PRIMARY_DEVICE", "CALLING_DEVICE", False]


@pytest.mark.parametrize(
    ("answer", "columns"),
    [
        ({"autoAnswerEnabled": False}, [False, None, None, None, None, None]),
        ({"autoAnswerEnabled": "true"}, [True, None, None, None, None, None]),
        ({"autoAnswerEnabled": True, "preferredAnswerEndpointId": None}, [True, None, None, None, None, None]),
        (
            WHOLE | {"preferredAnswerEndpointType": "WATCH", "preferredAnswerEndpointIdType": "ROBOT"},
            [True, True, "Y2lzY29", "WATCH", "ROBOT", False],
        ),
        (WHOLE | {"preferredAnswerEndpointId": 7}, [True, True, "7", "PRIMARY_DEVICE", "CALLING_DEVICE", False]),
    ],
)
def test_what_is_absent_is_null_and_what_no_document_lists_is_kept(answer: Any, columns: list[Any]) -> None:
    assert settings(answer) == columns


@pytest.mark.parametrize("answer", [{}, {"autoAnswerEnabled": None}, {"autoAnswerEnabled": {"on": True}}, {"on": 1}])
def test_an_answer_that_does_not_say_whether_calls_are_answered_is_a_defect(answer: Any) -> None:
    read = read_answers([json.dumps(answer).encode()], ANSWERS.answer, ANSWERS.required)
    assert list(read.defects) == [0]


def test_unknown_fields_are_counted() -> None:
    bodies = [json.dumps(WHOLE | {"delay": 3, "speaker": {"muted": True}}).encode()] * 2
    read = read_answers(bodies, ANSWERS.answer, ANSWERS.required)
    assert dict(read.unknown_fields) == {"delay": 2, "speaker": 2}
