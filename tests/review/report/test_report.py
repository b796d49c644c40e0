"""The content of the report, in which names from outside stay data."""

import base64
import hashlib
import re
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import openpyxl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from audit.errors import UsageError
from audit.files import sha256_of
from audit.review.check.finding import CheckResult, Finding, Rule, RuleResult, Severity
from audit.review.diff.change import Change
from audit.review.diff.compare import compare
from audit.review.diff.views import Tally, as_text
from audit.review.report import write_report, write_workbook
from audit.review.report.charts import Bar, stacked_bars
from audit.review.report.html import name
from audit.review.report.wording import day, minute
from audit.review.tables import open_tables
from audit.simulator import names
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.simulator.simulation import ADMIN_SCOPES
from audit.snapshot.catalog import Snapshot
from audit.text import printable

Audit = Callable[..., Snapshot]

_BOTH = {"scope.datasets": ["push-to-talk", "audio-options"], "scope.all_users": True}
_KINDS = {"scope.entities": ["workspace", "person", "virtual-line"]}
_HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m"


class _Document(HTMLParser):
    """The report as an HTML parser sees it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._open, []).append(data)


def _seen(html: str) -> str:
    """The text of a report without tags, with single spaces."""
    body = re.sub(r"<(style|script).*?</\1>", "", html, flags=re.DOTALL)
    body = re.sub(r"</(td|th|li|p|dt|dd|div|h[1-6])>", " ", body)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", body))


def _without(*scopes: str) -> dict[str, frozenset[str]]:
    return {ADMIN_TOKEN: ADMIN_SCOPES - set(scopes)}


def _organization(**sizes: int) -> Organization:
    return Organization(**{"workspaces": 30, "people": 20, "virtual_lines": 3, **sizes})


def _rule(rule_id: str = "two-way", severity: Severity = Severity.HIGH, **attributes: Any) -> Rule:
    given = {"title": f"Title of {rule_id}", "rationale": "Why it matters.", "remedy": "What helps."} | attributes
    return Rule(rule_id=rule_id, severity=severity, tables=(), sql="SELECT 1", path=f"{rule_id}.sql", **given)


def _finding(rule: Rule, detail: str = "a detail", **attributes: Any) -> Finding:
    given = {"org_id": "o", "entity_type": "WORKSPACE", "entity_id": "w", "entity_name": "Ward", "location_name": None}
    return Finding(rule_id=rule.rule_id, severity=rule.severity, detail=detail, **(given | attributes))


def _change(**attributes: Any) -> Change:
    given = {"kind": "changed", "table": "push_to_talk", "org_id": "o", "entity_type": "WORKSPACE", "entity_id": "w"}
    return Change(**(given | {"entity_name": "Ward", "location_name": None} | attributes))


def _checked(*results: RuleResult) -> CheckResult:
    return CheckResult("now", None, list(results))


def _rewrite(snapshot: Snapshot, table: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of a table, organization by organization."""
    for file in snapshot.manifest.tables[table].files:
        if file.path.endswith(".parquet"):
            path = snapshot.path / file.path
            pq.write_table(change(pq.ParquetFile(path).read()), path)


def _set(column: str, values: Iterable[object]) -> Callable[[pa.Table], pa.Table]:
    """Give the first rows these values in a column."""
    given = list(values)

    def change(table: pa.Table) -> pa.Table:
        index = table.schema.get_field_index(column)
        kept = table[column].to_pylist()[len(given) :]
        return table.set_column(
            index, table.schema.field(index), pa.array([*given, *kept], table.schema.field(index).type)
        )

    return change


