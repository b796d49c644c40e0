"""A run from lock to commit: scope, deadline, resume."""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa

from audit import __version__, memory
from audit.clock import Clock
from audit.config import Settings
from audit.crawl import crawl
from audit.datasets import DATASETS, Dataset
from audit.earlier import Earlier
from audit.errors import AuditError, StoppedError, UsageError
from audit.files import make_dir
from audit.inventory import Organization, find_organization, take_inventory
from audit.lock import lock
from audit.progress import Progress
from audit.snapshot import draft as drafts
from audit.snapshot.commit import OrgParts, RunFacts, commit
from audit.snapshot.draft import Draft, PartFacts
from audit.snapshot.manifest import Requests, Scope
from audit.snapshot.reader import Snapshot
from audit.webex.client import Client, RequestCount
from audit.webex.connection import connect
from audit.webex.pace import Pace
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import TokenSource


@dataclass(frozen=True)
class Order:
    """What a run is asked for, beside the settings.

    Attributes:
        wanted: ids of the workspaces to audit; None for all.
        is_resuming: go on with the newest unfinished run, if there is one.
        retry_failed: a snapshot whose complete answers are kept; the others are asked for again.
    """

    wanted: Collection[str] | None = None
    is_resuming: bool = False
    retry_failed: Snapshot | None = None


@dataclass(frozen=True)
class Plan:
    """What a run would do (`--dry-run`).

    Attributes:
        organization: its UUID and name.
        entities: the size of the inventory.
        requests: reads that the crawl would make; the inventory's own are made already.
        rate_per_s: the rate that is expected: the remembered one, bounded by the ceiling; None where none is known.
        duration_s: seconds at that rate.
        scopes: what the token must have.
    """

    organization: tuple[str, str | None]
    entities: int
    requests: int
    rate_per_s: float | None
    duration_s: float | None
    scopes: list[str]


async def run(
    settings: Settings,
    tokens: TokenSource,
    order: Order,
    *,
    progress: Progress,
    clock: Clock,
) -> Snapshot:
    """Crawl what the settings name, and commit it.

    Args:
        settings: the configuration.
        tokens: where the access token comes from.
        order: what is asked for beside the settings.
        progress: is told of each step.
        clock: the time.

    Returns:
        The committed snapshot, complete or partial.

    Raises:
        UsageError: the output can't be written (before the first request), the organization's id is none, or an
            unfinished run to resume had another scope.
        LockedError: another run holds the lock on the output.
        RefusedError: the token is refused or lacks a scope.
        StoppedError: the API can't be reached, the deadline is over, or the disk is full. Nothing is committed;
            with `is_resumable`, a run with `is_resuming` goes on from there.
    """
    output = settings.output.folder
    try:
        make_dir(output)
        with lock(output):
            return await _run_alone(settings, tokens, order, progress, clock)
    except OSError as error:
        raise drafts.unwritable(output, error) from None


async def _run_alone(
    settings: Settings, tokens: TokenSource, order: Order, progress: Progress, clock: Clock
) -> Snapshot:
    output = settings.output.folder
    scope = _scope(settings, order)
    draft = drafts.find_unfinished(output, scope) if order.is_resuming else None
    draft = draft or drafts.create(output, clock.now(), scope)
    try:
        async with connect_as(settings, tokens, clock) as client:
            so_far = draft.requests_so_far()
            client.count = RequestCount(so_far.total, so_far.retried, so_far.throttled)
            client.on_pause = partial(_tell_pause, client, progress)
            async with _deadline(settings, client, clock):
                org = await _crawl(settings, client, draft, order, progress, clock)
            return await _commit(settings, client, draft, order, org, progress, clock)
    except OSError as error:
        _leave(draft)
        place = f" at {error.filename}" if error.filename else f" below {draft.output}"
        stopped = StoppedError(f"the snapshot can't be written{place}: {error.strerror or error}; make room")
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
async def _deadline(settings: Settings, client: Client, clock: Clock) -> AsyncIterator[None]:
    """Stop what is in the block at the deadline, or at once when a wait would end behind it."""
    deadline_s = settings.run.deadline_s
    client.deadline_at_s = clock.monotonic_s() + deadline_s
    try:
        async with asyncio.timeout(deadline_s if math.isfinite(deadline_s) else None) as within:
            yield
    except TimeoutError:
        if not within.expired():
            raise
        raise StoppedError(f"the deadline of {settings.run.deadline} is over") from None


def _tell_pause(client: Client, progress: Progress, pause_s: float) -> None:
    progress.on_requests(client.count.total, client.count.throttled)
    progress.on_pause(pause_s)


def _leave(draft: Draft) -> None:
    """Keep what a resumed run can use, and nothing else."""
    if not draft.is_worth_resuming:
        draft.discard()


def connect_as(settings: Settings, tokens: TokenSource, clock: Clock) -> AbstractAsyncContextManager[Client]:
    """A client as the settings want it (`audit.webex.client.connect`)."""
    pace = Pace(clock, settings.pace.max_rate, settings.pace.share, settings.pace.start_rate)
    retry = RetryPolicy(settings.retry.attempts, settings.retry.throttled_attempts, settings.retry.budget)
    return connect(
        settings.webex.base_url,
        tokens,
        pace,
        concurrency=settings.pace.concurrency,
        timeout_s=settings.webex.timeout_s,
        ca_file=settings.webex.ca_file,
        retry=retry,
        clock=clock,
    )


