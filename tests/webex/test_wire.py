import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.outcome import Outcome
from audit.webex.body import page_items, read_body, read_error
from audit.webex.verdict import judge
from audit.webex.wire import answer_time, origin_of, retry_after_s

NOW = datetime(2026, 11, 21, 19, 9, tzinfo=UTC)
INVALID = Outcome.INVALID_RESPONSE
E1 = b'{"message": "no", "errors": [{"description": "no"}], "trackingId": "T"}'
E3 = b'{"errorCode": 25409, "message": "Invalid Professional Place", "errors": [{"description": "x", "errorCode": 1}]}'


@pytest.mark.parametrize(
    ("status", "body", "outcome", "is_retryable"),
    [
        (200, b'{"allowAutoAnswer": true}', Outcome.OK, False),
        (200, b'\n {"a": 1}\n', Outcome.OK, False),
        (200, b'{"name": "\\ud800"}', Outcome.OK, False),
        (200, b"", Outcome.INVALID_RESPONSE, True),
        (200, b"<html>", Outcome.INVALID_RESPONSE, True),
        (200, b"[]", Outcome.INVALID_RESPONSE, True),
        (200, b'{"a": "\xff"}', Outcome.INVALID_RESPONSE, True),
        (200, b'{"a": 1} trailing', Outcome.INVALID_RESPONSE, True),
        (200, b'{"message": "Try later"}', Outcome.INVALID_RESPONSE, True),
        (200, b'{"errors": [{"description": "x"}], "trackingId": "T"}', Outcome.INVALID_RESPONSE, True),
        (200, b'{ "trackingId": "T",\n"errors": [{"description": "x"}]}', Outcome.INVALID_RESPONSE, True),
        (200, b'{"\\u006dessage": "Try later"}', Outcome.INVALID_RESPONSE, True),
        (200, b'{"message": "Try later", "items": []}', Outcome.OK, False),
        (200, b'{"items": [], "message": "Try later"}', Outcome.OK, False),
        (200, b'{"": "", "message": "Try later"}', Outcome.OK, False),
        (200, b"{}", Outcome.OK, False),
        (200, b'{"message": null}', Outcome.OK, False),
        (202, b'{"message": "accepted"}', Outcome.INVALID_RESPONSE, True),
        (204, b"", Outcome.INVALID_RESPONSE, True),
        (206, b'{"items": []}', Outcome.INVALID_RESPONSE, True),
        (302, b"", Outcome.INVALID_RESPONSE, True),
        (400, E1, Outcome.BAD_REQUEST, False),
        (400, b"<html>", Outcome.INVALID_RESPONSE, True),
        (401, E1, Outcome.FORBIDDEN, False),
        (401, b"<html>", Outcome.INVALID_RESPONSE, True),
        (403, E1, Outcome.FORBIDDEN, False),
        (403, b'{"fault": {"faultstring": "denied"}}', Outcome.INVALID_RESPONSE, True),
        (404, b"", Outcome.INVALID_RESPONSE, True),
        (404, b"<html>", Outcome.INVALID_RESPONSE, True),
        (404, b"default backend - 404", Outcome.INVALID_RESPONSE, True),
        (404, b'{"status": 404, "error": "Not Found", "path": "/v1"}', Outcome.INVALID_RESPONSE, True),
        (
            404,
            b'{"status": 404, "error": "Not Found", "message": "No message", "path": "/v1"}',
            INVALID,
            True,
        ),  # Spring
        (404, b'{"message": "no Route matched", "request_id": "5b1"}', INVALID, True),  # Kong
        (404, b'{"statusCode": 404, "message": "Resource not found"}', INVALID, True),  # Azure API Management
        (404, b'{"kind": "Status", "message": "not found", "code": 404}', INVALID, True),  # Kubernetes
        (410, b'{"statusCode": 410, "message": "Cannot GET /v1", "error": "Gone"}', INVALID, True),  # Nest
        (404, b'{"message": "gone", "trackingId": "T", "since": "noon"}', Outcome.NOT_FOUND, False),
        (404, b'{"message": "gone", "errors": ["gone"], "since": "noon"}', Outcome.NOT_FOUND, False),
        (404, b'{"message": ""}', Outcome.INVALID_RESPONSE, True),
        (404, b'{"errors": []}', Outcome.INVALID_RESPONSE, True),
        (404, b'"message"', Outcome.INVALID_RESPONSE, True),
        (404, b'{"trackingId": "T"}', Outcome.NOT_FOUND, False),
        (404, b'\xef\xbb\xbf{"message": "gone"}', Outcome.NOT_FOUND, False),
        (404, b'{"message": "caf\xe9"}', Outcome.NOT_FOUND, False),
        (404, b'{"message": "\\ud800", "trackingId": "T", "limit": 1e400}', Outcome.NOT_FOUND, False),
        (404, b"[Error 4008] User not found", Outcome.INVALID_RESPONSE, True),
        (404, b'{"message": "gone"}', Outcome.NOT_FOUND, False),
        (404, b'{"errors": [{"description": "[Error 4008]", "code": "4008"}]}', Outcome.NOT_LICENSED, False),
        (404, b'{"error": [{"key": "404", "message": [{"code": 4008}]}]}', Outcome.NOT_LICENSED, False),
        (405, E3, Outcome.NOT_LICENSED, False),
        (404, b'{"message": "WXC-4008: User not found"}', Outcome.NOT_LICENSED, False),
        (405, b'{"message": "Invalid Professional Place"}', Outcome.NOT_LICENSED, False),
        (
            405,
            b'{"message": "no", "errors": [{"description": "invalid professional place."}]}',
            Outcome.NOT_LICENSED,
            False,
        ),
        (405, b'{"message": "WXC-25409: not for this place"}', Outcome.NOT_LICENSED, False),
        (405, b'{"trackingId": "T", "errors": [{"code": "WXC-25409"}]}', Outcome.NOT_LICENSED, False),
        (405, b'{"trackingId": "T", "detail": {"why": ["see wxc-25409 there"]}}', Outcome.NOT_LICENSED, False),
        (405, b'{"error": [{"key": "405", "message": [{"code": "WXC-25409"}]}]}', Outcome.NOT_LICENSED, False),
        (405, b'{"message": "WXC-254090"}', Outcome.BAD_REQUEST, False),
        (405, E1, Outcome.BAD_REQUEST, False),
        (405, b"<html>Invalid Professional Place</html>", Outcome.INVALID_RESPONSE, True),
        (407, b"<html>", Outcome.INVALID_RESPONSE, True),
        (408, b"", Outcome.TIMEOUT, True),
        (409, E1, Outcome.BAD_REQUEST, False),
        (410, E1, Outcome.NOT_FOUND, False),
        (410, b"", Outcome.INVALID_RESPONSE, True),
        (415, E1, Outcome.BAD_REQUEST, False),
        (425, b"", Outcome.SERVER_ERROR, True),
        (428, E1, Outcome.BAD_REQUEST, False),
        (499, b"<html>", Outcome.TIMEOUT, True),
        (99, b"", Outcome.INVALID_RESPONSE, True),
        (600, b"", Outcome.INVALID_RESPONSE, True),
        (423, b"", Outcome.THROTTLED, True),
        (429, b"", Outcome.THROTTLED, True),
        (500, b"", Outcome.SERVER_ERROR, True),
        (501, b"", Outcome.SERVER_ERROR, False),
        (502, b"<html>", Outcome.SERVER_ERROR, True),
        (503, b"", Outcome.SERVER_ERROR, True),
        (504, b"", Outcome.SERVER_ERROR, True),
        (505, b"", Outcome.SERVER_ERROR, False),
        (520, b"<html>", Outcome.SERVER_ERROR, True),
        (530, b"", Outcome.SERVER_ERROR, True),
    ],
)
def test_a_status_and_body_have_one_meaning(status: int, body: bytes, outcome: Outcome, is_retryable: bool) -> None:  # noqa: FBT001
    verdict = judge(status, {}, body)
    assert (verdict.outcome, verdict.is_retryable) == (outcome, is_retryable)
    assert (verdict.message is None) == (outcome is Outcome.OK)


