"""What opens more than approved is a difference; what only looks different is not."""

from typing import Any

import pytest
from crafted import Audit, Change, TickingClock, crafted
from harness import Where

from audit.review.approval import add_approval
from audit.review.tables import open_tables
from audit.simulator.app import Simulation
from audit.simulator.organization import Json, Organization
from audit.snapshot.catalog import Snapshot

ON: Json = {"allowAutoAnswer": True, "connectionType": "ONE_WAY", "accessType": "ALLOW_MEMBERS"}
OFF = {"allowAutoAnswer": False}
TWO_WAY = {"connectionType": "TWO_WAY"}
BLOCK = {"accessType": "BLOCK_MEMBERS"}


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


def room(*members: Any, **changes: Any) -> Change:
    """Settings with members: their indices, or what differs in them beside the index."""

    def answer(organization: Organization, _: Json) -> Json:
        listed = []
        for each in members:
            index, other = each if isinstance(each, tuple) else (each, {})
            member = organization.member(index) | other
            listed.append({name: value for name, value in member.items() if value is not ...})
        return ON | changes | {"members": listed}

    return answer


def states(snapshot: Snapshot, approved: Snapshot) -> dict[str, tuple[str, bool, str | None]]:
    """State, whether it opens, and detail by name of the room."""
    with open_tables(snapshot, approved=approved) as connection:
        add_approval(connection, snapshot.manifest, approved.manifest)
        rows = connection.execute(
            "SELECT entity_name, state, is_open, detail FROM approval JOIN now_coverage USING (org_id, entity_id)"
        ).fetchall()
    return {name: (state, is_open, detail) for name, state, is_open, detail in rows}


NO_ID = {"id": ...}
NO_NAME = {"displayName": ..., "firstName": ..., "lastName": ...}
NOTHING = NO_ID | NO_NAME | {"email": ...}
OTHER_NUMBERS = {"numbers": [{"external": "+14085550000", "extension": "1", "primary": True}]}
RENAMED = {"displayName": "Another Name", "firstName": "Another", "lastName": "Name", "email": "new@example.com"}
SAME: dict[str, tuple[Change, Change]] = {
    "as it was": (room(1, 2), room(1, 2)),
    "another order": (room(1, 2, 3), room(3, 1, 2)),
    "other numbers": (room(1, 2), room((1, OTHER_NUMBERS), (2, {"numbers": []}))),
    "a renamed member": (room(1, 2), room((1, RENAMED), 2)),
    "a moved member": (room(1), room((1, {"location": {"id": "elsewhere", "name": "Moon Base"}}))),
    "another type of member": (room(1), room((1, {"type": "VIRTUAL_LINE"}))),
    "a member twice": (room(1, 2), room(1, 2, 1)),
    "no member twice any more": (room(1, 2, 1), room(1, 2)),
    "no id any more": (room(1, 2), room((1, NO_ID), 2)),
    "an id now": (room((1, NO_ID)), room(1)),
    "no id, address in capitals": (room(1), room((1, NO_ID | {"email": "USER0001@example.com", "displayName": "X"}))),
    "no id and no address": (room(1), room((1, NO_ID | {"email": ...}))),
    "no id, twice": (room((1, NO_ID), 2), room(2, (1, NO_ID), (1, NO_ID))),
    "off, and nobody can use the list": (room(1, **OFF), room(1, 2, **OFF, **TWO_WAY)),
    "off in another way": (room(1, **OFF), room(**OFF, **BLOCK)),
    "an empty list, off": (room(), room(**OFF)),
    "an empty list, two-way": (room(), room(**TWO_WAY)),
    "a member without anything, twice": (room((1, NOTHING)), room((1, NOTHING), (2, NOTHING))),
    "a blank id": (room(1), room((1, {"id": " "}))),
    "a blocked list in another order": (room(1, 2, **BLOCK), room(2, 1, **BLOCK)),
    "a blocked member without id": (room(1, **BLOCK), room((1, NO_ID), **BLOCK)),
    "an undocumented word": (room(1, connectionType="HALF"), room(1, connectionType="HALF")),
}
OPEN: dict[str, tuple[Change, Change, str]] = {
    "on": (
        room(1, **OFF),
        room(1),
        "auto-answer is on, and was approved as off: only the member on its list may speak",
    ),
    "on for a member more": (room(1, **OFF), room(1, 2), "(user0002@example.com) may call; the approved list does not"),
    "an empty list has a member": (room(), room(1), "(user0001@example.com) may call; the approved list does not name"),
    "two-way": (room(1), room(1, **TWO_WAY), "callers may listen and speak; approved: speak"),
    "two-way and on": (room(1, **OFF), room(1, **TWO_WAY), "callers may listen and speak; approved: speak"),
    "a member more": (room(1), room(1, 2), "(user0002@example.com) may call; the approved list does not name"),
    "another member": (room(1, 2), room(1, 3), "(user0003@example.com) may call; the approved list does not name"),
    "a namesake with another id": (room(1), room((1, {"id": "other"})), "may call; the approved list does not name"),
    "a namesake with another address": (
        room((1, NO_ID)),
        room((1, NO_ID | {"email": "evil@example.com"})),
        "(evil@example.com) may call",
    ),
    "another member with an empty id": (
        room((1, {"id": ""})),
        room((2, {"id": ""})),
        "(user0002@example.com) may call",
    ),
    "another member with a blank id": (
        room((1, {"id": " "})),
        room((2, {"id": " "})),
        "(user0002@example.com) may call",
    ),
    "another member without a name": (
        room((1, NO_ID | NO_NAME)),
        room((2, NO_NAME | {"email": ...})),
        "may call; the approved list does not name this member",
    ),
    "a blocked member less": (
        room(1, 2, **BLOCK),
        room(1, **BLOCK),
        "is not blocked any more; the approved list names",
    ),
    "anyone": (
        room(1),
        room(1, **BLOCK),
        "anyone but the member on its list may call; approved: only the member on its list",
    ),
    "anyone at all": (room(1), room(**BLOCK), "anyone may call; approved: only the member on its list"),
    "who was blocked": (room(1, 2, **BLOCK), room(1, 3), "(user0001@example.com) may call; the approved list blocks"),
    "an undocumented direction": (
        room(1, **TWO_WAY),
        room(1, connectionType="HALF"),
        "callers may use connection HALF",
    ),
    "an undocumented access": (room(1), room(1, accessType="SOME"), "access type SOME may call; approved: only the"),
    "a list, and was an undocumented access": (
        room(1, accessType="NOBODY"),
        room(1, 2),
        "only the 2 members on its list may call; approved: access type NOBODY",
    ),
    "a list, and was a word in another case": (
        room(1, accessType="block_members"),
        room(1),
        "only the member on its list may call; approved: access type block_members",
    ),
    "an undocumented list": (room(1, accessType="SOME"), room(accessType="SOME"), "is not on the list any more"),
}
CLOSED: dict[str, tuple[Change, Change, str]] = {
    "off": (
        room(1, **TWO_WAY),
        room(1, **OFF),
        "auto-answer is off; approved: only the member on its list may listen and",
    ),
    "one-way": (room(1, **TWO_WAY), room(1), "callers may speak; approved: listen and speak"),
    "a member less": (room(1, 2), room(1), "(user0002@example.com) may not call any more; the approved list names"),
    "nobody left": (room(1), room(), "(user0001@example.com) may not call any more"),
    "a blocked member more": (room(1, **BLOCK), room(1, 2, **BLOCK), "(user0002@example.com) is blocked; the approved"),
    "nobody, and was an undocumented access": (
        room(1, accessType="SOME"),
        room(),
        "nobody may call; approved: access type SOME",
    ),
    "only members": (
        room(1, **BLOCK),
        room(2),
        "only the member on its list may call; approved: anyone but the member on its",
    ),
}


