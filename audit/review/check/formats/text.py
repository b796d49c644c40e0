"""A check as text for a terminal: the most severe rules first, the counts at the end."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from audit.review.check.controls import EXCEPTIONS, REMOTE_ACTIVATION, controls_text
from audit.review.check.finding import CheckResult, Finding, RuleResult
from audit.review.vocabulary import kind_of
from audit.text import count_of, printable

#: The most findings of one rule that are listed; the other formats list all.
_LISTED = 20


def as_text(result: CheckResult, _: datetime) -> str:
    """A check as lines; control characters of names are escaped."""
    return "\n".join(map(printable, _lines(result)))


def _lines(result: CheckResult) -> Iterator[str]:
    compared = f", compared with {result.previous_id}" if result.previous_id else ""
    yield f"check of snapshot {result.snapshot_id}{compared}"
    has_orgs = len({each.org_id for rule in result.results for each in (*rule.findings, *rule.excepted)}) > 1
    ordered = sorted(result.results, key=lambda each: (each.rule.severity.rank, each.rule.rule_id))
    for each in ordered:
        if each.findings or each.excepted:
            yield from ["", *_of_rule(each, has_orgs=has_orgs)]
    skipped = [each for each in ordered if each.reason]
    if skipped:
        yield ""
        width = max(len(each.rule.rule_id) for each in skipped)
        for each in skipped:
            yield f"skipped   {each.rule.rule_id:<{width}}  {each.reason}"
    yield ""
    yield _counts(result)


def _of_rule(result: RuleResult, *, has_orgs: bool) -> Iterator[str]:
    rule = result.rule
    counted = count_of(len(result.findings), "finding") if result.findings else "accepted"
    yield f"{rule.severity.upper():<9} {rule.rule_id}: {rule.title} ({counted})"
    for marker, findings in (("-", result.findings), ("accepted", result.excepted)):
        for finding in findings[:_LISTED]:
            yield f"  {marker} {_line(finding, has_orgs=has_orgs)}"
        if len(findings) > _LISTED:
            yield f"  {marker} … and {len(findings) - _LISTED:,} more: --format csv or json lists all"
    yield f"  why: {rule.rationale}"
    yield f"  do:  {rule.remedy}"
    yield from _evidence(result)


def _evidence(result: RuleResult) -> Iterator[str]:
    if result.rule.controls:
        yield f"  supports evidence for: {controls_text(result.rule.controls)}"
    if result.excepted and REMOTE_ACTIVATION in result.rule.controls:
        yield f"  exceptions: {EXCEPTIONS}"


def _line(finding: Finding, *, has_orgs: bool) -> str:
    place = f" in {finding.location_name}" if finding.location_name else ""
    org = f" [{finding.org_id}]" if has_orgs and finding.org_id else ""
    name = finding.entity_name or finding.entity_id
    kind = kind_of(finding.entity_type or "")
    whom = f"{name} ({kind}{place}){org}: " if name else f"{org.strip()}: " if org else ""
    exception = f" — {finding.exception}" if finding.exception else ""
    return f"{whom}{finding.detail}{exception}"


def _counts(result: CheckResult) -> str:
    severities = Counter(finding.severity for finding in result.findings)
    words = ", ".join(f"{severities[each]:,} {each}" for each in sorted(severities, key=lambda each: each.rank))
    statuses = Counter(each.status for each in result.results)
    accepted = sum(len(each.excepted) for each in result.results)
    found = count_of(len(result.findings), "finding") + (f" ({words})" if words else "")
    return (
        f"{found}, {accepted:,} accepted; of {count_of(len(result.results), 'rule')}, "
        f"{statuses['failed']} found something, {statuses['passed']} passed, {statuses['skipped']} skipped"
    )
