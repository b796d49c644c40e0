"""A name of an unknown field comes from outside: it is kept only if it looks like a name."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.datasets.answers import read_answers
from audit.datasets.audio_options import AUDIO_OPTIONS
from audit.untrusted.unknown import ODD_NAME

pytestmark = pytest.mark.attack("redaction")

SCHEMA = pa.schema([("on", pa.bool_()), ("place", pa.struct([("id", pa.string())]))])
assert AUDIO_OPTIONS.censor


@pytest.mark.parametrize("companion", [True, "true"])  # the second is read answer by answer
@pytest.mark.parametrize(
    "name", ["\x1b[2Ja", "a" * 65, "=HYPERLINK(1)", "a\nb", "Ünlü", "", " a", "1st", "a.b", "\u202ea"]
)
def test_a_name_that_does_not_look_like_a_name_is_counted_and_not_kept(name: str, companion: Any) -> None:
    bodies = [json.dumps({"on": companion, name: 1, "place": {name: 1}, "new": 1}).encode()]
    answers = read_answers(bodies, SCHEMA, ())
    assert answers.unknown_fields == {ODD_NAME: 1, f"place.{ODD_NAME}": 1, "new": 1}


@pytest.mark.parametrize(
    "name",
    ["8317", "pin8317", "p8i3n1x7", "8-3-1-7", "８３１７", "\u0668\u0663\u0661\u0667", "audioPin_8317", "+8317 "],
)
@pytest.mark.parametrize("place", ["", "officeNumber"])
def test_a_pin_that_is_used_as_a_key_reaches_nothing(name: str, place: str) -> None:
    field = {name: "x", "newField2": "y"}
    body = {"defaultAudioType": "webexAudio", **({place: field} if place else field)}
    censored = AUDIO_OPTIONS.censor(json.dumps(body).encode())  # type: ignore[misc]
    answers = read_answers([censored], AUDIO_OPTIONS.answer, ())
    prefix = f"{place}." if place else ""
    assert answers.unknown_fields == {f"{prefix}{ODD_NAME}": 1, f"{prefix}newField2": 1}
    assert not re.search(r"\d.*\d.*\d.*\d", censored.decode())
    assert name not in json.loads(censored)


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.text(), max_size=5))
def test_any_names_end_no_run(fields: dict[str, Any]) -> None:
    answers = read_answers([json.dumps({"on": True} | fields).encode()], SCHEMA, ())
    assert all(re.fullmatch(r"[\x20-\x7e]{1,80}", name) for name in answers.unknown_fields)


def test_no_key_of_an_answer_with_a_pin_is_on_the_disk(tmp_path: Path) -> None:
    body = json.dumps({"defaultAudioType": "x", "audioPin": "8317", "8317": {"8317": "8317"}}).encode()
    assert b"8317" not in AUDIO_OPTIONS.censor(body)  # type: ignore[misc]
