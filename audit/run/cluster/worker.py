"""Audits one organization on a worker, as long as the driver waits for the result."""

import asyncio
import math
import os
import socket
import traceback
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from audit import __version__
from audit.clock import Clock
from audit.config import Named, Settings, load
from audit.errors import AuditError, StoppedError, UsageError, shortage, words_of
from audit.inventory.organizations import Organization
from audit.output.draft import Draft, open_draft
from audit.output.held import Held
from audit.redaction import redact
from audit.run.cluster.report import Reporter, forwarding, topic_of
from audit.run.cluster.task import Result, Task
from audit.run.credentials import find_tokens
from audit.run.job import Job
from audit.run.keys import keys_at_hand
from audit.run.organization import OrganizationAudit
from audit.run.session import tell_limit, tell_pause
from audit.run.tally import tallied
from audit.snapshot.layout import JOURNAL
from audit.storage.errors import StorageError
from audit.storage.place import Place, exists
from audit.webex.errors import ApiGoneError, OutageError
from audit.webex.rate import Belief
from audit.webex.terms import Terms
from audit.webex.tokens import TokenSource

if TYPE_CHECKING:
    from distributed import Worker

#: Seconds between two reports, and between two checks that the attempt is still wanted.
_REPORT_EVERY_S = 0.5
#: Seconds that an attempt waits below a ceiling, so that no second holds requests of two attempts.
_REST_S = 1.0
#: The run of each attempt that is at work in this process.
_AT_WORK: list[str] = []


def audit_organization(task: Task, organization: Organization, ceiling: float | None, belief: Belief | None) -> Result:
    """Audit an organization into the draft of a run. This function is the task that Dask runs.

    Args:
        task: what all tasks of the run share.
        organization: the organization.
        ceiling: requests per second that are never exceeded; None for no ceiling.
        belief: what an earlier run believed of the limit; None if unknown.

    Returns:
        The result, with the error that stopped the attempt; Dask would log an error that is raised.
    """
    from distributed import get_worker  # noqa: PLC0415 - needs the extra

    worker = get_worker()
    key = worker.get_current_task()
    run_id = task.journal.run_id
    reporter = Reporter(organization.org_id, partial(worker.log_event, topic_of(run_id)))
    place = f"worker {worker.address} ({socket.gethostname()})"
    settings = task.settings_for(ceiling, worker.state.nthreads)
    attempt = _Attempt(task, organization, settings, belief, reporter, place)
    _AT_WORK.append(run_id)
    try:
        with forwarding(reporter, task.log_level):
            return asyncio.run(_while_wanted(attempt.make(), reporter.flush, partial(_is_wanted, worker, key)))
    except Exception as error:  # noqa: BLE001 - Dask would log it with all that its texts hold
        return Result(error=_traveling(error))
    finally:
        _AT_WORK.remove(run_id)


def _traveling(error: Exception) -> AuditError | OSError:
    """An error that may leave this machine: without secrets, and without classes that the driver may not have."""
    match error:
        case AuditError():
            return error
        case StorageError():
            return StorageError(error.errno, redact(str(error.strerror)), error.filename)
        case OSError() if error.errno:
            return OSError(error.errno, words_of(error), error.filename)
    trace = "".join(traceback.format_exception(error))
    return shortage(error) or AuditError(f"a worker failed ({type(error).__name__}):\n{trace}")


async def settle(run_id: str, within_s: float) -> None:
    """Wait until no attempt of a run is at work in this process, at most `within_s` seconds."""
    for _ in range(int(within_s / 0.05)):
        if run_id not in _AT_WORK:
            return
        await asyncio.sleep(0.05)


def _is_wanted(worker: "Worker", key: Any) -> bool:
    """Whether the scheduler still waits for a task: another worker may have it, or the driver may be gone.

    Dask can't stop a thread and so forgets it instead (`distributed.worker_state_machine`, state `cancelled`).
    """
    known = worker.state.tasks.get(key)
    return worker.status.name in ("running", "paused") and known is not None and known.state != "cancelled"


