"""A draft takes several writers, and one of them may be believed dead: nothing of one is mixed with another's."""

import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from audit.entity import Entity, EntityType, entity_table
from audit.output import inventory as inventory_module
from audit.output.draft import Draft, create, open_draft
from audit.output.held import Held
from audit.output.inventory import Gaps
from audit.output.journal import PartFacts
from audit.snapshot.coverage import COVERAGE
from audit.snapshot.manifest import Requests

ORG = "1aa59acb-4041-4ba8-a8cc-996100000000"
DATASET = "push_to_talk"
TABLES = (DATASET, "push_to_talk_members", COVERAGE)
BATCHES = 3

#: One writer's work, to be interleaved with another's: it pauses wherever it yields.
Steps = Iterator[None]


def work(draft: Draft, name: str, listed: int) -> Steps:
    """What an attempt does: goes on with the inventory that is there, or lists one; writes each part that lacks."""
    partition = draft.partition(ORG, DATASET)
    found = partition.load_inventory()
    yield
    if found is None:
        entities = entity_table(Entity(EntityType.WORKSPACE, f"{index:03d}", name) for index in range(listed))
        yield
        found = partition.save_inventory([entities], Gaps())
    finished = partition.finished()
    yield
    for index, rows in found.batches(finished):
        made_for = rows["entity_name"][0].as_py()
        tables = {table: pa.table({"row": [f"{name} {made_for} {index}"]}) for table in TABLES}
        yield
        partition.write_part(index, tables, PartFacts({}))
        yield


def rows_of(draft: Draft) -> list[list[str]]:
    return [
        [row for part in draft.partition(ORG, DATASET).read_parts(table) for row in part["row"].to_pylist()]
        for table in TABLES
    ]


@pytest.fixture
def open_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Draft]:
    monkeypatch.setattr(inventory_module, "BATCH_SIZE", 10)
    made = create(tmp_path, datetime(2026, 11, 22, tzinfo=UTC), {}, held=Held())

    def open_again() -> Draft:
        draft = open_draft(made.folder, Held())
        assert draft
        return draft

    return open_again


@settings(max_examples=40)
@given(order=st.lists(st.booleans(), max_size=30), listed=st.tuples(st.integers(21, 30), st.integers(1, 30)))
@pytest.mark.slow
def test_two_writers_at_once_leave_one_inventory_and_one_answer_to_each_batch(
    order: list[bool], listed: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(inventory_module, "BATCH_SIZE", 10)
        driver = create(tmp_path_factory.mktemp("out"), datetime(2026, 11, 22, tzinfo=UTC), {}, held=Held())
        old, new = (Draft(driver.output, driver.journal, Held()) for _ in range(2))
        steps = {True: work(old, "old", listed[0]), False: work(new, "new", listed[1])}
        for is_old in order:
            next(steps[is_old], None)
        # The new one comes to its end, and the driver takes what it has left.
        list(steps[False])
        driver.choose(ORG, new.attempts(ORG))
        (taken,) = driver.inventories(ORG, [DATASET]).values()
        expected = {index for index, _ in taken.batches()}
        assert driver.partition(ORG, DATASET).finished() == expected
        before = rows_of(driver)
        # The old one, believed dead, goes on writing while the driver commits.
        list(steps[True])
        for rows in (before, rows_of(driver)):
            assert rows == [before[0]] * len(TABLES)
        made_for = {row.split()[1] for row in before[0]}
        assert len(made_for) == 1
        assert [int(row.split()[2]) for row in before[0]] == sorted(expected)


def test_a_writer_that_is_believed_dead_can_not_touch_what_is_committed(open_again: Callable[[], Draft]) -> None:
    old, driver = open_again(), open_again()
    steps = work(old, "old", 30)
    for _ in range(5):
        next(steps)
    snapshot = driver.begin_commit()
    (snapshot / "manifest.json").touch()
    driver.end_commit(snapshot)
    with pytest.raises(FileNotFoundError):
        list(steps)
    assert [path.name for path in driver.output.rglob("*")] == [snapshot.name, "manifest.json"]


def test_the_requests_of_all_writers_are_known(open_again: Callable[[], Draft]) -> None:
    old, new, driver = open_again(), open_again(), open_again()
    for draft, total in ((old, 1), (new, 2), (new, 3)):
        draft.save_requests(Requests(total, 0, 0))
    assert driver.requests() == {old.writer: Requests(1, 0, 0), new.writer: Requests(3, 0, 0)}
    (driver.folder / "parts" / f"{old.writer}.requests").write_bytes(b"\xff")
    assert driver.requests() == {new.writer: Requests(3, 0, 0)}


def test_of_several_attempts_the_fullest_is_gone_on_with(open_again: Callable[[], Draft]) -> None:
    old, new, later = open_again(), open_again(), open_again()
    one, two = work(old, "old", 30), work(new, "new", 30)
    for _ in range(3):
        next(one)
        next(two)
    for _ in range(3):
        next(two)
    assert later.partition(ORG, DATASET).finished() == {0}
    list(work(later, "later", 30))
    assert rows_of(later)[0] == ["new new 0", "later new 1", "later new 2"]


def test_attempts_are_told_while_those_of_other_organizations_are_begun(open_again: Callable[[], Draft]) -> None:
    draft = open_again()
    draft.choose(ORG, {DATASET: "one"})
    is_over = threading.Event()

    def begin_others() -> None:
        for number in range(1000):
            draft.partition(f"{number}", DATASET).choose("other")
        is_over.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    others = threading.Thread(target=begin_others)
    others.start()
    try:
        while not is_over.is_set():
            assert draft.attempts(ORG) == {DATASET: "one"}
    finally:
        sys.setswitchinterval(interval)
        others.join()
