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


def as_findings(result: CheckResult, _: datetime) -> str:
    """The open findings alone, as lines; empty if there are none."""
    has_orgs = _has_orgs(result)
    ordered = [each for each in _ordered(result) if each.findings]
    return "\n".join(printable(line) for each in ordered for line in _open(each, has_orgs=has_orgs))


def _lines(result: CheckResult) -> Iterator[str]:
    compared = f", compared with {result.previous_id}" if result.previous_id else ""
    compared += f", approved: {result.approved_id}" if result.approved_id else ""
    yield f"check of snapshot {result.snapshot_id}{compared}"
    if result.filter:
        left_out = count_of(sum(each.left_out for each in result.results), "finding")
        rules = count_of(sum(not each.is_wanted for each in result.results), "rule")
        yield f"filtered by {result.filter}: {left_out} and {rules} are left out"
    has_orgs = _has_orgs(result)
    ordered = _ordered(result)
    for each in ordered:
        if each.findings or _listed_of(each):
            yield from ["", *_of_rule(each, has_orgs=has_orgs)]
    skipped = [each for each in ordered if each.reason and each.is_wanted]
    if skipped:
        yield ""
        width = max(len(each.rule.rule_id) for each in skipped)
        for each in skipped:
            yield f"skipped   {each.rule.rule_id:<{width}}  {each.reason}"
    yield from _unowned(result)
    yield from _stale(result)
    yield ""
    yield _counts(result)


def _ordered(result: CheckResult) -> list[RuleResult]:
    return sorted(result.results, key=lambda each: (each.rule.severity.rank, each.rule.rule_id))


def _has_orgs(result: CheckResult) -> bool:
    return len({each.org_id for rule in result.results for each in (*rule.findings, *rule.excepted)}) > 1


def _of_rule(result: RuleResult, *, has_orgs: bool) -> Iterator[str]:
    yield from _open(result, has_orgs=has_orgs)
    yield from _listed("accepted", _listed_of(result), has_orgs=has_orgs)
    yield f"  why: {result.rule.rationale}"
    yield f"  do:  {result.rule.remedy}"
    yield from _evidence(result)


def _open(result: RuleResult, *, has_orgs: bool) -> Iterator[str]:
    """A rule, with its open findings."""
    rule = result.rule
    counted = count_of(len(result.findings), "finding") if result.findings else "accepted"
    yield f"{rule.severity.upper():<9} {rule.rule_id}: {rule.title} ({counted})"
    yield from _listed("-", result.findings, has_orgs=has_orgs)


def _listed(marker: str, findings: list[Finding], *, has_orgs: bool) -> Iterator[str]:
    for finding in findings[:_LISTED]:
        yield f"  {marker} {line_of(finding, has_orgs=has_orgs)}"
    if len(findings) > _LISTED:
        yield f"  {marker} … and {len(findings) - _LISTED:,} more: --format csv or json lists all"


def _evidence(result: RuleResult) -> Iterator[str]:
    if result.rule.controls:
        yield f"  supports evidence for: {controls_text(result.rule.controls)}"
    if _listed_of(result) and REMOTE_ACTIVATION in result.rule.controls:
        yield f"  exceptions: {EXCEPTIONS}"


def _listed_of(result: RuleResult) -> list[Finding]:
    """The accepted findings that are listed: a baseline is there to hide its own, so they are only counted."""
    return [each for each in result.excepted if not each.baseline]


def _stale(result: CheckResult) -> Iterator[str]:
    """The entries of the exceptions and of the baseline that match nothing."""
    if result.stale:
        yield ""
    for entry in result.stale[:_LISTED]:
        whose = " of ".join(each for each in (entry.detail, entry.entity_id or entry.org_id) if each)
        yield f"stale     {entry.rule}: {whose}: matches no finding any more ({entry.owner or 'without owner'})"
    if len(result.stale) > _LISTED:
        yield f"stale     … and {len(result.stale) - _LISTED:,} more: --format json lists all"


def line_of(finding: Finding, *, has_orgs: bool) -> str:
    """A finding in one line, perhaps with its organization."""
    place = f" in {finding.location_name}" if finding.location_name else ""
    org = f" [{_organization(finding)}]" if has_orgs and finding.org_id else ""
    name = finding.entity_name or finding.entity_id
    kind = kind_of(finding.entity_type or "")
    whom = f"{name} ({kind}{place}){org}: " if name else f"{org.strip()}: " if org else ""
    exception = f" — {finding.exception}" if finding.exception else ""
    return f"{whom}{finding.detail}{exception}"


def _organization(finding: Finding) -> str | None:
    return f"{finding.org_name} ({finding.org_id})" if finding.org_name else finding.org_id


def _counts(result: CheckResult) -> str:
    severities = Counter(finding.severity for finding in result.findings)
    words = ", ".join(f"{severities[each]:,} {each}" for each in sorted(severities, key=lambda each: each.rank))
    statuses = Counter(each.status for each in result.results if each.is_wanted)
    found = count_of(len(result.findings), "finding") + (f" ({words})" if words else "")
    return (
        f"{found}, {_accepted(result)}; of {count_of(statuses.total(), 'rule')}, "
        f"{statuses['failed']} found something, {statuses['passed']} passed, {statuses['skipped']} skipped"
    )


def _accepted(result: CheckResult) -> str:
    by_baseline = _by_baseline(result)
    of_baseline = by_baseline.total() - by_baseline[None]
    return f"{by_baseline.total():,} accepted" + (f" ({of_baseline:,} by the baseline)" if of_baseline else "")


def _unowned(result: CheckResult) -> Iterator[str]:
    """What nobody answers for, although it is not shown."""
    if count := _by_baseline(result)["without owner"]:
        yield from ("", f"baseline  {count_of(count, 'finding')} accepted by the baseline, without owner")


def _by_baseline(result: CheckResult) -> Counter[str | None]:
    return Counter(each.baseline for rule in result.results for each in rule.excepted)
