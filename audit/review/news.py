"""What a check finds that was not there in the snapshot before, as counts."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

import msgspec

from audit.config import CheckSettings
from audit.review.check.check import check
from audit.review.check.finding import CheckResult, Finding
from audit.review.diff.compare import compare
from audit.review.report.changed import fold
from audit.review.report.reach import find_reach
from audit.review.report.totals import states_of
from audit.review.tables import open_tables
from audit.snapshot.catalog import Snapshot


class Since(NamedTuple):
    """What is new since the snapshot before.

    Attributes:
        findings: the open findings that it does not have, the most severe first.
        opened: number of rooms, and of people, with a change that lets somebody do more.
    """

    findings: list[Finding]
    opened: int


def find_news(
    result: CheckResult,
    snapshot: Snapshot,
    before: Snapshot | None,
    settings: CheckSettings,
    *,
    today: date,
    approved: Snapshot | None = None,
) -> Since | None:
    """What a check found that the snapshot before does not have.

    A finding of a rule that itself compares with that snapshot is always new.

    Args:
        result: the result of the check.
        snapshot: the checked snapshot.
        before: the snapshot before, of the same scope; None if there is none.
        settings: the settings of the check.
        today: the date of the check.
        approved: the approved snapshot of the same scope.

    Returns:
        None without a snapshot before.

    Raises:
        UsageError: a snapshot or a rule is wrong.
    """
    if before is None:
        return None
    # Without what is accepted: whatever was there, accepted or not, is not new.
    everything = msgspec.structs.replace(settings, exceptions_file=None, baseline_file=None)
    earlier = {_key(each) for each in check(before, None, everything, today=today, approved=approved).findings}
    with open_tables(snapshot, before) as connection:
        look_up = states_of(connection) if find_reach(connection, before.manifest) else lambda _: {}
        opened = fold(compare(before, snapshot), look_up).worse_total
    return Since([each for each in result.findings if _key(each) not in earlier], opened)


def by_severity(findings: Iterable[Finding]) -> dict[str, int]:
    """Number of findings for each severity that has any, the most severe first."""
    counts = Counter(each.severity for each in findings)
    return {str(each): counts[each] for each in sorted(counts, key=lambda each: each.rank)}


def _key(finding: Finding) -> tuple[str | None, ...]:
    return finding.rule_id, finding.org_id, finding.entity_id, finding.key or finding.detail