async def _while_wanted(
    work: Coroutine[Any, Any, Result], flush: Callable[[], None], is_wanted: Callable[[], bool]
) -> Result:
    attempt = asyncio.create_task(work)
    while not attempt.done():
        await asyncio.wait({attempt}, timeout=_REPORT_EVERY_S)
        flush()
        if not is_wanted():
            attempt.cancel()
    return attempt.result()


class _Wanted(Held):
    """Stands for the lock of a run, which the driver holds: a worker may write as long as the draft exists.

    Args:
        folder: the folder of the draft.
    """

    def __init__(self, folder: Place) -> None:
        self._folder = folder

    def check(self) -> None:
        """Check that the run is not over.

        Raises:
            StoppedError: it is over.
        """
        if not exists(self._folder / JOURNAL):
            raise StoppedError(f"the run {self._folder.name} is over: it no longer waits for this worker")


@dataclass(frozen=True)
class _Attempt:
    """One attempt at an organization; another worker may be making another attempt."""

    task: Task
    organization: Organization
    settings: Settings
    belief: Belief | None
    reporter: Reporter
    place: str

    async def make(self) -> Result:
        with ExitStack() as stack:
            return await self._make(stack)

    async def _make(self, stack: ExitStack) -> Result:
        clock = Clock()
        try:
            draft = self._open()
            tokens = self._tokens(clock)
            scope = stack.enter_context(self.task.scope_here())
            job = Job(self.settings, tokens, scope, self.reporter, clock)
        except (AuditError, OSError) as unable:
            return Result(error=_traveling(unable))
        async with job.connect(self._terms(clock)) as client:
            client.pace.on_belief = partial(tell_limit, self.organization, self.reporter)
            if self.belief:
                client.pace.start_from(self.belief)
            if self.settings.pace.max_rate:
                await clock.sleep(_REST_S)
            error: AuditError | OSError | None = None
            try:
                async with tallied(draft, client, clock):
                    await OrganizationAudit(self.organization, client, draft, job).run()
            except ApiGoneError as gone:
                # Only the network of this worker may be down, so other organizations go on.
                error = OutageError(f"{self.place}: {gone}")
            except (AuditError, OSError) as stopped:
                error = _traveling(stopped)
            attempts = draft.attempts(self.organization.org_id)
            return Result(attempts, client.pace.belief, error, is_keyed=draft.seal.is_keyed)

    def _open(self) -> Draft:
        output = self.settings.output.folder
        if self.task.version != __version__:
            raise UsageError(
                f"{self.place} has webex-audit {__version__}, and the driver {self.task.version}: install the same "
                "version on both"
            )
        folder = output / self.task.journal.run_id
        draft = open_draft(folder, _Wanted(folder), keys_at_hand(self.settings))
        if draft is None or draft.journal != self.task.journal:
            raise UsageError(
                f"{self.place} does not see the run in {output}: use a shared folder or an object store as output"
            )
        return draft

    def _tokens(self, clock: Clock) -> TokenSource:
        """The tokens of this machine; a token command comes from its own configuration."""
        settings = self.settings.webex
        try:
            if self.task.has_token_command:
                command = load(None, os.environ, {}).webex.token_command
                settings = msgspec.structs.replace(settings, token_command=command)
            # Where the driver does not use the variable of its machine, a worker does not use that of its own.
            environment = {} if self.task.token_is_configured else os.environ
            return find_tokens(settings, environment, clock, Named(by_file=self.task.token_file_is_flag))
        except UsageError as error:
            raise UsageError(f"{self.place}: {error} (each worker reads the token itself: docs/cluster.md)") from None

    def _terms(self, clock: Clock) -> Terms:
        deadline_at = self.task.deadline_at
        left_s = (deadline_at - clock.now()).total_seconds() if deadline_at else math.inf
        return Terms(
            clock.monotonic_s() + left_s,
            partial(tell_pause, self.organization),
            self.organization.title,
            # The API has answered the driver.
            is_known=True,
        )
