"""Members are compared by id, or by names, whatever their order and however often they are listed."""

from typing import Any

import pytest
from later import PLAIN, Audit, edited, mirrored, plain, room, told, with_members

from audit.review.diff.compare import compare
from audit.simulator.app import Simulation
from audit.simulator.organization import Json
from audit.snapshot.catalog import Snapshot


def test_members_are_compared_by_id_and_numbers_as_a_set(audit: Audit) -> None:
    index = with_members(3)
    first, second, third = PLAIN.push_to_talk(index)["members"][:3]
    newcomer = next(
        each for each in map(PLAIN.member, range(40)) if each["id"] not in str(PLAIN.push_to_talk(index)["members"])
    )

    def edit(answer: Json) -> None:
        members = [each for each in answer["members"] if each["id"] != first["id"]]
        members = [{**each, "displayName": "=HYPERLINK(1)"} if each["id"] == second["id"] else each for each in members]
        for each in members:
            if each["id"] == third["id"]:
                each["numbers"] = [*reversed(each.get("numbers") or []), {"external": "+14085267209"}]
        answer["members"] = [newcomer, *reversed(members)]

    changes = list(compare(audit(Simulation(PLAIN)), audit(Simulation(edited(index, edit)))))
    assert {each.entity_id for each in changes} == {room(index)}
    assert {each.table for each in changes} == {"push_to_talk_members"}
    by_key = {each.key: each for each in changes}
    assert len(changes) == len(by_key) == 4
    assert {key: (each.kind, each.column) for key, each in by_key.items()} == {
        first["id"]: ("removed", None),
        newcomer["id"]: ("added", None),
        second["id"]: ("changed", "member_display_name"),
        third["id"]: ("changed", "numbers"),
    }
    assert (by_key[second["id"]].old, by_key[second["id"]].new) == (second["displayName"], "=HYPERLINK(1)")
    assert "+14085267209" in str(by_key[third["id"]].new)
    assert "+14085267209" not in str(by_key[third["id"]].old)
    assert by_key[newcomer["id"]].key_name == newcomer["displayName"]


@pytest.mark.slow
def test_a_member_listed_twice_or_without_an_id_is_neither_lost_nor_multiplied(audit: Audit) -> None:
    index = with_members(2)
    first, second = PLAIN.push_to_talk(index)["members"][:2]
    nameless = [{"displayName": name, "numbers": [{"extension": "0001"}]} for name in ("Bert", "Ann", "Ann")]
    base = edited(index, lambda answer: answer.update(members=[first, second, *nameless]))
    before = audit(Simulation(base))

    def changes(*members: Json) -> list[tuple[Any, ...]]:
        after = audit(Simulation(edited(index, lambda answer: answer.update(members=list(members)))))
        found = list(compare(before, after))
        return [(each.kind, each.key, each.key_name, each.column, each.old, each.new) for each in found]

    bert, ann, _ = nameless
    assert changes(second, ann, first, ann, bert) == []
    name = first["displayName"]
    assert changes(first, first, second, *nameless) == [("changed", first["id"], name, "times_listed", "1", "2")]
    assert changes(first, second, bert, ann) == [("changed", None, "Ann", "times_listed", "2", "1")]
    assert changes(first, second, ann, ann) == [("removed", None, "Bert", None, "ext. 0001", None)]
    other = {**bert, "numbers": [{"extension": "1"}, {"extension": "0001", "primary": True}]}
    assert changes(first, second, other, ann, ann) == [
        ("changed", None, "Bert", "numbers", "ext. 0001", "ext. 0001 (primary), ext. 1")
    ]
    assert changes(first, second, {**bert, "numbers": []}, ann, ann) == [
        ("changed", None, "Bert", "numbers", "ext. 0001", None)
    ]
    bare = {"id": first["id"]}
    mixed = audit(Simulation(edited(index, lambda answer: answer.update(members=[first, first, other, ann]))))
    there, back = list(compare(before, mixed)), list(compare(mixed, before))
    assert mirrored(back) == plain(there)
    assert len(there) == 4
    assert ("changed", first["id"], name, "member_email", first["email"], f"{first['email']}, (none)") in changes(
        first, bare, second, *nameless
    )


def test_an_empty_number_is_told_from_an_absent_one(audit: Audit) -> None:
    index = with_members()
    one = PLAIN.push_to_talk(index)["members"][0]

    def snapshot(**number: object) -> Snapshot:
        edit = lambda answer: answer.update(members=[{**one, "numbers": [number]}])  # noqa: E731
        return audit(Simulation(edited(index, edit)))

    texts = [{"extension": "7", "external": ""}, {"extension": "7"}, {"external": "ext. 7"}, {"external": 'a" ext. 7'}]
    shown = ['"" ext. 7', "ext. 7", '"ext. 7"', '"a"" ext. 7"']
    snapshots = [snapshot(**each) for each in texts]
    for old, new, was, now in zip(snapshots, snapshots[1:], shown, shown[1:], strict=False):
        (change,) = compare(old, new)
        assert told(change)[3:] == ("numbers", was, now)


def test_a_number_listed_twice_is_told_from_a_member_listed_twice(audit: Audit) -> None:
    index = with_members()
    one = {**PLAIN.push_to_talk(index)["members"][0], "numbers": [{"extension": "7"}]}
    before = audit(Simulation(edited(index, lambda answer: answer.update(members=[one, one]))))
    doubled = {**one, "numbers": one["numbers"] * 2}
    (change,) = compare(before, audit(Simulation(edited(index, lambda answer: answer.update(members=[doubled])))))
    assert told(change)[3:] == ("times_listed", "2", "1")
