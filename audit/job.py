"""A run from scope to commit."""

import asyncio
from collections import Counter
from collections.abc import Collection
from functools import partial

from audit.clock import Clock
from audit.config import Settings
from audit.crawl import crawl
from audit.datasets import DATASETS
from audit.errors import StoppedError
from audit.inventory import find_organization, take_inventory
from audit.progress import Progress
from audit.snapshot.commit import OrgParts, RunFacts, commit
from audit.snapshot.draft import Draft
from audit.snapshot.manifest import Requests, Scope
from audit.snapshot.reader import Snapshot
from audit.webex.client import Client, connect
from audit.webex.pace import Pace
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import Token


async def run(
    settings: Settings,
    token: Token,
    *,
    wanted: Collection[str] | None = None,
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> Snapshot:
    """Crawl what the settings name, and commit it.

    Args:
        settings: the configuration.
        token: the access token.
        wanted: ids of the workspaces to audit; None for all.
        progress: is told of each step.
        clock: the time.

    Returns:
        The committed snapshot, complete or partial.

    Raises:
        UsageError: the output can't be written (before the first request), or the organization's id is none.
        RefusedError: the token is refused or lacks a scope.
        StoppedError: the API can't be reached or the disk is full. Nothing is committed.
    """
    clock = clock or Clock()
    draft = Draft(settings.output.folder, clock.now())
    try:
        async with connect(
            settings.webex.base_url,
            token,
            Pace(settings.pace.max_rate, clock),
            concurrency=settings.pace.concurrency,
            timeout_s=settings.webex.timeout_s,
            ca_file=settings.webex.ca_file,
            retry=RetryPolicy(settings.retry.attempts, settings.retry.throttled_attempts),
            clock=clock,
        ) as client:
            return await _crawl_and_commit(settings, client, draft, wanted, progress or Progress(), clock)
    except OSError as error:
        draft.discard()
        place = f" at {error.filename}" if error.filename else f" below {draft.output}"
        raise StoppedError(
            f"the snapshot can't be written{place}: {error.strerror or error}; nothing was committed: "
            "make room and run again"
        ) from error
    except BaseException:
        draft.discard()
        raise


async def _crawl_and_commit(
    settings: Settings, client: Client, draft: Draft, wanted: Collection[str] | None, progress: Progress, clock: Clock
) -> Snapshot:
    organization = await find_organization(client, settings.scope.org_id)
    inventory = await take_inventory(client, organization, wanted)
    datasets = [DATASETS[name.replace("-", "_")] for name in dict.fromkeys(settings.scope.datasets)]
    progress.on_inventory(inventory.num_rows * len(datasets))
    unknown_fields: dict[str, Counter[str]] = {}
    for dataset in datasets:
        unknown_fields[dataset.name] = await crawl(
            client,
            dataset,
            organization,
            inventory,
            partial(draft.write_part, organization.org_id, dataset.name),
            concurrency=settings.pace.concurrency,
            progress=progress,
        )
    progress.on_commit()
    facts = RunFacts(
        finished_at=clock.now(),
        base_url=client.base_url,
        scope=Scope(
            [dataset.name for dataset in datasets],
            [name.replace("-", "_").upper() for name in settings.scope.entities],
            None if wanted is None else len(set(wanted)),
        ),
        requests=Requests(client.count.total, client.count.retried, client.count.throttled),
        unknown_fields=unknown_fields,
    )
    orgs = [OrgParts(organization.org_id, organization.name, inventory)]
    tables = {dataset.name: dataset.tables for dataset in datasets}
    return await _to_the_end(partial(commit, draft, facts, orgs, tables, settings.output.formats))


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
