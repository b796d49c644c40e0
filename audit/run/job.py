"""A run from lock to commit: organizations side by side, deadline, resume."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

from audit.clock import Clock
from audit.config import Settings
from audit.crawl.progress import Progress
from audit.errors import AuditError, StoppedError, UsageError
from audit.inventory.organizations import Organization
from audit.output import draft as drafts
from audit.output.commit import RunFacts, commit
from audit.output.draft import Draft
from audit.output.held import Held
from audit.output.lock import lock
from audit.output.unfinished import find_unfinished, tidy
from audit.run.cluster.driver import check_engine, open_cluster
from audit.run.engine import Engine, LocalEngine, audit_all
from audit.run.organization import OrganizationAudit
from audit.run.scope import RunScope
from audit.run.session import clients_of, connect_as, deadline, find_organizations
from audit.run.tally import requests_of, tallied
from audit.snapshot.catalog import Snapshot, list_all_snapshots, warn_of_chain
from audit.snapshot.manifest import Requests, Seal
from audit.snapshot.removed import SealRemoved
from audit.storage.errors import StorageError, fault_of, unwritable
from audit.storage.place import make_dir
from audit.threads import in_thread, to_the_end
from audit.webex.client import Client
from audit.webex.tokens import TokenSource

log = logging.getLogger(__name__)


async def run(
    settings: Settings,
    tokens: TokenSource,
    scope: RunScope,
    *,
    is_resuming: bool = False,
    progress: Progress,
    clock: Clock,
    seal: Seal | None = None,
    seal_removed: SealRemoved | None = None,
    on_committed: Callable[[], None] = lambda: None,
) -> Snapshot:
    """Crawl a scope, and commit it.

    Args:
        settings: the configuration.
        tokens: where the access token comes from.
        scope: what is asked for.
        is_resuming: go on with the newest unfinished run, if there is one.
        progress: is told of each step.
        clock: the time.
        seal: signs the snapshot, if it is to be signed.
        seal_removed: signs the record of what is removed from the output, likewise.
        on_committed: called when the snapshot stands.

    Returns:
        The committed snapshot, complete or partial.

    Raises:
        UsageError: the output can't be written (before the first request), or an unfinished run to resume had
            another scope.
        LockedError: another run holds the lock on the output.
        RefusedError: the token is refused or lacks a scope.
        StoppedError: the API can't be reached, the deadline is over, or the disk is full. Nothing is committed;
            with `is_resumable`, a run with `is_resuming` goes on from there.
    """
    check_engine(settings)
    output = settings.output.folder
    committed: list[Snapshot] = []

    def keep(snapshot: Snapshot) -> None:
        committed.append(snapshot)
        on_committed()

    try:
        make_dir(output)
        with lock(output) as held:
            await in_thread(tidy, output, held, seal_removed)
            draft = await in_thread(_draft, settings, scope, clock.now(), held, is_resuming=is_resuming)
            await _run_alone(settings, tokens, scope, progress, clock, draft, seal, keep)
    except BaseException as error:
        if not committed and isinstance(error, OSError):
            raise unwritable(output, error) from None
        if not committed:
            raise
        log.info("the snapshot stands; after its commit: %s: %s", type(error).__name__, error)
    return committed[0]


def _draft(settings: Settings, scope: RunScope, now: datetime, held: Held, *, is_resuming: bool) -> Draft:
    output = settings.output.folder
    warn_of_chain(output, now)
    snapshots = list_all_snapshots(output)
    asked = scope.journal(settings.webex.base_url)
    if is_resuming:
        within_s = settings.run.resume_within_s
        if draft := find_unfinished(output, asked, snapshots, now=now, within_s=within_s, held=held):
            return draft
    after = snapshots[-1].manifest.snapshot_id if snapshots else None
    return drafts.create(output, now, asked, asks=scope.for_manifest(), after=after, held=held)


async def _run_alone(
    settings: Settings,
    tokens: TokenSource,
    scope: RunScope,
    progress: Progress,
    clock: Clock,
    draft: Draft,
    seal: Seal | None,
    on_committed: Callable[[Snapshot], None],
) -> None:
    try:
        async with connect_as(settings, tokens, clock) as client:
            client.on_pause = partial(_tell_pause, client, progress)
            async with tallied(draft, client, clock), deadline(settings, client, clock):
                organizations = await find_organizations(client, scope)
                _check_resumed(draft, await in_thread(draft.organizations), scope, organizations)
                runs = [
                    OrganizationAudit(each, own, draft, settings, scope, progress=progress, clock=clock)
                    for each, own in zip(organizations, clients_of(client, organizations), strict=True)
                ]
                async with _engine(settings, scope, client, tokens, draft, len(runs), progress, clock) as engine:
                    await audit_all(runs, engine, clock)
            await _commit(settings, client, draft, scope, runs, progress, clock, seal, on_committed)
    except BaseException as error:
        stopped = _stopped(draft, error)
        is_resumable = await in_thread(_leave, draft)
        if isinstance(stopped, AuditError):
            stopped.is_resumable = is_resumable
        if stopped is error:
            raise
        raise stopped from error


def _leave(draft: Draft) -> bool:
    """Keep what a resumed run can use, and nothing else; whether there is such."""
    if draft.is_worth_resuming:
        return True
    draft.discard()
    return False


def _stopped(draft: Draft, error: BaseException) -> BaseException:
    """What a run that did not commit ends with, as the user is to read it."""
    if isinstance(error, asyncio.CancelledError):
        why = f" ({error})" if str(error) else ""
        return StoppedError(f"stopped{why} before the commit")
    if isinstance(error, OSError):
        told = error if error.strerror else fault_of(error, draft.folder)
        place = f" at {told.filename}" if told.filename else f" below {draft.output}"
        advice = "" if isinstance(told, StorageError) else "; make room"
        return StoppedError(f"the snapshot can't be written{place}: {told.strerror}{advice}")
    return error


@asynccontextmanager
async def _engine(
    settings: Settings,
    scope: RunScope,
    client: Client,
    tokens: TokenSource,
    draft: Draft,
    organizations: int,
    progress: Progress,
    clock: Clock,
) -> AsyncIterator[Engine]:
    if settings.run.engine == "local" or scope.is_by_user:
        # What is addressed by user is of one organization.
        yield LocalEngine()
    else:
        async with open_cluster(
            settings, scope, client, tokens, draft, organizations, progress=progress, clock=clock
        ) as cluster:
            yield cluster


def _tell_pause(client: Client, progress: Progress, pause_s: float) -> None:
    progress.on_requests(client.count.total, client.count.throttled)
    progress.on_pause(pause_s)


def _check_resumed(draft: Draft, begun: set[str], scope: RunScope, organizations: list[Organization]) -> None:
    others = begun - {each.org_id for each in organizations}
    if others and scope.organizations == "all" and len(others) < len(begun):
        log.warning("no longer managed by the token, and so not in the snapshot: %s", ", ".join(sorted(others)))
    elif others:
        raise UsageError(
            f"the unfinished run {draft.journal.run_id} is of organization {', '.join(sorted(others))}, and this "
            f"token is for {organizations[0].org_id}: resume it with its own token, or run without --resume"
        )


async def _commit(
    settings: Settings,
    client: Client,
    draft: Draft,
    scope: RunScope,
    runs: list[OrganizationAudit],
    progress: Progress,
    clock: Clock,
    seal: Seal | None,
    on_committed: Callable[[Snapshot], None],
) -> None:
    progress.on_commit()
    facts = RunFacts(
        finished_at=clock.now(),
        base_url=client.base_url,
        scope=scope.for_manifest(),
        requests=_total(await in_thread(draft.requests) | {draft.takes.writer: requests_of(client)}),
    )
    tables = {dataset.name: dataset.tables for dataset in scope.datasets}

    def give_up_and_commit() -> None:
        for each in runs:
            each.give_up()
        orgs = [each.parts() for each in runs]
        given = settings.output
        commit(
            draft,
            facts,
            orgs,
            tables,
            given.formats,
            csv_per_org=given.csv_per_org,
            seal=seal,
            on_committed=on_committed,
        )

    # A signal that comes meanwhile is too late, as the crawl is already paid for.
    await to_the_end(give_up_and_commit)


def _total(requests: dict[str, Requests]) -> Requests:
    """The requests of all writers together."""
    each = requests.values()
    return Requests(
        sum(one.total for one in each), sum(one.retried for one in each), sum(one.throttled for one in each)
    )
