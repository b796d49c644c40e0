"""What was not answered or not asked for is unknown; what is gone for certain is removed."""

from collections import Counter

import pyarrow.dataset as ds
import pytest
from harness import Where, without
from later import (
    ANSWERED,
    ODD,
    PLAIN,
    ROOMS,
    Audit,
    Lasting,
    edited,
    later,
    mirrored,
    plain,
    room,
    told,
    with_members,
)

from audit.outcome import Outcome
from audit.review.diff.compare import compare
from audit.review.diff.views import Tally, as_text
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot


@pytest.mark.parametrize("kind", ["500", "mistyped"])
@pytest.mark.slow
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


def test_a_room_that_lost_its_license_lost_its_settings_and_members(audit: Audit) -> None:
    index = with_members(2)
    before, after = audit(Simulation(PLAIN)), audit(Simulation(later(refused=(index,))))
    settings, *members = compare(before, after)
    answer = PLAIN.push_to_talk(index)
    assert told(settings)[:4] == ("removed", "push_to_talk", None, None)
    assert settings.reason == ("old: ok; new: not_licensed: it has no Webex Calling license of the right kind any more")
    assert f"connection_type={answer['connectionType']}" in str(settings.old)
    assert {(each.kind, each.table) for each in members} == {("removed", "push_to_talk_members")}
    assert {each.key for each in members} == {each["id"] for each in answer["members"]}
    back = list(compare(after, before))
    assert mirrored(back) == plain([settings, *members])
    assert str(back[0].reason).startswith("old: not_licensed; new: ok: it has a Webex Calling license")


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_a_scope_left_out_is_unknown(audit: Audit) -> None:
    whole = audit(Simulation(PLAIN), scope__entities=["workspace", "person"])
    rooms = audit(Simulation(PLAIN))
    changes = list(compare(whole, rooms))
    assert {(each.kind, each.entity_type) for each in changes} == {("unknown", "PERSON")}
    assert len(changes) == 40
    assert all(str(each.reason).endswith("; new: people were not asked for") for each in changes)
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
    assert all("virtual lines could not be listed (" in str(each.reason) for each in changes)
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
