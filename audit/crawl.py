"""Entities × dataset → outcomes and rows, under one pace, batch by batch.

A fixed number of workers takes entities in the order of the inventory. A batch is flattened and
written by the worker that completes it, in one thread beside the event loop, which also reads the next
batch (`audit.feed`); so memory is bounded by the batches that are being asked for, whatever their number.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Collection
from concurrent.futures import Executor, ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc

from audit.clock import Clock
from audit.datasets import SUBJECT_SCHEMA, Dataset
from audit.datasets.answers import read_answers
from audit.earlier import Earlier
from audit.entity import Entity, EntityType
from audit.feed import Batch, Feed, read_batches
from audit.outcome import Outcome
from audit.progress import Progress
from audit.reading import Reader, Reading, unasked
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.snapshot.inventory import Inventory
from audit.threads import in_thread
from audit.watch import Watch
from audit.webex.client import Client
from audit.webex.errors import ScopeError, UnansweredError

log = logging.getLogger(__name__)

#: Given a batch's index, its tables (the dataset's and `coverage`), and how often each unknown field occurred.
WritePart = Callable[[int, dict[str, pa.Table], dict[str, int]], None]


async def crawl(
    client: Client,
    dataset: Dataset,
    org_id: str,
    reader: Reader,
    inventory: Inventory,
    write_part: WritePart,
    *,
    concurrency: int,
    progress: Progress,
    done: Collection[int] = (),
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
        concurrency: requests at once.
        progress: is told of each answer.
        done: the batches, by index, that were written by the run that this one resumes.
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
    watch = Watch(dataset.name, client, reader.scope_of, is_asking_again=earlier is not None)
    progress.on_resumed(inventory.rows_in(done))

    async def crawl_next(feed: Feed, executor: Executor) -> None:
        batch: Batch | None = None
        while batch := await feed.behind(batch):
            for position in batch.places:
                entity = batch.entities[position]
                if batch.kept[position]:
                    progress.on_answer(Outcome.OK)
                else:
                    reason = watch.reasons.get(entity.entity_type)
                    readings = _unread(entity, Outcome.FORBIDDEN, reason) if reason else await reader.read(entity)
                    batch.readings[position] = readings
                    for reading in readings:
                        if reading.answer.attempts:
                            watch.on_answer(entity, reading.answer)
                            _log(entity, reading)
                    progress.on_answer(_least(readings))
                    progress.on_requests(client.count.total, client.count.throttled)
                batch.waiting -= 1
                if not batch.waiting:
                    batch.even_out(watch.reasons)
                    await asyncio.get_running_loop().run_in_executor(
                        executor, _finish, dataset, org_id, batch, write_part
                    )

    batches = read_batches(inventory.batches(done), earlier)
    executor = ThreadPoolExecutor(1, thread_name_prefix="parts")
    feed = Feed(batches, executor)
    try:
        async with asyncio.TaskGroup() as group:
            watchdog = group.create_task(_watch_for_stall(client, stall_s, clock))
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(concurrency, inventory.num_rows)):
                    workers.create_task(crawl_next(feed, executor))
            watchdog.cancel()
    except BaseExceptionGroup as failures:
        raise _first(failures) from None
    finally:
        # A part that is being written is written to its end.
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
    earlier: Earlier | None = None,
) -> None:
    """Hand on each batch that is not done with this outcome for all its entities that are not known before."""
    for batch in read_batches(inventory.batches(done), earlier):
        for position in batch.places:
            if not batch.kept[position]:
                batch.readings[position] = _unread(batch.entities[position], outcome, str(reason))
        _finish(dataset, org_id, batch, write_part)


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


async def _watch_for_stall(client: Client, stall_s: float, clock: Clock) -> None:
    while math.isfinite(stall_s):
        await clock.sleep(stall_s / 4)
        idle_s = clock.monotonic_s() - max(client.last_answer_at_s, client.pace.resume_at_s)
        # An outage ends by itself (`audit.webex.outage`).
        if idle_s >= stall_s and client.pace.pause_s <= 0 and not client.outage.is_on:
            raise UnansweredError(f"nothing was answered for {idle_s:.0f} s (run.stall_s): the disk hangs")


def _finish(dataset: Dataset, org_id: str, batch: Batch, write_part: WritePart) -> None:
    """Flatten a batch and hand it on."""
    places = [(position, reading) for position, readings in enumerate(batch.readings) for reading in readings]
    answered = [index for index, (_, reading) in enumerate(places) if reading.answer.outcome is Outcome.OK]
    answers = read_answers([places[index][1].answer.body for index in answered], dataset.answer, dataset.required)
    defects = {answered[position]: defect for position, defect in answers.defects.items()}
    kept = [places[answered[position]] for position in answers.positions]
    tables = dataset.flatten(_subject(org_id, batch.inventory, kept), answers.table)
    tables[COVERAGE] = _coverage(dataset.name, _subject(org_id, batch.inventory, places), places, defects)
    if batch.earlier:
        tables = {name: _merged(table, batch.earlier[name]) for name, table in tables.items()}
    write_part(batch.index, tables, dict(answers.unknown_fields))


def _subject(org_id: str, inventory: pa.Table, places: list[tuple[int, Reading]]) -> pa.Table:
    """Whose answers they are, a row each (`SUBJECT_SCHEMA`)."""
    rows = inventory.take(pa.array([position for position, _ in places], pa.int64()))
    site_urls = pa.array([reading.site_url for _, reading in places], pa.string())
    subject = rows.append_column("site_url", site_urls).append_column(
        "org_id", pa.repeat(pa.scalar(org_id), rows.num_rows)
    )
    return subject.select(SUBJECT_SCHEMA.names).cast(SUBJECT_SCHEMA)


def _merged(asked: pa.Table, kept: pa.Table) -> pa.Table:
    """Rows in the order of the inventory; those of one entity stay in theirs, as the sort is stable."""
    both = pa.concat_tables([asked, kept])
    return both.take(pc.sort_indices(both["entity_id"]))


def _coverage(dataset: str, subject: pa.Table, places: list[tuple[int, Reading]], defects: dict[int, str]) -> pa.Table:
    """What became of each reading; an answer with a defect, by its place, is `invalid_response`."""
    answers = [reading.answer for _, reading in places]
    outcomes = [Outcome.INVALID_RESPONSE if place in defects else each.outcome for place, each in enumerate(answers)]
    told = {
        "dataset": [dataset] * len(answers),
        "outcome": [outcome.value for outcome in outcomes],
        "http_status": [answer.status for answer in answers],
        "error_message": [defects.get(place, answer.message) for place, answer in enumerate(answers)],
        "tracking_id": [answer.tracking_id for answer in answers],
        "attempts": [answer.attempts for answer in answers],
        "fetched_at": [answer.fetched_at for answer in answers],
    }
    columns = [
        pa.array(told[field.name], field.type) if field.name in told else subject[field.name]
        for field in COVERAGE_SCHEMA
    ]
    return pa.table(columns, schema=COVERAGE_SCHEMA)
