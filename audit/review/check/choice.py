"""A part of a check: the findings of some severities, rules or organizations. What is left out is counted."""

import os
from collections.abc import Iterable, Sequence

import msgspec

from audit.errors import UsageError
from audit.review.check.finding import CheckResult, Finding, RuleResult, Severity
from audit.snapshot.org import Org
from audit.text import count_of, did_you_mean

#: Organizations that an error names at most.
_NAMED = 3


class Choice(msgspec.Struct, frozen=True):
    """What a user wants to see; an empty list is for everything.

    Attributes:
        severities: these severities and no other.
        rule_ids: these rules.
        organizations: UUIDs or exact names of organizations.
        fail_on: the least severity that fails the check; None if the user gave none.

    Raises:
        UsageError: none of the severities could fail the check.
    """

    severities: Sequence[Severity] = ()
    rule_ids: Sequence[str] = ()
    organizations: Sequence[str] = ()
    fail_on: Severity | None = None

    def __post_init__(self) -> None:
        least = self.fail_on
        if least and self.severities and all(each.rank > least.rank for each in self.severities):
            raise UsageError(f"--fail-on {least}: no --severity is {least} or worse, so nothing could fail")

    def fails(self, result: CheckResult) -> bool:
        """Whether an open finding is severe enough to fail the check."""
        least = self.fail_on or Severity.LOW
        return any(each.severity.rank <= least.rank for each in result.findings)

    def of(self, result: CheckResult, orgs: Sequence[Org]) -> CheckResult:
        """The part of a check that is wanted, with the number of findings that are left out.

        Args:
            result: a check.
            orgs: the organizations of its snapshot.

        Raises:
            UsageError: there is no such rule or organization, or no rule is left.
        """
        options = [
            *(f"--severity {each}" for each in self.severities),
            *(f"--rule {each}" for each in self.rule_ids),
            *(f"--org {each}" for each in self.organizations),
        ]
        if not options:
            return result
        self._check_rules(result.results)
        uuids = {_uuid_of(each, orgs) for each in self.organizations}
        parts = [self._part(each, uuids) for each in result.results]
        if self.rule_ids and not any(each.is_wanted for each in parts):
            raise UsageError(f"{' '.join(options)}: no rule is of these severities, so nothing could be found")
        wanted = {each.rule.rule_id for each in parts if each.is_wanted}
        elsewhere = {org.org_id for org in orgs} - uuids if uuids else set[str]()
        stale = [each for each in result.stale if each.rule in wanted and each.org_id not in elsewhere]
        return msgspec.structs.replace(result, results=parts, stale=stale, filter=" ".join(options))

    def _check_rules(self, results: Iterable[RuleResult]) -> None:
        known = [each.rule.rule_id for each in results]
        for each in self.rule_ids:
            if each not in known:
                raise UsageError(f"--rule {each}: there is no such rule{did_you_mean(each, known)}")

    def _part(self, result: RuleResult, uuids: set[str]) -> RuleResult:
        rule = result.rule
        filters = ["severity"] if self.severities and rule.severity not in self.severities else []
        filters += ["rule"] if self.rule_ids and rule.rule_id not in self.rule_ids else []
        if filters:
            count = len(result.findings)
            return RuleResult(rule, "skipped", reason=_reason(filters, count), left_out=count, is_wanted=False)
        left, excepted = (_of_organizations(each, uuids) for each in (result.findings, result.excepted))
        count = len(result.findings) - len(left)
        if not count and len(excepted) == len(result.excepted):
            return result
        part = result.with_findings(left, excepted, _reason(["organization"], count))
        return msgspec.structs.replace(part, left_out=count)


def _reason(filters: list[str], count: int) -> str:
    # A spreadsheet would take a text with two hyphens for a formula, so the options have no hyphens here.
    return f"left out by the filter ({' and '.join(filters)}): {count_of(count, 'finding')}"


def _of_organizations(findings: list[Finding], uuids: set[str]) -> list[Finding]:
    return [each for each in findings if each.org_id in uuids] if uuids else findings


def _uuid_of(text: str, orgs: Sequence[Org]) -> str:
    """The UUID of an organization of the snapshot."""
    # A locale without the characters of a name hands its bytes on in another form.
    name = os.fsencode(text).decode("utf-8", "replace")
    found = [org.org_id for org in orgs if org.org_id.lower() == text.lower()]
    found = found or [org.org_id for org in orgs if org.name in (text, name)]
    if len(found) > 1:
        ids = " or ".join(found[:_NAMED])
        raise UsageError(f"--org {text}: {len(found)} organizations have this name: give a UUID, such as {ids}")
    if not found:
        nearest = did_you_mean(text, [org.name for org in orgs if org.name])
        raise UsageError(f"--org {text}: there is no such organization in the snapshot{nearest}")
    return found[0]
