"""What opens a microphone is listed before what only has another name or number."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporting import KINDS, Audit, a_change, one_room, rewrite, set_column, small_organization, text_of

from audit.review.diff.change import Change
from audit.review.diff.compare import compare
from audit.review.report import changed, write_report
from audit.review.report.changed import WORSE, Entity, Now, Weight, fold, weigh
from audit.simulator.app import Simulation
from audit.simulator.changed import Changed

_MEMBERS = "push_to_talk_members"
_LISTENED = Now("members", "TWO_WAY")
_SPOKEN = Now("members", "ONE_WAY")
_TURNED_ON = {"column": "allow_auto_answer", "old": "false", "new": "true"}
_ADDED = {"table": _MEMBERS, "kind": "added", "key": "m"}
_REMOVED = {"table": _MEMBERS, "kind": "removed", "key": "m"}


@pytest.mark.parametrize(
    ("given", "now", "weight"),
    [
        (_TURNED_ON, _LISTENED, Weight.LISTENED),
        (_TURNED_ON, _SPOKEN, Weight.OPENED),
        (_TURNED_ON, Now("members", "HALF_DUPLEX"), Weight.LISTENED),
        (_TURNED_ON, Now("nobody", "TWO_WAY"), Weight.SETTING),
        (_TURNED_ON, None, Weight.OPENED),
        ({"column": "access_type", "old": "ALLOW_MEMBERS", "new": "BLOCK_MEMBERS"}, Now("everybody", "TWO_WAY"),
         Weight.LISTENED),
        ({"column": "access_type", "old": "ALLOW_MEMBERS", "new": "A_NEW_WORD"}, Now("unclear", "ONE_WAY"),
         Weight.OPENED),
        ({"column": "access_type", "old": "BLOCK_MEMBERS", "new": "ALLOW_MEMBERS"}, _LISTENED, Weight.SETTING),
        ({"column": "connection_type", "old": "ONE_WAY", "new": "TWO_WAY"}, _LISTENED, Weight.LISTENED),
        ({"column": "connection_type", "old": "TWO_WAY", "new": "ONE_WAY"}, _SPOKEN, Weight.SETTING),
        ({"column": "connection_type", "old": "ONE_WAY", "new": "TWO_WAY"}, Now("off", "TWO_WAY"), Weight.SETTING),
        ({"table": "coverage", "kind": "added"}, Now("everybody", "TWO_WAY"), Weight.LISTENED),
        ({"table": "coverage", "kind": "added"}, Now("off", "TWO_WAY"), Weight.SETTING),
        ({"table": "coverage", "kind": "added"}, None, Weight.SETTING),
        ({"table": "coverage", "kind": "removed"}, None, Weight.SETTING),
        (_ADDED, _LISTENED, Weight.MORE_LISTEN),
        (_ADDED, _SPOKEN, Weight.MORE_CALL),
        (_ADDED, Now("everybody", "TWO_WAY"), Weight.SETTING),
        (_ADDED, Now("off", "TWO_WAY"), Weight.SETTING),
        (_REMOVED, _LISTENED, Weight.SETTING),
        (_REMOVED, Now("everybody", "TWO_WAY"), Weight.MORE_LISTEN),
        (_REMOVED, Now("unclear", "ONE_WAY"), Weight.MORE_CALL),
        ({**_ADDED, "kind": "changed", "column": "numbers"}, _LISTENED, Weight.DETAIL),
        ({"table": "coverage", "column": "entity_name", "old": "a", "new": "b"}, _LISTENED, Weight.DETAIL),
        ({"table": "audio_options", "column": "office_call_in_authentication", "old": "false", "new": "true"}, None,
         Weight.OPENED),
        ({"table": "audio_options", "column": "mobile_call_in_authentication", "old": "true", "new": "false"}, None,
         Weight.SETTING),
        ({"table": "audio_options", "column": "audio_pin_status", "old": "ok", "new": "sequential"}, None,
         Weight.OPENED),
    ],
)  # fmt: skip
def test_a_change_weighs_what_it_lets_callers_do(given: dict[str, Any], now: Now | None, weight: Weight) -> None:
    assert weigh(a_change(**given), now) is weight


_KINDS_OF_CHANGE = st.sampled_from(
    [
        _TURNED_ON,
        {"column": "access_type", "old": "BLOCK_MEMBERS", "new": "ALLOW_MEMBERS"},
        _ADDED,
        _REMOVED,
        {**_ADDED, "kind": "changed", "column": "numbers"},
        {"kind": "unknown"},
    ]
)
_STATES = st.sampled_from([None, _LISTENED, _SPOKEN, Now("everybody", "TWO_WAY"), Now("off", "ONE_WAY")])


@given(st.lists(st.tuples(_STATES, st.lists(_KINDS_OF_CHANGE, min_size=1, max_size=6)), max_size=12))
def test_no_bound_hides_a_change_for_the_worse(rooms: list[tuple[Now | None, list[dict[str, Any]]]]) -> None:
    states = {Entity("o", "WORKSPACE", str(place)): now for place, (now, _) in enumerate(rooms)}
    changes = [a_change(entity_id=str(place), **each) for place, (_, given) in enumerate(rooms) for each in given]
    with pytest.MonkeyPatch.context() as patch:
        for bound, size in {
            "MAX_CHANGED_ROOMS": 3,
            "MAX_CHANGES_OF_ROOM": 2,
            "MAX_UNKNOWN": 2,
            "_LOOKED_UP": 5,
        }.items():
            patch.setattr(changed, bound, size)
        found = fold(changes, lambda asked: {each: now for each in asked if (now := states[each])})
    by_room: dict[str, list[Weight]] = {}
    for change in changes:
        if change.kind != "unknown":
            now = states[Entity("o", "WORKSPACE", change.entity_id)]
            by_room.setdefault(change.entity_id, []).append(weigh(change, now))
    listed = {room.first.entity_id: room for room in found.rooms}
    assert [room.weight for room in found.rooms] == sorted(map(min, by_room.values()))[:3]
    for entity_id, room in listed.items():
        now = states[Entity("o", "WORKSPACE", entity_id)]
        assert [weigh(change, now) for change in room.changes] == sorted(by_room[entity_id])[:2]
        assert room.total == len(by_room[entity_id])
    assert found.worse_total == sum(min(weights) <= WORSE for weights in by_room.values())
    assert found.unknown_total == sum(change.kind == "unknown" for change in changes)
    assert len(found.unknown) == min(2, found.unknown_total)


def _changes_of(html: str) -> list[str]:
    """The rows of changes in the report."""
    table = html.partition('id="change-table"')[2].partition("</table>")[0].partition("<tbody")[2]
    return [text_of(row.partition(">")[2]) for row in table.split("<tr ")[1:]]


def test_opened_rooms_and_added_members_stand_before_numbers_and_names(audit: Audit) -> None:
    own = small_organization(workspaces=80, people=60)
    old, new = audit(Simulation(own), **KINDS), audit(Simulation(Changed.of(own, 0.2)), **KINDS)
    changes = list(compare(old, new))
    html = write_report(new, None, changes, old)
    rows = _changes_of(html)
    details = [not any(word in row for word in ("added", "removed", "→ anyone", "yes", "two-way")) for row in rows]
    assert True in details
    assert False in details
    assert details == sorted(details)
    glance = text_of(html.partition('id="glance"')[2].partition("</section>")[0])
    assert "Changed for the worse" in glance
    assert all(row.split(" Workspace")[0].split(" Person")[0] in glance for row in rows[:5])


def test_two_thousand_new_numbers_do_not_hide_the_room_that_was_opened(audit: Audit) -> None:
    snapshot = one_room(audit, allow_auto_answer=True, access_type="BLOCK_MEMBERS", connection_type="TWO_WAY")
    room = next(iter(_ids(snapshot)))
    numbers = [_number(f"w{each}") for each in range(2_000)]
    opened = a_change(org_id=room[0], entity_id=room[1], entity_name="The Room", **_REMOVED)
    html = write_report(snapshot, None, [*numbers, opened], snapshot)
    assert "The Room" in _changes_of(html)[0]
    assert "The Room more can listen member removed: m" in text_of(html)


def _number(entity_id: str) -> Change:
    return a_change(entity_id=entity_id, table=_MEMBERS, key="m", column="numbers", old="1", new="2")


def _ids(snapshot: Any) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()

    def note(table: Any) -> Any:
        found.update((snapshot.manifest.orgs[0].org_id, each) for each in table["entity_id"].to_pylist())
        return table

    rewrite(snapshot, "push_to_talk", note)
    return found


def test_a_new_room_is_for_the_worse_only_if_it_is_open(audit: Audit) -> None:
    own = small_organization(workspaces=12)
    old, new = audit(Simulation(small_organization(workspaces=0))), audit(Simulation(own))
    rewrite(new, "push_to_talk", set_column("allow_auto_answer", [True] * 6 + [False] * 5))
    html = write_report(new, None, compare(old, new), old)
    worse = html.partition("Changed for the worse")[2].partition("</div>")[0]
    assert new.manifest.outcomes["push_to_talk"]["ok"] == 11
    assert 0 < int(text_of(worse).split()[0]) <= 6
    assert "not there before" in worse
