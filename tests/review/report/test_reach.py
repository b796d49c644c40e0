"""Who can call which room, as the report says it, and since when."""

import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from harness import without
from reporting import KINDS, Audit, one_room, rewrite, set_column, small_organization, text_of

from audit.review.report import write_report
from audit.review.report.since import dates, since_key
from audit.review.report.wording import day, minute
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("given", "members", "told"),
    [
        ({"allow_auto_answer": True, "access_type": "ALLOW_MEMBERS"}, 2, "Only Member 0 Member 1"),
        ({"allow_auto_answer": True, "access_type": "ALLOW_MEMBERS"}, 0, "Nobody: the list of allowed lines is empty"),
        ({"allow_auto_answer": True, "access_type": "BLOCK_MEMBERS"}, 2, "Anyone except Member 0 Member 1"),
        ({"allow_auto_answer": True, "access_type": "BLOCK_MEMBERS"}, 0, "Anyone: the list of blocked lines is empty"),
        ({"allow_auto_answer": True, "access_type": "SOME_NEW_WORD"}, 2, "Unclear: SOME_NEW_WORD"),
        (
            {"allow_auto_answer": False, "access_type": "BLOCK_MEMBERS"},
            2,
            "Nobody while Push-to-Talk is off. On its list: Member 0",
        ),
        ({"allow_auto_answer": True, "connection_type": "TWO_WAY"}, 2, "on speaks and listens"),
        ({"allow_auto_answer": True, "connection_type": "ONE_WAY"}, 2, "on only speaks"),
        ({"allow_auto_answer": True, "connection_type": "HALF_DUPLEX"}, 2, "on unclear: HALF_DUPLEX"),
    ],
)
def test_a_room_says_whom_it_answers(audit: Audit, given: dict[str, object], members: int, told: str) -> None:
    snapshot = one_room(audit, members, **given)
    table = re.search('<table id="room-table".*?</table>', write_report(snapshot, None, None, None), flags=re.DOTALL)
    assert table
    assert told in text_of(re.sub('<span class="mail">.*?</span>', "", table[0]))


def test_a_person_is_listed_with_the_rooms_that_let_it_in_by_name(audit: Audit) -> None:
    allowing = {"allow_auto_answer": True, "access_type": "ALLOW_MEMBERS", "connection_type": "TWO_WAY"}
    people = _people(write_report(one_room(audit, **allowing), None, None, None))
    assert "Member 0" in people
    assert "The Room" in people


@pytest.mark.parametrize("given", [{"allow_auto_answer": False}, {"access_type": "BLOCK_MEMBERS"}])
def test_a_person_on_the_list_of_a_room_that_is_off_or_blocks_is_not_let_in(
    audit: Audit, given: dict[str, object]
) -> None:
    given = {"allow_auto_answer": True, "access_type": "ALLOW_MEMBERS"} | given
    assert "Member 0" not in _people(write_report(one_room(audit, **given), None, None, None))


def _people(html: str) -> str:
    return text_of(html.partition('<section aria-labelledby="people">')[2].partition("</section>")[0])


def test_a_room_says_since_when_as_far_as_two_snapshots_can(audit: Audit) -> None:
    old = audit(Simulation(small_organization(workspaces=60, seed=3), parse("500=0.1!", 2)))
    new = audit(Simulation(small_organization(workspaces=62, seed=3)))
    rewrite(new, "push_to_talk", set_column("connection_type", ["OTHER"]))
    table = re.findall('data-label="Since">(.*?)</td>', write_report(new, None, None, old), flags=re.DOTALL)
    answered = old.manifest.outcomes["push_to_talk"]["ok"]
    told = [text_of(each) for each in table]
    assert len(told) == new.manifest.outcomes["push_to_talk"]["ok"]
    assert sum("or earlier" in each for each in told) in {answered - 1, answered}
    assert sum(each.startswith("changed after") for each in told) in {0, 1}
    assert sum(each.startswith("unknown: not answered on") for each in told) >= 1
    assert sum(each.startswith("not listed on") for each in told) <= 2
    assert len({each.split(" ")[0] for each in told}) >= 2


def _since(new: Snapshot, old: Snapshot) -> set[str]:
    """What the report says about rooms with an unknown `since`."""
    table = re.findall('data-label="Since">(.*?)</td>', write_report(new, None, None, old), flags=re.DOTALL)
    return {text_of(each) for each in table if "or earlier" not in each and "changed" not in each}


def test_a_room_of_an_organization_that_was_refused_is_not_called_unlisted(audit: Audit) -> None:
    own, customer = small_organization(workspaces=4), Organization(workspaces=4, seed=2)
    refused = frozenset({customer.org_id})
    old = audit(Simulation(own, customers=(customer,), refused_organizations=refused), **{"scope.all_orgs": True})
    new = audit(Simulation(own, customers=(customer,)), **{"scope.all_orgs": True})
    (told,) = _since(new, old)
    assert told.startswith("unknown on ")
    assert told.endswith(": the organization was refused")
    assert "unknown on " not in str(_since(new, new))


