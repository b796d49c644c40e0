"""The first screen names whom and what it counts, and never takes what was not read for nothing."""

import re
from typing import Any

import pytest
from harness import Where, without
from reporting import (
    BOTH,
    KINDS,
    Audit,
    a_check,
    a_rule,
    one_room,
    rewrite,
    set_column,
    small_organization,
    text_of,
)

from audit.review.check.finding import RuleResult
from audit.review.diff.compare import compare
from audit.review.report import write_report
from audit.review.tables import open_tables
from audit.simulator.app import Simulation
from audit.simulator.changed import Changed
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

_AUDIO = {**BOTH, "scope.datasets": ["audio-options"]}
_ALL = {"scope.all_orgs": True}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)")


def _first(html: str) -> str:
    """The text of the first screen: the header and what is named below it."""
    return text_of(html.partition("<header>")[2].partition('<section aria-labelledby="questions">')[0])


def _two(audit: Audit, **arguments: Any) -> Snapshot:
    own, customer = small_organization(workspaces=40), Organization(workspaces=20, people=9, virtual_lines=2, seed=2)
    return audit(Simulation(own, parse("500=0.05!", 2), customers=(customer,), **arguments), **_ALL, **KINDS)


def test_the_five_most_exposed_and_the_five_who_can_listen_into_most_are_named(audit: Audit) -> None:
    snapshot = _two(audit)
    html = write_report(snapshot, None, None, None)
    names = html.partition('class="names"')[2].partition("<table")[0]
    exposed, people, *_ = names.split("<h3>")[1:]
    listed = re.findall(r"<li><b>(.*?)</b> <span class=\"hears\">(.*?)</span>", exposed)
    assert len(listed) == 5
    with open_tables(snapshot) as connection:
        heard = connection.execute(
            "SELECT list(entity_name) FROM push_to_talk WHERE allow_auto_answer AND connection_type = 'TWO_WAY'"
        ).fetchall()[0][0]
        (most,) = connection.execute(
            "SELECT member_display_name, count(DISTINCT entity_id) AS rooms FROM push_to_talk_members "
            "WHERE allow_auto_answer AND connection_type = 'TWO_WAY' AND access_type = 'ALLOW_MEMBERS' "
            "GROUP BY org_id, member_id, 1 ORDER BY rooms DESC LIMIT 1"
        ).fetchall()
    plain = [each for each in heard if each and each.isprintable() and "<" not in each and '"' not in each]
    assert any(text_of(name) in plain for name, _ in listed)
    assert all("can listen" in does for _, does in listed)
    assert people.count("<li>") == 5
    assert f"listens into {most[1]}" in text_of(people.partition("</li>")[0])


def test_totals_stand_by_organization_and_unread_ones_have_no_zero(audit: Audit) -> None:
    refused = Organization(workspaces=4, seed=5)
    own, customer = small_organization(workspaces=40), small_organization(workspaces=20, seed=2)
    simulation = Simulation(
        own,
        parse("500=0.05!", 2),
        customers=(customer, refused),
        refused_organizations=frozenset({refused.org_id}),
    )
    snapshot = audit(simulation, **_ALL)
    html = write_report(snapshot, None, None, None)
    table = html.partition('<table class="organizations"')[2].partition("</table>")[0]
    rows = {text_of(row.partition("</th>")[0]): text_of(row.partition("</th>")[2]) for row in table.split("<tr ")[2:]}
    with open_tables(snapshot) as connection:
        counts = connection.execute(
            "SELECT org_id, count(*), count(*) FILTER (allow_auto_answer AND (member_count > 0 OR access_type <> "
            "'ALLOW_MEMBERS')), count(*) FILTER (allow_auto_answer AND connection_type = 'TWO_WAY' AND "
            "(member_count > 0 OR access_type <> 'ALLOW_MEMBERS')) FROM push_to_talk GROUP BY ALL ORDER BY 4 DESC"
        ).fetchall()
        unanswered = dict(
            connection.execute(
                "SELECT org_id, count(*) FROM coverage WHERE outcome = 'server_error' GROUP BY 1"
            ).fetchall()
        )
    assert len(rows) == 3
    for (org_id, *numbers), told in zip(counts, rows.values(), strict=False):
        assert told.split()[:3] == [str(each) for each in numbers]
        assert ("not answered" in told) is (org_id in unanswered)
    assert any(told.strip() == "0 not known not known not known everything: refused" for told in rows.values())