def _one_room(audit: Audit, members: int = 2, **settings: object) -> Snapshot:
    """A snapshot of one room with some settings and at most this many members."""
    snapshot = audit(Simulation(_organization(workspaces=8)))
    _rewrite(snapshot, "push_to_talk", lambda table: table.slice(0, 1))
    room = pq.ParquetFile(next(snapshot.path.glob("push_to_talk/*/*.parquet"))).read()["entity_id"][0]
    for column, value in {"entity_name": "The Room", **settings}.items():
        _rewrite(snapshot, "push_to_talk", _set(column, [value]))

    def of_room(table: pa.Table) -> pa.Table:
        table = table.slice(0, members)
        for column, values in {
            "entity_id": [room.as_py()] * members,
            "entity_type": ["WORKSPACE"] * members,
            "member_id": [f"m{each}" for each in range(members)],
            "member_display_name": [f"Member {each}" for each in range(members)],
        }.items():
            table = _set(column, values)(table)
        return table

    _rewrite(snapshot, "push_to_talk_members", of_room)
    return snapshot


def test_the_report_is_one_document_that_asks_for_nothing_and_runs_only_its_own_script(audit: Audit) -> None:
    snapshot = audit(Simulation(_organization()), **_BOTH, **_KINDS)
    html = write_report(snapshot, None, None, None)
    document = _Document(html)
    links = {
        value for _, attrs in document.tags for key, value in attrs.items() if key in {"href", "src", "xlink:href"}
    }
    assert all(link == "data:," or link.startswith("#") for link in links)
    assert not [attrs for _, attrs in document.tags if "style" in attrs or any(key.startswith("on") for key in attrs)]
    (policy,) = [
        attrs["content"] for tag, attrs in document.tags if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none';")
    for tag in ("style", "script"):
        (source,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, flags=re.DOTALL)
        assert f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'" in policy
    assert "url(" not in html
    assert "@import" not in html


def test_every_link_of_the_report_leads_to_a_place_in_it(audit: Audit) -> None:
    rules = [_rule(), _rule("weak-pin", Severity.LOW)]
    checks = _checked(
        RuleResult(rules[0], "failed", [_finding(rules[0])]), RuleResult(rules[1], "skipped", reason="none")
    )
    snapshot = audit(Simulation(_organization(), parse("500=0.1!", 2)), **_BOTH, **_KINDS)
    document = _Document(write_report(snapshot, checks, [_change()], snapshot))
    ids = [attrs["id"] for _, attrs in document.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for tag, attrs in document.tags if tag == "a" and attrs["href"]} <= set(ids)


def test_headings_are_in_order_and_every_table_has_a_caption_and_scopes(audit: Audit) -> None:
    rule = _rule()
    checks = _checked(RuleResult(rule, "failed", [_finding(rule)], [_finding(rule, exception="accepted")]))
    snapshot = audit(Simulation(_organization(), parse("500=0.1!", 2)), **_BOTH, **_KINDS)
    document = _Document(write_report(snapshot, checks, [_change(), _change(kind="unknown")], snapshot))
    tags = [tag for tag, _ in document.tags]
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert tags.count("table") == tags.count("caption") > 5
    assert all("scope" in attrs for tag, attrs in document.tags if tag == "th")
    assert {"header", "nav", "main", "footer"} <= set(tags)
    assert ("html", {"lang": "en"}) in document.tags


def test_the_verdict_tells_what_was_read_and_what_was_not(audit: Audit) -> None:
    snapshot = audit(Simulation(_organization(), parse("500=0.1!", 2)))
    counts = snapshot.manifest.outcomes["push_to_talk"]
    with open_tables(snapshot) as connection:
        (on,) = connection.execute(
            "SELECT count(*) FROM push_to_talk WHERE allow_auto_answer "
            "AND (member_count > 0 OR access_type <> 'ALLOW_MEMBERS')"
        ).fetchone() or (0,)
    html = write_report(snapshot, None, None, None)
    verdict = _seen(html.partition("<nav")[0])
    assert counts["server_error"] > 0
    assert f"{on} of {counts['ok']} rooms that could be read auto-answer Push-to-Talk calls" in verdict
    assert (
        f"Partial {counts['server_error']} of {sum(counts.values())} not answered: their settings are not known"
        in verdict
    )
    assert "Not checked no rules were run" in verdict
    assert "Not compared with an earlier snapshot" in verdict
    assert "Something went wrong on the server." in _seen(html)
    assert f"webex-audit run --retry-failed {snapshot.manifest.snapshot_id}" in html


def test_a_complete_snapshot_says_so(audit: Audit) -> None:
    seen = _seen(write_report(audit(Simulation(_organization(workspaces=5))), None, None, None))
    assert "Complete 5 questions asked, all answered" in seen
    assert "Every question has a complete answer." in seen


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
            "Nobody while auto-answer is off. On its list: Member 0",
        ),
        ({"allow_auto_answer": True, "connection_type": "TWO_WAY"}, 2, "on speaks and listens"),
        ({"allow_auto_answer": True, "connection_type": "ONE_WAY"}, 2, "on only speaks"),
        ({"allow_auto_answer": True, "connection_type": "HALF_DUPLEX"}, 2, "on unclear: HALF_DUPLEX"),
    ],
)
def test_a_room_says_whom_it_answers(audit: Audit, given: dict[str, object], members: int, told: str) -> None:
    snapshot = _one_room(audit, members, **given)
    table = re.search('<table id="room-table".*?</table>', write_report(snapshot, None, None, None), flags=re.DOTALL)
    assert table
    assert told in _seen(re.sub('<span class="mail">.*?</span>', "", table[0]))


