"""The result of a check as data; text, JSON, CSV, OCSF, JUnit and the report are views of it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal

import msgspec

from audit.review.check.acceptance import Acceptance
from audit.review.check.controls import Control
from audit.text import count_of


class Severity(StrEnum):
    """How much a finding matters, the most severe first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the most severe."""
        return list(Severity).index(self)


class Rule(msgspec.Struct, frozen=True):
    """A rule: a SQL file and its header.

    Attributes:
        rule_id: kebab-case, the file's name without `.sql`.
        title: what is wrong, in one line.
        severity: how much it matters.
        rationale: why it matters.
        remedy: what to do.
        tables: the tables that it needs (`previous.coverage` for a table of the snapshot before).
        sql: the query; each row of its result is a finding.
        path: the file.
        settings: the keys of the configuration that it needs (`check.allowed_domains`).
        line: the line of the file on which the query begins, from 1.
        controls: the controls that it supports evidence for, in the order of the header.
    """

    rule_id: str
    title: str
    severity: Severity
    rationale: str
    remedy: str
    tables: tuple[str, ...]
    sql: str
    path: str
    settings: tuple[str, ...] = ()
    line: int = 1
    controls: tuple[Control, ...] = ()


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What an exception says: why its findings are accepted, who answers for it, and its last day (UTC).

    A baseline that nobody has filled in has empty texts and no last day.
    """

    reason: str
    owner: str
    expires: date | None


class Finding(msgspec.Struct, frozen=True, gc=False):
    """One row that a rule returned.

    Attributes:
        rule_id: id of the rule.
        severity: the severity of the rule.
        org_id, entity_type, entity_id, entity_name, location_name: the entity concerned; None for the whole audit.
        detail: what exactly was found, as a sentence. Exceptions match this text, so it is a contract with users.
        org_name: the name of the organization; None if it is not known, or for the whole audit.
        exception: the exception that matches (expiry, reason, owner), if there is one, as a sentence.
        terms: the same as data.
        key: what identifies the finding beside its entity, if its detail holds names, which may change.
        baseline: whether somebody answers for the entry of the baseline that matches; None if none matches.
    """

    rule_id: str
    severity: Severity
    org_id: str | None
    entity_type: str | None
    entity_id: str | None
    entity_name: str | None
    location_name: str | None
    detail: str
    exception: str | None = None
    org_name: str | None = None
    terms: Terms | None = None
    key: str | None = None
    baseline: Literal["with owner", "without owner"] | None = None


class RuleResult(msgspec.Struct, frozen=True):
    """The result of a rule.

    Attributes:
        rule: the rule.
        status: `failed` if findings are open; `skipped` if the rule could not run, or could not run for all
            organizations and found nothing (never `passed`); otherwise `passed`.
        findings: the open findings.
        excepted: the accepted findings.
        reason: why it could not run, or which organizations it could not judge, or what a filter leaves out.
        unread: number of entities that have no complete answer, so that the rule could not judge them.
        left_out: the number of open findings that a filter leaves out.
        is_wanted: whether the filter wants the rule at all.
    """

    rule: Rule
    status: Literal["passed", "failed", "skipped"]
    findings: list[Finding] = []
    excepted: list[Finding] = []
    reason: str | None = None
    unread: int = 0
    left_out: int = 0
    is_wanted: bool = True

    @property
    def unjudged(self) -> str | None:
        """What the rule could not judge, and why; None if it judged everything."""
        unread = f"{count_of(self.unread, 'entity', 'entities')} could not be read" if self.unread else None
        return "; ".join(filter(None, [self.reason, unread])) or None

    def with_findings(self, left: list[Finding], excepted: list[Finding], reason: str | None = None) -> "RuleResult":
        """The same result with other findings, perhaps for a reason, and the status that follows."""
        reason = "; ".join(filter(None, (self.reason, reason))) or None
        status: Literal["passed", "failed", "skipped"] = "failed" if left else "skipped" if reason else "passed"
        return msgspec.structs.replace(self, status=status, findings=left, excepted=excepted, reason=reason)


class CheckResult(msgspec.Struct, frozen=True):
    """The results of all rules over a snapshot.

    Attributes:
        snapshot_id: the snapshot.
        previous_id: the snapshot that it was compared with.
        results: the results of the rules.
        started_at, finished_at: the time (UTC) of the run that made the snapshot.
        org_ids: the organizations of the snapshot.
        stale: the entries of the exceptions and of the baseline that match no finding any more.
        filter: the options that leave findings out, as a text.
        approved_id: the approved snapshot, if there is one.
    """

    snapshot_id: str
    previous_id: str | None
    results: list[RuleResult]
    started_at: datetime | None = None
    finished_at: datetime | None = None
    org_ids: tuple[str, ...] = ()
    stale: list[Acceptance] = []
    filter: str | None = None
    approved_id: str | None = None

    @property
    def findings(self) -> list[Finding]:
        """All open findings, the most severe first."""
        return sorted(
            (finding for result in self.results for finding in result.findings),
            key=lambda each: (each.severity.rank, each.rule_id),
        )
