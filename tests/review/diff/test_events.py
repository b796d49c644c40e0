"""The events of the administrators' log beside the changes of a comparison."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from harness import Where
from later import ANSWERED, Later, room, with_members
from logged import MIDNIGHT, PLAIN, bare, event, logged, uuid_of
from nights import NightlyClock

from audit.review.diff.change import Change
from audit.review.diff.compare import compare
from audit.review.diff.event import words_of_event
from audit.review.diff.views import Tally, as_csv, as_json, as_text
from audit.simulator.app import Simulation
from audit.simulator.changed import Changed
from audit.simulator.faults import Faults, parse
from audit.simulator.organization import Json, Organization
from audit.snapshot.catalog import Snapshot, find_snapshot

Audit = Callable[..., Snapshot]
INDEX = ANSWERED[0]
ROOM = room(INDEX)
UUID = uuid_of(ROOM)
WAS = PLAIN.push_to_talk(INDEX)
SWITCHED = {"allowAutoAnswer": not WAS["allowAutoAnswer"]}
NAMING = {"entityId": ROOM, "updatedSettings": ["allowAutoAnswer"]}


@pytest.fixture
def clock() -> NightlyClock:
    return NightlyClock()


@pytest.fixture
def pair(audit: Audit, once: Callable[..., Path], clock: NightlyClock) -> Callable[..., tuple[Snapshot, Snapshot]]:
    """Two nights; in the second, a room answers otherwise, and the log holds these events."""

    def pair(
        *log: Any, answer: Json = SWITCHED, faults: Faults | None = None, **flags: Any
    ) -> tuple[Snapshot, Snapshot]:
        old = find_snapshot(once(lambda: audit(Simulation(PLAIN))), "latest")
        clock.night = 1
        after = logged(*log, answers={INDEX: answer})
        new = audit(Simulation(after, faults or Faults()), **({"run__admin_events": True} | flags))
        return old, new

    return pair


@pytest.fixture
def change(pair: Callable[..., tuple[Snapshot, Snapshot]]) -> Callable[..., Change]:
    """The only change between two nights."""

    def change(*log: Any, **given: Any) -> Change:
        (found,) = compare(*pair(*log, **given))
        return found

    return change


TARGETS: dict[str, Json] = {
    "base64 of a bare UUID": {"targetId": bare(UUID)},
    "base64 of a bare UUID in upper case": {"targetId": bare(UUID.upper())},
    "id of the API": {"targetId": ROOM},
    "id with padding": {"targetId": ROOM + "=" * (-len(ROOM) % 4)},
    "id of another region": {"targetId": bare(f"ciscospark://urn:TEAM:eu-central-1_k/PLACE/{UUID}")},
    "UUID": {"targetId": UUID.upper()},
    "entity": {"entityId": ROOM},
    "owner": {"ownerId": bare(UUID), "targetId": "opaque"},
    "device": {"deviceId": UUID, "targetId": bare("8c9fd285-6500-4518-856e-eb836c6761d8")},
}


@pytest.mark.few(3)
@pytest.mark.parametrize("name", TARGETS)
def test_an_event_of_an_entity_is_beside_its_change_whatever_the_form_of_the_id(
    change: Callable[..., Change], name: str
) -> None:
    found = change(event(1, **TARGETS[name]))
    assert (found.column, found.event_grade, found.event_id) == ("allow_auto_answer", "likely", event(1)["id"])
    assert (found.event_actor, found.event_created, found.event_count) == ("Dana Sato", "2026-11-22 03:00:00 UTC", 1)
    assert words_of_event(found) == (
        f"event recorded: Settings were updated by Dana Sato at 2026-11-22 03:00:00 UTC ({event(1)['id']}), likely"
    )


#: Of one event of the entity, its fields and the grade.
SAYING: dict[str, tuple[Json, str]] = {
    "field": ({"updatedSettings": ["allowAutoAnswer"]}, "named"),
    "nested field": ({"changes": {"pushToTalk": {"allow_auto_answer": False}}}, "named"),
    "text": ({"actionText": "Dana set Allow auto answer of the room to off."}, "named"),
    "kind of settings": ({"actionText": "Dana changed the Push-to-Talk settings."}, "named"),
    "kind of settings in a field": ({"featureType": "PUSH_TO_TALK"}, "named"),
    "nothing": ({}, "likely"),
    "another setting": ({"updatedSettings": ["connectionType"], "featureType": "pushToTalk"}, "likely"),
    "another kind of settings": ({"updatedSettings": ["autoAnswerEnabled"]}, "likely"),
    "a longer name": ({"updatedSettings": ["allowAutoAnswering", "disallowAutoAnswer"]}, "likely"),
    "a field that names nothing": ({"jobName": "allowAutoAnswer"}, "likely"),
    "failed by code": ({"updatedSettings": ["allowAutoAnswer"], "errorCode": "WXC-4410"}, "likely"),
    "failed by number": ({"updatedSettings": ["allowAutoAnswer"], "errorCode": 4410}, "likely"),
    "failed by message": ({"updatedSettings": ["allowAutoAnswer"], "errorMessage": "no"}, "likely"),
    "failed by word": ({"updatedSettings": ["allowAutoAnswer"], "eventStatus": "FAILED"}, "likely"),
    "failed by truth": ({"updatedSettings": ["allowAutoAnswer"], "success": False}, "likely"),
}


@pytest.mark.few(5)
@pytest.mark.parametrize("name", SAYING)
def test_an_event_is_named_only_if_it_names_the_setting_and_did_not_fail(
    change: Callable[..., Change], name: str
) -> None:
    fields, grade = SAYING[name]
    found = change(event(1, entityId=ROOM, **fields))
    assert found.event_grade == grade
    words = words_of_event(found) or ""
    assert ("failed attempt" in words) == name.startswith("failed")
    assert "changed by" not in words


def test_several_events_are_counted_and_the_last_is_shown(change: Callable[..., Change]) -> None:
    found = change(
        event(1, **NAMING), event(2, "2026-11-22T04:00:00.000Z", targetId=bare(UUID)), event(3, ownerId=UUID)
    )
    assert (found.event_grade, found.event_count, found.event_id) == ("several", 3, event(2)["id"])
    assert (words_of_event(found) or "").endswith("several (3 events, this is the last)")


@pytest.mark.few(2)
@pytest.mark.parametrize("key", ["actorClientName", "actionClientName", "clientId", "actorClientId"])
def test_an_event_of_a_script_names_the_script(change: Callable[..., Change], key: str) -> None:
    found = change(event(1, **NAMING, **{key: "Night job"}))
    assert found.event_client == "Night job"
    assert "by a script (Night job) of Dana Sato at" in (words_of_event(found) or "")


ELSEWHERE: dict[str, Any] = {
    "nothing": [],
    "before the first read": [event(1, "2026-11-21T19:00:00.000Z", **NAMING)],
    "after the second read": [event(1, "2026-11-22T23:00:00.000Z", **NAMING)],
    "without a time": [event(1, None, **NAMING)],
    "a login": [event(1, eventCategory="EventCategory.LOGINS", **NAMING)],
    "of another room": [event(1, targetId=room(ANSWERED[1]), targetName=PLAIN.workspace(INDEX)["displayName"])],
    "of nobody": [event(1, targetName="Reception")],
}


@pytest.mark.few(3)
@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_change_without_an_event_accuses_nobody(pair: Callable[..., tuple[Snapshot, Snapshot]], name: str) -> None:
    old, new = pair(*ELSEWHERE[name])
    (found,) = compare(old, new)
    assert (found.event_grade, found.event_id, words_of_event(found)) == ("none", None, None)
    text = "\n".join(as_text(old, new, compare(old, new), Tally()))
    assert "event" not in text
    assert "log" not in text


def test_a_name_alone_is_the_weakest_grade(change: Callable[..., Change]) -> None:
    named = event(1, targetName=PLAIN.workspace(INDEX)["displayName"], targetId="opaque", updatedSettings=["x"])
    assert change(named).event_grade == "name only"


def test_a_name_that_several_rooms_have_says_nothing(audit: Audit, clock: NightlyClock) -> None:
    twins = tuple((index, {"displayName": "Lobby"}) for index in ANSWERED[:2])
    old = audit(Simulation(Later(24, odd=False, people=40, virtual_lines=6, renames=twins)))
    clock.night = 1

    class After(Later):
        def events(self, *_: Any) -> list[Any]:
            return [event(1, targetName="Lobby")]

    edits = ((INDEX, lambda answer: answer.update(SWITCHED)),)
    new = audit(
        Simulation(After(24, odd=False, people=40, virtual_lines=6, renames=twins, edits=edits)), run__admin_events=True
    )
    assert [each.event_grade for each in compare(old, new)] == ["none"]


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("log", "grade", "number"),
    [
        (["person"], "likely", 1),
        (["person", "room"], "likely", 1),
        (["person", "person again"], "several", 3),
        (["room"], "named", 2),
        (["login of the person"], "none", None),
    ],
)
def test_of_a_removed_member_the_events_of_the_person_come_first(
    audit: Audit, clock: NightlyClock, log: list[str], grade: str, number: int | None
) -> None:
    index = with_members(2)
    members = PLAIN.push_to_talk(index)["members"]
    user = {"eventCategory": "USERS", "eventDescription": "Administrator Deleted A User."}
    events = {
        "person": event(1, targetId=bare(uuid_of(members[0]["id"])), **user),
        "room": event(2, entityId=room(index), updatedSettings=["members"]),
        "person again": event(3, "2026-11-22T04:00:00.000Z", targetId=members[0]["id"], **user),
        "login of the person": event(4, targetId=members[0]["id"], eventCategory="LOGINS"),
    }
    old = audit(Simulation(PLAIN))
    clock.night = 1
    after = logged(*(events[each] for each in log), answers={index: {"members": members[1:]}})
    new = audit(Simulation(after), run__admin_events=True)
    changes = [each for each in compare(old, new) if each.key == members[0]["id"]]
    assert [(each.kind, each.event_grade) for each in changes] == [("removed", grade)]
    assert changes[0].event_id == (event(number)["id"] if number else None)


@pytest.mark.slow
def test_a_new_and_a_deleted_room_have_events_too(audit: Audit, clock: NightlyClock) -> None:
    old = audit(Simulation(replace(PLAIN, workspaces=23)))
    clock.night = 1
    created = event(1, eventDescription="A workspace was created.", targetId=bare(uuid_of(room(23))))
    grown = audit(Simulation(logged(created)), run__admin_events=True)
    clock.night = 2
    deleted = event(2, "2026-11-23T03:00:00.000Z", targetId=room(23))
    shrunk = audit(Simulation(logged(deleted, of=replace(PLAIN, workspaces=23))), run__admin_events=True)
    whole = [each for each in compare(old, grown) if each.table == "coverage"]
    assert [(each.kind, each.event_grade) for each in whole] == [("added", "likely")]
    whole = [each for each in compare(grown, shrunk) if each.table == "coverage"]
    assert [(each.kind, each.event_grade) for each in whole] == [("removed", "likely")]


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Where("403", "/adminAudit/"), "was not read: "),
        (Where("hang", "/adminAudit/"), "was not read: "),
        (parse("null-item"), "was cut short: "),
    ],
)
@pytest.mark.slow
def test_a_log_that_lacks_something_is_mentioned_once_and_says_nothing_of_a_change(
    pair: Callable[..., tuple[Snapshot, Snapshot]], faults: Faults, words: str
) -> None:
    old, new = pair(event(1, targetId="opaque"), faults=faults, output__allow_partial=True)
    (found,) = (each for each in compare(old, new) if each.column)
    assert found.event_grade is None
    text = "\n".join(as_text(old, new, compare(old, new), Tally()))
    assert text.count(words) == 1
    (note,) = json.loads("".join(as_json(old, new, compare(old, new), Tally())))["admin_events"]
    assert words in note


def test_without_a_log_the_text_says_once_how_to_read_it(pair: Callable[..., tuple[Snapshot, Snapshot]]) -> None:
    old, new = pair(run__admin_events=False)
    assert [each.event_grade for each in compare(old, new)] == [None]
    text = "\n".join(as_text(old, new, compare(old, new), Tally()))
    assert text.count("--admin-events") == 1


@pytest.mark.slow
def test_a_log_that_begins_after_the_older_snapshot_does_not_claim_that_nothing_was_recorded(
    audit: Audit, clock: NightlyClock
) -> None:
    old = audit(Simulation(PLAIN))
    clock.night = 1
    audit(Simulation(PLAIN))
    clock.night = 2
    new = audit(Simulation(logged(answers={INDEX: SWITCHED})), run__admin_events=True)
    assert [each.event_grade for each in compare(old, new)] == [None]
    text = "\n".join(as_text(old, new, compare(old, new), Tally()))
    assert "was read from 2026-11-22" in text


@pytest.mark.few(2)
@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.parametrize(
    "hostile", ["\x1b[31mred", "=cmd|' /C calc'!A0", "\u202egnp", "a\nb\r\nc", "x" * 1_000_000, "@SUM(1)"]
)
def test_hostile_texts_of_the_log_are_data(pair: Callable[..., tuple[Snapshot, Snapshot]], hostile: str) -> None:
    log = event(1, **NAMING, actionText=hostile, actorClientName=hostile) | {"id": hostile}
    log["data"] |= {"eventDescription": hostile, "actorName": hostile, "errorCode": hostile}
    old, new = pair(log)
    changes = list(compare(old, new))
    assert changes[0].event_grade == "likely"
    text = "\n".join(as_text(old, new, changes, Tally()))
    assert len(text) < 10_000
    assert not any(char in text for char in "\x1b\u202e\r")
    (row,) = csv.DictReader(io.StringIO("\n".join(as_csv(changes, Tally()))))
    assert not any((row[name] or "").startswith(("=", "@")) for name in row)
    assert [*row][-8:] == [
        "event_grade", "event_id", "event_created", "event_description", "event_actor", "event_client", "event_error",
        "event_count",
    ]  # fmt: skip


def test_the_simulator_logs_its_changes_so_that_a_demo_shows_each_grade(audit: Audit, clock: NightlyClock) -> None:
    rooms = Organization(80, people=80, odd=False)
    old = audit(Simulation(rooms))
    clock.night = 1
    changed = Changed.of(rooms, 0.6, datetime.fromisoformat(MIDNIGHT))
    new = audit(Simulation(changed), run__admin_events=True)
    grades = {each.event_grade for each in compare(old, new)}
    assert grades == {"named", "likely", "several", "name only", "none"}
