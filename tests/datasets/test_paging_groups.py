"""A paging group becomes a row of its own, and a row for each originator and target.

The fields are those of section 11 of the notes on the API.
"""

import json
from typing import Any

import pyarrow as pa
import pytest

from audit.datasets import DATASETS, SUBJECT_SCHEMA
from audit.datasets.answers import read_answers
from audit.entity import Entity, EntityType

PAGING = DATASETS["paging_groups"]
ANN = {"id": "ANN", "type": "PEOPLE", "firstName": "Ann", "lastName": "Lee", "phoneNumber": "+14085267209"}
HALL = {"id": "HALL", "type": "PLACE", "firstName": "Hall", "lastName": ".", "extension": "0007", "esn": "80007"}


def flatten(*answers: Any) -> dict[str, list[dict[str, Any]]]:
    read = read_answers([json.dumps(answer).encode() for answer in answers], PAGING.answer, PAGING.required)
    assert not read.defects
    ids = [[f"{name} {position}" for position in read.positions] for name in SUBJECT_SCHEMA.names]
    tables = PAGING.flatten(pa.table(ids, schema=SUBJECT_SCHEMA), read.table)
    assert {name: table.schema for name, table in tables.items()} == PAGING.tables
    return {name: table.to_pylist() for name, table in tables.items()}


def test_the_path_names_the_location_and_the_group() -> None:
    group = Entity(EntityType.PAGING_GROUP, "G/1", location_id="L+2")
    assert PAGING.request(group, None).path == "/telephony/config/locations/L%2B2/paging/G%2F1"


def test_originators_and_targets_are_rows_in_the_order_of_the_groups() -> None:
    tables = flatten(
        {"enabled": True, "originators": [ANN], "targets": [HALL, ANN]},
        {"enabled": False, "originators": [], "targets": [HALL]},
    )
    assert [(row["originator_count"], row["target_count"]) for row in tables["paging_groups"]] == [(1, 2), (0, 1)]
    found = [(row["entity_id"], row["role"], row["member_id"]) for row in tables["paging_group_members"]]
    assert found == [
        ("entity_id 0", "ORIGINATOR", "ANN"),
        ("entity_id 0", "TARGET", "HALL"),
        ("entity_id 0", "TARGET", "ANN"),
        ("entity_id 1", "TARGET", "HALL"),
    ]
    assert [row["number_extension"] for row in tables["paging_group_members"]] == [None, "0007", None, "0007"]


@pytest.mark.parametrize("absent", [{}, {"originators": None}, {"originators": [], "targets": []}])
def test_a_group_without_members_keeps_its_row(absent: Any) -> None:
    tables = flatten({"enabled": True} | absent)
    assert [(row["originator_count"], row["target_count"]) for row in tables["paging_groups"]] == [(0, 0)]
    assert tables["paging_group_members"] == []
