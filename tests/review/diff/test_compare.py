"""The differences of two snapshots in settings, names and audio options, in their order."""

from dataclasses import dataclass

import msgspec
import pytest
from harness import without
from later import ANSWERED, PLAIN, ROOMS, Audit, Lasting, edited, later, mirrored, plain, room, told

from audit.errors import UsageError
from audit.inventory import Users
from audit.review.diff.compare import compare
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Json, Organization
from audit.snapshot.catalog import Snapshot, find_snapshot
from audit.snapshot.manifest import write_manifest


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


@pytest.mark.slow
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


def test_snapshots_of_different_apis_are_compared_with_a_warning(
    audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    snapshot, other = audit(Simulation(PLAIN)), audit(Simulation(PLAIN))
    other = Snapshot(other.path, msgspec.structs.replace(other.manifest, base_url="https://webexapis.com/v1"))
    write_manifest(other.path, other.manifest)
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
