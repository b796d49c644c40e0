"""The diff of two snapshots: changes, unknown entities, and never one for the other."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.dataset as ds
import pytest
from harness import Result, Where

from audit.errors import UsageError
from audit.inventory import Users
from audit.outcome import Outcome
from audit.review.diff.change import Change
from audit.review.diff.compare import compare
from audit.review.diff.views import Tally, as_csv, as_json, as_text
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Json, Organization
from audit.simulator.simulation import ADMIN_SCOPES
from audit.snapshot.catalog import Snapshot, find_snapshot
from audit.snapshot.manifest import write_manifest

Audit = Callable[..., Snapshot]
Edit = Callable[[Json], Any]
ROOMS = 24
#: Its last room answers, so that tests can remove it.
PLAIN = Organization(ROOMS, odd=False, people=40, virtual_lines=6)
ODD = Organization(ROOMS, people=40, virtual_lines=6)
#: Rooms of PLAIN that answer.
ANSWERED = [index for index in range(ROOMS) if PLAIN.refusal(index) is None]


@dataclass(frozen=True)
class Later(Organization):
    """An organization in which something changed."""

    edits: tuple[tuple[int, Edit], ...] = ()
    renames: tuple[tuple[int, Json], ...] = ()
    refused: tuple[int, ...] = ()

    def push_to_talk(self, index: int) -> Json:
        answer = super().push_to_talk(index)
        for _, edit in (each for each in self.edits if each[0] == index):
            edit(answer)
        return answer

    def workspace(self, index: int) -> Json:
        item = super().workspace(index)
        for _, change in (each for each in self.renames if each[0] == index):
            item = {key: value for key, value in {**item, **change}.items() if value is not None}
        return item

    def refusal(self, index: int) -> int | None:
        return 405 if index in self.refused else super().refusal(index)


def later(of: Organization = PLAIN, **changes: Any) -> Later:
    given = {name: getattr(of, name) for name in ("workspaces", "seed", "odd", "people", "virtual_lines")}
    return Later(**{**given, **changes})


def edited(index: int, edit: Edit, of: Organization = PLAIN) -> Later:
    return later(of, edits=((index, edit),))


def room(index: int, of: Organization = PLAIN) -> str:
    return str(of.workspace(index)["id"])


def with_members(count: int = 1) -> int:
    """A room with at least this many members."""
    return next(index for index in ANSWERED if len(PLAIN.push_to_talk(index)["members"]) >= count)


class Lasting(Where):
    """One kind of lasting fault for a third of the URLs of settings."""

    def __init__(self, kind: str, seed: int) -> None:
        super().__init__(kind, "/features/pushToTalk", "/pushToTalk", "/meetingPreferences/audio?userEmail=user")
        self._share = parse(f"{kind}=0.33!", seed)

    def next(self, url: str) -> str | None:
        return self._share.next(url) if super().next(url) else None


def told(change: Change) -> tuple[Any, ...]:
    return change.kind, change.table, change.key, change.column, change.old, change.new


def mirrored(changes: list[Change]) -> Counter[tuple[Any, ...]]:
    kinds = {"added": "removed", "removed": "added"}
    return Counter(
        (kinds.get(each.kind, each.kind), each.table, each.entity_id, each.key, each.column, each.new, each.old)
        for each in changes
    )


def plain(changes: list[Change]) -> Counter[tuple[Any, ...]]:
    return Counter(
        (each.kind, each.table, each.entity_id, each.key, each.column, each.old, each.new) for each in changes
    )


def without(*scopes: str) -> dict[str, frozenset[str]]:
    return {ADMIN_TOKEN: ADMIN_SCOPES - set(scopes)}


def test_a_setting_that_changed_is_told_with_both_values(audit: Audit) -> None:
    index = next(each for each in ANSWERED if PLAIN.push_to_talk(each)["connectionType"] == "ONE_WAY")
    before = audit(Simulation(PLAIN))
    after = audit(Simulation(edited(index, lambda answer: answer.update(connectionType="TWO_WAY"))))
    (change,) = compare(before, after)
    assert told(change) == ("changed", "push_to_talk", None, "connection_type", "ONE_WAY", "TWO_WAY")
    item = PLAIN.workspace(index)
    names = {each["id"]: each["name"] for each in PLAIN.locations}
    assert (change.entity_type, change.entity_id) == ("WORKSPACE", item["id"])
    assert (change.entity_name, change.location_name) == (item["displayName"], names.get(item.get("locationId")))


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_an_organization_that_did_not_change_has_no_differences(seed: int, audit: Audit) -> None:
    organization = Organization(25, seed, people=40, virtual_lines=5)
    scope = {"scope__entities": ["workspace", "person", "virtual-line"]}
    before = audit(Simulation(organization), **scope)
    after = audit(Simulation(organization, parse("all=0.2,quirks", seed)), **scope, pace__concurrency=7)
    assert list(compare(before, after)) == []
    assert list(compare(before, before)) == []


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


def test_names_and_places_that_changed_are_told_of_the_room(audit: Audit) -> None:
    renamed, moved = ANSWERED[:2]
    locations = PLAIN.locations
    here = PLAIN.workspace(moved).get("locationId")
    there = next(each for each in locations if each["id"] != here)
    names = {each["id"]: each["name"] for each in locations}
    before = audit(Simulation(PLAIN))
    after = audit(
        Simulation(later(renames=((renamed, {"displayName": "\u202eboardroom"}), (moved, {"locationId": there["id"]}))))
    )
    assert sorted((each.entity_id, *told(each)) for each in compare(before, after)) == sorted(
        [
            (room(renamed), "changed", "coverage", None, "entity_name", PLAIN.workspace(renamed)["displayName"],
             "\u202eboardroom"),
            (room(moved), "changed", "coverage", None, "location_name", names.get(here), there["name"]),
        ]
    )  # fmt: skip


def test_location_names_that_may_not_be_read_are_no_change(audit: Audit) -> None:
    moved = next(index for index in ANSWERED if PLAIN.workspace(index).get("locationId"))
    here = PLAIN.workspace(moved)["locationId"]
    there = next(each["id"] for each in PLAIN.locations if each["id"] != here)
    before = audit(Simulation(PLAIN))
    blind = without("spark-admin:locations_read")
    assert list(compare(before, audit(Simulation(PLAIN, tokens=blind)))) == []
    (change,) = compare(before, audit(Simulation(later(renames=((moved, {"locationId": there}),)), tokens=blind)))
    assert told(change) == ("changed", "coverage", None, "location_id", here, there)


@pytest.mark.parametrize("kind", ["500", "mistyped"])
def test_what_was_not_answered_is_unknown_and_never_removed(kind: str, audit: Audit) -> None:
    lost, others = ANSWERED[0], ANSWERED[1:]
    whole = audit(Simulation(PLAIN))
    partial = audit(Simulation(PLAIN, Where(kind, room(lost))), retry__attempts=1)
    assert partial.manifest.status == "partial"
    outcome = next(word for word in partial.manifest.outcomes["push_to_talk"] if not Outcome(word).is_complete)
    for old, new, states in (
        (whole, partial, f"old: ok; new: {outcome}"),
        (partial, whole, f"old: {outcome}; new: ok"),
        (partial, partial, f"old: {outcome}; new: {outcome}"),
    ):
        (change,) = compare(old, new)
        assert (change.kind, change.entity_id, change.reason) == ("unknown", room(lost), states)
        assert told(change)[1:] == ("push_to_talk", None, None, None, None)
    elsewhere = edited(others[0], lambda answer: answer.update(allowAutoAnswer=not answer["allowAutoAnswer"]))
    after = audit(Simulation(elsewhere, Where(kind, room(lost))), retry__attempts=1)
    assert Counter(each.kind for each in compare(whole, after)) == {"unknown": 1, "changed": 1}


def test_nothing_is_ever_removed_by_faults_alone(audit: Audit) -> None:
    before = audit(Simulation(ODD, Lasting("500", 1)), retry__attempts=1)
    after = audit(Simulation(ODD, Lasting("mistyped", 2)), retry__attempts=1)
    changes = list(compare(before, after))
    assert {each.kind for each in changes} == {"unknown"}
    words = [_outcomes(before), _outcomes(after)]
    unknown = {each for each in words[0] if not all(Outcome(word[each]).is_complete for word in words)}
    assert {each.entity_id for each in changes} == unknown
    assert len(changes) == len(unknown) > 5
    assert mirrored(list(compare(after, before))) == plain(changes)


def _outcomes(snapshot: Snapshot) -> dict[str, str]:
    rows = ds.dataset(snapshot.path / "coverage", partitioning="hive").to_table(["entity_id", "outcome"]).to_pylist()
    return {row["entity_id"]: row["outcome"] for row in rows}


def test_a_room_that_lost_its_licence_lost_its_settings_and_members(audit: Audit) -> None:
    index = with_members(2)
    before, after = audit(Simulation(PLAIN)), audit(Simulation(later(refused=(index,))))
    settings, *members = compare(before, after)
    answer = PLAIN.push_to_talk(index)
    assert told(settings)[:4] == ("removed", "push_to_talk", None, None)
    assert settings.reason == ("old: ok; new: not_licensed: it has no Webex Calling licence of the right kind any more")
    assert f"connection_type={answer['connectionType']}" in str(settings.old)
    assert {(each.kind, each.table) for each in members} == {("removed", "push_to_talk_members")}
    assert {each.key for each in members} == {each["id"] for each in answer["members"]}
    back = list(compare(after, before))
    assert mirrored(back) == plain([settings, *members])
    assert str(back[0].reason).startswith("old: not_licensed; new: ok: it has a Webex Calling licence")


def test_a_room_that_is_no_longer_listed_is_removed_with_all_that_it_had(audit: Audit) -> None:
    before, after = audit(Simulation(PLAIN)), audit(Simulation(later(workspaces=ROOMS - 1)))
    changes = list(compare(before, after))
    assert {each.entity_id for each in changes} == {room(ROOMS - 1)}
    gone = PLAIN.push_to_talk(ROOMS - 1)["members"] if ROOMS - 1 in ANSWERED else []
    assert {told(each)[:2] for each in changes} >= {("removed", "coverage")}
    assert sum(each.table == "push_to_talk_members" for each in changes) == len(gone)
    back = list(compare(after, before))
    assert mirrored(back) == plain(changes)
    assert {each.kind for each in back} == {"added"}


def test_a_room_that_was_never_answered_and_is_gone_is_unknown(audit: Audit) -> None:
    before = audit(Simulation(PLAIN, Where("500", room(ROOMS - 1))), retry__attempts=1)
    (change,) = compare(before, audit(Simulation(later(workspaces=ROOMS - 1))))
    assert (change.kind, change.reason) == ("unknown", "old: server_error; new: not listed")


def test_what_a_scope_left_out_is_unknown(audit: Audit) -> None:
    whole = audit(Simulation(PLAIN), scope__entities=["workspace", "person"])
    rooms = audit(Simulation(PLAIN))
    changes = list(compare(whole, rooms))
    assert {(each.kind, each.entity_type) for each in changes} == {("unknown", "PERSON")}
    assert len(changes) == 40
    assert all(str(each.reason).endswith("; new: PERSON was not asked for") for each in changes)
    some = audit(Simulation(PLAIN), wanted=[room(index) for index in ANSWERED[:3]])
    for changes in (list(compare(rooms, some)), list(compare(some, rooms))):
        assert {each.kind for each in changes} == {"unknown"}
        assert {each.entity_id for each in changes} == {room(index) for index in range(ROOMS)} - {
            room(index) for index in ANSWERED[:3]
        }
    assert "only some ids were asked for" in str(changes[0].reason)
    other = audit(Simulation(PLAIN), scope__datasets=["audio-options"], scope__all_users=True)
    assert {each.kind for each in compare(rooms, other)} == {"unknown"}


def test_a_kind_that_could_not_be_listed_is_unknown(audit: Audit) -> None:
    kinds = {"scope__entities": ["workspace", "virtual-line"]}
    whole = audit(Simulation(PLAIN), **kinds)
    partial = audit(Simulation(PLAIN, tokens=without("spark-admin:telephony_config_read")), **kinds)
    changes = list(compare(whole, partial))
    assert [(each.kind, each.entity_type) for each in changes] == [("unknown", "VIRTUAL_LINE")] * 6
    assert all("VIRTUAL_LINE could not be listed (" in str(each.reason) for each in changes)
    (line,) = compare(partial, partial)
    assert (line.kind, line.entity_type, line.entity_id) == ("unknown", "VIRTUAL_LINE", "")


def test_an_organization_that_refused_or_was_not_asked_is_unknown(audit: Audit) -> None:
    customer = Organization(8, 2, odd=False, people=10, virtual_lines=0)
    simulation = Simulation(PLAIN, customers=(customer,))
    both = audit(simulation, scope__all_orgs=True)
    refused = audit(
        Simulation(PLAIN, customers=(customer,), refused_organizations=frozenset({customer.org_id})),
        scope__all_orgs=True,
    )
    alone = audit(simulation)
    for new, reason in ((refused, "the organization is refused"), (alone, "the organization was not audited")):
        changes = list(compare(both, new))
        assert {each.kind for each in changes} == {"unknown"}
        assert len(changes) == 8
        assert all(reason in str(each.reason) for each in changes)
    (gap,) = compare(refused, refused)
    assert (gap.kind, gap.entity_type, gap.entity_id) == ("unknown", "WORKSPACE", "")
    text = "\n".join(as_text(both, refused, compare(both, refused), Tally()))
    assert f" of {customer.name}" in text


def test_audio_options_are_compared_by_user_and_site(audit: Audit) -> None:
    @dataclass(frozen=True)
    class Silent(Organization):
        def audio(self, index: int, site_url: str) -> Json:
            answer = super().audio(index, site_url)
            return {**answer, "enabledTollFree": True} if site_url == self.site_urls[0] else answer

        def sites(self, index: int) -> list[Json]:
            return super().sites(index)[:1]

    scope = {"scope__datasets": ["audio-options"], "scope__all_users": True}
    before = audit(Simulation(PLAIN), **scope)
    after = audit(Simulation(Silent(ROOMS, odd=False, people=40, virtual_lines=6)), **scope)
    changes = list(compare(before, after))
    default, training, _ = PLAIN.site_urls
    people = {str(PLAIN.person(index)["id"]): index for index in range(40)}
    expected = set()
    for entity_id, index in people.items():
        sites = {each["siteUrl"] for each in PLAIN.sites(index)}
        if default in sites and not PLAIN.audio(index, default)["enabledTollFree"]:
            expected.add((entity_id, default, "changed", "enabled_toll_free"))
        if training in sites:
            expected.add((entity_id, training, "removed", None))
    assert {(each.entity_id, each.key, each.kind, each.column) for each in changes} == expected
    assert len(changes) == len(expected)
    assert mirrored(list(compare(after, before))) == plain(changes)
    unread = audit(Simulation(PLAIN, Lasting("500", 2)), **scope, retry__attempts=1)
    assert unread.manifest.status == "partial"
    assert {each.kind for each in compare(before, unread)} == {"unknown"}
    one = audit(Simulation(PLAIN), **scope, scope__sites=[default])
    lines = [each for each in compare(before, one) if each.key == training]
    assert {(each.kind, each.reason) for each in lines} == {("unknown", "old: ok; new: the site was not asked for")}
    me = audit(Simulation(PLAIN), scope__datasets=["audio-options"])
    assert {each.kind for each in compare(before, me)} == {"unknown"}
    email = str(PLAIN.person(1)["emails"][0])
    named = audit(Simulation(PLAIN), scope__datasets=["audio-options"], users=Users("named", (email,)))
    assert {each.kind for each in compare(named, before)} == {"unknown"}


def test_the_order_is_by_place_and_name_and_one_room_stands_together(audit: Audit) -> None:
    def flip(answer: Json) -> None:
        answer.update(allowAutoAnswer=not answer["allowAutoAnswer"], members=answer["members"][:0:-1])

    before = audit(Simulation(PLAIN))
    after = audit(Simulation(later(edits=tuple((index, flip) for index in ANSWERED))))
    changes = list(compare(before, after))
    places = [(each.location_name is None, each.location_name or "", each.entity_name or "", each.entity_id,
               each.table, each.key or "", each.column or "") for each in changes]  # fmt: skip
    assert places == sorted(places)
    assert len({place[:4] for place in places}) == len(ANSWERED)
    assert mirrored(list(compare(after, before))) == plain(changes)


def test_text_is_grouped_by_room_in_plain_words_and_counted_at_the_end(audit: Audit) -> None:
    index, other, lost = (each for each in ANSWERED[:3])

    def edit(answer: Json) -> None:
        answer["allowAutoAnswer"] = not answer["allowAutoAnswer"]
        answer["members"] = [{**PLAIN.member(0), "displayName": "\x1b[31mMallory\u202e", "id": "x"}]

    before = audit(Simulation(later(edits=((index, lambda answer: answer.update(members=[])),))))
    after = audit(
        Simulation(later(edits=((index, edit),), refused=(other,)), Where("500", room(lost))), retry__attempts=1
    )
    lines = list(as_text(before, after, compare(before, after), Tally()))
    text = "\n".join(lines)
    was = PLAIN.push_to_talk(index)["allowAutoAnswer"]
    assert f"  auto-answer: {'yes → no' if was else 'no → yes'}" in lines
    assert any(line.startswith("  member \\x1b[31mMallory\\u202e added: +") for line in lines)
    assert "  Push-to-Talk settings: unknown (old: ok; new: server_error)" in lines
    assert "any more): " in text
    headings = [line for line in lines if line.startswith("\n")]
    assert len(headings) == 3
    assert all(line.endswith(" (workspace)") for line in headings)
    gone = len(PLAIN.push_to_talk(other)["members"])
    assert lines[-1] == (f"2 rooms changed, 0 added, 0 removed; 1 member added, {gone} removed, 0 changed; 1 unknown")
    assert "\x1b" not in text
    assert list(as_text(before, before, compare(before, before), Tally()))[-1] == "no differences"


def test_json_and_csv_hold_every_difference_and_csv_runs_no_formula(audit: Audit) -> None:
    index = with_members()
    evil = {"id": "=cmd", "displayName": '=HYPERLINK("http://evil")', "numbers": [{"external": "+14085267209"}]}
    before = audit(Simulation(PLAIN))
    after = audit(Simulation(edited(index, lambda answer: answer["members"].append(evil))))
    changes = list(compare(before, after))
    tally = Tally()
    found = json.loads("\n".join(as_json(before, after, changes, tally)))
    assert found["changes"] == [msgspec.to_builtins(each) for each in changes]
    assert (found["old"], found["new"]) == (before.manifest.snapshot_id, after.manifest.snapshot_id)
    assert found["summary"]["members"] == {"added": 1, "removed": 0, "changed": 0}
    (row,) = csv.DictReader(io.StringIO("\n".join(as_csv(changes, Tally()))))
    assert row["key"] == "'=cmd"
    assert row["key_name"] == '\'=HYPERLINK("http://evil")'
    assert row["new"] == "+14085267209"
    many = changes * 2500
    assert len(list(csv.DictReader(io.StringIO("\n".join(as_csv(many, Tally())))))) == 2500
    assert list(as_csv([], Tally())) == [",".join(f'"{name}"' for name in Change.__struct_fields__)]


def test_the_command_prints_each_form_and_tells_differences_by_its_exit_code(
    audit: Audit, webex_audit: Callable[..., Result], tmp_path: Path
) -> None:
    index = ANSWERED[0]
    before = audit(Simulation(PLAIN))
    audit(Simulation(PLAIN, Where("500", room(index))), retry__attempts=1)
    at = ["--output", tmp_path / "out"]
    result = webex_audit("diff", "previous", "latest", *at)
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith("1 unknown\n")
    assert webex_audit("diff", "previous", "latest", "--exit-code", *at).code == 1
    same = webex_audit("diff", before.manifest.snapshot_id, before.path, "--exit-code", *at)
    assert (same.code, same.out.splitlines()[-1]) == (0, "no differences")
    assert json.loads(webex_audit("diff", "previous", "latest", "--json", *at).out)["summary"]["differences"] == 1
    (row,) = csv.DictReader(io.StringIO(webex_audit("diff", "previous", "latest", "--csv", *at).out))
    assert (row["kind"], row["entity_id"]) == ("unknown", room(index))
    assert webex_audit("diff", "previous", "latest", "--csv", "--json", *at).code == 2
    assert webex_audit("diff", "previous", "nowhere", *at).code == 2


def test_snapshots_of_different_apis_are_compared_with_a_warning(
    audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    snapshot = audit(Simulation(PLAIN))
    other = Snapshot(snapshot.path, msgspec.structs.replace(snapshot.manifest, base_url="https://webexapis.com/v1"))
    assert list(compare(snapshot, other)) == []
    assert "the snapshots come from different APIs" in caplog.text


def test_a_snapshot_that_is_damaged_or_lacks_a_table_is_refused(audit: Audit) -> None:
    good, bad = audit(Simulation(PLAIN)), audit(Simulation(PLAIN))
    tables = {name: table for name, table in bad.manifest.tables.items() if name != "push_to_talk_members"}
    write_manifest(bad.path, msgspec.structs.replace(bad.manifest, tables=tables))
    bad = find_snapshot(bad.path.parent, bad.manifest.snapshot_id)
    with pytest.raises(UsageError, match="lacks the table push_to_talk_members"):
        list(compare(good, bad))
    (path,) = (good.path / "push_to_talk").glob("*/*.parquet")
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * (len(data) // 2) + data[4 + len(data) // 2 :])
    with pytest.raises(UsageError) as error:
        list(compare(good, good))
    assert "\n" not in str(error.value)
