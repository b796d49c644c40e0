"""The content of the report."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from reporting import (
    BOTH,
    KINDS,
    Audit,
    a_change,
    a_check,
    a_finding,
    a_rule,
    rewrite,
    set_column,
    small_organization,
    text_of,
)

from audit.errors import UsageError
from audit.files import sha256_of
from audit.review.check.finding import RuleResult, Severity
from audit.review.diff.change import Change
from audit.review.diff.compare import compare
from audit.review.diff.views import Tally, as_text
from audit.review.report import write_report
from audit.review.tables import open_tables
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization


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


@pytest.mark.attack("HTML")
def test_the_report_is_one_document_that_asks_for_nothing_and_runs_only_its_own_script(audit: Audit) -> None:
    snapshot = audit(Simulation(small_organization()), **BOTH, **KINDS)
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
    rules = [a_rule(), a_rule("weak-pin", Severity.LOW)]
    checks = a_check(
        RuleResult(rules[0], "failed", [a_finding(rules[0])]), RuleResult(rules[1], "skipped", reason="none")
    )
    snapshot = audit(Simulation(small_organization(), parse("500=0.1!", 2)), **BOTH, **KINDS)
    document = _Document(write_report(snapshot, checks, [a_change()], snapshot))
    ids = [attrs["id"] for _, attrs in document.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for tag, attrs in document.tags if tag == "a" and attrs["href"]} <= set(ids)


def test_headings_are_in_order_and_every_table_has_a_caption_and_scopes(audit: Audit) -> None:
    rule = a_rule()
    checks = a_check(RuleResult(rule, "failed", [a_finding(rule)], [a_finding(rule, exception="accepted")]))
    snapshot = audit(Simulation(small_organization(), parse("500=0.1!", 2)), **BOTH, **KINDS)
    document = _Document(write_report(snapshot, checks, [a_change(), a_change(kind="unknown")], snapshot))
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
    snapshot = audit(Simulation(small_organization(), parse("500=0.1!", 2)))
    counts = snapshot.manifest.outcomes["push_to_talk"]
    with open_tables(snapshot) as connection:
        (on,) = connection.execute(
            "SELECT count(*) FROM push_to_talk WHERE allow_auto_answer "
            "AND (member_count > 0 OR access_type <> 'ALLOW_MEMBERS')"
        ).fetchone() or (0,)
    html = write_report(snapshot, None, None, None)
    verdict = text_of(html.partition("<nav")[0])
    assert counts["server_error"] > 0
    assert f"{on} of {counts['ok']} rooms that could be read" in verdict
    assert (
        f"Partial {counts['server_error']} of {sum(counts.values())} not answered: their settings are not known"
        in verdict
    )
    assert "Not checked no rules were run" in verdict
    assert "Not compared with an earlier snapshot" in verdict
    assert "Something went wrong on the server." in text_of(html)
    assert f"webex-audit run --retry-failed {snapshot.manifest.snapshot_id}" in html


def test_a_complete_snapshot_says_so(audit: Audit) -> None:
    seen = text_of(write_report(audit(Simulation(small_organization(workspaces=5))), None, None, None))
    assert "Complete 5 questions asked, all answered" in seen
    assert "Every question has a complete answer." in seen


def test_findings_stand_by_severity_with_what_to_do_and_skipped_rules_are_not_passed(audit: Audit) -> None:
    low, critical, skipped = (
        a_rule("low-one", Severity.LOW),
        a_rule("bad-one", Severity.CRITICAL),
        a_rule("skipped-one"),
    )
    checks = a_check(
        RuleResult(low, "failed", [a_finding(low)]),
        RuleResult(skipped, "skipped", reason="the snapshot has no table audio_options"),
        RuleResult(critical, "failed", [a_finding(critical)] * 150, [a_finding(critical, exception="Bob, until 2027")]),
    )
    seen = text_of(write_report(audit(Simulation(small_organization(workspaces=3))), checks, None, None))
    assert "151 150 critical 1 low 1 rule skipped" in seen
    assert seen.index("Title of bad-one") < seen.index("Title of low-one") < seen.index("Title of skipped-one")
    assert "Why it matters. What to do: What helps." in seen
    assert "100 of 150 findings are listed here." in seen
    assert "Bob, until 2027" in seen
    assert "A skipped rule has not passed" in seen
    assert "the snapshot has no table audio_options" in seen


def test_changes_are_told_by_room_and_what_is_unknown_is_not_called_removed(audit: Audit) -> None:
    changes = (
        a_change(column="connection_type", old="ONE_WAY", new="TWO_WAY"),
        a_change(kind="added", table="push_to_talk_members", key="m", key_name="Ingrid Sato"),
        a_change(kind="unknown", entity_id="x", entity_name="Lab", reason="ok, then server_error"),
    )
    snapshot = audit(Simulation(small_organization(workspaces=3)))
    seen = text_of(write_report(snapshot, None, iter(changes), snapshot))
    assert "1 room changed, 0 added, 0 removed; 1 member added, 0 removed, 0 changed; 1 unknown." in seen
    assert "1 room changed, added or removed, 1 unknown." in seen
    assert "direction: one-way (the caller only speaks) → two-way (the caller can listen)" in seen
    assert "member added: Ingrid Sato" in seen
    assert "They may or may not have changed; they were not removed." in seen
    assert "Lab Workspace Push-to-Talk ok, then server_error" in seen


def test_changes_are_counted_as_diff_counts_them(audit: Audit) -> None:
    old = audit(Simulation(small_organization(workspaces=60, seed=3), parse("500=0.1!", 2)), **KINDS)
    new = audit(Simulation(small_organization(workspaces=62, seed=3)), **{"scope.entities": ["workspace"]})
    rewrite(new, "push_to_talk", set_column("connection_type", ["OTHER", "OTHER"]))
    *_, total = as_text(old, new, compare(old, new), Tally())
    assert total != "no differences"
    assert f"{total}." in text_of(write_report(new, None, compare(old, new), old))


def test_a_list_that_could_not_be_read_is_named_by_its_kind(audit: Audit) -> None:
    unread = a_change(kind="unknown", table="audio_options", entity_type="PERSON", entity_id="", entity_name=None)
    snapshot = audit(Simulation(small_organization(workspaces=3)))
    seen = text_of(write_report(snapshot, None, [msgspec.structs.replace(unread, reason="403")], snapshot))
    assert "0 rooms changed, added or removed, 1 unknown." in seen
    assert "every person Person Audio options 403" in seen


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (a_change(table="coverage", column="entity_name", old="true", new="ONE_WAY"), "name: true → ONE_WAY"),
        (a_change(column="allow_auto_answer", old="true", new="false"), "auto-answer: yes → no"),
        (a_change(column="access_type", old="ALLOW_MEMBERS", new="X"),
         "who may call: only the members (Allowed lines) → X"),
        (a_change(table="push_to_talk_members", key="m", column="member_last_name", old="a", new=None),
         "member m, last name: a → (none)"),
        (a_change(kind="removed", reason="old: ok; new: not_found"),
         "Push-to-Talk settings removed (old: ok; new: not_found)"),
        (a_change(kind="added", table="coverage", reason="old: not listed; new: ok"),
         "now audited; it was not before (old: not listed; new: ok)"),
    ],
)  # fmt: skip
def test_a_change_is_told_in_words_and_names_are_left_alone(audit: Audit, change: Change, told: str) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=3)))
    assert told in text_of(write_report(snapshot, None, [change], snapshot))


def test_many_changes_are_counted_and_the_rest_is_left_to_the_diff(audit: Audit) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=3)))
    changes = (a_change(kind="added", table="coverage", entity_id=f"w{each}") for each in range(2_000))
    html = write_report(snapshot, None, changes, snapshot)
    assert "300 of 2,000 changed rooms are listed here." in html
    assert html.count("now audited; it was not before") == 300


def test_what_the_data_cannot_say_is_said(audit: Audit) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=3)))
    alone = text_of(write_report(snapshot, None, None, None))
    assert "Webex does not record when a setting was made" in alone
    assert "Who changed it? The settings do not say." in alone
    assert "Search the audit log of Control Hub for a changed room, between" in text_of(
        write_report(snapshot, None, [], snapshot)
    )


def test_the_report_is_the_same_each_time(audit: Audit) -> None:
    snapshot = audit(Simulation(small_organization()), **BOTH, **KINDS)
    assert write_report(snapshot, None, None, None) == write_report(snapshot, None, None, None)


def test_audio_options_are_summed_up_and_a_snapshot_of_them_alone_has_a_report(audit: Audit) -> None:
    snapshot = audit(Simulation(small_organization()), **{**BOTH, "scope.datasets": ["audio-options"]})
    with open_tables(snapshot) as connection:
        (unset, users) = connection.execute(
            "SELECT count(*) FILTER (audio_pin_status = 'unset'), count(DISTINCT entity_id) FROM audio_options"
        ).fetchone() or (0, 0)
        rows = connection.execute(
            "SELECT office_number <> '' AND office_call_in_authentication, "
            "mobile_number <> '' AND mobile_call_in_authentication FROM audio_options WHERE audio_pin_status = 'unset'"
        ).fetchall()
    html = write_report(snapshot, None, None, None)
    seen = text_of(html)
    alone = sum(any(row) for row in rows)
    assert f"a phone number alone identifies the user, without a PIN {alone} " in seen
    assert 0 < alone < len(rows)
    assert "<title>Audio options review: " in html
    assert f"Audio options of {users} users. This snapshot holds no Push-to-Talk settings." in seen
    assert f"not set {unset} " in seen
    assert "it cannot say who may call into a room" in seen


def test_an_organization_that_was_refused_is_told_with_the_reason(audit: Audit) -> None:
    customer = Organization(workspaces=4, seed=2)
    simulation = Simulation(
        small_organization(workspaces=4), customers=(customer,), refused_organizations=frozenset({customer.org_id})
    )
    snapshot = audit(simulation, **{"scope.all_orgs": True})
    seen = text_of(write_report(snapshot, None, None, None))
    assert "2 organizations" in seen
    assert "refused" in seen
    assert snapshot.manifest.orgs[0].message or snapshot.manifest.orgs[1].message
    assert "Partial 1 of 2 organizations refused or did not answer: its settings are not known" in seen
    assert "Everything that could be listed was answered, but 1 of 2 organizations refused or did not answer" in seen


def test_the_evidence_names_every_digest_and_how_to_check_it(audit: Audit) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=3)))
    html = write_report(snapshot, None, None, None)
    assert sha256_of(snapshot.path / "manifest.json") in html
    assert all(table.digest in html for table in snapshot.manifest.tables.values())
    assert f"webex-audit verify {snapshot.manifest.snapshot_id}" in html
    assert "sha256sum manifest.json" in html


@pytest.mark.slow
def test_a_report_of_a_hundred_thousand_rooms_stays_small_and_names_the_csv(audit: Audit) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=100, people=60)))
    rows = snapshot.manifest.tables["push_to_talk"].rows
    copies = 100_000 // rows + 1

    def many(table: pa.Table) -> pa.Table:
        index = table.schema.get_field_index("entity_id")
        return pa.concat_tables(
            table.set_column(index, "entity_id", pc.binary_join_element_wise(table["entity_id"], str(each), "-"))
            for each in range(copies)
        )

    rewrite(snapshot, "push_to_talk", many)
    rewrite(snapshot, "push_to_talk_members", lambda table: many(table.slice(0, 100)))
    html = write_report(snapshot, None, None, None)
    assert len(html.encode()) < 5_000_000
    assert f"1,500 of {rows * copies:,} rooms are listed here." in html
    assert "<code>push_to_talk.csv</code> and <code>push_to_talk_members.csv</code>" in html


def test_a_table_that_lost_its_file_is_one_clear_line(audit: Audit) -> None:
    snapshot = audit(Simulation(small_organization(workspaces=3)))
    next(snapshot.path.glob("push_to_talk/*/*.parquet")).unlink()
    with pytest.raises(UsageError, match=r"push_to_talk.* is missing"):
        write_report(snapshot, None, None, None)
