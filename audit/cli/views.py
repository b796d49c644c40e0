"""Results as text for people and as JSON for programs: one result, two views."""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from audit.review import vocabulary
from audit.snapshot.catalog import Snapshot
from audit.snapshot.org import Org
from audit.text import count_of, duration_of, plural_of, printable, printable_json, without_id

if TYPE_CHECKING:
    from audit.output.prune import Folder
    from audit.output.retention import Group
    from audit.run.check import Check
    from audit.run.plan import OrgPlan, Plan, Reads

#: Most organizations that a line names.
_NAMED = 3


def as_json(value: Any) -> str:
    """A result as indented JSON; a byte of a path that is not UTF-8 is a lone surrogate, escaped."""
    try:
        text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, indent=2)
    return printable_json(text)


def describe(snapshot: Snapshot) -> dict[str, Any]:
    """The manifest of a snapshot, with the path of its folder."""
    manifest: dict[str, Any] = msgspec.to_builtins(snapshot.manifest)
    return {"path": printable(str(snapshot.path)), **manifest}


def unanswered(snapshot: Snapshot) -> int:
    """Number of reads (of an entity, or of a user on a site) without a complete answer."""
    return sum(
        count
        for counts in snapshot.manifest.outcomes.values()
        for word, count in counts.items()
        if word not in vocabulary.COMPLETE_OUTCOMES
    )


def render(snapshot: Snapshot) -> str:
    """A snapshot as a screen of text."""
    return "\n".join(_lines(snapshot))


def absent(snapshot: Snapshot) -> Iterator[str]:
    """What was named, and is not there: a mistyped id or address looks like one that is gone."""
    scope, counts = snapshot.manifest.scope, snapshot.manifest.outcomes
    missing = {name: found for name, words in counts.items() if (found := words.get("not_found", 0))}
    of_users = missing.pop("audio_options", 0)
    advice = "correct it, or leave it out if it is gone (outcome not_found in coverage)"
    if scope.entity_ids is not None and missing:
        most = max(missing.values())
        yield (
            f"{most:,} of {count_of(scope.entity_ids, 'workspace')} of --workspace-id and --ids-from "
            f"{'was' if most == 1 else 'were'} not found: {advice}"
        )
    if scope.user_count is not None and of_users:
        yield (
            f"{count_of(of_users, 'read')} of {count_of(scope.user_count, 'user')} of --user and --users-from found no "
            f"such user, or no meeting site of the user: {advice}"
        )


def unfinished(snapshot: Snapshot) -> list[Org]:
    """The organizations that are not complete."""
    return [org for org in snapshot.manifest.orgs if org.status != "complete"]


def shortcomings(snapshot: Snapshot) -> str:
    """Why a snapshot is partial, in one line."""
    orgs = unfinished(snapshot)
    count = unanswered(snapshot)
    parts = (
        [f"{count_of(count, 'read has', 'reads have')} no complete answer (column outcome of coverage)"]
        if count
        else []
    )
    kinds = sorted({kind for org in orgs for reasons in org.unlisted.values() for kind in reasons})
    parts += [f"{', '.join(map(plural_of, kinds))} could not be listed"] if kinds else []
    parts += [without_id(items, kind) for kind, items in _invalid_items(snapshot).items()]
    failed = [org for org in orgs if org.message]
    parts += [f"organization {_titled(org)} is {org.status}" for org in failed[:_NAMED]]
    more = count_of(len(failed) - _NAMED, "more organization is", "more organizations are")
    parts += [f"{more} not complete"] if len(failed) > _NAMED else []
    return "; ".join(parts)


def _titled(org: Org) -> str:
    return f"{printable(org.name)} ({org.org_id})" if org.name else org.org_id


def _invalid_items(snapshot: Snapshot) -> Counter[str]:
    """The number of listed items without a usable id, by kind."""
    counts = Counter({"ORGANIZATION": snapshot.manifest.invalid_organizations})
    for org in snapshot.manifest.orgs:
        for kinds in org.invalid_items.values():
            counts.update(kinds)
    return +counts


