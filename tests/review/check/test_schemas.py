"""Each format that a program reads, as validators by others see it: every state of a rule, and odd names."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from lxml import etree
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from audit.review.check.controls import parse_controls
from audit.review.check.finding import CheckResult, Finding, Rule, RuleResult, Severity, Terms
from audit.review.check.formats import FORMATS, FormatName
from audit.simulator.names import HOSTILE

AT = datetime(2026, 11, 22, 19, 9, 30, tzinfo=UTC)
DATA = Path(__file__).parents[2] / "data"
SC_15 = "NIST-800-53 SC-15, IA-5(1); HIPAA 164.308(a)(3)(ii)(C)"
ODD = (
    *HOSTILE,
    "]]></failure>",
    "\ufffe\x00\ud800 lone",
    "\udcff",
    " blanks ",
    "\u2028",
    "",
    "1. <b>*x*</b> {{ insert: a }}",
)


def a_rule(rule_id: str, severity: Severity = Severity.HIGH, controls: str = SC_15) -> Rule:
    named = parse_controls(controls) if controls else ()
    texts = (f"Title of {rule_id} <&>", severity, "A reason.", "A remedy.")
    return Rule(rule_id, *texts, ("coverage",), "SELECT 1", "x.sql", controls=named)


def found(name: str | None, rule_id: str = "two", **changes: Any) -> Finding:
    finding = Finding(rule_id, Severity.HIGH, "org", "WORKSPACE", f"id of {name}", name, name, f"{name} is wrong")
    return msgspec.structs.replace(finding, **changes)


TERMS = Terms("wanted: change 4711\n", "Head of *surgery* \ud800", date(2027, 3, 31))
ACCEPTED = found("Room 3", exception="accepted until 2027-03-31: wanted: change 4711 (Head)", terms=TERMS)
EXPIRED = found("Room 4", exception="expired after 2026-01-01: was (Bob)", terms=TERMS)
WHOLE = found(None, "gone", org_id=None, entity_type=None, entity_id=None, entity_name=None)
OF_ORG = found(None, "gone", entity_type="PERSON", entity_id=None, entity_name=None)
RESULTS = [
    RuleResult(a_rule("calm", Severity.INFO), "passed"),
    RuleResult(a_rule("half"), "passed", unread=4),
    RuleResult(a_rule("gone", Severity.CRITICAL), "failed", [WHOLE, OF_ORG], reason="1 of 2 were not listed"),
    RuleResult(a_rule("lame", Severity.LOW), "skipped", reason="check.allowed_domains is not set"),
    RuleResult(a_rule("wanted"), "passed", [], [msgspec.structs.replace(ACCEPTED, rule_id="wanted")]),
    RuleResult(a_rule("two"), "failed", [found("Room 1"), found("Room 1"), EXPIRED], [ACCEPTED], unread=2),
    RuleResult(a_rule("own", controls="SOC2 CC6.1"), "failed", [found("Room 5", "own")]),
    RuleResult(a_rule("plain", Severity.MEDIUM, ""), "failed", [found("Room 1", "plain")]),
    RuleResult(a_rule("odd"), "failed", [found(name, "odd", org_id=name) for name in ODD]),
]
RESULT = CheckResult("20261121T190900Z-3f9c1a", None, RESULTS, AT, AT, ("org",))


def render(form: FormatName, result: CheckResult = RESULT, at: datetime = AT) -> str:
    text = FORMATS[form](result, at)
    text.encode()  # a lone surrogate would stop here
    return text


def events(result: CheckResult = RESULT) -> list[Any]:
    return [json.loads(line) for line in render("ocsf", result).splitlines()]


@pytest.fixture(scope="module")
def xsd() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(DATA / "junit-10.xsd"))


@pytest.mark.attack("spreadsheets and terminals")
def test_no_name_makes_junit_that_jenkins_refuses(xsd: etree.XMLSchema) -> None:
    root = etree.fromstring(render("junit").encode())
    xsd.assertValid(root)
    assert [case.get("name") for case in root.iter("testcase")] == [each.rule.rule_id for each in RESULTS]
    (odd,) = [case for case in root.iter("testcase") if case.get("name") == "odd"]
    assert (odd.findtext("failure") or "").count(" is wrong") == len(ODD)
    assert root.xpath("string(//testcase[@name='half']/system-out)") == "not judged: 4 entities could not be read"
    root.set("skipped", "1")
    assert not xsd.validate(root), "the validator judges nothing"


@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.parametrize("version", ["1.3.0", "1.5.0", "1.8.0"])
def test_no_name_makes_an_event_that_an_ocsf_validator_refuses(version: str) -> None:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version)).get_class_schema("compliance_finding")
    validator = jsonschema_rs.validator_for(schema)
    for event in events():
        validator.validate(event)
        assert not validator.is_valid(event | {"finding_info": {"title": "no uid"}})
        assert not validator.is_valid(event | {"invented": 1})


def test_an_event_names_the_controls_and_the_frameworks_that_its_rule_supports_evidence_for() -> None:
    by_rule = {each["compliance"]["control"]: each for each in events()}
    of_two = by_rule["two"]["compliance"]
    assert of_two["requirements"] == ["NIST-800-53 SC-15", "NIST-800-53 IA-5(1)", "HIPAA 164.308(a)(3)(ii)(C)"]
    assert of_two["standards"] == ["NIST SP 800-53 Rev. 5", "HIPAA Security and Privacy Rules 45 CFR Part 164"]
    assert by_rule["plain"]["compliance"]["standards"] == ["webex-audit checks"]
    assert "requirements" not in by_rule["plain"]["compliance"]
    assert by_rule["two"]["finding_info"]["analytic"]["uid"] == "two"
    assert by_rule["half"]["compliance"]["status_detail"].endswith("could be read: 4 entities could not be read")


def test_severities_and_what_ocsf_has_no_place_for_are_kept_for_each_state() -> None:
    seen = {(each["compliance"]["status"], each["status"], each["severity"]) for each in events()}
    assert {state for state in seen if state[0] != "Fail"} == {
        ("Pass", "Resolved", "Informational"),
        ("Warning", "New", "Informational"),
    }
    (skipped,) = [each for each in events() if each["compliance"]["control"] == "lame"]
    assert skipped["unmapped"] == {"rule_severity": "low"}
    (accepted,) = [each for each in events() if each["compliance"]["control"] == "wanted"]
    assert (accepted["status"], accepted["severity"], accepted["compliance"]["status"]) == (
        "Suppressed",
        "High",
        "Fail",
    )
    assert accepted["unmapped"]["exception"] == json.loads(
        json.dumps({"reason": TERMS.reason, "owner": TERMS.owner, "expires": "2027-03-31"})
    )
