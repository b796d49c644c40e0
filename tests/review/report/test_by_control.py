"""The view by control of the report, and what the real program says of controls in each format."""

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from crafted import crafted
from harness import Result
from reporting import HOSTILE, Audit, a_check, a_finding, a_rule, one_room, text_of

from audit.review.check.controls import parse_controls
from audit.review.check.finding import RuleResult, Severity, Terms
from audit.review.report import write_report
from audit.simulator.app import Simulation

SC_15 = parse_controls("NIST-800-53 SC-15, AC-3; HIPAA 164.310(c)")


def section(html: str) -> str:
    found = re.search(r'<section aria-labelledby="controls">.*?</section>', html, flags=re.DOTALL)
    return text_of(found[0]) if found else ""


def test_the_view_by_control_begins_with_the_exceptions_of_sc_15_and_counts_each_rule(audit: Audit) -> None:
    rule = a_rule(controls=SC_15)
    terms = Terms("wanted: change 4711", "Head of surgery", date(2027, 3, 31))
    results = [
        RuleResult(rule, "failed", [a_finding(rule)] * 2, [a_finding(rule, "is heard", terms=terms)], unread=4),
        RuleResult(a_rule("calm", controls=parse_controls("SOC2 CC6.1")), "passed"),
        RuleResult(a_rule("lame", Severity.LOW, controls=SC_15), "skipped", reason="it is not set"),
        RuleResult(a_rule("plain"), "passed"),
    ]
    text = section(write_report(one_room(audit), a_check(*results), None, None))
    assert "organization-defined list of exceptions" in text
    assert "Ward Workspace is heard wanted: change 4711 Head of surgery 31 March 2027" in text
    rows = re.findall(r"(SC-15|AC-3|CC6\.1|164\.310\(c\)) (NIST SP 800-53|AICPA|HIPAA)", text)
    assert [control for control, _ in rows] == ["SC-15", "AC-3", "CC6.1", "164.310(c)"]
    assert "Title of two-way: 2 findings, 1 accepted low Title of lame: could not run" in text
    assert "two-way: 4 entities could not be read lame: it is not set" in text
    assert "compl" not in text.lower()


def test_a_baseline_that_nobody_answers_for_is_no_list_of_exceptions(audit: Audit) -> None:
    rule = a_rule(controls=SC_15)
    owned = a_finding(rule, "is heard", terms=Terms("wanted", "Ann", None), baseline="with owner")
    others = [a_finding(rule, "is not owned", terms=Terms("", "", None), baseline="without owner")] * 3
    text = section(write_report(one_room(audit), a_check(RuleResult(rule, "passed", [], [owned, *others])), None, None))
    assert "SC-15: exceptions 1 " in text
    assert "is heard wanted Ann none" in text
    assert "is not owned" not in text
    assert "Title of two-way: 0 findings, 4 accepted" in text


@pytest.mark.attack("HTML")
def test_terms_of_an_exception_bring_no_markup_into_the_view_by_control(audit: Audit) -> None:
    rule = a_rule(controls=SC_15)
    accepted = a_finding(rule, HOSTILE, entity_name=HOSTILE, terms=Terms(HOSTILE, HOSTILE, date(2027, 3, 31)))
    html = write_report(one_room(audit), a_check(RuleResult(rule, "passed", [], [accepted] * 150)), None, None)
    assert "<script>alert(1)" not in html
    assert "100 of 150 exceptions are listed here" in text_of(html)


def test_rules_without_controls_make_no_view_by_control(audit: Audit) -> None:
    html = write_report(one_room(audit), a_check(RuleResult(a_rule(), "passed")), None, None)
    assert section(html) == ""
    assert "#controls" not in html


def test_the_program_names_controls_and_the_exceptions_of_sc_15_in_every_format(
    audit: Audit, webex_audit: Callable[..., Result], tmp_path: Path
) -> None:
    organization = crafted(lambda _, answer: answer | {"connectionType": "TWO_WAY"})
    snapshot = audit(Simulation(organization))
    room = organization.workspace(0)["id"]
    file = tmp_path / "exceptions.toml"
    file.write_text(
        f'[[exception]]\nrule = "two-way-auto-answer"\nentity_id = "{room}"\nreason = "wanted"\n'
        'owner = "Ann"\nexpires = 2099-01-01\n'
    )

    def out(form: str) -> str:
        result = webex_audit("check", snapshot.path, "--exceptions", file, "--format", form)
        assert result.code == 0, result
        return result.out

    assert "  supports evidence for: NIST-800-53 SC-15" in out("text")
    assert "organization-defined exceptions that NIST-800-53 SC-15 asks for" in out("text")
    assert "NIST-800-53 SC-15" in out("csv")
    named = {each["rule"]["rule_id"]: each["rule"]["controls"] for each in json.loads(out("json"))["results"]}
    assert named["two-way-auto-answer"][0] == {"framework": "NIST-800-53", "id": "SC-15"}
    assert any(
        "NIST-800-53 SC-15" in json.loads(line)["compliance"].get("requirements", [])
        for line in out("ocsf").splitlines()
    )
    (result,) = json.loads(out("oscal"))["assessment-results"]["results"]
    (risk,) = result["risks"]
    assert (risk["status"], risk["deadline"]) == ("deviation-approved", "2099-01-01T23:59:59Z")
