"""The first sheet of a workbook: the answer, what is not known, and where the rest stands."""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from audit import __version__
from audit.review import vocabulary
from audit.review.check.finding import CheckResult, RuleResult, Severity
from audit.review.diff.views import Tally
from audit.review.open_rooms import OPEN_ROOMS
from audit.review.report import wording
from audit.review.report.approved import SinceApproval
from audit.review.report.reach import AUTOMATIC, REACH_KINDS
from audit.review.report.ways import WaysIn, find_ways
from audit.snapshot.catalog import Snapshot
from audit.snapshot.layout import MANIFEST
from audit.snapshot.org import Org
from audit.storage.content import sha256_of
from audit.text import count_of, without_id

_Line = tuple[str, object]
_PUSH_TO_TALK = "push_to_talk"
_REACH = """
SELECT reach, entity_type, count(*) AS settings, count(*) FILTER (connection_type = 'TWO_WAY') AS heard
FROM room WHERE reach <> 'none' GROUP BY ALL
"""
_UNKNOWN = """
SELECT dataset, count(*) FROM coverage WHERE NOT list_contains(getvariable('complete_outcomes'), outcome)
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class Known:
    """What the tables answer.

    Attributes:
        reach: number of rooms and phones, and of those in which the caller can listen, by who may call and kind.
        unknown: number of entities without a complete answer, by dataset.
        ways: how many open in which way; None if no way was asked for.
    """

    reach: dict[tuple[str, str], tuple[int, int]]
    unknown: dict[str, int]
    ways: WaysIn | None

    def count(self, *reaches: str) -> tuple[int, int]:
        """How many rooms and phones these may call, and in how many of them the caller can listen."""
        found = [numbers for (reach, _), numbers in self.reach.items() if reach in reaches]
        return sum(each for each, _ in found), sum(heard for _, heard in found)


def find_known(connection: duckdb.DuckDBPyConnection, tables: set[str]) -> Known:
    """Count what the tables answer; `room` and `opening` are there if `open_rooms` is."""
    reach = connection.execute(_REACH).fetchall() if _PUSH_TO_TALK in tables else []
    unknown = connection.execute(_UNKNOWN).fetchall() if "coverage" in tables else []
    ways = sum(find_ways(connection).values(), WaysIn()) if OPEN_ROOMS in tables else None
    return Known({(reach, kind): (rooms, heard) for reach, kind, rooms, heard in reach}, dict(unknown), ways)


@dataclass(frozen=True)
class Summary:
    """The lines of the first sheet.

    Attributes:
        snapshot: the snapshot.
        against: the earlier snapshot, if there is one.
        since_approval: the comparison with the approved state; None if nothing is approved.
        checks: the results of the rules, if they ran.
        tally: the counts of the differences from `against`.
        known: what the tables answer.
        sizes: by sheet, its number of rows and where they stand.
        lacks: which ways into a room were not read, or only in part.
    """

    snapshot: Snapshot
    against: Snapshot | None
    since_approval: SinceApproval | None
    checks: CheckResult | None
    tally: Tally
    known: Known
    sizes: dict[str, str]
    lacks: list[str]

    def lines(self) -> Iterator[_Line]:
        """All lines, the answer first."""
        manifest = self.snapshot.manifest
        yield "snapshot", manifest.snapshot_id
        yield "status", manifest.status
        yield "state of", wording.minute(manifest.finished_at)
        yield "asked for", vocabulary.scope(manifest.scope)
        yield from self._ways()
        if _PUSH_TO_TALK in manifest.scope.datasets:
            yield from self._answer()
        if self.known.ways is not None:
            yield from self._approved()
        yield from self._not_known()
        yield from self._changed()
        yield from self._checked()
        for org in manifest.orgs:
            yield from _of_organization(org)
        for dataset, outcomes in manifest.outcomes.items():
            yield from ((f"{dataset}: {outcome}", number) for outcome, number in outcomes.items())
        yield from ((f"sheet {sheet}", size) for sheet, size in self.sizes.items())
        yield "SHA-256 of manifest.json", sha256_of(self.snapshot.path / MANIFEST)
        yield "made by", f"{manifest.tool.name} {manifest.tool.version}; this workbook by webex-audit {__version__}"
        yield "to verify", f"webex-audit verify {manifest.snapshot_id}"

    def _ways(self) -> Iterator[_Line]:
        """How many open by themselves, in which way, and which ways are not known."""
        if self.known.ways is None:
            return
        yield "rooms and phones that open by themselves", self.known.ways.opened
        yield "… by Push-to-Talk", self._opened(_PUSH_TO_TALK, self.known.ways.talk)
        yield "… by answering ordinary calls", self._opened("answer_settings", self.known.ways.answers)
        yield "… by paging", self._opened("paging_groups", self.known.ways.paging)
        yield "… in several ways", self.known.ways.several
        yield from (("… not known", each) for each in self.lacks)

    def _opened(self, dataset: str, opened: int) -> int | str:
        """How many open in a way, or that nobody knows: 0 would be an all-clear."""
        outcomes = self.snapshot.manifest.outcomes.get(dataset, {})
        is_read = not outcomes or not vocabulary.COMPLETE_OUTCOMES.isdisjoint(map(str, outcomes))
        return opened if is_read and dataset in self.snapshot.manifest.scope.datasets else "not read"

    def _answer(self) -> Iterator[_Line]:
        """Who may call, and listen."""
        if not self.known.reach:
            has_gaps = self.known.unknown.get(_PUSH_TO_TALK) or wording.gaps(self.snapshot.manifest)
            answer = "Nothing is known: no settings could be read" if has_gaps else "Nothing has Push-to-Talk settings"
            yield "who may open which room", answer
            return
        rooms, heard = self.known.count(*AUTOMATIC)
        yield "rooms and phones that somebody may open by Push-to-Talk", rooms
        yield "… and listen into", heard
        for kind in sorted({kind for _, kind in self.known.reach}, reverse=True):
            yield f"… of them {_kinds(kind)}", sum(self.known.reach.get((each, kind), (0, 0))[0] for each in AUTOMATIC)
        for reach in REACH_KINDS:
            rooms, heard = self.known.count(reach)
            yield f"who may call by Push-to-Talk: {wording.REACH_LABELS[reach]}", rooms
            if reach in AUTOMATIC:
                yield "… and listen into", heard

    def _approved(self) -> Iterator[_Line]:
        since = self.since_approval
        if since is None:
            yield "approved state", "none: no snapshot of this scope was approved"
            return
        yield "approved state", since.approval.snapshot_id
        yield "approved by", f"{since.approval.by}, {wording.minute(since.approval.at)}"
        yield "reason of the approval", since.approval.reason
        yield "signature of the approval", since.signed
        yield "rooms and phones that open more than approved", since.opened
        yield "… that open less", since.narrower
        yield "… that are as approved", since.approved
        yield "… that are new, and open for nobody", since.added
        yield "… of which it is not known", since.unknown
        yield from (("… that the approval can't judge", each) for each in since.unjudged)

    def _not_known(self) -> Iterator[_Line]:
        if not self.known.unknown and not wording.gaps(self.snapshot.manifest):
            yield "not known", "nothing: each answer is complete"
        for dataset, number in self.known.unknown.items():
            yield f"not known: {vocabulary.dataset(dataset)} without a usable answer", number
        yield from (("not known", gap) for gap in wording.gaps(self.snapshot.manifest))

    def _changed(self) -> Iterator[_Line]:
        yield "compared with", self.against.manifest.snapshot_id if self.against else "no earlier snapshot"
        if self.against:
            for word in ("added", "removed", "changed", "unknown"):
                yield f"rooms and phones: {word}", self.tally.entities[word]
            for word in ("added", "removed", "changed"):
                yield f"members of lists: {word}", self.tally.members[word]

    def _checked(self) -> Iterator[_Line]:
        yield "checks", "ran" if self.checks else "did not run"
        if self.checks is None:
            return
        for severity in Severity:
            found = sum(len(each.findings) for each in self.checks.results if each.rule.severity == severity)
            yield f"findings: {severity}", found
        yield from map(_result, self.checks.results)


def _kinds(entity_type: str) -> str:
    return "phones of people" if entity_type == "PERSON" else vocabulary.kinds_of(entity_type)


def _result(result: RuleResult) -> _Line:
    """A rule and its result."""
    numbers = f"{len(result.findings):,} open, {len(result.excepted):,} accepted"
    text = numbers if result.status != "skipped" else result.reason or "no reason given"
    return f"rule {result.rule.rule_id}", f"{result.status}: {text}"


def _of_organization(org: Org) -> Iterator[_Line]:
    """The state of an organization, and what of it could not be read."""
    who = f"organization {org.org_id}" + (f" ({org.name})" if org.name else "")
    yield who, f"{org.status}, {count_of(org.entities, 'entity', 'entities')} {org.message or ''}".strip()
    for dataset, kinds in org.unlisted.items():
        yield from ((_read_of(who, dataset, kind), f"could not be listed: {why}") for kind, why in kinds.items())
    for dataset, counts in org.invalid_items.items():
        yield from ((_read_of(who, dataset, kind), without_id(items, kind)) for kind, items in counts.items())


def _read_of(who: str, dataset: str, kind: str) -> str:
    return f"{who}: {vocabulary.dataset(dataset)} of {vocabulary.kinds_of(kind)}"
