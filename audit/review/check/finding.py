"""What a check says: data that console, JSON, CSV, OCSF, JUnit and the report are views of."""

from enum import StrEnum
from typing import Literal

import msgspec


class Severity(StrEnum):
    """How much a finding matters, the worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Rule(msgspec.Struct, frozen=True):
    """A rule: a SQL file and its header.

    Attributes:
        rule_id: kebab-case, the file's name without `.sql`.
        title: what is wrong, in a line.
        severity: how much it matters.
        rationale: why it matters.
        remedy: what to do.
        tables: those that it needs (`previous.coverage` for one of the snapshot before).
        sql: the query; each row of it is a finding.
        path: the file.
        settings: keys of the configuration that it can't do without (`check.allowed_domains`).
        line: the line of the file on which the query begins, from 1.
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


class Finding(msgspec.Struct, frozen=True, gc=False):
    """One row that a rule returned.

    Attributes:
        rule_id: the rule.
        severity: the rule's.
        org_id, entity_type, entity_id, entity_name, location_name: whom it concerns; None where it concerns nobody.
        detail: what exactly was found, a sentence.
        exception: why it is accepted (reason, owner, expiry), where it is.
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


class RuleResult(msgspec.Struct, frozen=True):
    """What became of a rule.

    Attributes:
        rule: the rule.
        status: `failed` where it found something that is not excepted; `skipped` where it could not run, or not for
            all organizations and found nothing, never `passed`; `passed` otherwise.
        findings: what it found, but for `excepted`.
        excepted: findings that are accepted.
        reason: why it could not run, or for whom.
    """

    rule: Rule
    status: Literal["passed", "failed", "skipped"]
    findings: list[Finding] = []
    excepted: list[Finding] = []
    reason: str | None = None


class CheckResult(msgspec.Struct, frozen=True):
    """What all rules said of a snapshot."""

    snapshot_id: str
    previous_id: str | None
    results: list[RuleResult]

    @property
    def findings(self) -> list[Finding]:
        """All findings that are not excepted, the worst first."""
        return sorted(
            (finding for result in self.results for finding in result.findings),
            key=lambda each: (each.severity.rank, each.rule_id),
        )
