"""Entities × dataset → outcomes and rows, under one pace, batch by batch.

A fixed number of workers takes entities in the order of the inventory. A batch is flattened and
written by the worker that completes it, in one thread beside the event loop; as that worker waits
for it, no more batches are in memory than there are workers.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from audit.clock import Clock
from audit.datasets import IDENTITY_SCHEMA, Dataset
from audit.datasets.answers import read_answers
from audit.earlier import Earlier
from audit.entity import Entity, entities_of
from audit.inventory import Organization
from audit.outcome import Outcome
from audit.progress import Progress
from audit.snapshot.coverage import COVERAGE, COVERAGE_SCHEMA
from audit.webex.client import Answer, Client
from audit.webex.errors import ScopeError, UnansweredError

log = logging.getLogger(__name__)

#: Entities of one batch, and so of one part.
BATCH_SIZE = 500
#: So many first answers that are all 403 are a missing scope, and so many in a row that never came
#: are an API that is gone: neither is a matter of single entities any more.
VERDICT_AFTER = 20
_NO_ANSWER = frozenset({Outcome.TIMEOUT, Outcome.SERVER_ERROR, Outcome.THROTTLED})

#: Given a batch's index, its tables (the dataset's and `coverage`), and how often each unknown field occurred.
WritePart = Callable[[int, dict[str, pa.Table], dict[str, int]], None]


@dataclass
class _Batch:
    """A slice of the inventory, the answers to it so far, and the rows that an earlier snapshot had of it."""

    index: int
    inventory: pa.Table
    entities: list[Entity]
    earlier: dict[str, pa.Table]
    answers: list[Answer | None] = field(init=False)
    waiting: int = field(init=False)

    def __post_init__(self) -> None:
        kept = set(self.earlier[COVERAGE]["entity_id"].to_pylist()) if self.earlier else set()
        self.kept = [entity.entity_id in kept for entity in self.entities]
        self.waiting = len(self.entities)
        self.answers = [None] * self.waiting


class _Watch:
    """Tells a fault of single entities from one that ends the run."""

    def __init__(self, dataset: Dataset, client: Client) -> None:
        self._dataset = dataset
        self._client = client
        #: Answers are known from before, so that the scope is not in doubt.
        self.has_answers = False
        self._answers = self._forbidden = self._unanswered = 0

    def on_answer(self, entity: Entity, answer: Answer, asked_at_s: float) -> None:
        """Take note of an answer to what was first asked at that time, on the clock.

        Raises:
            ScopeError: the first answers were all 403.
            UnansweredError: too many in a row were no answer at all, while nothing else was answered either.
        """
        self._answers += 1
        self._forbidden += answer.outcome is Outcome.FORBIDDEN
        is_alone = answer.outcome not in _NO_ANSWER or self._client.last_success_at_s >= asked_at_s
        self._unanswered = 0 if is_alone else self._unanswered + 1
        if self._answers == VERDICT_AFTER:
            self.on_end(entity, answer)
        if self._unanswered >= VERDICT_AFTER:
            raise UnansweredError(
                f"{self._client.base_url} stopped answering: {self._unanswered} reads in a row failed, the last with: "
                f"{answer.message}"
            )

    def on_end(self, entity: Entity, answer: Answer) -> None:
        """Judge the answers so far, the given one being the last.

        Raises:
            ScopeError: they were all 403.
        """
        if self._forbidden == self._answers and not self.has_answers:
            raise ScopeError(
                f"the token may not read {self._dataset.name} of any {entity.entity_type} (403, "
                f"{self._answers} of {self._answers} answers): it needs the scope "
                f"{self._dataset.scopes[entity.entity_type]} and an administrator role; the API says: {answer.message}"
            )


async def crawl(
    client: Client,
    dataset: Dataset,
    organization: Organization,
    inventory: pa.Table,
    write_part: WritePart,
    *,
    concurrency: int,
    progress: Progress,
    is_done: Callable[[int], bool] = lambda _: False,
    earlier: Earlier | None = None,
    stall_s: float = math.inf,
    clock: Clock,
) -> None:
    """Ask for each entity of an inventory once, and hand on each batch as its tables.

    Args:
        client: the API.
        dataset: what to ask for.
        organization: whose entities they are.
        inventory: the entities (`audit.entity.INVENTORY_SCHEMA`).
        write_part: is given each batch, in a thread.
        concurrency: requests at once.
        progress: is told of each answer.
        is_done: whether a batch, by its index, was written by the run that this one resumes.
        earlier: keep the complete answers of this snapshot, and ask for the others only.
        stall_s: stop when nothing was answered, and nothing paused, for so many seconds.
        clock: the time.

    Raises:
        TokenRefusedError: the token is refused.
        ScopeError: the first answers were all 403.
        UnansweredError: the API is gone.
        OSError: a part can't be written.
    """
    watch = _Watch(dataset, client)
    watch.has_answers = earlier is not None or is_done(0)
    last: list[tuple[Entity, Answer]] = []
    work = _work(inventory, is_done, earlier, progress)

    async def crawl_next(executor: Executor) -> None:
        for batch, position in work:
            entity = batch.entities[position]
            if batch.kept[position]:
                progress.on_answer(Outcome.OK)
            elif entity.not_licensed_reason is None:
                asked_at_s = clock.monotonic_s()
                answer = await client.get(dataset.path(entity), organization.params)
                batch.answers[position] = answer
                watch.on_answer(entity, answer, asked_at_s)
                if not answer.outcome.is_complete:
                    log.info(
                        "%s %s (%s): %s: %s",
                        entity.entity_type,
                        entity.entity_id,
                        entity.entity_name,
                        answer.outcome,
                        answer.message,
                        extra={"entity_id": entity.entity_id, "tracking_id": answer.tracking_id},
                    )
                last[:] = [(entity, answer)]
                progress.on_answer(answer.outcome)
                progress.on_requests(client.count.total, client.count.throttled)
            else:
                progress.on_answer(Outcome.NOT_LICENSED)
            batch.waiting -= 1
            if not batch.waiting:
                await asyncio.get_running_loop().run_in_executor(
                    executor, _finish, dataset, organization.org_id, batch, write_part
                )

    with ThreadPoolExecutor(1, thread_name_prefix="parts") as executor:
        try:
            async with asyncio.TaskGroup() as group:
                watchdog = group.create_task(_watch_for_stall(client, stall_s, clock))
                async with asyncio.TaskGroup() as workers:
                    for _ in range(min(concurrency, inventory.num_rows)):
                        workers.create_task(crawl_next(executor))
                watchdog.cancel()
        except BaseExceptionGroup as failures:
            raise _first(failures) from None
    for entity, answer in last:
        watch.on_end(entity, answer)


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    failure = failures.exceptions[0]
    return _first(failure) if isinstance(failure, BaseExceptionGroup) else failure


async def _watch_for_stall(client: Client, stall_s: float, clock: Clock) -> None:
    while math.isfinite(stall_s):
        await clock.sleep(stall_s / 4)
        idle_s = clock.monotonic_s() - client.last_answer_at_s
        if idle_s >= stall_s and client.pace.pause_s <= 0:
            raise UnansweredError(f"nothing was answered for {idle_s:.0f} s (run.stall_s): network or disk hangs")


def _work(
    inventory: pa.Table, is_done: Callable[[int], bool], earlier: Earlier | None, progress: Progress
) -> Iterator[tuple[_Batch, int]]:
    for index, start in enumerate(range(0, inventory.num_rows, BATCH_SIZE)):
        rows = inventory.slice(start, BATCH_SIZE)
        if is_done(index):
            progress.on_resumed(rows.num_rows)
            continue
        batch = _Batch(index, rows, entities_of(rows), earlier.rows_of(rows) if earlier else {})
        for position in range(len(batch.entities)):
            yield batch, position


def _finish(dataset: Dataset, org_id: str, batch: _Batch, write_part: WritePart) -> None:
    answered = [
        (position, answer.body)
        for position, answer in enumerate(batch.answers)
        if answer and answer.outcome is Outcome.OK
    ]
    answers = read_answers([body for _, body in answered], dataset.answer, dataset.required)
    defects = {answered[position][0]: defect for position, defect in answers.defects.items()}
    identity = batch.inventory.add_column(0, "org_id", pa.repeat(pa.scalar(org_id), batch.inventory.num_rows))
    rows = pa.array([answered[position][0] for position in answers.positions], pa.int64())
    tables = dataset.flatten(identity.select(IDENTITY_SCHEMA.names).take(rows), answers.table)
    tables[COVERAGE] = _coverage(dataset, org_id, batch, defects)
    if batch.earlier:
        tables = {name: _merged(table, batch.earlier[name]) for name, table in tables.items()}
    write_part(batch.index, tables, dict(answers.unknown_fields))


def _merged(asked: pa.Table, kept: pa.Table) -> pa.Table:
    """Rows in the order of the inventory; those of one entity stay in theirs, as the sort is stable."""
    both = pa.concat_tables([asked, kept])
    return both.take(pc.sort_indices(both["entity_id"]))


def _coverage(dataset: Dataset, org_id: str, batch: _Batch, defects: dict[int, str]) -> pa.Table:
    rows = []
    for position, (entity, answer) in enumerate(zip(batch.entities, batch.answers, strict=True)):
        if batch.kept[position]:
            continue
        row: dict[str, object] = {
            "org_id": org_id,
            "dataset": dataset.name,
            "entity_type": entity.entity_type,
            "entity_id": entity.entity_id,
            "entity_name": entity.entity_name,
            "location_id": entity.location_id,
            "location_name": entity.location_name,
        }
        if answer is None:
            row |= {"outcome": Outcome.NOT_LICENSED, "error_message": entity.not_licensed_reason, "attempts": 0}
        else:
            defect = defects.get(position)
            row |= {
                "outcome": Outcome.INVALID_RESPONSE if defect else answer.outcome,
                "http_status": answer.status,
                "error_message": defect or answer.message,
                "tracking_id": answer.tracking_id,
                "attempts": answer.attempts,
                "fetched_at": answer.fetched_at,
            }
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=COVERAGE_SCHEMA)