def test_a_person_is_listed_with_the_rooms_that_let_it_in_by_name(audit: Audit) -> None:
    allowing = {"allow_auto_answer": True, "access_type": "ALLOW_MEMBERS", "connection_type": "TWO_WAY"}
    people = _people(write_report(_one_room(audit, **allowing), None, None, None))
    assert "Member 0" in people
    assert "The Room" in people


@pytest.mark.parametrize("given", [{"allow_auto_answer": False}, {"access_type": "BLOCK_MEMBERS"}])
def test_a_person_on_the_list_of_a_room_that_is_off_or_blocks_is_not_let_in(
    audit: Audit, given: dict[str, object]
) -> None:
    given = {"allow_auto_answer": True, "access_type": "ALLOW_MEMBERS"} | given
    assert "Member 0" not in _people(write_report(_one_room(audit, **given), None, None, None))


def _people(html: str) -> str:
    return _seen(html.partition('<section aria-labelledby="people">')[2].partition("</section>")[0])


def test_a_room_says_since_when_as_far_as_two_snapshots_can(audit: Audit) -> None:
    old = audit(Simulation(_organization(workspaces=60, seed=3), parse("500=0.1!", 2)))
    new = audit(Simulation(_organization(workspaces=62, seed=3)))
    _rewrite(new, "push_to_talk", _set("connection_type", ["OTHER"]))
    table = re.findall('data-label="Since">(.*?)</td>', write_report(new, None, None, old), flags=re.DOTALL)
    answered = old.manifest.outcomes["push_to_talk"]["ok"]
    told = [_seen(each) for each in table]
    assert len(told) == new.manifest.outcomes["push_to_talk"]["ok"]
    assert sum("or earlier" in each for each in told) in {answered - 1, answered}
    assert sum(each.startswith("changed after") for each in told) in {0, 1}
    assert sum(each.startswith("unknown: not answered on") for each in told) >= 1
    assert sum(each.startswith("not listed on") for each in told) <= 2
    assert len({each.split(" ")[0] for each in told}) >= 2


def _since(new: Snapshot, old: Snapshot) -> set[str]:
    """What the report says about rooms with an unknown `since`."""
    table = re.findall('data-label="Since">(.*?)</td>', write_report(new, None, None, old), flags=re.DOTALL)
    return {_seen(each) for each in table if "or earlier" not in each and "changed" not in each}


def test_a_room_of_an_organization_that_was_refused_is_not_called_unlisted(audit: Audit) -> None:
    own, customer = _organization(workspaces=4), Organization(workspaces=4, seed=2)
    refused = frozenset({customer.org_id})
    old = audit(Simulation(own, customers=(customer,), refused_organizations=refused), **{"scope.all_orgs": True})
    new = audit(Simulation(own, customers=(customer,)), **{"scope.all_orgs": True})
    (told,) = _since(new, old)
    assert told.startswith("unknown on ")
    assert told.endswith(": the organization was refused")
    assert "unknown on " not in str(_since(new, new))


