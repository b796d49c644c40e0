import json
from collections.abc import Callable
from typing import Any

import pytest

from audit.review.tables import open_tables
from audit.simulator.app import Simulation
from audit.simulator.changed import Changed
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

BEFORE = Organization(2000, people=300)
LATER = Changed.of(BEFORE)
ROOMS = range(2000)


def text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@pytest.mark.slow
def test_a_later_time_is_the_same_every_time() -> None:
    again = Changed.of(Organization(2000, people=300))
    assert [text(LATER.workspace(index)) for index in ROOMS] == [text(again.workspace(index)) for index in ROOMS]
    assert [text(LATER.push_to_talk(index)) for index in ROOMS] == [text(again.push_to_talk(index)) for index in ROOMS]


def test_it_is_the_same_organization() -> None:
    assert (LATER.org_id, LATER.name, LATER.site_urls) == (BEFORE.org_id, BEFORE.name, BEFORE.site_urls)
    assert (LATER.locations, LATER.licenses) == (BEFORE.locations, BEFORE.licenses)
    assert [LATER.virtual_line(index) for index in range(20)] == [BEFORE.virtual_line(index) for index in range(20)]


def test_a_share_of_the_rooms_changed_and_the_others_did_not() -> None:
    changed = [index for index in ROOMS if LATER.fate(index) != "same"]
    assert len(changed) == pytest.approx(100, rel=0.25)
    for index in set(ROOMS) - set(changed):
        assert LATER.workspace(index) == BEFORE.workspace(index)
    for share, most in ((0.0, 0), (1.0, 2000)):
        assert sum(Changed.of(BEFORE, share).fate(index) != "same" for index in ROOMS) == pytest.approx(most, abs=1)


def test_rooms_come_go_and_are_renamed() -> None:
    before, later = ({each["id"]: each for each in map(one.workspace, ROOMS)} for one in (BEFORE, LATER))
    gone = before.keys() - later.keys()
    assert len(gone) == len(later.keys() - before.keys()) == pytest.approx(20, rel=0.5)
    renamed = [key for key in before.keys() & later.keys() if before[key] != later[key]]
    assert len(renamed) == pytest.approx(20, rel=0.5)
    assert all({**before[key], "displayName": later[key]["displayName"]} == later[key] for key in renamed)


def test_an_id_leads_to_its_place_and_one_that_is_gone_nowhere() -> None:
    assert [LATER.index_of(LATER.workspace(index)["id"]) for index in ROOMS] == list(ROOMS)
    gone = [index for index in ROOMS if LATER.fate(index) == "gone"]
    assert {LATER.index_of(BEFORE.workspace(index)["id"]) for index in gone} == {None}
    assert {BEFORE.index_of(LATER.workspace(index)["id"]) for index in gone} == {None}
    beyond = Organization(4000, people=300)
    not_yet = next(index for index in ROOMS if LATER.fate(index) == "same")
    assert LATER.index_of(beyond.workspace(2000 + not_yet)["id"]) is None
    assert LATER.index_of("nonsense") is None


def test_every_kind_of_setting_changes_somewhere() -> None:
    later = Changed.of(Organization(2000, people=300, odd=False))
    before = Organization(2000, people=300, odd=False)
    kinds = set()
    for index in ROOMS:
        if later.fate(index) == "set":
            old, new = before.push_to_talk(index), later.push_to_talk(index)
            kinds |= {key for key in ("allowAutoAnswer", "connectionType", "accessType") if old[key] != new[key]}
            ids = [{member["id"] for member in each["members"]} for each in (old, new)]
            kinds |= {"added"} if ids[1] - ids[0] else {"removed"} if ids[0] - ids[1] else set()
    assert kinds == {"allowAutoAnswer", "connectionType", "accessType", "added", "removed"}


def test_a_few_people_are_gone_and_a_few_have_a_new_number() -> None:
    ids = [{one.person(index)["id"] for index in range(300)} for one in (BEFORE, LATER)]
    gone = [index for index in range(300) if LATER.has_left(index)]
    assert 0 < len(gone) == len(ids[0] - ids[1]) == len(ids[1] - ids[0]) < 20
    assert not LATER.has_left(0)
    assert {LATER.person_index_of(BEFORE.person(index)["id"]) for index in gone} == {None}
    assert {LATER.person_index_of_email(f"user{index:04d}@example.com") for index in gone} == {None}
    assert {LATER.person_index_of_email(LATER.member(300 + index)["email"]) for index in gone} == set(gone)
    numbers = [index for index in range(300) if LATER.member(index)["numbers"][0] != BEFORE.member(index)["numbers"][0]]
    assert 0 < len(numbers) < 20
    index = numbers[0]
    assert {**LATER.member(index), "numbers": BEFORE.member(index)["numbers"]} == BEFORE.member(index)


def test_an_organization_without_people_can_change_too() -> None:
    later = Changed.of(Organization(200, people=0), share=1.0)
    assert all(later.push_to_talk(index) for index in range(200))


@pytest.mark.slow
def test_two_snapshots_tell_what_changed_and_nothing_else(audit: Callable[..., Snapshot]) -> None:
    organization = Organization(120, people=60, virtual_lines=4)
    later = Changed.of(organization, share=0.2)
    kinds = {"scope__entities": ["workspace", "person", "virtual-line"]}
    old, new = (audit(Simulation(each), **kinds) for each in (organization, later))
    assert old.manifest.status == new.manifest.status == "complete"
    gone = {organization.workspace(index)["id"] for index in range(120) if later.fate(index) == "gone"}
    with open_tables(new, old) as connection:

        def ids(sql: str) -> set[str]:
            return {each for (each,) in connection.execute(sql).fetchall()}

        room = "SELECT entity_id FROM {}coverage WHERE entity_type = 'WORKSPACE'"
        assert ids(f"{room.format('previous.')} EXCEPT {room.format('')}") == gone
        changed = ids(
            "SELECT n.entity_id FROM push_to_talk n JOIN previous.push_to_talk o USING (org_id, entity_id) "
            "WHERE n.entity_type = 'WORKSPACE' AND (n.allow_auto_answer, n.connection_type, n.access_type) IS DISTINCT "
            "FROM (o.allow_auto_answer, o.connection_type, o.access_type)"
        )
        possible = {organization.workspace(index)["id"] for index in range(120) if later.fate(index) == "set"}
        assert changed
        assert changed <= possible
        assert ids("SELECT entity_id FROM coverage WHERE entity_type = 'VIRTUAL_LINE'") == ids(
            "SELECT entity_id FROM previous.coverage WHERE entity_type = 'VIRTUAL_LINE'"
        )
        left = ids(
            "SELECT member_id FROM push_to_talk_members WHERE member_type = 'PEOPLE' AND member_id NOT IN "
            "(SELECT entity_id FROM coverage WHERE entity_type = 'PERSON')"
        )
        assert left
        assert left <= {organization.person(index)["id"] for index in range(60) if later.has_left(index)}
