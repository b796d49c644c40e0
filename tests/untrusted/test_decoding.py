import json
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.outcome import Outcome
from audit.output.journal import JOURNAL, read_journal
from audit.untrusted.bounds import DEPTH
from audit.untrusted.decoding import UndecodableError, json_of, toml_of
from audit.webex.grant import Grant, judge_grant
from audit.webex.verdict import judge

DEPTHS = [DEPTH, DEPTH + 1, 200, 480, 900, 940, 960, 980, 990, 995, 1000, 2000, 100_000]


def nested(depth: int, inner: str = "1") -> str:
    return '{"a":' * depth + inner + "}" * depth


@pytest.mark.attack("depth")
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("form", ['{"message": "no", "errors": [%s]}', '[{"errors": [%s]}]', "%s", '{"code": %s}'])
@pytest.mark.parametrize("status", [200, 404, 405, 500])
def test_an_answer_of_any_depth_has_an_outcome(depth: int, form: str, status: int) -> None:
    for body in (form % nested(depth), form % ("[" * depth + "]" * depth), form % ("[" * depth)):
        assert judge(status, {}, body.encode()).outcome in Outcome


@pytest.mark.attack("depth")
@pytest.mark.parametrize("depth", DEPTHS)
def test_an_answer_of_the_token_endpoint_of_any_depth_ends_without_a_crash(depth: int) -> None:
    body = f'{{"access_token": "a", "more": {nested(depth)}}}'.encode()
    assert isinstance(judge_grant(200, {}, body), Grant) == (depth < DEPTH)
    judge_grant(400, {}, f'{{"error": "invalid_grant", "error_description": {nested(depth)}}}'.encode())


@pytest.mark.attack("depth")
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_journal_of_any_depth_is_readable_or_none(depth: int, tmp_path: Path) -> None:
    fields = '{"run_id": "20261121T190900Z-3f9c1a", "started_at": "2026-11-21T19:09:00Z", "scope": %s}'
    (tmp_path / JOURNAL).write_text(fields % nested(depth))
    assert (read_journal(tmp_path) is not None) == (depth < DEPTH)


@pytest.mark.attack("depth")
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    "form",
    [
        lambda depth: "a = " + "[" * depth + "]" * depth,
        lambda depth: "a = " + "{a = " * depth + "1" + "}" * depth,
        lambda depth: "[" + ".".join("a" * depth) + "]",
        lambda depth: "a = " + "[" * depth,
    ],
)
def test_toml_of_any_depth_is_content_or_one_error(depth: int, form: Any) -> None:
    with suppress(UndecodableError):
        assert toml_of(form(min(depth, 5000)))


@pytest.mark.attack("depth")
@pytest.mark.parametrize("text", ["9" * 5000, "-" + "9" * 5000, "1e999", "NaN", "[1e999, -Infinity]"])
def test_numbers_of_any_size_are_decoded(text: str) -> None:
    assert json_of(b'{"a": %b}' % text.encode())
    assert judge(404, {}, b'{"message": "no", "code": %b}' % text.encode()).outcome in Outcome


@pytest.mark.attack("depth")
@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b'"\xed\xa0\x80"', b'{"a"', b"\x00", b"{'a': 1}", b"[" * 100_000, b"\xef\xbb\xbf", b"[,]",
     b"\xff\xfe{\x00}\x00", b'["' + b"x" * 100],
)  # fmt: skip
def test_what_is_not_json_is_one_error(data: bytes) -> None:
    with pytest.raises(UndecodableError):
        json_of(data)


def test_odd_json_has_a_meaning() -> None:
    assert json_of(b'\xef\xbb\xbf{"a": 1, "a": 2}') == {"a": 2}
    assert json_of(b'{"a": "\\ud800x", "b": "\\ud83d\\ude00"}') == {"a": "\ufffdx", "b": "\U0001f600"}


@pytest.mark.attack("memory")
def test_a_document_of_very_many_values_is_not_an_object() -> None:
    for data in (b"[" + b"1," * 300_000 + b"1]", b"[" + b"{}," * 300_000 + b"{}]", b"[" + b"[],[]," * 200_000 + b"1]"):
        with pytest.raises(UndecodableError, match="more than 200,000 values"):
            json_of(data)


@pytest.mark.parametrize("text", ["a = 9" + "9" * 5000, "a = 2026-99-99", "a = ", "a = 1\na = 2", "\x00"])
def test_what_is_not_toml_is_one_error(text: str) -> None:
    with pytest.raises(UndecodableError):
        toml_of(text)


def test_toml_is_decoded() -> None:
    assert toml_of("a = 2026-11-27") == {"a": date(2026, 11, 27)}


def test_another_form_is_one_error() -> None:
    with pytest.raises(UndecodableError):
        json_of(b'{"a": 1}', list[int])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
)


@given(JSON)
def test_json_of_usual_depth_is_decoded_as_it_is(content: Any) -> None:
    assert json_of(json.dumps(content).encode()) == content
    assert json_of(msgspec.json.encode(content)) == content


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_are_content_or_one_error(data: bytes) -> None:
    with suppress(UndecodableError):
        json_of(data)