def test_a_room_of_a_kind_that_was_not_asked_for_is_not_called_unlisted(audit: Audit) -> None:
    old = audit(Simulation(_organization()), **{"scope.entities": ["workspace"]})
    told = _since(audit(Simulation(_organization()), **_KINDS), old)
    assert {each.partition(": ")[2] for each in told} == {
        "people were not asked for",
        "virtual lines were not asked for",
    }


def test_a_kind_that_could_not_be_listed_is_told_in_the_verdict_and_of_its_rooms(audit: Audit) -> None:
    tokens = _without("spark-admin:people_read")
    old = audit(Simulation(_organization(), tokens=tokens), **_KINDS)
    verdict, _, rest = write_report(old, None, None, None).partition("<nav")
    assert "Partial people of 1 organization could not be listed" in _seen(verdict)
    assert "Everything that could be listed was answered, but people of 1 organization could not be listed." in _seen(
        rest
    )
    (told,) = _since(audit(Simulation(_organization()), **_KINDS), old)
    assert told.endswith(": people could not be listed")


@pytest.mark.parametrize(("outcome", "told"), [("not_licensed", "not licensed on"), ("not_found", "not found on")])
def test_a_complete_answer_without_settings_is_told_as_what_it_was(audit: Audit, outcome: str, told: str) -> None:
    simulation = Simulation(_organization(workspaces=3))
    old, new = audit(simulation), audit(simulation)
    _rewrite(old, "push_to_talk", lambda table: table.slice(0, 0))
    _rewrite(old, "coverage", _set("outcome", [outcome] * 3))
    (since,) = _since(new, old)
    assert since.startswith(told)


def test_a_retried_snapshot_is_told_from_its_first_answer(audit: Audit) -> None:
    snapshot, old = (audit(Simulation(_organization(workspaces=3))) for _ in range(2))
    week = timedelta(days=7)
    kept = old.manifest.started_at - week
    _rewrite(old, "coverage", _set("fetched_at", [kept]))
    seen = _seen(write_report(snapshot, None, [], old))
    assert f"Compared with {minute(kept)}" in seen
    assert f"between {minute(kept)} and" in seen
    assert f"{day(kept)} or earlier" in seen
    alone = _seen(write_report(old, None, None, None))
    assert f"State of {minute(kept)} to " in alone
    assert f"The report shows one state, that of {minute(kept)} to " in alone


def test_times_of_the_same_minute_show_seconds(audit: Audit) -> None:
    old, new = (audit(Simulation(_organization(workspaces=3))) for _ in range(2))
    start = datetime(2026, 3, 3, 10, 0, 5, tzinfo=UTC)
    manifest = msgspec.structs.replace(old.manifest, started_at=start)
    _rewrite(old, "coverage", _set("fetched_at", [start] * 3))
    _rewrite(new, "coverage", _set("fetched_at", [start + timedelta(seconds=30)] * 3))
    seen = _seen(write_report(new, None, [], Snapshot(old.path, manifest)))
    assert "Compared with 3 March 2026, 10:00:05 UTC" in seen
    assert "between 3 March 2026, 10:00:05 UTC and 3 March 2026, 10:00:35 UTC" in seen


def test_findings_stand_by_severity_with_what_to_do_and_skipped_rules_are_not_passed(audit: Audit) -> None:
    low, critical, skipped = _rule("low-one", Severity.LOW), _rule("bad-one", Severity.CRITICAL), _rule("skipped-one")
    checks = _checked(
        RuleResult(low, "failed", [_finding(low)]),
        RuleResult(skipped, "skipped", reason="the snapshot has no table audio_options"),
        RuleResult(critical, "failed", [_finding(critical)] * 150, [_finding(critical, exception="Bob, until 2027")]),
    )
    seen = _seen(write_report(audit(Simulation(_organization(workspaces=3))), checks, None, None))
    assert "151 150 critical 1 low 1 rule skipped" in seen
    assert seen.index("Title of bad-one") < seen.index("Title of low-one") < seen.index("Title of skipped-one")
    assert "Why it matters. What to do: What helps." in seen
    assert "100 of 150 findings are listed here." in seen
    assert "Bob, until 2027" in seen
    assert "A skipped rule has not passed" in seen
    assert "the snapshot has no table audio_options" in seen