def test_a_room_of_a_kind_that_was_not_asked_for_is_not_called_unlisted(audit: Audit) -> None:
    old = audit(Simulation(small_organization()), **{"scope.entities": ["workspace"]})
    told = _since(audit(Simulation(small_organization()), **KINDS), old)
    assert {each.partition(": ")[2] for each in told} == {
        "people were not asked for",
        "virtual lines were not asked for",
    }


def test_a_kind_that_could_not_be_listed_is_told_in_the_verdict_and_of_its_rooms(audit: Audit) -> None:
    tokens = without("spark-admin:people_read")
    old = audit(Simulation(small_organization(), tokens=tokens), **KINDS)
    verdict, _, rest = write_report(old, None, None, None).partition("<nav")
    assert "Partial people of 1 organization could not be listed" in text_of(verdict)
    assert "Everything that could be listed was answered, but people of 1 organization could not be listed." in text_of(
        rest
    )
    (told,) = _since(audit(Simulation(small_organization()), **KINDS), old)
    assert told.endswith(": people could not be listed")


@pytest.mark.parametrize(("outcome", "told"), [("not_licensed", "not licensed on"), ("not_found", "not found on")])
def test_a_complete_answer_without_settings_is_told_as_what_it_was(audit: Audit, outcome: str, told: str) -> None:
    simulation = Simulation(small_organization(workspaces=3))
    old, new = audit(simulation), audit(simulation)
    rewrite(old, "push_to_talk", lambda table: table.slice(0, 0))
    rewrite(old, "coverage", set_column("outcome", [outcome] * 3))
    (since,) = _since(new, old)
    assert since.startswith(told)


def test_a_retried_snapshot_is_told_from_its_first_answer(audit: Audit) -> None:
    snapshot, old = (audit(Simulation(small_organization(workspaces=3))) for _ in range(2))
    week = timedelta(days=7)
    kept = old.manifest.started_at - week
    rewrite(old, "coverage", set_column("fetched_at", [kept]))
    seen = text_of(write_report(snapshot, None, [], old))
    assert f"Compared with {minute(kept)}" in seen
    assert f"between {minute(kept)} and" in seen
    assert f"{day(kept)} or earlier" in seen
    alone = text_of(write_report(old, None, None, None))
    assert f"State of {minute(kept)} to " in alone
    assert f"The report shows one state, that of {minute(kept)} to " in alone


def test_times_of_the_same_minute_show_seconds(audit: Audit) -> None:
    old, new = (audit(Simulation(small_organization(workspaces=3))) for _ in range(2))
    start = datetime(2026, 3, 3, 10, 0, 5, tzinfo=UTC)
    old = Snapshot(old.path, msgspec.structs.replace(old.manifest, started_at=start))
    rewrite(old, "coverage", set_column("fetched_at", [start] * 3))
    rewrite(new, "coverage", set_column("fetched_at", [start + timedelta(seconds=30)] * 3))
    seen = text_of(write_report(new, None, [], old))
    assert "Compared with 3 March 2026, 10:00:05 UTC" in seen
    assert "between 3 March 2026, 10:00:05 UTC and 3 March 2026, 10:00:35 UTC" in seen


def test_what_the_cut_leaves_out_stands_above_the_table(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.review.report.reach.MAX_ROOMS", 3)
    html = write_report(audit(Simulation(small_organization(workspaces=60)), **KINDS), None, None, None)
    above = text_of(html.partition('<section aria-labelledby="rooms">')[2].partition("<table")[0])
    assert "3 of " in above
    assert " rooms, phones and virtual lines are listed here." in above
    assert re.search("phones? of (a person|people) with Push-to-Talk off", above)
    assert "allowed lines can only speak" in above


def test_a_room_that_is_off_is_not_marked_as_heard(audit: Audit) -> None:
    html = write_report(one_room(audit, allow_auto_answer=False, connection_type="TWO_WAY"), None, None, None)
    table = html.partition('<table id="room-table"')[2].partition("</table>")[0]
    assert "would speak and listen" in table
    assert "hears" not in table


def test_since_sorts_by_time(audit: Audit) -> None:
    at = datetime(2026, 9, 30, tzinfo=UTC)
    written = dates(at, at + timedelta(days=60))
    later, never = at + timedelta(days=2), since_key(written, "not_answered", at)
    keys = [since_key(written, *each) for each in (("unchanged", at), ("changed", at), ("unchanged", later))]
    assert [*keys, never] == sorted({*keys, never})