@pytest.mark.parametrize(
    ("body", "message", "codes"),
    [
        (b'{"message": "m", "errors": [{"description": "d"}], "trackingId": "T"}', "m; d", set()),
        (b'{"message": "m", "errors": [{"description": "m"}], "trackingId": "T"}', "m", set()),
        (b'{"message": "m", "trackingId": "T"}', "m", set()),
        (
            b'{"errorCode": 25223, "message": "m", "trackingId": "T", "errors": [{"description": "d", "code": 8363}]}',
            "m; d",
            {25223, 8363},
        ),
        (
            b'{"error": [{"key": "400", "message": [{"description": "d", "code": null}]}], "trackingId": "T"}',
            "d",
            set(),
        ),
        (b'[{"errors": [{"errorMessage": "e"}], "trackingId": "T"}]', "e", set()),
        (b'{"code": 401, "message": "m", "trackingId": "T"}', "m", {401}),
        (b'{"message": "[Error 4008] User not found", "trackingId": "T"}', "[Error 4008] User not found", {4008}),
        (b'{"message": "m", "errorCode": "' + b"9" * 5000 + b'", "trackingId": "T"}', "m", set()),
    ],
)
def test_every_known_error_body_is_understood(body: bytes, message: str, codes: set[int]) -> None:
    error = read_error(body)
    assert (error.message, error.codes, error.tracking_id) == (message, codes, "T")


