"""Names from outside stay data in the document and in its charts."""

import re

import msgspec
import pytest
from reporting import BOTH, HOSTILE, KINDS, Audit, a_change, a_check, a_finding, a_rule, small_organization

from audit.review.check.finding import RuleResult
from audit.review.report import write_report
from audit.review.report.charts import Bar, stacked_bars
from audit.review.report.html import name
from audit.simulator import names
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.snapshot.catalog import Snapshot
from audit.snapshot.manifest import write_manifest


@pytest.mark.attack("HTML")
@pytest.mark.slow
def test_names_from_outside_are_shown_and_never_markup(audit: Audit) -> None:
    rule = a_rule(title=HOSTILE, rationale=HOSTILE, remedy=HOSTILE)
    finding = a_finding(rule, HOSTILE, entity_name=HOSTILE, location_name=HOSTILE, exception=HOSTILE)
    checks = a_check(RuleResult(rule, "failed", [finding], [finding]), RuleResult(rule, "skipped", reason=HOSTILE))
    change = {"entity_name": HOSTILE, "location_name": HOSTILE, "key_name": HOSTILE, "reason": HOSTILE}
    changes = [a_change(**change, column=HOSTILE, old=HOSTILE, new=HOSTILE), a_change(**change, kind="unknown")]
    snapshot = audit(Simulation(small_organization(workspaces=200), parse("500=0.1!", 2)), **BOTH, **KINDS)
    org = msgspec.structs.replace(snapshot.manifest.orgs[0], name=HOSTILE, message=HOSTILE)
    snapshot = Snapshot(snapshot.path, msgspec.structs.replace(snapshot.manifest, orgs=[org]))
    write_manifest(snapshot.path, snapshot.manifest)
    html = write_report(snapshot, checks, changes, snapshot)
    assert html.count("<script") == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]", html)
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 12
    assert r'<span class="hidden-character">\u202e</span>' in html


@pytest.mark.attack("HTML")
@pytest.mark.parametrize("text", names.HOSTILE)
def test_a_name_is_isolated_from_the_text_around_it(text: str) -> None:
    shown = str(name(text))
    assert shown.startswith("<bdi>")
    assert "<script" not in shown
    assert "\u202e" not in shown


@pytest.mark.attack("memory")
@pytest.mark.parametrize("char", ["=", "\0", "\u202e", "x\u00a0", "😀", "<"])
def test_a_name_of_megabytes_is_cut_in_the_report(char: str) -> None:
    shown = name(char * 3_000_000)
    assert len(shown) < 1_000_000
    assert shown.endswith("…</bdi>")
    assert len(stacked_bars("Rooms", ("heard",), [Bar(char * 3_000_000, (1,)), Bar("b", (2,))])) < 5_000


@pytest.mark.parametrize(
    ("text", "shown"), [(None, "(no name)"), ("", "(no name: blank)"), (" \t", "(no name: blank)")]
)
def test_a_name_that_is_absent_is_told(text: str | None, shown: str) -> None:
    assert shown in name(text)


@pytest.mark.attack("HTML")
def test_a_chart_holds_no_script_style_or_reference_and_can_be_heard() -> None:
    chart = str(stacked_bars("Rooms", ("heard", "<b>"), [Bar("<script>\u202e", (3, 1)), Bar("b", (0, 2))]))
    assert not re.search(r"<(script|style|desc)|href|style=|xlink|\bid=", chart)
    assert 'role="img"' in chart
    assert r"Rooms: &lt;script&gt;\u202e: 3 heard, 1 &lt;b&gt;; b: 0 heard, 2 &lt;b&gt;" in chart
    assert stacked_bars("Rooms", ("heard",), [Bar("a", (0,))]) == ""
