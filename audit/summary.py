"""What a snapshot holds, for people and, as `--json`, for programs: one result, two views."""

from collections.abc import Iterator
from typing import Any

import msgspec

from audit.console import printable
from audit.doctor import Check
from audit.job import Plan
from audit.outcome import Outcome
from audit.snapshot.reader import Snapshot


def as_json(value: Any) -> str:
    """A result as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def describe(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot's manifest, with the path of its folder."""
    manifest: dict[str, Any] = msgspec.to_builtins(snapshot.manifest)
    return {"path": printable(str(snapshot.path)), **manifest}


def unanswered(snapshot: Snapshot) -> int:
    """How many entities have no complete answer."""
    return sum(
        count
        for counts in snapshot.manifest.outcomes.values()
        for word, count in counts.items()
        if word not in set(Outcome) or not Outcome(word).is_complete
    )


def render(snapshot: Snapshot) -> str:
    """A snapshot in a screen of text."""
    return "\n".join(_lines(snapshot))


def _lines(snapshot: Snapshot) -> Iterator[str]:
    manifest = snapshot.manifest
    scope, requests = manifest.scope, manifest.requests
    entities = "all" if scope.entity_ids is None else f"{scope.entity_ids} by id"
    duration_s = (manifest.finished_at - manifest.started_at).total_seconds()
    yield f"snapshot {manifest.snapshot_id}  {manifest.status}"
    yield f"  path       {printable(str(snapshot.path))}"
    for org in manifest.orgs:
        yield f"  org        {printable(org.name or '(name not readable)')}  {org.org_id}  {org.status}"
    yield f"  scope      {', '.join(scope.datasets)} of {', '.join(scope.entities)}: {entities}"
    yield f"  started    {manifest.started_at:%Y-%m-%d %H:%M:%S} UTC, took {duration_s:.1f} s"
    yield f"  requests   {requests.total} ({requests.retried} repeated, {requests.throttled} throttled)"
    for dataset, counts in manifest.outcomes.items():
        words = ", ".join(f"{word} {count}" for word, count in counts.items()) or "no entities"
        yield f"  outcomes   {dataset}: {words}"
    for name, table in manifest.tables.items():
        yield f"  table      {name}: {table.rows} rows"
    for dataset, fields in manifest.unknown_fields.items():
        if fields:
            names = ", ".join(f"{printable(path)} ({count})" for path, count in fields.items())
            yield f"  unknown    {dataset}: fields that are in no table: {names}"


def render_list(snapshots: list[Snapshot]) -> str:
    """Snapshots, a line each, the oldest first."""
    lines = [f"{'SNAPSHOT':<23} {'STATUS':<8} {'ENTITIES':>8} {'NO ANSWER':>9}  ORGANIZATION"]
    for snapshot in snapshots:
        manifest = snapshot.manifest
        names = ", ".join(printable(org.name or org.org_id) for org in manifest.orgs)
        entities = sum(sum(counts.values()) for counts in manifest.outcomes.values())
        lines.append(
            f"{manifest.snapshot_id:<23} {manifest.status:<8} {entities:>8} {unanswered(snapshot):>9}  {names}"
        )
    return "\n".join(lines)


def render_plan(plan: Plan) -> str:
    """What a run would do."""
    org_id, name = plan.organization
    rate = "not known yet: it is found by starting gently" if plan.rate_per_s is None else f"{plan.rate_per_s:g}/s"
    duration = "" if plan.duration_s is None else f", about {plan.duration_s:.0f} s"
    return "\n".join(
        [
            "a run would audit",
            f"  org        {printable(name or '(name not readable)')}  {org_id}",
            f"  entities   {plan.entities}",
            f"  requests   {plan.requests}",
            f"  rate       {rate}{duration}",
            f"  scopes     {', '.join(plan.scopes)}",
        ]
    )


def render_checks(checks: list[Check]) -> str:
    """What was checked, a line each."""
    return "\n".join(f"{check.status:<8} {check.name:<14} {printable(check.message)}" for check in checks)