def test_changes_are_told_by_room_and_what_is_unknown_is_not_called_removed(audit: Audit) -> None:
    changes = (
        _change(column="connection_type", old="ONE_WAY", new="TWO_WAY"),
        _change(kind="added", table="push_to_talk_members", key="m", key_name="Ingrid Sato"),
        _change(kind="unknown", entity_id="x", entity_name="Lab", reason="ok, then server_error"),
    )
    snapshot = audit(Simulation(_organization(workspaces=3)))
    seen = _seen(write_report(snapshot, None, iter(changes), snapshot))
    assert "1 room changed, 0 added, 0 removed; 1 member added, 0 removed, 0 changed; 1 unknown." in seen
    assert "1 room changed, 1 unknown." in seen
    assert "direction: one-way (the caller only speaks) → two-way (the caller can listen)" in seen
    assert "member added: Ingrid Sato" in seen
    assert "They may or may not have changed; they were not removed." in seen
    assert "Lab Workspace Push-to-Talk ok, then server_error" in seen


def test_changes_are_counted_as_diff_counts_them(audit: Audit) -> None:
    old = audit(Simulation(_organization(workspaces=60, seed=3), parse("500=0.1!", 2)), **_KINDS)
    new = audit(Simulation(_organization(workspaces=62, seed=3)), **{"scope.entities": ["workspace"]})
    _rewrite(new, "push_to_talk", _set("connection_type", ["OTHER", "OTHER"]))
    *_, total = as_text(old, new, compare(old, new), Tally())
    assert total != "no differences"
    assert f"{total}." in _seen(write_report(new, None, compare(old, new), old))


def test_a_list_that_could_not_be_read_is_named_by_its_kind(audit: Audit) -> None:
    unread = _change(kind="unknown", table="audio_options", entity_type="PERSON", entity_id="", entity_name=None)
    snapshot = audit(Simulation(_organization(workspaces=3)))
    seen = _seen(write_report(snapshot, None, [msgspec.structs.replace(unread, reason="403")], snapshot))
    assert "0 rooms changed, 1 unknown." in seen
    assert "every person Person Audio options 403" in seen


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_change(table="coverage", column="entity_name", old="true", new="ONE_WAY"), "name: true → ONE_WAY"),
        (_change(column="allow_auto_answer", old="true", new="false"), "auto-answer: yes → no"),
        (_change(column="access_type", old="ALLOW_MEMBERS", new="X"),
         "who may call: only the members (Allowed lines) → X"),
        (_change(table="push_to_talk_members", key="m", column="member_last_name", old="a", new=None),
         "member m, last name: a → (none)"),
        (_change(kind="removed", reason="old: ok; new: not_found"),
         "Push-to-Talk settings removed (old: ok; new: not_found)"),
        (_change(kind="added", table="coverage", reason="old: not listed; new: ok"),
         "now audited; it was not before (old: not listed; new: ok)"),
    ],
)  # fmt: skip
def test_a_change_is_told_in_words_and_names_are_left_alone(audit: Audit, change: Change, told: str) -> None:
    snapshot = audit(Simulation(_organization(workspaces=3)))
    assert told in _seen(write_report(snapshot, None, [change], snapshot))


def test_many_changes_are_counted_and_the_rest_is_left_to_the_diff(audit: Audit) -> None:
    snapshot = audit(Simulation(_organization(workspaces=3)))
    changes = (_change(kind="added", table="coverage", entity_id=f"w{each}") for each in range(2_000))
    html = write_report(snapshot, None, changes, snapshot)
    assert "300 of 2,000 changed rooms are listed here." in html
    assert html.count("now audited; it was not before") == 300


def test_what_the_data_cannot_say_is_said(audit: Audit) -> None:
    snapshot = audit(Simulation(_organization(workspaces=3)))
    alone = _seen(write_report(snapshot, None, None, None))
    assert "Webex does not record when a setting was made" in alone
    assert "Who changed it? The settings do not say." in alone
    assert "Search the audit log of Control Hub for a changed room, between" in _seen(
        write_report(snapshot, None, [], snapshot)
    )


