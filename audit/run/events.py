"""Reads the administrators' logs after the crawl and before the commit. Nothing of it fails or delays a run much."""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import AuditError, words_of
from audit.inventory.events import Events, Window, read_events
from audit.output.draft import Draft
from audit.output.org_parts import OrgParts
from audit.run.job import Job
from audit.run.organization import OrganizationAudit
from audit.snapshot.catalog import Snapshot, list_all_snapshots
from audit.snapshot.context.admin_events import ADMIN_EVENTS, ADMIN_EVENTS_SCHEMA
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.org import AdminEvents
from audit.snapshot.parquet import UNREADABLE, examine, read_batches
from audit.snapshot.scope import fields_of, scope_of
from audit.snapshot.staging import staged_table
from audit.threads import in_thread

log = logging.getLogger(__name__)

#: The clocks of Webex and of this machine differ by less; and the first read of a run comes after its begin.
_BEFORE = timedelta(minutes=15)
#: Without an earlier snapshot, a first run shows whether the log can be read.
_WITHOUT_SNAPSHOT = timedelta(hours=24)
#: Webex keeps events for a year, and gives at most a year of them.
LONGEST = timedelta(days=364)
#: Seconds for the log of an organization, and for all logs of a run.
_LIMIT_S, _ALL_LIMIT_S = 300.0, 600.0
#: Seconds before the deadline of the run at which the logs end: the run is to commit.
_SPARE_S = 1.0
#: Organizations at once; each keeps its events in memory.
_AT_ONCE = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_US = int(timedelta(days=365 * 8000).total_seconds()) * 10**6


def window(before: datetime | None, now: datetime) -> Window:
    """The time of which to read the log.

    Args:
        before: the first read of the snapshot before, as that says; anybody may have written it.
        now: the time.
    """
    known = before if before and before <= now else None
    since = max(known, now - LONGEST) - _BEFORE if known else now - _WITHOUT_SNAPSHOT
    return Window(max(since, now - LONGEST), now)


class _Read(NamedTuple):
    """What was read of a log, and the name of the file of its events in the draft."""

    facts: AdminEvents
    file: str | None = None


@dataclass
class Logs:
    """The administrators' logs of a run, by UUID of the organization."""

    read: dict[str, _Read] = field(default_factory=dict)

    def added_to(self, parts: OrgParts, draft: Draft) -> OrgParts:
        """The parts of an organization, with its log.

        Raises:
            StoppedError: the file of the events is damaged.
        """
        if (read := self.read.get(parts.org_id)) is None:
            return parts
        table = draft.context(parts.org_id).table(ADMIN_EVENTS, read.file) if read.file else None
        context = {**parts.context, ADMIN_EVENTS: table} if table else parts.context
        return replace(parts, admin_events=read.facts, context=context)


async def read_logs(runs: list[OrganizationAudit], stopped: Collection[str], job: Job, draft: Draft) -> Logs:
    """Read the logs of organizations, if the settings ask for that.

    Args:
        runs: the organizations of the run.
        stopped: UUIDs of those that could not be audited, whose logs are not read.
        job: what to audit, and how.
        draft: keeps the events.
    """
    logs = Logs()
    if not job.settings.run.admin_events:
        return logs
    ends_at_s = job.clock.monotonic_s() + _ALL_LIMIT_S
    alike = await in_thread(_alike, job, {each.organization.org_id for each in runs})
    places = asyncio.Semaphore(_AT_ONCE)

    async def read(one: OrganizationAudit) -> None:
        async with places:
            until_s = min(ends_at_s, one.client.terms.deadline_at_s - _SPARE_S)
            limit_s = min(_LIMIT_S, until_s - job.clock.monotonic_s())
            reader = _Reader(one, job, draft, alike, limit_s)
            logs.read[one.organization.org_id] = await reader.read()

    async with asyncio.TaskGroup() as group:
        for each in runs:
            if each.organization.org_id in stopped:
                asked = window(None, job.clock.now())
                logs.read[each.organization.org_id] = _facts(asked, _unread("the organization could not be audited"))
            else:
                group.create_task(read(each))
    return logs


@dataclass
class _Reader:
    """Reads the log of one organization, within `limit_s` seconds."""

    one: OrganizationAudit
    job: Job
    draft: Draft
    alike: list[Snapshot]
    limit_s: float

    async def read(self) -> _Read:
        title, now = self.one.organization.title, self.job.clock.now()
        asked, file = window(None, now), None
        try:
            asked = window(await in_thread(_first_read, self.alike, self.one.organization.org_id), now)
            events = await self._events(asked)
            if events.status != "not read":
                context = self.draft.context(self.one.organization.org_id)
                file = await in_thread(context.write, ADMIN_EVENTS, [events.rows], events.message)
        except Exception as error:
            # The crawl is over: nothing of the log may lose it.
            log.debug("administrators' log of %s", title, exc_info=True)
            events = _unread(f"the events can't be kept: {words_of(error)}")
        if events.message:
            log.warning("%s: administrators' log %s: %s", title, events.status, events.message)
        return _facts(asked, events, file)

    async def _events(self, asked: Window) -> Events:
        if self.limit_s <= 0:
            return _unread("the deadline of the run, or the time for all logs, is over")
        return await read_events(
            self.one.client,
            self.one.organization,
            asked,
            limit_s=self.limit_s,
            keeps_addresses=self.job.settings.run.admin_events_with_addresses,
        )


def _unread(message: str) -> Events:
    return Events(ADMIN_EVENTS_SCHEMA.empty_table(), "not read", message)


def _facts(asked: Window, events: Events, file: str | None = None) -> _Read:
    facts = AdminEvents(asked.since, asked.until, events.status, events.rows.num_rows, events.message)
    return _Read(facts, file)


def _alike(job: Job, org_ids: set[str]) -> list[Snapshot]:
    """The snapshots of the same scope, the newest first."""
    try:
        snapshots = list_all_snapshots(job.settings.output.folder)
    except AuditError as error:
        log.warning("administrators' log: the snapshot before can't be found: %s", error)
        return []
    wanted = fields_of(job.scope.for_manifest(), org_ids)
    alike = [each for each in reversed(snapshots) if scope_of(each.manifest) == wanted]
    # A snapshot that is retried is completed: what comes before it is the one to compare with.
    retried = job.scope.retry_failed.manifest.snapshot_id if job.scope.retry_failed else None
    return sorted(alike, key=lambda each: each.manifest.snapshot_id == retried)


def _first_read(alike: list[Snapshot], org_id: str) -> datetime | None:
    """When the snapshot before read an organization first; None if there is no such snapshot."""
    for snapshot in alike:
        if any(org.org_id == org_id and org.is_audited for org in snapshot.manifest.orgs):
            return min(filter(None, (_first_answer(snapshot, org_id), snapshot.manifest.started_at)))
    return None


def _first_answer(snapshot: Snapshot, org_id: str) -> datetime | None:
    """The first `fetched_at` of the coverage: complete answers may come from an earlier run."""
    try:
        with staged_table(snapshot, COVERAGE, org_id) as paths:
            times = [
                pc.min(batch["fetched_at"]).cast(pa.int64()).as_py()
                for path in paths
                for batch in read_batches(path, examine(path), ["fetched_at"])
            ]
    except (AuditError, OSError, *UNREADABLE) as error:
        log.warning("administrators' log: the coverage of %s can't be read: %s", snapshot.path, words_of(error))
        return None
    first_us = min((each for each in times if each is not None), default=None)
    return None if first_us is None else _EPOCH + timedelta(microseconds=min(max(first_us, 0), _LATEST_US))
