"""A check as events of the Open Cybersecurity Schema Framework: Compliance Finding, one event a line.

Source: class `compliance_finding` (2003) of OCSF 1.3.0, https://schema.ocsf.io/1.3.0/classes/compliance_finding.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from audit import __version__
from audit.review.check.controls import FRAMEWORKS
from audit.review.check.finding import CheckResult, Finding, Rule, RuleResult, Severity
from audit.review.check.formats.encoding import compact_json, safe_json

_VERSION = "1.3.0"
_CLASS_UID = 2003
_CREATE = 1
#: `finding_info.analytic.type_id`.
_RULE = 1
_SEVERITY_ID = {Severity.INFO: 1, Severity.LOW: 2, Severity.MEDIUM: 3, Severity.HIGH: 4, Severity.CRITICAL: 5}
#: `compliance.status_id`; a warning is a check without a result, "due to missing information".
_STATUS_ID = {"Pass": 1, "Warning": 2, "Fail": 3}
#: `status_id` of an open finding, of an accepted finding, and of a rule without findings.
_NEW, _SUPPRESSED, _RESOLVED = (1, "New"), (3, "Suppressed"), (4, "Resolved")


def as_ocsf(result: CheckResult, at: datetime) -> str:
    """A check as lines of JSON: an event for each finding, and for each rule that passed or was skipped."""
    return "\n".join(
        safe_json(_common(result, each.rule, at) | event) for each in result.results for event in _events(each)
    )


def _events(result: RuleResult) -> Iterator[dict[str, Any]]:
    rule = result.rule
    for finding in result.findings:
        yield _event(rule, _NEW, "Fail", finding.exception or rule.title, finding)
    for finding in result.excepted:
        yield _event(rule, _SUPPRESSED, "Fail", finding.exception or rule.title, finding)
    if result.reason:
        yield _event(rule, _NEW, "Warning", f"skipped: {result.reason}")
    elif result.status == "passed" and not result.excepted:
        unjudged = f" in what could be read: {result.unjudged}" if result.unjudged else ""
        yield _event(rule, _RESOLVED, "Pass", f"nothing found{unjudged}")


def _event(rule: Rule, state: tuple[int, str], status: str, why: str, finding: Finding | None = None) -> dict[str, Any]:
    severity = rule.severity if finding else Severity.INFO
    event: dict[str, Any] = {
        "severity_id": _SEVERITY_ID[severity],
        "severity": "Informational" if severity is Severity.INFO else severity.capitalize(),
        "status_id": state[0],
        "status": state[1],
        "message": finding.detail if finding else why,
        "finding_info": {
            "uid": _uid(rule, finding),
            "title": rule.title,
            "desc": rule.rationale,
            "analytic": {"uid": rule.rule_id, "name": rule.title, "type_id": _RULE, "type": "Rule"},
        },
        "compliance": _compliance(rule) | {"status_id": _STATUS_ID[status], "status": status, "status_detail": why},
        # A rule without findings is informational as an event, whatever its findings would be.
        "unmapped": {"rule_severity": rule.severity},
    }
    if finding and finding.terms:
        event["unmapped"]["exception"] = finding.terms
    return event | ({"resources": [_resource(finding)]} if finding and (finding.entity_id or finding.org_id) else {})


def _compliance(rule: Rule) -> dict[str, Any]:
    """What the rule is evidence for; `standards` is required, so a rule without controls names the rules themselves."""
    frameworks = [FRAMEWORKS[name] for name in dict.fromkeys(each.framework for each in rule.controls)]
    requirements = [f"{each.framework} {each.id}" for each in rule.controls]
    return {
        "control": rule.rule_id,
        "standards": [f"{each.title} {each.version}" for each in frameworks] or ["webex-audit checks"],
    } | ({"requirements": requirements} if requirements else {})


def _common(result: CheckResult, rule: Rule, at: datetime) -> dict[str, Any]:
    return {
        "activity_id": _CREATE,
        "activity_name": "Create",
        "category_uid": _CLASS_UID // 1000,
        "category_name": "Findings",
        "class_uid": _CLASS_UID,
        "class_name": "Compliance Finding",
        "type_uid": _CLASS_UID * 100 + _CREATE,
        "type_name": "Compliance Finding: Create",
        "time": int(at.timestamp() * 1000),
        "metadata": {
            "version": _VERSION,
            "product": {"name": "webex-audit", "vendor_name": "webex-audit", "version": __version__},
            "correlation_uid": result.snapshot_id,
        },
        "remediation": {"desc": rule.remedy},
    }


def _resource(finding: Finding) -> dict[str, Any]:
    data = {"org_name": finding.org_name, "location_name": finding.location_name}
    fields = {
        "uid": finding.entity_id or finding.org_id,
        "name": finding.entity_name if finding.entity_id else finding.entity_name or finding.org_name,
        "type": finding.entity_type if finding.entity_id else "ORGANIZATION",
        "namespace": finding.org_id,
        "data": {name: value for name, value in data.items() if value} or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _uid(rule: Rule, finding: Finding | None) -> str:
    """Equal for the same finding in every check, so that a SIEM recognizes it."""
    whose = [finding.org_id, finding.entity_type, finding.entity_id, finding.detail] if finding else []
    return hashlib.sha256(compact_json([rule.rule_id, *whose]).encode()).hexdigest()