@pytest.mark.slow
def test_the_phone_of_a_person_is_not_called_a_room(audit: Audit) -> None:
    snapshot = audit(Simulation(small_organization()), **KINDS)
    first = _first(write_report(snapshot, None, None, None))
    assert re.search(r"\d+ of \d+ rooms, phones and virtual lines that could be read: ", first)
    assert re.search(r"read: \d+ rooms?, \d+ phones? and \d+ virtual lines?;", first)
    people = audit(Simulation(small_organization()), **{"scope.entities": ["person"]})
    alone = write_report(people, None, None, None)
    assert re.search(r"\d+ of \d+ phones that could be read", _first(alone))
    assert "Phone of a person" in _first(alone)
    assert "Phones that auto-answer, by who may call" in alone
    lines = audit(Simulation(small_organization()), **{"scope.entities": ["workspace", "virtual-line"]})
    assert "rooms and virtual lines that could be read" in _first(write_report(lines, None, None, None))


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("simulation", "scope", "told"),
    [
        (lambda: Simulation(small_organization(workspaces=0)), {}, "Nothing is known: the listing is empty."),
        (lambda: Simulation(small_organization(workspaces=4), Where("500", "pushtotalk")), {},
         "Nothing is known: none of 4 that were asked has answered."),
        (lambda: Simulation(small_organization(workspaces=1), Where("empty", "pushtotalk")), {},
         "Nothing is known: the one that was asked has not answered."),
        (lambda: Simulation(small_organization(workspaces=3), Where("malformed", "pushtotalk")), {},
         "Nothing is known: none of 3 that were asked has answered."),
        (lambda: _refused(workspaces=0), _ALL,
         "Nothing is known: 1 of 2 organizations refused or did not answer: its settings are not known."),
        (lambda: Simulation(small_organization(people=0)), _AUDIO, "Nothing is known: the listing is empty."),
        (lambda: Simulation(small_organization(workspaces=0, people=0), tokens=without("spark-admin:people_read")),
         {"scope.entities": ["workspace", "person"]},
         "Nothing is known: people of 1 organization could not be listed."),
    ],
)  # fmt: skip
def test_where_nothing_was_read_nothing_is_known(
    audit: Audit, simulation: Any, scope: dict[str, Any], told: str
) -> None:
    snapshot = audit(simulation(), **scope)
    html = write_report(snapshot, a_check(RuleResult(a_rule(), "passed")), None, None)
    first = _first(html)
    assert told in first
    assert "Audit Nothing is known" in first
    assert "Complete" not in first
    assert "None" not in first
    assert "Nothing to check" in first
    assert "0 rooms" not in text_of(html)
    assert "No open findings" not in html
    assert "Every question has a complete answer" not in html


def _refused(workspaces: int) -> Simulation:
    customer = Organization(workspaces=4, seed=2)
    return Simulation(
        small_organization(workspaces=workspaces),
        customers=(customer,),
        refused_organizations=frozenset({customer.org_id}),
    )


def test_what_is_known_of_some_is_not_said_of_all(audit: Audit) -> None:
    some = _first(write_report(audit(Simulation(small_organization(), parse("500=0.3!", 2))), None, None, None))
    assert re.search(r"Nothing is known about \d+ more that did not answer\.", some)
    assert re.search(r"Not known: \d+ settings that did not come: .*and \d+ more", some)
    refused = _first(write_report(audit(_refused(4), **_ALL), None, None, None))
    assert "Nothing is known about what could not be listed" in refused
    assert "Complete" not in refused


@pytest.mark.slow
def test_a_dataset_without_rows_is_not_nobody(audit: Audit) -> None:
    both = audit(Simulation(small_organization(workspaces=3), Where("500", "pushtotalk")), **BOTH)
    first = _first(write_report(both, None, None, None))
    assert (
        "Who may call into a room is not known: none of 3 that were asked has answered."
        in re.sub("; [^.]*settings", "", first)
        or "3 of " in first
    )
    assert "Who can call into a room Not known" in first
    audio = _first(write_report(audit(Simulation(small_organization()), **_AUDIO), None, None, None))
    assert "Who may call into a room is not known." in audio
    unlicensed = audit(Simulation(small_organization(workspaces=3)))
    rewrite(unlicensed, "push_to_talk", lambda table: table.slice(0, 0))
    rewrite(unlicensed, "coverage", set_column("outcome", ["not_licensed", "not_found", "not_licensed"]))
    sure = _first(write_report(unlicensed, None, None, None))
    assert "There are no settings: of 3 that were asked, none has any" in sure


def test_the_report_says_that_only_the_primary_device_answers(audit: Audit) -> None:
    seen = text_of(write_report(audit(Simulation(small_organization(workspaces=3))), None, None, None))
    assert "Which device answers? Only the primary device." in seen


def test_times_have_three_digits_of_a_second_at_most(audit: Audit) -> None:
    snapshot = one_room(audit)
    html = write_report(snapshot, None, [], snapshot)
    times = re.findall(r'<time datetime="([^"]*)"', html)
    assert len(times) >= 4
    assert all(_TIME.fullmatch(each) for each in times)


def test_the_links_at_the_top_stand_in_the_order_of_the_sections(audit: Audit) -> None:
    old, new = (audit(Simulation(small_organization(workspaces=6))) for _ in range(2))
    html = write_report(new, a_check(RuleResult(a_rule(), "passed")), [], old)
    links = re.findall(r'<li><a href="#(\w+)"', html.partition("<nav")[2].partition("</nav>")[0])
    assert links == re.findall(r'<h2 id="(\w+)"', html)
    assert links[:4] == ["search", "glance", "questions", "approval"]
    assert '<a href="#approval">Nothing is approved</a>' in html.partition("</header>")[0]


def test_what_was_added_or_removed_is_not_called_changed(audit: Audit) -> None:
    old = audit(Simulation(small_organization(workspaces=20)))
    new = audit(Simulation(Changed.of(small_organization(workspaces=20), 0.3)))
    seen = text_of(write_report(new, None, compare(old, new), old))
    header = re.search(r"(\d+) rooms? changed, added or removed", seen)
    section = re.search(r"(\d+) rooms? changed, (\d+) added, (\d+) removed", seen)
    assert header
    assert section
    assert int(header[1]) == sum(map(int, section.groups()))