def _datasets(settings: Settings) -> list[Dataset]:
    return [DATASETS[name.replace("-", "_")] for name in dict.fromkeys(settings.scope.datasets)]


def _entities(settings: Settings) -> list[str]:
    return [name.replace("-", "_").upper() for name in dict.fromkeys(settings.scope.entities)]


def _scope(settings: Settings, order: Order) -> dict[str, Any]:
    """What must be the same for a run and the one that resumes it."""
    ids = None if order.wanted is None else hashlib.sha256("\n".join(sorted(order.wanted)).encode()).hexdigest()
    return {
        "webex.base_url": settings.webex.base_url,
        "scope.org_id": settings.scope.org_id,
        "scope.datasets": [dataset.name for dataset in _datasets(settings)],
        "scope.entities": _entities(settings),
        "workspace ids (SHA-256)": ids,
        "--retry-failed": order.retry_failed.manifest.snapshot_id if order.retry_failed else None,
        "version": __version__,
    }


async def _crawl(
    settings: Settings, client: Client, draft: Draft, order: Order, progress: Progress, clock: Clock
) -> OrgParts:
    organization = await find_organization(client, settings.scope.org_id)
    if others := draft.organizations() - {organization.org_id}:
        raise UsageError(
            f"the unfinished run {draft.journal.snapshot_id} is of organization {', '.join(sorted(others))}, and this "
            f"token's is {organization.org_id}: resume it with its own token, or run without --resume"
        )
    if rate_per_s := memory.recall_rate(client.base_url, organization.org_id):
        client.pace.start_from(rate_per_s)
    datasets = _datasets(settings)
    earlier = {each.name: _earlier(order, organization, each) for each in datasets}
    inventory = draft.load_inventory(organization.org_id)
    if inventory is None:
        first = earlier[datasets[0].name]
        inventory = first.inventory() if first else await take_inventory(client, organization, order.wanted)
        draft.save_inventory(organization.org_id, inventory)
    progress.on_inventory(inventory.num_rows * len(datasets))
    try:
        for dataset in datasets:
            await crawl(
                client,
                dataset,
                organization,
                inventory,
                partial(_write_part, draft, client, organization.org_id, dataset.name),
                concurrency=settings.pace.concurrency,
                progress=progress,
                is_done=partial(draft.has_part, organization.org_id, dataset.name),
                earlier=earlier[dataset.name],
                stall_s=settings.run.stall_s,
                clock=clock,
            )
    finally:
        if rate_per_s := client.pace.settled_per_s:
            memory.remember_rate(client.base_url, organization.org_id, rate_per_s)
    return OrgParts(organization.org_id, organization.name, inventory)


def _earlier(order: Order, organization: Organization, dataset: Dataset) -> Earlier | None:
    if order.retry_failed is None:
        return None
    if organization.org_id not in {org.org_id for org in order.retry_failed.manifest.orgs}:
        raise UsageError(
            f"snapshot {order.retry_failed.manifest.snapshot_id} is not of organization {organization.org_id}: retry "
            "it with its own token or --org-id"
        )
    return Earlier(order.retry_failed, organization.org_id, dataset)


def _write_part(
    draft: Draft,
    client: Client,
    org_id: str,
    dataset: str,
    index: int,
    tables: dict[str, pa.Table],
    unknown_fields: dict[str, int],
) -> None:
    draft.write_part(org_id, dataset, index, tables, PartFacts(unknown_fields, _requests(client)))


def _requests(client: Client) -> Requests:
    return msgspec.convert(client.count, Requests, from_attributes=True)


async def _commit(
    settings: Settings, client: Client, draft: Draft, order: Order, org: OrgParts, progress: Progress, clock: Clock
) -> Snapshot:
    progress.on_commit()
    wanted = order.retry_failed.manifest.scope.entity_ids if order.retry_failed else order.wanted
    count = wanted if isinstance(wanted, int | None) else len(set(wanted))
    datasets = _datasets(settings)
    facts = RunFacts(
        finished_at=clock.now(),
        base_url=client.base_url,
        scope=Scope([dataset.name for dataset in datasets], _entities(settings), count),
        requests=_requests(client),
    )
    tables = {dataset.name: dataset.tables for dataset in datasets}
    return await _to_the_end(partial(commit, draft, facts, [org], tables, settings.output.formats))


async def _to_the_end(work: partial[Snapshot]) -> Snapshot:
    """Do this in a thread; a signal that comes meanwhile is too late, as the crawl is already paid for."""
    task = asyncio.create_task(asyncio.to_thread(work))
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
    return task.result()


async def plan(settings: Settings, tokens: TokenSource, order: Order, *, clock: Clock) -> Plan:
    """What a run would do: takes the inventory, and crawls nothing.

    Raises:
        AuditError: as `run`, where the inventory can't be taken.
    """
    async with connect_as(settings, tokens, clock) as client, _deadline(settings, client, clock):
        organization = await find_organization(client, settings.scope.org_id)
        datasets = _datasets(settings)
        inventory = await take_inventory(client, organization, order.wanted)
        rate_per_s = memory.recall_rate(client.base_url, organization.org_id)
    asked = inventory["not_licensed_reason"].null_count * len(datasets)
    rates = [rate for rate in (rate_per_s, settings.pace.max_rate) if rate]
    scopes = {scope for dataset in datasets for scope in dataset.scopes.values()}
    return Plan(
        (organization.org_id, organization.name),
        inventory.num_rows,
        asked,
        min(rates) if rates else None,
        asked / min(rates) if rates else None,
        sorted(scopes),
    )
