"""Hands the organizations of a run to a Dask cluster and collects the results."""

import asyncio
import logging
import math
import secrets
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

from audit.clock import Clock
from audit.config import Settings
from audit.errors import EngineError, StoppedError, UsageError
from audit.inventory.organizations import Organization
from audit.output.draft import Draft
from audit.run import rates as memory
from audit.run.cluster.connection import DaskClient, connect, import_dask, threads_of
from audit.run.cluster.report import Gathering, topic_of
from audit.run.cluster.task import Result, Task, absolute, traveling
from audit.run.cluster.worker import audit_organization, settle
from audit.run.job import Job
from audit.run.organization import OrganizationAudit
from audit.snapshot.catalog import is_committed
from audit.snapshot.source import Source
from audit.storage.place import Place
from audit.text import count_of
from audit.threads import in_thread
from audit.webex.client import Client
from audit.webex.rate import Belief
from audit.webex.tokens import CommandTokens, FileTokens, StaticTokens

log = logging.getLogger(__name__)

#: Seconds between two checks that the cluster still has workers and that the run still holds the lock.
_LOOK_EVERY_S = 5.0
#: Seconds to wait for attempts to end that are no longer needed.
_SETTLE_S = 5.0


def check_engine(settings: Settings) -> None:
    """Check that the configured engine can be used.

    Raises:
        UsageError: it can't be used.
    """
    if settings.run.engine == "dask":
        import_dask()
    elif settings.run.scheduler:
        raise UsageError("--scheduler (run.scheduler) names a Dask cluster: add --engine dask")


class Cluster:
    """Audits organizations as tasks of a Dask cluster. Made by `open_cluster`.

    Attributes:
        places: organizations at once.
    """

    def __init__(self, client: DaskClient, task: Task, draft: Draft, places: int, clock: Clock) -> None:
        self._shares = shares(task.settings.pace.max_rate, places)
        self.places = len(self._shares)
        self._client = client
        self._task = task
        self._draft = draft
        self._clock = clock
        # Another run over the same organizations may use the same cluster.
        self._name = f"webex-audit-{secrets.token_hex(4)}"

    async def audit(self, one: OrganizationAudit, place: int) -> None:
        """Audit an organization on a worker.

        Raises:
            EngineError: the cluster is gone.
            StoppedError: one worker after the other died, or the lock is lost; or as `OrganizationAudit.run`.
            RefusedError, UsageError, OSError: as `OrganizationAudit.run`.
        """
        org_id = one.organization.org_id
        base_url = self._task.settings.webex.base_url
        belief = await in_thread(memory.recall, base_url, org_id)
        result = await self._result(one.organization, self._shares[place], belief)
        self._draft.choose(org_id, result.attempts)
        self._lift_seal(result)
        one.belief = result.belief
        await in_thread(memory.remember, base_url, org_id, result.belief)
        if result.error:
            raise result.error

    def _lift_seal(self, result: Result) -> None:
        if self._draft.seal.is_keyed and not result.is_keyed:
            log.warning(
                "a worker has no key for the files of the run (sign.key_file), so they can't be checked: the snapshot "
                "says so and is not signed, and if the run is interrupted, --resume begins anew"
            )
            self._draft.seal.lift()

    async def _result(self, organization: Organization, ceiling: float | None, belief: Belief | None) -> Result:
        killed = import_dask().KilledWorker
        stall_s = self._task.settings.run.stall_s
        key = f"{self._name}-{organization.org_id}"
        future = self._client.submit(audit_organization, self._task, organization, ceiling, belief, key=key)
        waiting = asyncio.ensure_future(future.result())
        seen_at_s = self._clock.monotonic_s()
        try:
            while not (await asyncio.wait({waiting}, timeout=_LOOK_EVERY_S))[0]:
                # Workers do not check the lock, so the driver ends them when it is lost.
                self._draft.held.check()
                if await threads_of(self._client):
                    seen_at_s = self._clock.monotonic_s()
                elif self._clock.monotonic_s() - seen_at_s >= stall_s:
                    raise EngineError(f"the Dask cluster has had no workers for {stall_s:.0f} s")
            return cast(Result, await waiting)
        except CancelledError:
            raise EngineError("the Dask scheduler is gone") from None
        except killed as error:
            deaths, last = error.allowed_failures + 1, error.last_worker.address
            times = "once" if deaths == 1 else f"{deaths} times"
            message = f"its worker died {times}, last at {last}: does it have too little memory?"
            return Result(error=StoppedError(message))
        finally:
            waiting.cancel()
            future.release()