def test_names_from_outside_are_shown_and_never_markup(audit: Audit) -> None:
    rule = _rule(title=_HOSTILE, rationale=_HOSTILE, remedy=_HOSTILE)
    finding = _finding(rule, _HOSTILE, entity_name=_HOSTILE, location_name=_HOSTILE, exception=_HOSTILE)
    checks = _checked(RuleResult(rule, "failed", [finding], [finding]), RuleResult(rule, "skipped", reason=_HOSTILE))
    change = {"entity_name": _HOSTILE, "location_name": _HOSTILE, "key_name": _HOSTILE, "reason": _HOSTILE}
    changes = [_change(**change, column=_HOSTILE, old=_HOSTILE, new=_HOSTILE), _change(**change, kind="unknown")]
    snapshot = audit(Simulation(_organization(workspaces=200), parse("500=0.1!", 2)), **_BOTH, **_KINDS)
    org = msgspec.structs.replace(snapshot.manifest.orgs[0], name=_HOSTILE, message=_HOSTILE)
    snapshot = Snapshot(snapshot.path, msgspec.structs.replace(snapshot.manifest, orgs=[org]))
    html = write_report(snapshot, checks, changes, snapshot)
    assert html.count("<script") == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]", html)
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 12
    assert r'<span class="hidden-character">\u202e</span>' in html


@pytest.mark.parametrize("text", names.HOSTILE)
def test_a_name_is_isolated_from_the_text_around_it(text: str) -> None:
    shown = str(name(text))
    assert shown.startswith("<bdi>")
    assert "<script" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize(
    ("text", "shown"), [(None, "(no name)"), ("", "(no name: blank)"), (" \t", "(no name: blank)")]
)
def test_a_name_that_is_absent_is_told(text: str | None, shown: str) -> None:
    assert shown in name(text)


def test_a_chart_holds_no_script_style_or_reference_and_can_be_heard() -> None:
    chart = str(stacked_bars("Rooms", ("heard", "<b>"), [Bar("<script>\u202e", (3, 1)), Bar("b", (0, 2))]))
    assert not re.search(r"<(script|style|desc)|href|style=|xlink|\bid=", chart)
    assert 'role="img"' in chart
    assert r"Rooms: &lt;script&gt;\u202e: 3 heard, 1 &lt;b&gt;; b: 0 heard, 2 &lt;b&gt;" in chart
    assert stacked_bars("Rooms", ("heard",), [Bar("a", (0,))]) == ""


def test_the_report_is_the_same_each_time(audit: Audit) -> None:
    snapshot = audit(Simulation(_organization()), **_BOTH, **_KINDS)
    assert write_report(snapshot, None, None, None) == write_report(snapshot, None, None, None)


def test_audio_options_are_summed_up_and_a_snapshot_of_them_alone_has_a_report(audit: Audit) -> None:
    snapshot = audit(Simulation(_organization()), **{**_BOTH, "scope.datasets": ["audio-options"]})
    with open_tables(snapshot) as connection:
        (unset, users) = connection.execute(
            "SELECT count(*) FILTER (audio_pin_status = 'unset'), count(DISTINCT entity_id) FROM audio_options"
        ).fetchone() or (0, 0)
    html = write_report(snapshot, None, None, None)
    seen = _seen(html)
    assert "<title>Audio options review: " in html
    assert f"Audio options of {users} users. This snapshot holds no Push-to-Talk settings." in seen
    assert f"not set {unset} " in seen
    assert "it cannot say who may call into a room" in seen


def test_an_organization_that_was_refused_is_told_with_the_reason(audit: Audit) -> None:
    customer = Organization(workspaces=4, seed=2)
    simulation = Simulation(
        _organization(workspaces=4), customers=(customer,), refused_organizations=frozenset({customer.org_id})
    )
    snapshot = audit(simulation, **{"scope.all_orgs": True})
    seen = _seen(write_report(snapshot, None, None, None))
    assert "2 organizations" in seen
    assert "refused" in seen
    assert snapshot.manifest.orgs[0].message or snapshot.manifest.orgs[1].message
    assert "Partial 1 of 2 organizations refused or did not answer: its settings are not known" in seen
    assert "Everything that could be listed was answered, but 1 of 2 organizations refused or did not answer" in seen


