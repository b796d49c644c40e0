"""The content of the report: bounded data, however large the snapshot is."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from audit.review.check.finding import CheckResult, Finding, Rule, RuleResult, Severity
from audit.review.diff.change import Change
from audit.review.open_rooms import add_open_rooms, unread_ways
from audit.review.report.approved import SinceApproval, find_since_approval
from audit.review.report.audio import Audio, find_audio
from audit.review.report.by_control import OfControl, by_control
from audit.review.report.changed import Changes, Entity, Now, fold
from audit.review.report.coverage import Answers, find_answers, find_first_before
from audit.review.report.index import find_index
from audit.review.report.reach import Reach, find_reach
from audit.review.report.since import dates
from audit.review.report.totals import KindTotal, OrgTotal, find_kinds, find_orgs, states_of
from audit.review.tables import open_tables
from audit.snapshot.catalog import Approved, Snapshot
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import Manifest
from audit.snapshot.org import Org
from audit.storage.content import sha256_of

#: The most findings of a rule, and organizations, that the report lists.
MAX_FINDINGS = 100
MAX_ORGS = 200


@dataclass(frozen=True)
class Failed:
    """A rule with open findings: their number and the first of them."""

    rule: Rule
    total: int
    findings: list[Finding]


@dataclass(frozen=True)
class Checked:
    """The results of the checks.

    Attributes:
        counts: number of open findings for every severity, the most severe first.
        failed: rules with open findings, the most severe first.
        excepted_total, excepted: number of accepted findings, and the first of them.
        skipped: rules that could not run.
        passed: rules that found nothing.
        by_control: the same by control.
    """

    counts: dict[Severity, int]
    failed: list[Failed]
    excepted_total: int
    excepted: list[tuple[Rule, Finding]]
    skipped: list[RuleResult]
    passed: list[Rule]
    by_control: list[OfControl]

    @property
    def total(self) -> int:
        """Number of open findings."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Content:
    """The whole content of the report.

    Attributes:
        manifest: manifest of the snapshot.
        index: what the search of the report reads; None if there are no rooms, or too many for a file.
        manifest_sha256: SHA-256 of its `manifest.json`.
        against: manifest of the snapshot that it is compared with.
        before: time of the state of `against`: start of its run, or of its first answer if that is earlier.
        answers, reach, audio, checked, changes: the sections; None for a section without data.
        kinds: totals of Push-to-Talk by kind of entity.
        totals: totals of Push-to-Talk by organization, the most exposed first; empty if it was not read.
        lacks: which ways into a room were not read, or only in part.
        since_approval: the comparison with the approved state; None if nothing is approved.
    """

    manifest: Manifest
    manifest_sha256: str
    against: Manifest | None
    before: datetime | None
    answers: Answers
    reach: Reach | None
    audio: Audio | None
    checked: Checked | None
    changes: Changes | None
    index: str | None
    kinds: list[KindTotal]
    totals: list[OrgTotal]
    lacks: list[str] = field(default_factory=list)
    since_approval: SinceApproval | None = None

    @property
    def orgs(self) -> list[Org]:
        """The organizations that are listed, incomplete ones first."""
        return sorted(self.manifest.orgs, key=lambda org: org.status == "complete")[:MAX_ORGS]


def collect(
    snapshot: Snapshot,
    checks: CheckResult | None,
    changes: Iterable[Change] | None,
    against: Snapshot | None,
    approved: Approved | None = None,
) -> Content:
    """Collect the content of the report.

    Args:
        snapshot: the snapshot.
        checks: the results of the rules, if they ran.
        changes: the differences from `against`; read once.
        against: an earlier snapshot.
        approved: the approved snapshot of the same scope.

    Raises:
        UsageError: a table has no Parquet, or one of its files is missing.
    """
    with open_tables(snapshot, against, approved=approved) as connection:
        since_approval = find_since_approval(connection, snapshot.manifest, approved)
        add_open_rooms(
            connection,
            snapshot.manifest,
            previous=against.manifest if against else None,
            approved=approved.manifest if approved else None,
        )
        first = find_first_before(connection)
        started = against.manifest.started_at if against else None
        before = min(filter(None, (first, started)), default=None)
        answers = find_answers(connection)
        reach = find_reach(connection, against.manifest if against else None)
        written = dates(before, answers.last or snapshot.manifest.finished_at)
        org_names = {org.org_id: org.name for org in snapshot.manifest.orgs}
        return Content(
            manifest=snapshot.manifest,
            manifest_sha256=sha256_of(snapshot.path / MANIFEST),
            against=against.manifest if against else None,
            before=before,
            answers=answers,
            reach=reach,
            audio=find_audio(connection),
            checked=_checked(checks) if checks else None,
            changes=None if changes is None else fold(changes, states_of(connection) if reach else _nothing),
            index=find_index(connection, written, org_names, snapshot.manifest.base_url) if reach else None,
            kinds=find_kinds(connection) if reach else [],
            totals=find_orgs(connection, snapshot.manifest.orgs) if reach else [],
            lacks=unread_ways(connection, snapshot.manifest) if reach else [],
            since_approval=since_approval,
        )


def _nothing(_: object) -> dict[Entity, Now]:
    return {}


def _checked(checks: CheckResult) -> Checked:
    results = sorted(checks.results, key=lambda each: (each.rule.severity.rank, each.rule.rule_id))
    counts = dict.fromkeys(Severity, 0)
    for result in results:
        for finding in result.findings:
            counts[finding.severity] += 1
    excepted = [(result.rule, finding) for result in results for finding in result.excepted]
    return Checked(
        counts=counts,
        failed=[
            Failed(each.rule, len(each.findings), each.findings[:MAX_FINDINGS]) for each in results if each.findings
        ],
        excepted_total=len(excepted),
        excepted=excepted[:MAX_FINDINGS],
        skipped=[each for each in results if each.status == "skipped"],
        passed=[each.rule for each in results if each.status == "passed"],
        by_control=by_control(checks),
    )
