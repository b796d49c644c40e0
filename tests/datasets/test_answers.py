import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.datasets.answers import read_answers
from audit.datasets.audio_options import AUDIO_OPTIONS

SCHEMA = pa.schema(
    [
        ("on", pa.bool_()),
        ("word", pa.string()),
        (
            "members",
            pa.list_(
                pa.struct([("id", pa.string()), ("location", pa.struct([("id", pa.string()), ("name", pa.string())]))])
            ),
        ),
    ]
)


def read(*answers: Any, required: tuple[str, ...] = ()) -> Any:
    bodies = [answer if isinstance(answer, bytes) else json.dumps(answer).encode() for answer in answers]
    return read_answers(bodies, SCHEMA, required)


def rows(answers: Any) -> Any:
    return answers.table.select(SCHEMA.names).to_pylist()


def test_no_answers_are_an_empty_table() -> None:
    assert read().table.schema == SCHEMA


def test_a_pretty_printed_body_is_one_row() -> None:
    answers = read(b'{\r\n  "on": true,\n  "word": "a\\nb"\n}\n', {"on": False})
    assert rows(answers) == [
        {"on": True, "word": "a\nb", "members": None},
        {"on": False, "word": None, "members": None},
    ]


@pytest.mark.parametrize(
    ("odd", "plain"),
    [
        ({"on": "true"}, {"on": True}),
        ({"on": "False"}, {"on": False}),
        ({"word": 7}, {"word": "7"}),
        (
            {"members": [{"location": "Paragville"}]},
            {"members": [{"id": None, "location": {"id": None, "name": "Paragville"}}]},
        ),
        ({"members": [{"id": "A", "location": None}]}, {"members": [{"id": "A", "location": None}]}),
        ({"members": [{"badge": 7}]}, {"members": [{"id": None, "location": None}]}),
        (b'{"word": 1e400}', {"word": "1e400"}),
        (b'{"word": 007e0}'.replace(b"00", b""), {"word": "7e0"}),
    ],
)
def test_what_the_api_is_known_to_send_is_coerced(odd: Any, plain: Any) -> None:
    answers = read({"on": True, "word": "before"}, odd, {"word": "after"})
    assert rows(answers)[1] == {"on": None, "word": None, "members": None} | plain
    assert [row["word"] for row in rows(answers)[::2]] == ["before", "after"]
    assert answers.positions == [0, 1, 2]
    assert answers.defects == {}


@pytest.mark.parametrize(
    ("bad", "defect"),
    [
        ({"on": 1}, "on is a number where a boolean is documented"),
        ({"on": {}}, "on is an object where a boolean is documented"),
        ({"word": []}, "word is a list where a text is documented"),
        ({"members": {}}, "members is an object where a list is documented"),
        ({"members": ["Alice"]}, r"members\[\] is a text where an object is documented"),
        ({"members": [{"id": {}}]}, r"members\[\].id is an object where a text is documented"),
        ({"members": [None]}, r"members\[\] is null where an object is documented"),
        ({"members": [{"id": "A"}, None]}, r"members\[\] is null where an object is documented"),
        ({"members": [{}]}, r"members\[\] is empty where an object is documented"),
        ({"members": [{"id": None, "badge": None}]}, r"members\[\] is empty where an object is documented"),
        ({"members": [[]]}, r"members\[\] is a list where an object is documented"),
        (b"[]", "the answer is a list where an object is documented"),
    ],
)
def test_a_bad_answer_is_a_defect_and_harms_no_other(bad: Any, defect: str) -> None:
    answers = read({"word": "before"}, bad, {"word": "after"})
    assert [row["word"] for row in rows(answers)] == ["before", "after"]
    assert answers.positions == [0, 2]
    assert list(answers.defects) == [1]
    with pytest.raises(ValueError, match=defect):
        raise ValueError(answers.defects[1])


@pytest.mark.parametrize(
    "value", ["1e400", "-1E+999", "9" * 5000, '{"a": [1e400]}', "[null]", '[{"deep": {"er": 1e400}}, "x"]']
)
@pytest.mark.parametrize("place", ['{"word": "w", "new": %s}', '{"word": "w", "members": [{"id": "A", "new": %s}]}'])
def test_whatever_an_unknown_field_holds_costs_nothing(value: str, place: str) -> None:
    answers = read(b'{"word": "before"}', (place % value).encode(), b'{"word": "after"}')
    assert [row["word"] for row in rows(answers)] == ["before", "w", "after"]
    assert answers.defects == {}
    assert sum(answers.unknown_fields.values()) == 1


@pytest.mark.parametrize("companion", [{"word": "plain"}, {"word": 5}])
def test_an_answer_without_a_required_field_is_a_defect(companion: Any) -> None:
    answers = read(companion, {}, {"on": True, "word": None}, {"word": "last"}, required=("word",))
    assert answers.positions == [0, 3]
    assert answers.defects == {1: "word is missing", 2: "word is missing"}


@pytest.mark.parametrize("companion", [{"word": "plain"}, {"word": 5}])
def test_unknown_fields_are_counted_by_their_path(companion: Any) -> None:
    extra = {"new": 1, "gone": None, "members": [{"new": {"x": 1}}, {"location": {"id": "L", "floor": 3}}]}
    answers = read(companion, extra, extra)
    assert answers.unknown_fields == {"new": 2, "members[].new": 2, "members[].location.floor": 2}


def test_many_unknown_fields_take_no_time_and_no_memory() -> None:
    answers = read(*({f"field{number}-{answer}": number for number in range(40)} for answer in range(100)))
    assert len(answers.unknown_fields) == 1001
    assert answers.unknown_fields["(other fields)"] == 3000


NAMES = st.text(st.characters(codec="utf-8"))
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "on": st.none() | st.booleans(),
        "word": st.none() | NAMES,
        "members": st.none() | st.lists(st.fixed_dictionaries({"id": NAMES}), max_size=3),
    },
)


@given(st.lists(ANSWERS, max_size=6))
@pytest.mark.slow
def test_both_ways_to_read_give_the_same_rows(bodies: list[Any]) -> None:
    fast = read(*bodies)
    slow = read(*bodies, {"word": 5})
    assert rows(fast) == rows(slow)[:-1]


@pytest.mark.attack("redaction")
def test_of_an_answer_with_a_pin_only_what_a_table_has_is_kept() -> None:
    body = {
        "audioPin": "2468",
        "defaultAudioType": {"audioPin": "2468"},
        "enabledTollFree": True,
        "settings": {"audioPin": "2468"},
        "absent": None,
        "officeNumber": {"number": "5551234", "pins": ["2468"], "countryCode": ["2468"], "enabledCallMe": False},
        "mobileNumber": "5551235",
    }
    assert AUDIO_OPTIONS.censor
    kept = AUDIO_OPTIONS.censor(json.dumps(body).encode())
    assert b"2468" not in kept
    assert json.loads(kept) == {
        "audioPinStatus": "ok",
        "defaultAudioType": {},
        "enabledTollFree": True,
        "settings": True,
        "absent": None,
        "officeNumber": {"number": "5551234", "pins": True, "countryCode": [], "enabledCallMe": False},
        "mobileNumber": "5551235",
    }
