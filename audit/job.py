"""A run from lock to commit: organizations side by side, deadline, resume."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial

from audit.clock import Clock
from audit.cluster.driver import check_engine, open_cluster
from audit.config import Settings
from audit.engine import Engine, LocalEngine, audit_all
from audit.errors import AuditError, StoppedError, UsageError
from audit.lock import lock
from audit.organization_run import OrganizationRun, requests_of
from audit.organizations import Organization
from audit.progress import Progress
from audit.scope import RunScope
from audit.session import clients_of, connect_as, deadline, find_organizations
from audit.snapshot import draft as drafts
from audit.snapshot.commit import RunFacts, commit
from audit.snapshot.draft import Draft
from audit.snapshot.manifest import Requests, Seal
from audit.snapshot.reader import Snapshot, warn_of_chain
from audit.storage.faults import StorageError, fault_of, unwritable
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
    try:
        make_dir(output)
        with lock(output) as check_lock:
            draft = await in_thread(_draft, settings, scope, clock.now(), is_resuming=is_resuming)
            draft.check_lock = check_lock
            return await _run_alone(settings, tokens, scope, progress, clock, draft, seal)
    except OSError as error:
        raise unwritable(output, error) from None


def _draft(settings: Settings, scope: RunScope, now: datetime, *, is_resuming: bool) -> Draft:
    output = settings.output.folder
    warn_of_chain(output, now)
    journal = scope.journal(settings.webex.base_url)
    draft = drafts.find_unfinished(output, journal) if is_resuming else None
    return draft or drafts.create(output, now, journal)


async def _run_alone(
    settings: Settings,
    tokens: TokenSource,
    scope: RunScope,
    progress: Progress,
    clock: Clock,
    draft: Draft,
    seal: Seal | None,
) -> Snapshot:
    try:
        async with connect_as(settings, tokens, clock) as client:
            await in_thread(draft.recall_requests)
            client.on_pause = partial(_tell_pause, client, progress)
            async with deadline(settings, client, clock):
                organizations = await find_organizations(client, scope)
                _check_resumed(draft, await in_thread(draft.organizations), scope, organizations)
                runs = [
                    OrganizationRun(each, own, draft, settings, scope, progress=progress, clock=clock)
                    for each, own in zip(organizations, clients_of(client, organizations), strict=True)
                ]
                async with _engine(settings, scope, client, tokens, draft, len(runs), progress, clock) as engine:
                    await audit_all(runs, engine, clock)
            return await _commit(settings, client, draft, scope, runs, progress, clock, seal)
    except OSError as error:
        _leave(draft)
        told = error if error.strerror else fault_of(error, draft.folder)
        place = f" at {told.filename}" if told.filename else f" below {draft.output}"
        advice = "" if isinstance(told, StorageError) else "; make room"
        stopped = StoppedError(f"the snapshot can't be written{place}: {told.strerror}{advice}")
        stopped.is_resumable = draft.is_worth_resuming
        raise stopped from error
    except AuditError as error:
        _leave(draft)
        error.is_resumable = draft.is_worth_resuming
        raise
    except asyncio.CancelledError:
        _leave(draft)
        stopped = StoppedError("stopped by a signal before the commit")
        stopped.is_resumable = draft.is_worth_resuming
        raise stopped from None
    except BaseException:
        _leave(draft)
        raise


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


def _leave(draft: Draft) -> None:
    """Keep what a resumed run can use, and nothing else."""
    if not draft.is_worth_resuming:
        draft.discard()


def _check_resumed(draft: Draft, begun: set[str], scope: RunScope, organizations: list[Organization]) -> None:
    others = begun - {each.org_id for each in organizations}
    if others and scope.organizations == "all" and len(others) < len(begun):
        log.warning("no longer managed by the token, and so not in the snapshot: %s", ", ".join(sorted(others)))
    elif others:
        raise UsageError(
            f"the unfinished run {draft.journal.snapshot_id} is of organization {', '.join(sorted(others))}, and this "
            f"token is for {organizations[0].org_id}: resume it with its own token, or run without --resume"
        )


async def _commit(
    settings: Settings,
    client: Client,
    draft: Draft,
    scope: RunScope,
    runs: list[OrganizationRun],
    progress: Progress,
    clock: Clock,
    seal: Seal | None,
) -> Snapshot:
    progress.on_commit()
    facts = RunFacts(
        finished_at=clock.now(),
        base_url=client.base_url,
        scope=scope.for_manifest(),
        requests=_total(draft.requests | {draft.takes.writer: requests_of(client)}),
    )
    tables = {dataset.name: dataset.tables for dataset in scope.datasets}

    def give_up_and_commit() -> Snapshot:
        for each in runs:
            each.give_up()
        orgs = [each.parts() for each in runs]
        given = settings.output
        return commit(draft, facts, orgs, tables, given.formats, csv_per_org=given.csv_per_org, seal=seal)

    # A signal that comes meanwhile is too late, as the crawl is already paid for.
    return await to_the_end(give_up_and_commit)


def _total(requests: dict[str, Requests]) -> Requests:
    """The requests of all writers together."""
    each = requests.values()
    return Requests(
        sum(one.total for one in each), sum(one.retried for one in each), sum(one.throttled for one in each)
    )
