"""Links to Control Hub: only to the page of a room, and nothing from outside gets into an address but a UUID."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.review.control_hub import page_of

API = "https://webexapis.com/v1"
UUID = "dd22edfe-9fef-47f9-981d-f1b071af070c"


def id_of(uri: str) -> str:
    return base64.b64encode(uri.encode()).decode().rstrip("=")


@pytest.mark.parametrize("region", ["us", "eu", "urn:TEAM:us-west-2_r"])
def test_a_room_has_a_page(region: str) -> None:
    found = page_of(API, "WORKSPACE", id_of(f"ciscospark://{region}/PLACE/{UUID}"))
    assert found == f"https://admin.webex.com/workspaces/{UUID}/overview"


def test_padding_does_no_harm() -> None:
    padded = base64.b64encode(f"ciscospark://us/PLACE/{UUID}".encode()).decode()
    assert page_of(API, "WORKSPACE", padded) == page_of(API, "WORKSPACE", padded.rstrip("="))


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:8080/v1",
        "https://api-usgov.webex.com/v1",
        "http://webexapis.com/v1",
        "https://webexapis.com.example.com/v1",
        "https://webexapis.com@example.com/",
        "https://[",
        "",
    ],
)
def test_what_another_api_told_has_no_page(base_url: str) -> None:
    assert page_of(base_url, "WORKSPACE", id_of(f"ciscospark://us/PLACE/{UUID}")) is None


@pytest.mark.parametrize("kind", ["PERSON", "VIRTUAL_LINE", "PAGING_GROUP", "workspace", "", None])
def test_other_kinds_have_no_page(kind: str | None) -> None:
    assert page_of(API, kind, id_of(f"ciscospark://us/PLACE/{UUID}")) is None


@pytest.mark.attack("HTML")
@pytest.mark.parametrize(
    "hostile",
    [
        None,
        "",
        "w",
        UUID,
        "javascript:alert(1)",
        id_of(f"ciscospark://us/PEOPLE/{UUID}"),
        id_of(f"ciscospark://us/PLACE/{UUID}/../../../manage-users"),
        id_of(f"ciscospark://us/PLACE/../{UUID}"),
        id_of(f"ciscospark://us/x/PLACE/{UUID}"),
        id_of(f"https://example.com/PLACE/{UUID}"),
        id_of(f"ciscospark://us/PLACE/{UUID}\n"),
        id_of(f"ciscospark://us/PLACE/{UUID}?next=https://example.com"),
        id_of('ciscospark://us/PLACE/"><script>alert(1)</script>'),
        id_of("ciscospark://us/PLACE/" + UUID.replace("d", "\N{FULLWIDTH DIGIT ONE}")),
        id_of(f"ciscospark://us/PLACE/{UUID.upper()}"),
        "é" * 40,
        "A" * 10_000_000,
    ],
)
def test_an_id_of_another_form_has_no_page(hostile: str | None) -> None:
    assert page_of(API, "WORKSPACE", hostile) is None


@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.b64encode(b"ciscospark://us/PLACE/" + raw).decode())))
def test_an_address_holds_nothing_but_a_uuid(entity_id: str) -> None:
    found = page_of(API, "WORKSPACE", entity_id)
    assert found is None or re.fullmatch(r"https://admin\.webex\.com/workspaces/[0-9a-f-]{36}/overview", found)
