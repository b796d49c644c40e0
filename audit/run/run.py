"""A run from lock to commit: organizations side by side, deadline, resume."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from audit.errors import AuditError, StoppedError, UsageError, shortage, words_of
from audit.inventory.organizations import Organization
from audit.output import draft as drafts
from audit.output.commit import RunFacts, commit
from audit.output.draft import Draft
from audit.output.held import Held
from audit.output.lock import lock
from audit.output.unfinished import find_unfinished, tidy
from audit.run.cluster.driver import check_engine, open_cluster
from audit.run.engine import Engine, LocalEngine, audit_all
from audit.run.events import Logs, read_logs
from audit.run.job import Job
from audit.run.keys import keys_of
from audit.run.nothing import empty_listings
from audit.run.organization import OrganizationAudit
from audit.run.scope import check_offered
from audit.run.session import clients_of, find_organizations, tell_limit
from audit.run.tally import requests_of, tallied, total
from audit.snapshot.catalog import Snapshot, list_all_snapshots, warn_of_chain
from audit.snapshot.manifest import Basis, Retried, Seal
from audit.snapshot.removed import SealRemoved
from audit.storage.errors import StorageError, fault_of, unwritable
from audit.threads import in_thread, to_the_end
from audit.webex.client import Client, RequestCount
from audit.webex.terms import Terms

log = logging.getLogger(__name__)


async def run(
    job: Job,
    *,
    is_resuming: bool = False,
    seal: Seal | None = None,
    seal_removed: SealRemoved | None = None,
    on_committed: Callable[[], None] = lambda: None,
) -> Snapshot:
    """Crawl a scope and commit the snapshot.

    Args:
        job: what to audit, and how.
        is_resuming: continue the newest unfinished run, if there is one.
        seal: signs the snapshot; None for a snapshot without a signature.
        seal_removed: signs the record of what is removed from the output, likewise.
        on_committed: called when the snapshot stands.

    Returns:
        The committed snapshot, complete or partial.

    Raises:
        UsageError: the output can't be written or the API does not offer the scope (both before the first request), or
            the unfinished run has another scope.
        LockedError: another run holds the lock on the output.
        RefusedError: the token is refused or lacks a scope.
        StoppedError: the API can't be reached, the deadline is over, or the disk is full. Nothing is committed;
            with `is_resumable`, a run with `is_resuming` continues from there.
    """
    check_engine(job.settings)
    check_offered(job.scope, job.settings.webex.base_url)
    output = job.settings.output.folder
    committed: list[Snapshot] = []

    def keep(snapshot: Snapshot) -> None:
        committed.append(snapshot)
        on_committed()

    try:
        with lock(output, makes=True, is_shared=job.settings.output.shared) as held:
            await in_thread(tidy, output, held, seal_removed)
            draft, is_resumed = await in_thread(_draft, job, job.clock.now(), held, is_resuming=is_resuming)
            await _Run(job, draft, seal, keep, is_resumed).complete()
    except BaseException as error:
        if not committed and isinstance(error, OSError):
            raise unwritable(output, error) from None
        if not committed:
            raise
        log.info("the snapshot is committed; a later step failed: %s: %s", type(error).__name__, words_of(error))
    return committed[0]


def _draft(job: Job, now: datetime, held: Held, *, is_resuming: bool) -> tuple[Draft, bool]:
    """The draft of a run, and whether another run has begun it."""
    settings, scope = job.settings, job.scope
    output = settings.output.folder
    warn_of_chain(output, now)
    snapshots = list_all_snapshots(output)
    asked = scope.journal(settings.webex.base_url)
    keys = keys_of(settings)
    if is_resuming:
        within_s = settings.run.resume_within_s
        if draft := find_unfinished(output, asked, snapshots, now=now, within_s=within_s, held=held, keys=keys):
            return draft, True
    after = snapshots[-1].manifest.snapshot_id if snapshots else None
    asks, wants = scope.for_manifest(), settings.wants
    return drafts.create(output, now, asked, asks=asks, wants=wants, after=after, held=held, keys=keys), False


@dataclass(frozen=True)
class _Run:
    """One run of a job, from its draft to the commit.

    Attributes:
        job: what to audit, and how.
        draft: a new draft, or that of the run that this one resumes.
        seal: signs the snapshot; None for a snapshot without a signature.
        on_committed: called with the snapshot when it stands.
        is_resumed: another run has begun the draft.
    """

    job: Job
    draft: Draft
    seal: Seal | None
    on_committed: Callable[[Snapshot], None]
    is_resumed: bool

    async def complete(self) -> None:
        """Audit all organizations, and commit; a run that fails leaves its draft only if it can be resumed."""
        try:
            count = RequestCount()
            terms = Terms(self.job.deadline_at_s(), partial(self._tell_pause, count), count=count)
            async with self.job.connect(terms) as client:
                async with tallied(self.draft, client, self.job.clock), self.job.deadline():
                    runs, invalid = await self._runs(client)
                    async with self._engine(client, len(runs)) as engine:
                        stopped = await audit_all(runs, engine, self.job.clock)
                logs = await read_logs(runs, stopped, self.job, self.draft)
                await self._commit(client, runs, stopped, invalid, logs)
        except BaseException as error:
            ended_by = await self._stopped(error)
            if ended_by is error:
                raise
            raise ended_by from error

    async def _runs(self, client: Client) -> tuple[list[OrganizationAudit], int]:
        """The organizations, and the number of listed items that name none."""
        organizations, invalid = await find_organizations(client, self.job.scope)
        self._check_resumed(await in_thread(self.draft.organizations), organizations)
        clients = clients_of(client, organizations)
        for each, own in zip(organizations, clients, strict=True):
            own.pace.on_belief = partial(tell_limit, each, self.job.progress)
        runs = [
            OrganizationAudit(each, own, self.draft, self.job) for each, own in zip(organizations, clients, strict=True)
        ]
        return runs, invalid

    def _check_resumed(self, begun: set[str], organizations: list[Organization]) -> None:
        others = begun - {each.org_id for each in organizations}
        if others and self.job.scope.organizations == "all" and len(others) < len(begun):
            log.warning("not in the snapshot, because the token no longer manages them: %s", ", ".join(sorted(others)))
        elif others:
            raise UsageError(
                f"the unfinished run {self.draft.journal.run_id} audits organization {', '.join(sorted(others))}, and "
                f"this token is for {organizations[0].org_id}: resume it with its own token, or run without --resume"
            )

    @asynccontextmanager
    async def _engine(self, client: Client, organizations: int) -> AsyncIterator[Engine]:
        if self.job.settings.run.engine == "local" or self.job.scope.is_by_user:
            # Datasets that are addressed by user concern one organization only.
            yield LocalEngine()
        else:
            async with open_cluster(self.job, client, self.draft, organizations) as cluster:
                yield cluster

    def _tell_pause(self, count: RequestCount, pause_s: float) -> None:
        self.job.progress.on_requests(count.total, count.throttled)
        self.job.progress.on_pause(pause_s)

    async def _commit(
        self, client: Client, runs: list[OrganizationAudit], stopped: dict[str, AuditError], invalid: int, logs: Logs
    ) -> None:
        self.job.progress.on_commit()
        requests = await in_thread(self.draft.requests) | {self.draft.writer: requests_of(client)}
        retried = self.job.scope.retry_failed
        facts = RunFacts(
            finished_at=self.job.clock.now(),
            base_url=client.base_url,
            scope=self.job.scope.for_manifest(),
            requests=total(requests.values()),
            kept_unknown=retried.manifest.unknown_fields if retried else {},
            invalid_organizations=invalid,
            basis=self._basis(),
        )
        # A signal during the commit comes too late: all answers are there already.
        await to_the_end(self._give_up_and_commit, runs, stopped, facts, logs)

    def _basis(self) -> Basis:
        source = self.job.scope.retry_failed
        retried = Retried(source.manifest.snapshot_id, source.manifest_sha256, source.signature) if source else None
        return Basis(retried, self.is_resumed, "checked" if self.draft.seal.is_keyed else "not checked")

    def _seal_of(self, basis: Basis | None) -> Seal | None:
        """The seal, if what the snapshot is made from checks out."""
        if self.seal is None or (basis and basis.is_sound):
            return self.seal
        reason = "its draft could not be checked"
        if basis and basis.retried and basis.retried.signature != "good":
            reason = f"snapshot {basis.retried.snapshot}, of which it keeps answers, is not signed by this key"
        log.warning("the new snapshot is not signed: %s", reason)
        return None

    def _give_up_and_commit(
        self, runs: list[OrganizationAudit], stopped: dict[str, AuditError], facts: RunFacts, logs: Logs
    ) -> None:
        for run in runs:
            if error := stopped.get(run.organization.org_id):
                run.give_up(error)
        orgs = [logs.added_to(each.parts(stopped.get(each.organization.org_id)), self.draft) for each in runs]
        for each in empty_listings(self.job.scope, orgs):
            log.warning("%s", each)
        commit(
            self.draft,
            facts,
            orgs,
            {dataset.name: dataset.tables for dataset in self.job.scope.datasets},
            self.job.settings.output,
            seal=self._seal_of(facts.basis),
            on_committed=self.on_committed,
        )

    async def _stopped(self, error: BaseException) -> BaseException:
        """The error that ends a run without a commit, for the user to read."""
        stopped = self._readable(error)
        is_kept = await in_thread(self._leave)
        return stopped.resumable() if is_kept and isinstance(stopped, AuditError) else stopped

    def _readable(self, error: BaseException) -> BaseException:
        if isinstance(error, asyncio.CancelledError):
            # The command line cancels with the name of the signal.
            why = f"({error})" if str(error) else "by a signal"
            return StoppedError(f"stopped {why} before the commit")
        if lacking := shortage(error):
            return lacking
        if isinstance(error, OSError):
            fault = error if error.strerror else fault_of(error, self.draft.folder)
            place = f" at {fault.filename}" if fault.filename else f" below {self.draft.output}"
            advice = "" if isinstance(fault, StorageError) else "; make room"
            return StoppedError(f"the snapshot can't be written{place}: {fault.strerror}{advice}")
        return error

    def _leave(self) -> bool:
        """Keep the draft if a resumed run can use it, else remove it; returns whether it is kept."""
        if self.draft.is_worth_resuming:
            return True
        self.draft.discard()
        return False
