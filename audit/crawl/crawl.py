"""Entities × dataset → outcomes and rows, under one pace, batch by batch.

A fixed number of workers takes entities in the order of the inventory. A batch is flattened and
written by the worker that completes it, in one thread beside the event loop, which also reads the next
batch (`audit.crawl.batches`); so memory is bounded by the batches that are being asked for, whatever their number.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from audit.clock import Clock
from audit.crawl.answer_log import KEEP_EVERY_S, AnswerLog, WriteAnswers
from audit.crawl.batches import Batch, Feed, read_batches
from audit.crawl.breaker import Breaker
from audit.crawl.earlier import Earlier
from audit.crawl.flatten import WritePart, finish
from audit.crawl.progress import Progress
from audit.crawl.reader import Reader, Reading, unasked
from audit.datasets import Dataset
from audit.entity import Entity, EntityType
from audit.errors import AuditError
from audit.outcome import Outcome
from audit.output.inventory import Inventory
from audit.storage.place import Place
from audit.threads import in_thread
from audit.webex.client import Client
from audit.webex.errors import ScopeError, UnansweredError

log = logging.getLogger(__name__)

_Given = TypeVar("_Given")


async def crawl(
    client: Client,
    dataset: Dataset,
    org_id: str,
    reader: Reader,
    inventory: Inventory,
    write_part: WritePart,
    write_answers: WriteAnswers,
    *,
    concurrency: int,
    progress: Progress,
    done: Collection[int] = (),
    answers: Mapping[int, Sequence[Place]] | None = None,
    earlier: Earlier | None = None,
    stall_s: float = math.inf,
    clock: Clock,
) -> dict[EntityType, ScopeError]:
    """Ask for each entity of an inventory, and hand on each batch as its tables.

    Args:
        client: the API.
        dataset: what to ask for.
        org_id: UUID of the organization whose entities they are.
        reader: reads an entity.
        inventory: the entities.
        write_part: is given each batch, in a thread.
        write_answers: is given the answers of batches that are not complete yet, every second and in the end.
        concurrency: requests at once.
        progress: is told of each answer.
        done: the batches, by index, that were written by the run that this one resumes.
        answers: files of its answers of other batches.
        earlier: keep the complete answers of this snapshot, and ask for the others only.
        stall_s: stop if nothing was answered for this many seconds without a pause or an outage.
        clock: the time.

    Returns:
        The kinds of entity whose first answers were all 403, with the error that tells the scope; the
        rest of such a kind was not asked, and is `forbidden` too.

    Raises:
        TokenRefusedError: the token is refused.
        OutageError: the API is gone.
        UnansweredError: it fails too often, or nothing happens any more.
        StoppedError: the inventory is damaged.
        OSError: a part can't be written.
    """
    watch = Breaker(dataset.name, client, reader.scope_of, is_asking_again=earlier is not None)
    progress.on_resumed(inventory.rows_in(done))

    async def crawl_next(feed: Feed, executor: Executor) -> None:
        batch: Batch | None = None
        while batch := await feed.behind(batch):
            for position in batch.places:
                entity = batch.entities[position]
                if batch.kept[position] or batch.readings[position]:
                    progress.on_answer(Outcome.OK)
                else:
                    reason = watch.reasons.get(entity.entity_type)
                    readings = _unread(entity, Outcome.FORBIDDEN, reason) if reason else await reader.read(entity)
                    batch.readings[position] = readings
                    kept.add(batch.index, position, entity, readings)
                    for reading in readings:
                        if reading.answer.attempts:
                            watch.on_answer(entity, reading.answer)
                            _log(entity, reading)
                    progress.on_answer(_least(readings))
                    progress.on_requests(client.count.total, client.count.throttled)
                batch.waiting -= 1
                if not batch.waiting:
                    batch.even_out(watch.reasons)
                    await _surely(executor, finish, batch)

    batches = read_batches(inventory.batches(done), earlier, answers or {})
    executor = ThreadPoolExecutor(1, thread_name_prefix="parts")
    feed = Feed(batches, executor)
    kept = AnswerLog(write_answers)
    finish = partial(_finish_kept, kept, dataset, org_id, write_part)
    try:
        async with (
            _beside(_watch_for_stall(client, stall_s, clock), _keep_answers(kept, executor, clock)),
            asyncio.TaskGroup() as workers,
        ):
            for _ in range(min(concurrency, inventory.num_rows)):
                workers.create_task(crawl_next(feed, executor))
    except BaseExceptionGroup as failures:
        raise _first(failures) from None
    finally:
        # A part that is being written is written to its end; then the answers that are in none.
        executor.submit(_keep_last, kept)
        executor.submit(batches.close)
        await in_thread(executor.shutdown)
    watch.on_end()
    return watch.refused


def give_up(
    dataset: Dataset,
    org_id: str,
    inventory: Inventory,
    write_part: WritePart,
    outcome: Outcome,
    reason: Exception,
    done: Collection[int],
    answers: Mapping[int, Sequence[Place]],
    earlier: Earlier | None = None,
) -> None:
    """Hand on each batch that is not done with this outcome for all of its entities that have no answer."""
    for batch in read_batches(inventory.batches(done), earlier, answers):
        for position in batch.places:
            if not batch.kept[position] and not batch.readings[position]:
                batch.readings[position] = _unread(batch.entities[position], outcome, str(reason))
        finish(dataset, org_id, batch, write_part)


def _unread(entity: Entity, outcome: Outcome, reason: str) -> list[Reading]:
    if entity.known_outcome:
        return [Reading(None, unasked(entity.known_outcome, entity.known_reason))]
    return [Reading(None, unasked(outcome, f"not asked: {reason}"))]


def _log(entity: Entity, reading: Reading) -> None:
    site_url, answer = reading
    if not answer.outcome.is_complete:
        log.info(
            "%s %s (%s)%s: %s: %s",
            entity.entity_type,
            entity.entity_id,
            entity.entity_name,
            f" on {site_url}" if site_url else "",
            answer.outcome,
            answer.message,
            extra={"entity_id": entity.entity_id, "tracking_id": answer.tracking_id},
        )


def _least(readings: list[Reading]) -> Outcome:
    """The outcome to count an entity by: one that is not complete, if there is one."""
    outcomes = [reading.answer.outcome for reading in readings]
    return next((outcome for outcome in outcomes if not outcome.is_complete), outcomes[0])


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    failure = failures.exceptions[0]
    return _first(failure) if isinstance(failure, BaseExceptionGroup) else failure


@asynccontextmanager
async def _beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let these work while the block runs; where one of them fails, so does the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        yield
        for task in tasks:
            task.cancel()


async def _keep_answers(kept: AnswerLog, executor: Executor, clock: Clock) -> None:
    while True:
        await kept.wait()
        await clock.sleep(KEEP_EVERY_S)
        await _surely(executor, kept.keep, kept.take())


async def _surely(executor: Executor, work: Callable[[_Given], None], given: _Given) -> None:
    """Do this in the thread of the executor, even if a crawl that is stopped no longer waits for it."""
    await asyncio.shield(asyncio.get_running_loop().run_in_executor(executor, work, given))


def _keep_last(kept: AnswerLog) -> None:
    """Keep what there is when a crawl ends, however it ends; what ended it counts more than what fails here."""
    try:
        kept.keep(kept.take())
    except (AuditError, OSError) as error:
        log.debug("the last answers can't be kept: %s", error)


async def _watch_for_stall(client: Client, stall_s: float, clock: Clock) -> None:
    while math.isfinite(stall_s):
        await clock.sleep(stall_s / 4)
        idle_s = clock.monotonic_s() - max(client.last_answer_at_s, client.pace.resume_at_s)
        # An outage ends by itself (`audit.webex.outage`).
        if idle_s >= stall_s and client.pace.pause_s <= 0 and not client.outage.is_on:
            raise UnansweredError(f"nothing was answered for {idle_s:.0f} s (run.stall_s): the disk hangs")


def _finish_kept(kept: AnswerLog, dataset: Dataset, org_id: str, write_part: WritePart, batch: Batch) -> None:
    finish(dataset, org_id, batch, write_part)
    kept.forget(batch.index)
