"""A check as JUnit XML, for programs that show test results: one test case for each rule."""

import re
from datetime import datetime
from xml.etree import ElementTree as ET

from audit.review.check.controls import controls_text
from audit.review.check.finding import CheckResult, Finding, Rule, RuleResult
from audit.text import printable

#: Characters that XML 1.0 forbids and `printable` keeps.
_FORBIDDEN = re.compile("[\ufffe\uffff]")
_CLASS = "webex-audit.check"


def as_junit(result: CheckResult, at: datetime) -> str:
    """A check as JUnit XML: a rule with open findings is a failure, a rule that could not run is skipped."""
    statuses = [each.status for each in result.results]
    counts = {
        "tests": str(len(statuses)),
        "failures": str(statuses.count("failed")),
        "errors": "0",
    }
    root = ET.Element("testsuites", {"name": "webex-audit", **counts})
    named = {"name": f"check of {result.snapshot_id}", "timestamp": f"{at:%Y-%m-%dT%H:%M:%S}", "time": "0"}
    # The schema of Jenkins knows the attribute `skipped` of a suite, and not of the root.
    skipped = {"skipped": str(statuses.count("skipped"))}
    suite = ET.SubElement(root, "testsuite", _clean(named | counts | skipped))
    for each in result.results:
        _add_case(suite, each)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False)


def _add_case(suite: ET.Element, result: RuleResult) -> None:
    rule = result.rule
    case = ET.SubElement(suite, "testcase", {"classname": _CLASS, "name": rule.rule_id, "time": "0"})
    if result.status == "skipped":
        ET.SubElement(case, "skipped", _clean({"message": result.reason or ""}))
    elif result.status == "failed":
        message = f"{rule.severity}: {rule.title} ({len(result.findings)})"
        failure = ET.SubElement(case, "failure", _clean({"message": message, "type": str(rule.severity)}))
        lines = [*map(_line, result.findings), f"why: {rule.rationale}", f"do: {rule.remedy}"]
        failure.text = _lines([*lines, *_evidence(rule)])
    output = [f"accepted: {_line(each)}" for each in result.excepted]
    output += [f"not judged: {result.unjudged}"] if result.unjudged and result.status != "skipped" else []
    if output:
        ET.SubElement(case, "system-out").text = _lines(output)


def _evidence(rule: Rule) -> list[str]:
    return [f"supports evidence for: {controls_text(rule.controls)}"] if rule.controls else []


def _line(finding: Finding) -> str:
    org = (finding.org_id, finding.org_name)
    whom = [*org, finding.entity_type, finding.entity_id, finding.entity_name, finding.location_name]
    exception = f" — {finding.exception}" if finding.exception else ""
    return f"{' / '.join(each for each in whom if each)}: {finding.detail}{exception}"


def _lines(lines: list[str]) -> str:
    return "\n".join(map(_safe, lines))


def _clean(attributes: dict[str, str]) -> dict[str, str]:
    return {name: _safe(value) for name, value in attributes.items()}


def _safe(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", printable(text))