def _lines(snapshot: Snapshot) -> Iterator[str]:
    manifest = snapshot.manifest
    requests = manifest.requests
    duration_s = (manifest.finished_at - manifest.started_at).total_seconds()
    yield f"snapshot {manifest.snapshot_id}  {manifest.status}"
    yield f"  path       {printable(str(snapshot.path))}"
    if len(manifest.orgs) > 1:
        yield f"  orgs       {len(manifest.orgs)}, {_completeness(snapshot)}"
    if manifest.invalid_organizations:
        yield f"  orgs       {without_id(manifest.invalid_organizations, 'ORGANIZATION')}"
    yield from _organizations(manifest.orgs)
    yield f"  scope      {printable(vocabulary.scope(manifest.scope))}"
    yield f"  started    {manifest.started_at:%Y-%m-%d %H:%M:%S} UTC, took {duration_s:.1f} s"
    yield f"  requests   {requests.total} ({requests.retried} repeated, {requests.throttled} throttled)"
    for dataset, counts in manifest.outcomes.items():
        words = ", ".join(f"{word} {count}" for word, count in counts.items()) or "no entities"
        yield f"  outcomes   {dataset}: {words}"
    for name, table in manifest.tables.items():
        yield f"  table      {name}: {count_of(table.rows, 'row')}"
    for dataset, fields in manifest.unknown_fields.items():
        if fields:
            names = ", ".join(f"{printable(path)} ({count})" for path, count in fields.items())
            yield f"  unknown    {dataset}: fields that are in no table: {names}"


def _completeness(snapshot: Snapshot) -> str:
    count = len(unfinished(snapshot))
    return f"{count} not complete" if count else "all complete"


def _organizations(orgs: list[Org]) -> Iterator[str]:
    """A line for each organization (id, status, entities, name), and for each of its faults."""
    sizes = [count_of(org.entities, "entity", "entities") for org in orgs]
    width = max(map(len, sizes), default=0)
    for org, size in zip(orgs, sizes, strict=True):
        name = printable(org.name or "(name not known)")
        yield f"  org        {org.org_id}  {org.status:<10}  {size:>{width}}  {name}"
        for line in _faults(org):
            yield f"             {printable(line)}"
        if log := org.admin_events:
            period = f"{log.since:%Y-%m-%d %H:%M} to {log.until:%Y-%m-%d %H:%M} UTC"
            is_repeated = log.message in org.context.values()  # `_faults` has it
            why = f": {printable(log.message)}" if log.message and not is_repeated else ""
            yield f"             administrators' log {log.status}, {period}, {count_of(log.events, 'event')}{why}"


def _faults(org: Org) -> Iterator[str]:
    """What is wrong with the audit of an organization."""
    if org.message:
        yield org.message
    for dataset, reasons in org.unlisted.items():
        others = {plural_of(kind): reason for kind, reason in reasons.items() if reason != org.message}
        yield from (f"{dataset} of {kinds}: {reason}" for kinds, reason in others.items())
    for noted in (org.forbidden, org.doubts, org.unoffered, org.other_paths):
        for dataset, kinds in noted.items():
            yield from (f"{dataset} of {plural_of(kind)}: {counts}" for kind, counts in kinds.items())
    yield from (f"{table}: {gap}" for table, gap in org.context.items() if gap)
    if org.limit:
        yield f"requests: {org.limit.text}"
    if org.unnamed_locations:
        yield f"names of locations could not be read: {count_of(org.unnamed_locations, 'entity', 'entities')}"
    for dataset, counts in org.invalid_items.items():
        yield from (f"{dataset}: {without_id(items, kind)}" for kind, items in counts.items())


def render_list(snapshots: list[Snapshot], approved: Collection[str] = ()) -> str:
    """A list of snapshots, one per line, in the given order; ids of approved snapshots are marked."""
    title = f"{'APPROVED':<8}  " if approved else ""
    lines = [f"{'SNAPSHOT':<23} {'STATUS':<8} {'ENTITIES':>8} {'NO ANSWER':>9}  {title}ORGANIZATION"]
    for snapshot in snapshots:
        manifest = snapshot.manifest
        names = _some([org.name or org.org_id for org in manifest.orgs])
        entities = sum(org.entities for org in manifest.orgs)
        mark = f"{'yes' if manifest.snapshot_id in approved else '':<8}  " if approved else ""
        lines.append(
            f"{manifest.snapshot_id:<23} {manifest.status:<8} {entities:>8} {unanswered(snapshot):>9}  {mark}{names}"
        )
    return "\n".join(lines)