JSON_BODIES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(["WXC-25409", "[Error 4008]", "1e400"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "errors", "error", "code", "errorCode", "trackingId", "x"]), inner
        )
    ),
    max_leaves=8,
).map(lambda content: json.dumps(content).encode())


@given(st.integers(0, 999), st.binary() | JSON_BODIES, st.booleans())
def test_every_answer_has_a_meaning(status: int, body: bytes, has_pins: bool) -> None:  # noqa: FBT001
    read_error(body)
    verdict = judge(status, {}, body, has_pins=has_pins)
    assert (verdict.outcome is Outcome.OK) <= (status == 200)
    # A complete answer other than `ok` is the API's own.
    assert not verdict.outcome.is_complete or verdict.outcome is Outcome.OK or read_error(body).is_own


@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("opening", [b"[", b'{"message":', b'{"errors":[', b'[{"a":'])
@pytest.mark.parametrize("depth", [900, 990, 1000, 1100, 100_000])
def test_an_answer_of_any_depth_has_a_meaning(status: int, opening: bytes, depth: int) -> None:
    closing = bytes({ord("["): b"]"[0], ord("{"): b"}"[0]}[char] for char in reversed(opening) if char in b"[{")
    body = opening * depth + b"1" + closing * depth
    assert judge(status, {}, body).message or status == 200


@pytest.mark.parametrize(
    ("body", "defect"),
    [
        (b'{"a":' * 100_000, "nested too deep"),
        (b'{"a": "\\ud800", "b": ' + b"[" * 2000, "nested too deep|not JSON"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": Infinity}', "not JSON"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8|not JSON"),
        (b"\xef\xbb\xbf", "empty"),
        (b" <!DOCTYPE html>", "an HTML page"),
        (b"Service is starting", "text"),
    ],
)
def test_the_error_says_why_a_body_is_not_an_object(body: bytes, defect: str) -> None:
    with pytest.raises(ValueError, match=defect):
        read_body(body)
    read_error(body)


def test_an_unpaired_surrogate_costs_one_character_and_not_the_answer() -> None:
    body = rb'{"\ud800": "a\udfffb\\ud800 \ud83d\ude00", "n": 1e400}'
    assert read_body(body) == rb'{"\ufffd": "a\ufffdb\\ud800 \ud83d\ude00", "n": 1e400}'


