"""The view `open_rooms` has a row for each entity and way in which it opens by itself, and hides nothing that may."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crafted import Audit, TickingClock
from harness import Where
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ways import ANSWERS, audited, organization, party, rows_of, target, told, with_devices

from audit.review.open_rooms import OPEN_ROOMS_SCHEMA, add_open_rooms, unread_ways
from audit.review.tables import open_tables
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Json
from audit.snapshot.catalog import find_snapshot

ON = {"allowAutoAnswer": True}


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


def test_each_way_in_is_a_row_that_says_who_and_what(audit: Audit) -> None:
    of = organization(
        ON | {"connectionType": "TWO_WAY"},
        {},
        ON,
        answers=[{}, ANSWERS, ANSWERS],
        groups=[{"originators": [party("Ann"), party("Bo")], "targets": [target_of(0), target_of(2)]}],
    )
    rows = rows_of(audited(audit, of))
    assert [*rows[0]] == OPEN_ROOMS_SCHEMA.names
    assert told(rows, "entity_name", "way", "direction", "opened_by", "opener_count") == {
        ("Room 0", "push_to_talk", "hears and speaks", "list", 4),
        ("Room 0", "paging", "speaks", "list", 2),
        ("Room 1", "answer_settings", "hears and speaks", "everyone", None),
        ("Room 2", "push_to_talk", "speaks", "list", 4),
        ("Room 2", "answer_settings", "hears and speaks", "everyone", None),
        ("Room 2", "paging", "speaks", "list", 2),
    }
    assert {row["openers"] for row in rows if row["way"] == "paging"} == {"Ann, Bo"}
    assert {row["device"] for row in rows} == {"not known"}
    assert len({row["location_name"] for row in rows}) == 1


def target_of(index: int) -> Any:
    return target(organization(), index)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("room", "openers", "opened_by", "direction"),
    [
        ({"accessType": "BLOCK_MEMBERS", "members": []}, "everyone", "everyone", "speaks"),
        ({"accessType": "BLOCK_MEMBERS"}, "everyone but", "everyone but a list", "speaks"),
        ({"accessType": "NEW_WORD"}, "not known: NEW_WORD; listed: ", "not known", "speaks"),
        ({"accessType": "NEW_WORD", "members": []}, "not known: NEW_WORD", "not known", "speaks"),
        ({"connectionType": "HALF_DUPLEX"}, "", "list", "speaks, may hear"),
        ({"connectionType": "TWO_WAY"}, "", "list", "hears and speaks"),
    ],
)
def test_a_word_that_is_not_documented_counts_as_open(
    audit: Audit, room: dict[str, Any], openers: str, opened_by: str, direction: str
) -> None:
    (row,) = rows_of(audited(audit, organization(ON | room)))
    assert row["openers"].startswith(openers)
    assert (row["opened_by"], row["direction"]) == (opened_by, direction)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "of",
    [
        organization(ON | {"members": []}),
        organization(answers=[{"autoAnswerEnabled": False}]),
        organization(groups=[{"originators": [], "targets": [party("Ward", "PLACE")]}]),
        organization(groups=[{"originators": [party("Ann")], "targets": [party("Ward", "PLACE")], "enabled": False}]),
        organization(groups=[{"originators": [party("Ann")], "targets": []}]),
    ],
)
def test_what_surely_opens_for_nobody_is_not_a_row(audit: Audit, of: Any) -> None:
    assert rows_of(audited(audit, of)) == []


def test_several_groups_that_open_a_room_are_one_row_with_all_who_may(audit: Audit) -> None:
    groups: list[Json] = [
        {"originators": [party("Ann"), party("Bo")], "targets": [target_of(1)]},
        {"originators": [party("Bo"), party("Cy")], "targets": [target_of(1)]},
        {"originators": [party("Di")], "targets": [target_of(1)], "enabled": False},
    ]
    (row,) = rows_of(audited(audit, organization(groups=groups)))
    assert (row["openers"], row["opener_count"]) == ("Ann, Bo, Cy", 3)
    assert row["paging_groups"].count("Paging ") == 2
    assert (row["entity_name"], row["entity_type"]) == ("Room 1", "WORKSPACE")


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("member", "kind", "entity_id"),
    [
        (party("Desk", "VIRTUAL_LINE"), "VIRTUAL_LINE", "id of Desk"),
        (party("Desk", "PEOPLE", lastName="One"), "PERSON", "id of Desk"),
        (party("Desk", "HOLOGRAM"), "HOLOGRAM", "id of Desk"),
        (party("Desk", "PLACE", id=None), "WORKSPACE", None),
        ({"firstName": "Desk", "extension": "1234"}, "NOT KNOWN", None),
    ],
)
def test_what_only_a_paging_group_names_is_a_row_too(
    audit: Audit, member: Any, kind: str, entity_id: str | None
) -> None:
    (row,) = rows_of(audited(audit, organization(groups=[{"originators": [party("Ann")], "targets": [member]}])))
    assert (row["entity_type"], row["entity_id"]) == (kind, entity_id)
    assert row["entity_name"].startswith("Desk")


def test_long_lists_are_cut_and_counted(audit: Audit) -> None:
    many = [party(f"Caller {number}") for number in range(9)]
    (row,) = rows_of(audited(audit, organization(groups=[{"originators": many, "targets": [target_of(0)]}])))
    assert row["openers"] == "Caller 0, Caller 1, Caller 2, Caller 3, Caller 4 and 4 more"
    assert row["opener_count"] == 9


def test_since_says_what_the_earlier_snapshot_knows(audit: Audit) -> None:
    groups = [{"originators": [party("Ann")], "targets": [target_of(2)]}]
    before = audited(audit, organization(ON, {}, answers=[{}, ANSWERS]))
    now = audited(audit, organization(ON, ON, answers=[ANSWERS, ANSWERS], groups=groups))
    assert {row["since"] for row in rows_of(now)} == {None}
    since = {(row["entity_name"], row["way"]): row["since"] for row in rows_of(now, before)}
    assert {key: value.split(" or ")[1] for key, value in since.items()} == {
        ("Room 0", "push_to_talk"): "earlier",
        ("Room 0", "answer_settings"): "later",
        ("Room 1", "push_to_talk"): "later",
        ("Room 1", "answer_settings"): "earlier",
        ("Room 2", "paging"): "later",
    }
    assert all(value.startswith("2026-") and len(value.split(" or ")[0]) == 16 for value in since.values())


@pytest.mark.parametrize(
    "flags",
    [
        {"scope__datasets": ["push-to-talk"]},
        {"scope__datasets": ["push-to-talk", "answer-settings"], "faults": "answerSettings"},
        {"scope__datasets": ["push-to-talk", "answer-settings"], "is_new": True},
    ],
)
def test_since_is_not_known_where_the_earlier_snapshot_did_not_read(audit: Audit, flags: dict[str, Any]) -> None:
    groups = [{"originators": [party("Ann")], "targets": [target_of(2)]}]
    of = organization(answers=[ANSWERS], groups=groups)
    fault, is_new = flags.pop("faults", None), flags.pop("is_new", False)
    simulation = Simulation(of, Where("500", fault)) if fault else Simulation(of)
    if is_new:
        simulation = Simulation(of, parse("no-answers"))
    before = audit(simulation, **flags)
    assert told(rows_of(audited(audit, of), before), "way", "since") == {
        ("answer_settings", "not known"),
        ("paging", "not known"),
    }


def test_approved_says_whether_more_opens_than_was_approved(audit: Audit) -> None:
    two_way = ON | {"connectionType": "TWO_WAY"}
    one, both = [party("Ann")], [party("Ann"), party("Bo")]

    def groups(first: list[Json], second: list[Json]) -> list[Json]:
        return [{"originators": each, "targets": [target_of(at)]} for at, each in enumerate((first, second))]

    approved = audited(audit, organization(ON, two_way, answers=[ANSWERS], groups=groups(both, one)))
    now = audited(audit, organization(two_way, ON, answers=[ANSWERS, ANSWERS], groups=groups(one, both)))
    assert {row["approved"] for row in rows_of(now)} == {"nothing approved"}
    assert told(rows_of(now, approved=approved), "entity_name", "way", "approved") == {
        ("Room 0", "push_to_talk", "no"),
        ("Room 1", "push_to_talk", "yes, narrower"),
        ("Room 0", "answer_settings", "yes"),
        ("Room 1", "answer_settings", "no"),
        ("Room 0", "paging", "yes, narrower"),
        ("Room 1", "paging", "no"),
    }
    ptt = audited(audit, organization(), scope__datasets=["push-to-talk"])
    assert told(rows_of(now, approved=ptt), "way", "approved") == {
        ("push_to_talk", "no"), ("answer_settings", "not known"), ("paging", "not known"),
    }  # fmt: skip


def test_the_earlier_and_the_approved_snapshot_have_the_view_too(audit: Audit) -> None:
    old = audited(audit, organization(ON, answers=[ANSWERS]))
    new = audited(audit, organization(ON))
    closed = "FROM previous.open_rooms ANTI JOIN open_rooms USING (org_id, entity_type, entity_id, way)"
    (row,) = rows_of(new, old, sql=closed)
    assert (row["entity_name"], row["way"], row["since"], row["approved"]) == ("Room 0", "answer_settings", None, None)
    assert len(rows_of(new, approved=old, sql="FROM approved.open_rooms")) == 2


@pytest.mark.parametrize(
    ("flags", "fault", "lacks"),
    [
        ({"scope__datasets": ["push-to-talk"]}, None, ["answer settings were not read", "paging groups were not read"]),
        ({"scope__datasets": ["answer-settings"]}, "answerSettings",
         ["Push-to-Talk was not read", "answer settings of 3 did not come", "paging groups were not read"]),
        ({"scope__datasets": ["paging-groups", "push-to-talk"]}, "paging/",
         ["answer settings were not read", "paging groups of 1 did not come"]),
    ],
)  # fmt: skip
def test_what_was_not_read_is_not_a_row_and_is_told(
    audit: Audit, flags: dict[str, Any], fault: str | None, lacks: list[str]
) -> None:
    of = organization(ON, groups=[{"originators": [party("Ann")], "targets": [target_of(0)]}])
    snapshot = audit(Simulation(of, Where("500", fault)) if fault else Simulation(of), **flags)
    with open_tables(snapshot) as connection:
        assert add_open_rooms(connection, snapshot.manifest)
        assert unread_ways(connection, snapshot.manifest) == lacks


def test_a_snapshot_without_any_way_has_no_such_view(audit: Audit) -> None:
    snapshot = audit(Simulation(organization()), scope__datasets=["audio-options"])
    with open_tables(snapshot) as connection:
        assert not add_open_rooms(connection, snapshot.manifest)


_SETTINGS = st.fixed_dictionaries(
    {
        "allowAutoAnswer": st.booleans(),
        "connectionType": st.sampled_from(["TWO_WAY", "ONE_WAY", "NEW"]),
        "accessType": st.sampled_from(["ALLOW_MEMBERS", "BLOCK_MEMBERS", "NEW"]),
    }
)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_SETTINGS, min_size=1, max_size=5), st.lists(st.booleans(), max_size=5), st.sets(st.integers(0, 4)))
@pytest.mark.slow
def test_each_entity_that_opens_is_a_row_once_for_each_way(
    audit: Audit, rooms: list[dict[str, Any]], answers: list[bool], targets: set[int]
) -> None:
    groups = [{"originators": [party("Ann")], "targets": [target_of(index) for index in targets]}] * 2
    of = organization(*rooms, answers=[{"autoAnswerEnabled": each} for each in answers], groups=groups, workspaces=5)
    rows = rows_of(audited(audit, of))
    found = [(row["entity_id"], row["way"]) for row in rows]
    ids = [of.workspace(index)["id"] for index in range(5)]
    expected = {(ids[index], "push_to_talk") for index, room in enumerate(rooms) if room["allowAutoAnswer"]}
    expected |= {(ids[index], "answer_settings") for index, is_on in enumerate(answers) if is_on}
    expected |= {(ids[index], "paging") for index in targets}
    assert len(found) == len({*found})
    assert {*found} == expected


#: Devices by the status that the listing names, and what a review says of the room.
DEVICES: list[tuple[list[dict[str, Any]], str]] = [
    ([{"device_id": "d", "connection_status": "connected"}], "connected"),
    ([{"device_id": "d", "connection_status": "CONNECTED_WITH_ISSUES"}], "connected"),
    ([{"device_id": "d", "connection_status": "disconnected"}], "offline"),
    ([{"device_id": "d", "connection_status": "offline_expired"}, {"device_id": "e", "connection_status": "connected"}],
     "connected"),
    ([{"device_id": "d", "connection_status": "offline_deep_sleep"}, {"device_id": "e", "connection_status": "new"}],
     "not known"),
    ([{"device_id": "d", "connection_status": None}], "not known"),
    ([{"device_id": "d", "connection_status": "pending"}], "not known"),
    ([{"device_id": None}], "none"),
    ([], "not known"),
]  # fmt: skip


@pytest.mark.parametrize(("devices", "said"), DEVICES)
def test_no_device_is_said_only_where_it_is_certain(
    audit: Audit, once: Callable[..., Path], devices: list[dict[str, Any]], said: str
) -> None:
    of = organization(ON)
    taken = find_snapshot(once(lambda: audited(audit, of)), "latest")
    snapshot = with_devices(taken, of.workspace(0)["id"], devices)
    (row,) = rows_of(snapshot)
    assert row["device"] == said