def test_the_evidence_names_every_digest_and_how_to_check_it(audit: Audit) -> None:
    snapshot = audit(Simulation(_organization(workspaces=3)))
    html = write_report(snapshot, None, None, None)
    assert sha256_of(snapshot.path / "manifest.json") in html
    assert all(table.digest in html for table in snapshot.manifest.tables.values())
    assert f"webex-audit verify {snapshot.manifest.snapshot_id}" in html
    assert "sha256sum manifest.json" in html


def test_a_report_of_a_hundred_thousand_rooms_stays_small_and_names_the_csv(audit: Audit) -> None:
    snapshot = audit(Simulation(_organization(workspaces=100, people=60)))
    rows = snapshot.manifest.tables["push_to_talk"].rows
    copies = 100_000 // rows + 1

    def many(table: pa.Table) -> pa.Table:
        index = table.schema.get_field_index("entity_id")
        return pa.concat_tables(
            table.set_column(index, "entity_id", pc.binary_join_element_wise(table["entity_id"], str(each), "-"))
            for each in range(copies)
        )

    _rewrite(snapshot, "push_to_talk", many)
    _rewrite(snapshot, "push_to_talk_members", lambda table: many(table.slice(0, 100)))
    html = write_report(snapshot, None, None, None)
    assert len(html.encode()) < 5_000_000
    assert f"1,500 of {rows * copies:,} rooms are listed here." in html
    assert "<code>push_to_talk.csv</code> and <code>push_to_talk_members.csv</code>" in html


def test_a_table_that_lost_its_file_is_one_clear_line(audit: Audit) -> None:
    snapshot = audit(Simulation(_organization(workspaces=3)))
    next(snapshot.path.glob("push_to_talk/*/*.parquet")).unlink()
    with pytest.raises(UsageError, match=r"push_to_talk.* is missing"):
        write_report(snapshot, None, None, None)


@pytest.fixture
def workbook(tmp_path: Path) -> Callable[..., Any]:
    def workbook(*arguments: Any, **limits: int) -> Any:
        path = tmp_path / "report.xlsx"
        write_workbook(*arguments, path, **limits)
        assert path.stat().st_mode & 0o777 == 0o600
        assert [each.name for each in tmp_path.iterdir() if "tmp" in each.name] == []
        return openpyxl.load_workbook(path)

    return workbook


def test_the_workbook_holds_every_row_of_the_tables(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(_organization()), **_BOTH, **_KINDS)
    book = workbook(snapshot, None, None, None)
    assert book.sheetnames == ["Summary", "Coverage", "Rooms", "Members", "Audio options", "Findings", "Changes"]
    for sheet, table in {"Coverage": "coverage", "Rooms": "push_to_talk", "Members": "push_to_talk_members"}.items():
        rows = list(book[sheet].iter_rows(values_only=True))
        header = (snapshot.path / f"{table}.csv").read_text().partition("\n")[0].replace('"', "").split(",")
        assert sorted(rows[0]) == sorted(header)
        assert len(rows) - 1 == snapshot.manifest.tables[table].rows
        assert book[sheet].freeze_panes == "A2"
        assert book[sheet].auto_filter.ref.startswith("A1:")


