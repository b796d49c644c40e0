"""Snapshots, findings and changes for the tests of the report."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from audit.review.check.finding import CheckResult, Finding, Rule, RuleResult, Severity
from audit.review.diff.change import Change
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.snapshot.manifest import FileEntry, write_manifest
from audit.storage.content import sha256_of

Audit = Callable[..., Snapshot]

BOTH = {"scope.datasets": ["push-to-talk", "audio-options"], "scope.all_users": True}
KINDS = {"scope.entities": ["workspace", "person", "virtual-line"]}
HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m"


def text_of(html: str) -> str:
    """The text of a report without tags, with single spaces."""
    body = re.sub(r"<(style|script).*?</\1>", "", html, flags=re.DOTALL)
    body = re.sub(r"</(td|th|li|p|dt|dd|div|h[1-6])>", " ", body)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", body))


def small_organization(**sizes: int) -> Organization:
    """An organization that is quick to audit."""
    return Organization(**{"workspaces": 30, "people": 20, "virtual_lines": 3, **sizes})


def a_rule(rule_id: str = "two-way", severity: Severity = Severity.HIGH, **attributes: Any) -> Rule:
    """A rule, with other attributes if given."""
    given = {"title": f"Title of {rule_id}", "rationale": "Why it matters.", "remedy": "What helps."} | attributes
    return Rule(rule_id=rule_id, severity=severity, tables=(), sql="SELECT 1", path=f"{rule_id}.sql", **given)


def a_finding(rule: Rule, detail: str = "a detail", **attributes: Any) -> Finding:
    """A finding of a rule, with other attributes if given."""
    given = {"org_id": "o", "entity_type": "WORKSPACE", "entity_id": "w", "entity_name": "Ward", "location_name": None}
    return Finding(rule_id=rule.rule_id, severity=rule.severity, detail=detail, **(given | attributes))


def a_change(**attributes: Any) -> Change:
    """A changed setting, with other attributes if given."""
    given = {"kind": "changed", "table": "push_to_talk", "org_id": "o", "entity_type": "WORKSPACE", "entity_id": "w"}
    return Change(**(given | {"entity_name": "Ward", "location_name": None} | attributes))


def a_check(*results: RuleResult) -> CheckResult:
    """The result of a check."""
    return CheckResult("now", None, list(results))


def rewrite(snapshot: Snapshot, table: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of a table, organization by organization, and what the manifest says of its Parquet."""
    entry = snapshot.manifest.tables[table]
    files = []
    for file in entry.files:
        if file.path.endswith(".parquet"):
            path = snapshot.path / file.path
            rows = change(pq.ParquetFile(path).read())
            pq.write_table(rows, path)
            files.append(FileEntry(file.path, path.stat().st_size, rows.num_rows, sha256_of(path)))
    snapshot.manifest.tables[table] = msgspec.structs.replace(entry, files=files)
    write_manifest(snapshot.path, snapshot.manifest)


def set_column(column: str, values: Iterable[object]) -> Callable[[pa.Table], pa.Table]:
    """Give the first rows these values in a column."""
    given = list(values)

    def change(table: pa.Table) -> pa.Table:
        index = table.schema.get_field_index(column)
        kept = table[column].to_pylist()[len(given) :]
        return table.set_column(
            index, table.schema.field(index), pa.array([*given, *kept], table.schema.field(index).type)
        )

    return change


def one_room(audit: Audit, members: int = 2, **settings: object) -> Snapshot:
    """A snapshot of one room with some settings and at most this many members."""
    snapshot = audit(Simulation(small_organization(workspaces=8)))
    rewrite(snapshot, "push_to_talk", lambda table: table.slice(0, 1))
    room = pq.ParquetFile(next(snapshot.path.glob("push_to_talk/*/*.parquet"))).read()["entity_id"][0]
    for column, value in {"entity_name": "The Room", **settings}.items():
        rewrite(snapshot, "push_to_talk", set_column(column, [value]))

    def of_room(table: pa.Table) -> pa.Table:
        table = table.slice(0, members)
        for column, values in {
            "entity_id": [room.as_py()] * members,
            "entity_type": ["WORKSPACE"] * members,
            "member_id": [f"m{each}" for each in range(members)],
            "member_display_name": [f"Member {each}" for each in range(members)],
        }.items():
            table = set_column(column, values)(table)
        return table

    rewrite(snapshot, "push_to_talk_members", of_room)
    return snapshot


def from_webex(snapshot: Snapshot, base_url: str = "https://webexapis.com/v1") -> Snapshot:
    """The same snapshot as if another API had told it."""
    manifest = msgspec.structs.replace(snapshot.manifest, base_url=base_url)
    write_manifest(snapshot.path, manifest)
    return Snapshot(snapshot.path, manifest)
