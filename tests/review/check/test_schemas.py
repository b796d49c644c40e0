"""Each format that a program reads, as validators by others see it: every state of a rule, and odd names."""

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema_rs
import msgspec
import pytest
import xmlschema
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
def xsd() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(DATA / "junit-10.xsd")


@pytest.fixture(scope="module")
def oscal_schema() -> jsonschema_rs.Validator:
    (file,) = DATA.glob("oscal-*.gz")
    return jsonschema_rs.validator_for(json.loads(gzip.decompress(file.read_bytes())))


@pytest.mark.attack("spreadsheets and terminals")
def test_no_name_makes_junit_that_jenkins_refuses(xsd: xmlschema.XMLSchema) -> None:
    root = ET.fromstring(render("junit").encode())
    xsd.validate(root)
    assert [case.get("name") for case in root.iter("testcase")] == [each.rule.rule_id for each in RESULTS]
    (odd,) = [case for case in root.iter("testcase") if case.get("name") == "odd"]
    assert (odd.findtext("failure") or "").count(" is wrong") == len(ODD)
    assert root.findtext(".//testcase[@name='half']/system-out") == "not judged: 4 entities could not be read"
    root.set("skipped", "1")
    assert not xsd.is_valid(root), "the validator judges nothing"


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


def assessment(result: CheckResult = RESULT, at: datetime = AT) -> tuple[Any, Any]:
    document = json.loads(render("oscal", result, at))["assessment-results"]
    (only,) = document["results"]
    return document, only


@pytest.mark.attack("spreadsheets and terminals")
def test_no_name_makes_assessment_results_that_nists_schema_refuses(oscal_schema: jsonschema_rs.Validator) -> None:
    document = json.loads(render("oscal"))
    oscal_schema.validate(document)
    assert document["assessment-results"]["metadata"]["oscal-version"] == "1.2.3"
    (broken,) = document["assessment-results"]["results"]
    broken["findings"][0]["target"]["status"]["state"] = "skipped"
    assert not oscal_schema.is_valid(document)


def test_only_what_was_judged_is_satisfied_and_what_is_accepted_is_an_approved_deviation() -> None:
    _, result = assessment()
    states = {each["target"]["target-id"]: each["target"]["status"] for each in result["findings"]}
    assert {target: (state["state"], state["reason"]) for target, state in states.items()} == {
        f"{control}_obj.{rule}": state
        for control in ("sc-15", "ia-5.1")
        for rule, state in {
            "calm": ("satisfied", "pass"),
            "gone": ("not-satisfied", "fail"),
            "wanted": ("not-satisfied", "other"),
            "two": ("not-satisfied", "fail"),
            "odd": ("not-satisfied", "fail"),
        }.items()
    } | {"soc2_CC6.1_obj.own": ("not-satisfied", "fail")}
    assert {each["status"] for each in result["risks"]} == {"deviation-approved"}
    risk = result["risks"][0]
    values = {each["name"]: each["value"] for each in risk["props"]}
    assert values["reason"] == r"wanted: change 4711\n"
    assert values["owner"] == r"Head of *surgery* \ud800"
    assert risk["deadline"] == "2027-03-31T23:59:59Z"
    of_sc_15 = [each for each in result["findings"] if each["target"]["target-id"] == "sc-15_obj.wanted"]
    assert "organization-defined exceptions that NIST-800-53 SC-15 asks for" in of_sc_15[0]["remarks"]
    summaries = [each["description"] for each in result["observations"] if "subjects" not in each]
    assert summaries == [
        "calm: nothing found",
        "half: not judged in full: 4 entities could not be read",
        "gone: None is wrong",
        "gone: not judged in full: 1 of 2 were not listed",
        "lame: not judged in full: check.allowed\\_domains is not set",
        "two: not judged in full: 2 entities could not be read",
    ]


def test_every_reference_of_assessment_results_leads_to_what_it_names() -> None:
    document, result = assessment()
    local = result["local-definitions"]
    defined = {
        "subject-uuid": {each["uuid"] for each in (*local["inventory-items"], *local["components"])},
        "observation-uuid": {each["uuid"] for each in result["observations"]},
        "risk-uuid": {each["uuid"] for each in result["risks"]},
        "actor-uuid": {each["uuid"] for each in local["assessment-assets"]["components"]},
        "target-id": {
            part["id"] for each in document["local-definitions"]["objectives-and-methods"] for part in each["parts"]
        },
    }
    referred: dict[str, set[str]] = {name: set() for name in defined}

    def walk(value: Any) -> None:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if key in referred:
                referred[key].add(inner)
            elif isinstance(inner, (dict, list)):
                walk(inner)

    walk(result)
    assert all(referred[name] for name in defined)
    assert [name for name in defined if not referred[name] <= defined[name]] == []
    observed = [each["uuid"] for each in result["observations"]]
    assert len(observed) == len(set(observed))
    assert referred["subject-uuid"] == defined["subject-uuid"]
    assert document["import-ap"]["href"] == f"#{document['back-matter']['resources'][0]['uuid']}"
    reviewed = {
        each["control-id"]
        for selection in result["reviewed-controls"]["control-selections"]
        for each in selection["include-controls"]
    }
    assert reviewed == {each["control-id"] for each in document["local-definitions"]["objectives-and-methods"]}
    assert reviewed == {"sc-15", "ia-5.1", "soc2_CC6.1"}


def test_names_in_assessment_results_are_text_and_no_markup() -> None:
    _, result = assessment()
    described = [each["description"] for each in result["observations"]]
    assert r"odd: 1. \<b\>\*x\*\</b\> \{\{ insert: a \}\} is wrong" in described
    assert r"odd: \]\]\>\</failure\> is wrong" in described
    names = {prop["value"] for item in result["local-definitions"]["inventory-items"] for prop in item["props"]}
    assert {"]]></failure>", "1. <b>*x*</b> {{ insert: a }}", "blanks", "(blank)", r"\udcff"} <= names


def test_the_same_check_is_the_same_document_and_the_same_finding_keeps_its_identity() -> None:
    assert render("oscal") == render("oscal")
    again, _ = assessment(at=AT.replace(day=23))
    first, result = assessment()
    assert again["uuid"] == first["uuid"]
    other, later = assessment(msgspec.structs.replace(RESULT, snapshot_id="another"))
    assert other["uuid"] != first["uuid"]
    assert later["uuid"] != result["uuid"]
    for name in ("observations", "risks", "findings"):
        assert [each["uuid"] for each in later[name]] == [each["uuid"] for each in result[name]]
    _, elsewhere = assessment(msgspec.structs.replace(RESULT, org_ids=("another",)))
    assert {each["uuid"] for each in elsewhere["findings"]}.isdisjoint(each["uuid"] for each in result["findings"])


@pytest.mark.faults
def test_a_hundred_thousand_findings_are_assessment_results_in_seconds(oscal_schema: jsonschema_rs.Validator) -> None:
    many = [found(f"Room {number}") for number in range(100_000)]
    result = CheckResult("id", None, [RuleResult(a_rule("two"), "failed", many)], AT, AT, ("org",))
    document = json.loads(render("oscal", result))
    oscal_schema.validate(document)
    (only,) = document["assessment-results"]["results"]
    assert len(only["observations"]) == len(only["local-definitions"]["inventory-items"]) == len(many)