def test_leading_zeros_survive_and_formulas_never_run(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(_organization()))
    _rewrite(snapshot, "push_to_talk_members", _set("number_extension", ["0007", "007.50", "=1+1", "http://x.example"]))
    _rewrite(snapshot, "push_to_talk", _set("entity_name", [*names.HOSTILE, "x" * 40_000]))
    book = workbook(snapshot, None, None, None)
    columns = [cell.value for cell in book["Members"][1]]
    cells = [row[columns.index("number_extension")] for row in book["Members"].iter_rows(min_row=2, max_row=5)]
    assert [(cell.value, cell.data_type, cell.hyperlink) for cell in cells] == [
        ("0007", "s", None),
        ("007.50", "s", None),
        ("=1+1", "s", None),
        ("http://x.example", "s", None),
    ]
    rooms = [[cell.value for cell in row] for row in book["Rooms"].iter_rows(min_row=2)]
    place = [cell.value for cell in book["Rooms"][1]].index("entity_name")
    assert rooms[0][place] == names.HOSTILE[0]
    assert r"\u202egnp.yeb" in {row[place] for row in rooms}
    assert rooms[len(names.HOSTILE)][place].endswith("… (cut)")
    assert {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row} <= {"s", "n"}


def test_times_in_the_workbook_are_utc(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(_organization(workspaces=3)))
    rows = list(workbook(snapshot, None, None, None)["Coverage"].iter_rows(values_only=True))
    expected = pcsv.read_csv(snapshot.path / "coverage.csv")["fetched_at"].to_pylist()
    assert [row[rows[0].index("fetched_at")] for row in rows[1:]] == [
        each and f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in expected
    ]


def test_the_workbook_has_findings_exceptions_skipped_rules_and_changes(
    audit: Audit, workbook: Callable[..., Any]
) -> None:
    rule = _rule()
    checks = _checked(
        RuleResult(rule, "failed", [_finding(rule)], [_finding(rule, exception="Bob, until 2027")]),
        RuleResult(_rule("weak-pin"), "skipped", reason="no such table"),
    )
    snapshot = audit(Simulation(_organization(workspaces=3)))
    book = workbook(snapshot, checks, iter([_change(kind="unknown", reason="ok, then timeout")]), snapshot)
    header, *found = book["Findings"].iter_rows(values_only=True)
    rows = [dict(zip(header, row, strict=True)) for row in found]
    assert [(row["status"], row["rule_id"], row["severity"]) for row in rows] == [
        ("open", "two-way", "high"),
        ("accepted", "two-way", "high"),
        ("skipped", "weak-pin", "high"),
    ]
    assert [row["exception"] for row in rows] == [None, "Bob, until 2027", None]
    assert rows[2]["reason"] == "no such table"
    (header, change) = book["Changes"].iter_rows(values_only=True)
    assert dict(zip(header, change, strict=True))["reason"] == "ok, then timeout"


def test_the_workbook_tells_what_could_not_be_listed(audit: Audit, workbook: Callable[..., Any]) -> None:
    tokens = _without("spark-admin:people_read")
    snapshot = audit(Simulation(_organization(workspaces=3), tokens=tokens), **_KINDS)
    summary = dict(workbook(snapshot, None, None, None)["Summary"].iter_rows(values_only=True))
    (told,) = (value for key, value in summary.items() if key.endswith(": push_to_talk of PERSON"))
    assert told.startswith("could not be listed: ")


def test_no_character_that_is_escaped_counts_as_printable() -> None:
    assert all(printable(char) == char for char in map(chr, range(sys.maxunicode + 1)) if char.isprintable())


def test_what_does_not_fit_into_a_sheet_is_told(audit: Audit, workbook: Callable[..., Any]) -> None:
    snapshot = audit(Simulation(_organization(workspaces=80)))
    rows = snapshot.manifest.tables["push_to_talk"].rows
    book = workbook(snapshot, None, None, None, max_rows=51)
    assert book["Rooms"].max_row == 51
    summary = dict(book["Summary"].iter_rows(values_only=True))
    assert summary["sheet Rooms"] == f"50 rows; {rows - 50} more do not fit into a sheet of Excel: see the CSV"
    assert summary["status"] == snapshot.manifest.status


def test_the_workbook_of_audio_options_alone_says_that_there_are_no_rooms(
    audit: Audit, workbook: Callable[..., Any]
) -> None:
    snapshot = audit(Simulation(_organization(workspaces=3)), **{**_BOTH, "scope.datasets": ["audio-options"]})
    book = workbook(snapshot, None, None, None)
    assert book["Rooms"]["A1"].value == "this snapshot has no push_to_talk"