def shares(max_rate: float | None, places: int) -> list[float | None]:
    """Split a ceiling into whole requests per second, whose sum stays below the ceiling whenever each place starts.

    Args:
        max_rate: requests per second of all places together; None for no ceiling.
        places: organizations at once, if the ceiling allows.

    Returns:
        The ceiling of each place; fewer places than wanted if the ceiling is less than one request per second for each.
    """
    if max_rate is None:
        return [None] * places
    places = min(places, max(1, math.floor(max_rate)))
    if places == 1:
        return [max_rate]
    base, more = divmod(math.floor(max_rate), places)
    return [float(base + (place < more)) for place in range(places)]


@asynccontextmanager
async def open_cluster(job: Job, client: Client, draft: Draft, organizations: int) -> AsyncIterator[Cluster]:
    """A cluster to audit organizations on; after the block, no task of the run is at work there.

    Args:
        job: the job of the driver; each worker makes a job of its own, with tokens from the same kind of source.
        client: the client of the driver, which has the deadline.
        draft: the draft that the workers write to.
        organizations: the number of organizations to audit.

    Raises:
        UsageError: the extra `dask` is not installed, or a worker has another version.
        EngineError: the cluster can't be reached.
    """
    task = _task(job, draft, _deadline_at(client, job.clock))
    async with connect(job.settings.run.scheduler, organizations) as dask:
        topic = topic_of(draft.journal.run_id)
        dask.subscribe_topic(topic, Gathering(job.progress).on_event)
        threads = await threads_of(dask)
        cluster = Cluster(dask, task, draft, min(threads, organizations), job.clock)
        log.info("%s on a Dask cluster, %d at once", count_of(organizations, "organization"), cluster.places)
        try:
            yield cluster
        except EngineError:
            raise
        except BaseException:
            with suppress(OSError, TimeoutError, CancelledError):
                async with asyncio.timeout(_SETTLE_S + 1):
                    await dask.run(settle, draft.journal.run_id, _SETTLE_S, on_error="ignore")
            raise


def _deadline_at(client: Client, clock: Clock) -> datetime | None:
    left_s = client.terms.deadline_at_s - clock.monotonic_s()
    return clock.now() + timedelta(seconds=left_s) if math.isfinite(left_s) else None


def _named(source: Source, output: Place) -> tuple[str, str]:
    """A snapshot as a worker can find it, since only this machine has the copy; and the SHA-256 of its manifest."""
    snapshot_id = source.manifest.snapshot_id
    name = snapshot_id if is_committed(output / snapshot_id) else absolute(source.origin)
    return name, source.manifest_sha256


def _task(job: Job, draft: Draft, deadline_at: datetime | None) -> Task:
    scope = job.scope
    return Task(
        journal=draft.journal,
        settings=traveling(job.settings),
        scope=replace(scope, datasets=(), retry_failed=None),
        datasets=tuple(dataset.name for dataset in scope.datasets),
        retry_failed=_named(scope.retry_failed, job.settings.output.folder) if scope.retry_failed else None,
        has_token_command=isinstance(job.tokens, CommandTokens),
        token_file_is_flag=isinstance(job.tokens, FileTokens),
        token_is_configured=not isinstance(job.tokens, StaticTokens),
        deadline_at=deadline_at,
        log_level=logging.getLogger("audit").getEffectiveLevel(),
    )
