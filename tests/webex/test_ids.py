import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.webex.ids import is_uuid, organization_id, uri_of, uuid_of

UUID = "8c9fd285-6500-4518-856e-eb836c6761d8"


def encode(uri: str) -> str:
    return base64.b64encode(uri.encode()).decode()


@pytest.mark.parametrize("strip", ["", "="])
@pytest.mark.parametrize(
    "uri",
    [
        f"ciscospark://us/PLACE/{UUID}",
        f"ciscospark://urn:TEAM:us-east-1_int13/PLACE/{UUID.upper()}",
        "ciscospark://us/x/ÿÿ?",
    ],
)
def test_an_id_is_decoded_with_and_without_padding_and_in_both_alphabets(uri: str, strip: str) -> None:
    standard = encode(uri).rstrip(strip)
    assert uri_of(standard) == uri
    assert uri_of(standard.replace("+", "-").replace("/", "_")) == uri


@given(st.text())
def test_no_text_makes_decoding_raise(text: str) -> None:
    uri_of(text)
    uuid_of(text)
    organization_id(text)


def test_the_uuid_is_the_last_segment_in_lower_case() -> None:
    assert uuid_of(encode(f"ciscospark://us/PLACES/{UUID.upper()}")) == UUID
    assert uuid_of(encode("ciscospark://us/LOCATION/63715")) is None
    assert uuid_of(UUID) is None
    assert is_uuid(UUID)


def test_an_organization_is_taken_by_id_or_bare_uuid_and_nothing_else() -> None:
    webex_id = encode(f"ciscospark://us/ORGANIZATION/{UUID}").rstrip("=")
    assert organization_id(UUID.upper()) == webex_id
    assert organization_id(webex_id) == webex_id
    assert organization_id(encode(f"ciscospark://us/PLACE/{UUID}")) is None
    assert organization_id("Northwind") is None