def render_plan(plan: "Plan") -> str:
    """What a run would do."""
    return "\n".join(
        [
            "a run would audit",
            *map(_planned, plan.organizations),
            f"  entities   {plan.entities}",
            f"  requests   {plan.requests}, and {plan.listing_requests} before them for the listings",
            *map(_read, plan.reads),
            *(f"  {title:<10} {text}" for title, text in _times(plan)),
            *(f"  scope      {scope}: {'; '.join(uses)}" for scope, uses in plan.uses.items()),
        ]
    )


def _times(plan: "Plan") -> Iterator[tuple[str, str]]:
    """The rate of a run, what is known of it, and the time that follows."""
    start_per_s = plan.start_rate_per_s or 0
    if plan.rate_per_s is None or plan.duration_s is None:
        yield "rate", f"not known yet: a run starts at {start_per_s:g}/s and finds it"
        if plan.requests and start_per_s:
            time_s = plan.requests / start_per_s
            late = ", longer than the deadline" if time_s > (plan.deadline_s or math.inf) else ""
            yield "time", f"about {duration_of(time_s)} if the API lets {start_per_s:g}/s through{late}"
        return
    is_known = plan.rate_basis != "ceiling"
    why = {
        "last run": "as in the last run",
        "lower ceiling": "by --max-rate; the last run was faster",
        "ceiling": "at most (--max-rate); what the API lets through is not known yet",
    }
    yield "rate", f"{plan.rate_per_s:.3g}/s, {why[plan.rate_basis or 'ceiling']}"
    share = "" if plan.deadline_share is None else f", {plan.deadline_share:.0%} of the deadline"
    late = ", so it would be cut off and need --resume" if (plan.deadline_share or 0) > 1 else ""
    yield "time", f"{'about' if is_known else 'at least'} {duration_of(plan.duration_s)}{share}{late}"


def _read(reads: "Reads") -> str:
    note = f" ({reads.note})" if reads.note else ""
    what = f"{reads.dataset.replace('_', '-')} of {plural_of(reads.entity_type)}"
    return f"  reads      {what}: {reads.requests}{note}"


def _planned(org: "OrgPlan") -> str:
    size = f"{count_of(org.entities, 'entity', 'entities')}, {count_of(org.requests, 'request')}"
    fault = "" if org.message is None else f"; not all of it: {printable(org.message)}"
    limit = f"; in the last run {org.limit}" if org.limit else ""
    return f"  org        {org.org_id}  {printable(org.name or '(name not known)')}: {size}{limit}{fault}"


def render_checks(checks: list["Check"]) -> str:
    """A list of checks, one per line; empty without checks."""
    width = max((len(check.name) for check in checks), default=0)
    return "\n".join(f"{check.status:<8} {check.name:<{width}}  {printable(_message(check))}" for check in checks)


def _message(check: "Check") -> str:
    return f"{check.organization}: {check.message}" if check.organization else check.message


def render_pruned(folders: list["Folder"]) -> str:
    """A list of folders, one per line, each with its action; of several scopes, each under its own title."""
    titles = {each.group.newest: _group_title(each.group) for each in folders if each.group}
    if len(titles) < 2:
        return "\n".join(map(_pruned, folders)) or "nothing to prune"
    blocks = {newest: [title] for newest, title in titles.items()}
    for each in folders:
        blocks.setdefault(each.group.newest if each.group else "", ["no snapshots"]).append(_pruned(each))
    return "\n\n".join(map("\n".join, blocks.values()))


def _pruned(folder: "Folder") -> str:
    return f"{folder.action:<7}  {printable(folder.name)}  {printable(folder.reason)}"


def _group_title(group: "Group") -> str:
    form = "" if group.has_parquet else ", as CSV alone"
    return f"{printable(vocabulary.scope(group.scope))}: {_some(group.organizations)}{form}"


def _some(names: Sequence[str]) -> str:
    """The first names of many."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(printable, names[:_NAMED])) + more
