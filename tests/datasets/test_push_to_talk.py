import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.columns import IDENTITY_SCHEMA
from audit.datasets import DATASETS, SUBJECT_SCHEMA
from audit.datasets.answers import read_answers
from audit.entity import Entity, EntityType

PUSH_TO_TALK = DATASETS["push_to_talk"]
SEED = Path(__file__).parents[3] / "shared" / "seeds" / "000_655d7a38c9a3239b.txt"
SETTINGS = {"allowAutoAnswer": True, "connectionType": "ONE_WAY", "accessType": "ALLOW_MEMBERS"}


def flatten(*answers: Any) -> dict[str, list[dict[str, Any]]]:
    bodies = [json.dumps(answer).encode() for answer in answers]
    read = read_answers(bodies, PUSH_TO_TALK.answer, PUSH_TO_TALK.required)
    subject = pa.table(
        [[f"{name} {position}" for position in read.positions] for name in SUBJECT_SCHEMA.names],
        schema=SUBJECT_SCHEMA,
    )
    tables = PUSH_TO_TALK.flatten(subject, read.table)
    assert {name: table.schema for name, table in tables.items()} == PUSH_TO_TALK.tables
    return {name: table.to_pylist() for name, table in tables.items()}


def members(*answers: Any) -> list[dict[str, Any]]:
    return flatten(*answers)["push_to_talk_members"]


def test_the_path_names_the_workspace_percent_encoded() -> None:
    entity = Entity(EntityType.WORKSPACE, "Y2/+=")
    assert PUSH_TO_TALK.request(entity, None).path == "/telephony/config/workspaces/Y2%2F%2B%3D/pushToTalk"


def test_the_documented_example_gives_its_two_members() -> None:
    # The shape and numbers of the example answer of the API reference.
    alice = {
        "id": "ALICE",
        "lastName": "Little",
        "firstName": "Alice",
        "displayName": "Alice Little",
        "type": "PEOPLE",
        "email": "alice@example.com",
        "location": {"name": "Paragville", "id": "PARAGVILLE"},
        "numbers": [{"external": "+19845551088", "extension": "1088", "primary": True}],
    }
    bob = {
        "id": "BOB",
        "lastName": "Johnson",
        "firstName": "Bob",
        "displayName": "Bob Johnson",
        "type": "PEOPLE",
        "email": "bob@example.com",
        "numbers": [{"external": "+198455501099", "extension": "1099", "primary": True}],
    }
    tables = flatten(SETTINGS | {"members": [alice, bob]})
    assert [row["member_count"] for row in tables["push_to_talk"]] == [2]
    first, second = tables["push_to_talk_members"]
    assert first == {
        **{name: f"{name} 0" for name in IDENTITY_SCHEMA.names},
        "allow_auto_answer": True,
        "connection_type": "ONE_WAY",
        "access_type": "ALLOW_MEMBERS",
        "member_position": 0,
        "member_id": "ALICE",
        "member_type": "PEOPLE",
        "member_first_name": "Alice",
        "member_last_name": "Little",
        "member_display_name": "Alice Little",
        "member_email": "alice@example.com",
        "member_location_id": "PARAGVILLE",
        "member_location_name": "Paragville",
        "number_position": 0,
        "number_external": "+19845551088",
        "number_extension": "1088",
        "number_routing_prefix": None,
        "number_esn": None,
        "number_primary": True,
        "number_valid": True,
    }
    assert (second["member_position"], second["member_display_name"]) == (1, "Bob Johnson")
    assert (second["member_location_id"], second["member_location_name"]) == (None, None)
    assert (second["number_external"], second["number_valid"]) == ("+198455501099", False)


@pytest.mark.skipif(not SEED.exists(), reason="the source document is not part of the project")
def test_the_source_document_itself_gives_its_two_members() -> None:
    text = SEED.read_text("utf-8")
    example, _ = json.JSONDecoder().raw_decode(text, text.index('{ "allowAutoAnswer'))
    found = [(row["member_display_name"], row["member_location_name"], row["number_valid"]) for row in members(example)]
    assert found == [("Alice Little", "Paragville", True), ("Bob Johnson", None, False)]


def test_a_member_without_numbers_keeps_one_row() -> None:
    found = members(SETTINGS | {"members": [{"id": "A", "numbers": []}, {"id": "B"}, {"id": "C", "numbers": None}]})
    assert [row["member_id"] for row in found] == ["A", "B", "C"]
    assert [row["member_position"] for row in found] == [0, 1, 2]
    assert {row[name] for row in found for name in row if name.startswith("number_")} == {None}


@pytest.mark.parametrize("absent", [{}, {"members": None}, {"members": []}])
def test_no_members_are_no_rows_and_a_count_of_zero(absent: Any) -> None:
    tables = flatten(SETTINGS | absent, SETTINGS | {"members": [{"id": "A"}]})
    assert [row["member_count"] for row in tables["push_to_talk"]] == [0, 1]
    assert [(row["entity_id"], row["member_id"]) for row in tables["push_to_talk_members"]] == [("entity_id 1", "A")]


def test_words_that_no_document_lists_are_kept_as_they_came() -> None:
    (row,) = members(SETTINGS | {"connectionType": "HALF_DUPLEX", "members": [{"type": "HUNT_GROUP"}]})
    assert (row["connection_type"], row["member_type"]) == ("HALF_DUPLEX", "HUNT_GROUP")


@pytest.mark.parametrize(
    ("external", "is_valid"),
    [
        ("+14085267209", True),
        ("+41446681800", True),
        ("+1 408 526 7209", True),
        ("+198455501099", False),
        ("4085267209", False),
        ("", False),
        ("=1+1", False),
        ("Call +14085267209", False),
        ("+1800FLOWERS", False),
        ("+14085267209;ext=1", False),
        ("++14085267209", False),
        ("+\uff11\uff14085267209", False),
        (None, None),
    ],
)
def test_a_number_is_kept_verbatim_beside_its_validity(external: str | None, is_valid: bool | None) -> None:  # noqa: FBT001
    (row,) = members(SETTINGS | {"members": [{"numbers": [{"external": external, "extension": "0007"}]}]})
    assert (row["number_external"], row["number_valid"], row["number_extension"]) == (external, is_valid, "0007")


TEXT = st.none() | st.text(st.characters(codec="utf-8"), max_size=5)
NUMBER = st.fixed_dictionaries({}, optional={"external": TEXT, "extension": TEXT, "primary": st.none() | st.booleans()})
NUMBER = NUMBER.filter(lambda number: any(value is not None for value in number.values()))
MEMBER = st.fixed_dictionaries(
    {"id": TEXT.filter(lambda text: text is not None)}, optional={"numbers": st.none() | st.lists(NUMBER, max_size=4)}
)
ANSWER = st.fixed_dictionaries({}, optional={"members": st.none() | st.lists(MEMBER, max_size=4)})


@given(st.lists(ANSWER, max_size=5))
def test_flattening_loses_and_invents_nothing(answers: list[Any]) -> None:
    expected = [
        (f"entity_id {entity}", position, member.get("id"), at, number.get("external"), number.get("primary"))
        for entity, answer in enumerate(answers)
        for position, member in enumerate(answer.get("members") or [])
        for at, number in list(enumerate(member.get("numbers") or [])) or [(None, {})]
    ]
    found = [
        tuple(
            row[name]
            for name in (
                "entity_id",
                "member_position",
                "member_id",
                "number_position",
                "number_external",
                "number_primary",
            )
        )
        for row in members(*(SETTINGS | answer for answer in answers))
    ]
    assert found == expected