def test_a_byte_order_mark_before_a_body_is_dropped() -> None:
    assert read_body(b'\xef\xbb\xbf{"a": 1}') == b'{"a": 1}'
    assert page_items(b'\xef\xbb\xbf{"items": [1]}', "items") == [1]
    assert read_error(b'\xef\xbb\xbf{"message": "m"}').message == "m"


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 5000, "1.8e308"])
def test_a_number_of_any_size_costs_nothing(number: str) -> None:
    body = f'{{"items": [{{"id": "a", "capacity": {number}}}]}}'.encode()
    assert [item["id"] for item in page_items(read_body(body), "items") or []] == ["a"]


def test_the_words_of_the_api_are_kept_whatever_the_status() -> None:
    assert judge(200, {}, b'{"message": "Maintenance until noon"}').message == "Maintenance until noon"
    assert judge(502, {}, b'{"message": "Bad gateway"}').message == "Bad gateway"
    assert judge(404, {}, b'{"errors": ["no such place"]}').message == "no such place"
    assert judge(404, {}, b'{"error": ["no", 1, "gone"], "message": "m"}').message == "no; gone; m"


def test_the_words_of_a_gateway_are_kept_as_such() -> None:
    body = b'{"message": "no Route matched", "request_id": "5b1"}'
    expected = "HTTP 404 with JSON of another kind in place of the API's answer: no Route matched"
    assert judge(404, {}, body).message == expected
    assert "an HTML page" in (judge(404, {}, b"<html>").message or "")
    assert "no body" in (judge(403, {}, b"").message or "")


def test_text_that_utf_8_can_not_hold_is_mended_in_headers_too() -> None:
    assert judge(404, {"trackingid": "caf\udce9"}, b"").tracking_id == "caf\ufffd"


@pytest.mark.parametrize(
    ("value", "expected_s"),
    [
        ("4", 4.0),
        (" 194 ", 194.0),
        ("0", 1.0),
        ("0.25", 1.0),
        ("2.5", 2.5),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 1.0),
        ("100000", 100_000.0),
        ("rand(30),add(30)", None),
        ("", None),
        (None, None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("99999999999", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("Sat, 21 Nov 2026 19:10:00", None),
    ],
)
def test_retry_after_is_understood_or_none(value: str | None, expected_s: float | None) -> None:
    assert retry_after_s(value, NOW) == expected_s


@given(st.text())
def test_no_retry_after_raises(value: str) -> None:
    delay_s = retry_after_s(value, NOW)
    assert delay_s is None or delay_s >= 1


def test_a_date_is_measured_from_the_clock_of_the_server() -> None:
    assert answer_time({"date": "Sat, 21 Nov 2026 19:10:00 GMT"}, NOW) == NOW + timedelta(minutes=1)
    far = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"
    for nonsense in ({}, {"date": far}, {"date": "yesterday"}, {"date": "Sat, 21 Nov 2026 19:10:00 -0000"}):
        assert answer_time(nonsense, NOW) == NOW


def test_a_page_without_its_list_is_not_an_empty_one() -> None:
    assert page_items(b'{"items": [1, 2]}', "items") == [1, 2]
    assert page_items(b'{"items": []}', "items") == []
    assert page_items(b'{"items": null}', "items") is None
    assert page_items(b"{}", "items") is None


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("https://webexapis.com/v1", "https://WebexAPIs.com:443/other?x", True),
        ("https://webexapis.com/v1", "http://webexapis.com/v1", False),
        ("https://webexapis.com/v1", "https://webexapis.com.evil.net/v1", False),
        ("https://webexapis.com/v1", "https://webexapis.com@evil.net/v1", False),
        ("https://webexapis.com/v1", "https://webexapis.com:8443/v1", False),
        ("https://webexapis.com/v1", "https://webexapis.com:99999/v1", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(one: str, other: str, is_same: bool) -> None:  # noqa: FBT001
    assert (origin_of(one) == origin_of(other)) == is_same