@pytest.fixture
def compared(audit: Audit) -> Any:
    def compared(cases: Any) -> list[tuple[str, bool, str | None]]:
        approved = audit(Simulation(crafted(*(case[0] for case in cases.values()))))
        found = states(audit(Simulation(crafted(*(case[1] for case in cases.values())))), approved)
        return [found[f"Room {index}"] for index in range(len(cases))]

    return compared


def test_what_only_looks_different_is_approved(compared: Any) -> None:
    found = dict(zip(SAME, compared(SAME), strict=True))
    assert found == dict.fromkeys(SAME, ("approved", False, None))
    assert len(found) > 15


def test_what_opens_more_than_approved_is_named_exactly(compared: Any) -> None:
    for name, (state, is_open, detail) in zip(OPEN, compared(OPEN), strict=True):
        assert (state, is_open) == ("differs", True), (name, detail)
        assert OPEN[name][2] in detail, (name, detail)


def test_what_opens_less_than_approved_differs_and_is_not_open(compared: Any) -> None:
    for name, (state, is_open, detail) in zip(CLOSED, compared(CLOSED), strict=True):
        assert (state, is_open) == ("differs", False), (name, detail)
        assert CLOSED[name][2] in detail, (name, detail)


def test_a_room_that_either_snapshot_does_not_know_is_unknown(audit: Audit) -> None:
    rooms = [crafted().workspace(index)["id"] for index in range(2)]
    open_now = [room(1, **TWO_WAY)] * 3
    whole = audit(Simulation(crafted()))
    lacking = audit(Simulation(crafted(), Where("mistyped", f"{rooms[0]}/pushToTalk")))
    now = audit(Simulation(crafted(*open_now), Where("400", f"{rooms[1]}/pushToTalk")))
    found = states(now, lacking)
    assert [found[f"Room {index}"][:2] for index in range(3)] == [
        ("unknown", False),
        ("unknown", False),
        ("differs", True),
    ]
    assert "the approved snapshot has no answer for it (invalid_response)" in str(found["Room 0"][2])
    assert "the snapshot has no answer for it (bad_request)" in str(found["Room 1"][2])
    assert states(whole, now)["Room 1"][0] == "unknown"


def test_a_new_room_differs_if_it_opens(audit: Audit) -> None:
    approved = audit(Simulation(crafted(workspaces=1)))
    found = states(audit(Simulation(crafted(room(1), room(1, 2, **TWO_WAY), room(1, **OFF), room()))), approved)
    assert found["Room 0"][:2] == ("differs", False)
    state, is_open, detail = found["Room 1"]
    assert (state, is_open) == ("added", True)
    assert "is new since the approval and answers by itself: only the 2 members on its list (" in str(detail)
    assert "user0002@example.com)) may listen and speak" in str(detail)
    closed = ("added", False, "is new since the approval; it opens for nobody")
    assert found["Room 2"] == found["Room 3"] == closed
