import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from audit.crawl import batches as batches_module
from audit.crawl.batches import Batch, Feed
from audit.entity import Entity, EntityType, entity_table
from audit.errors import StoppedError


def batches(count: int, size: int) -> Iterator[Batch]:
    ids = [f"{number:03d}" for number in range(count * size)]
    tables = (
        entity_table(Entity(EntityType.PERSON, each) for each in ids[index * size : (index + 1) * size])
        for index in range(count)
    )
    return (Batch(index, rows, {}) for index, rows in enumerate(tables))


async def work(feed: Feed, taken: list[str]) -> None:
    batch: Batch | None = None
    while batch := await feed.after(batch):
        for position in batch.places:
            taken.append(batch.entities[position].entity_id)
            await asyncio.sleep(0)


@pytest.mark.parametrize("workers", [1, 3, 50])
@pytest.mark.parametrize(("count", "size"), [(0, 0), (1, 1), (7, 3)])
def test_each_entity_is_handed_out_once_in_order(workers: int, count: int, size: int) -> None:
    taken: list[str] = []

    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            feed = Feed(batches(count, size), executor)
            await asyncio.gather(*(work(feed, taken) for _ in range(workers)))

    asyncio.run(main())
    assert taken == [f"{number:03d}" for number in range(count * size)]


def test_one_batch_is_read_ahead_and_not_while_something_is_to_be_written() -> None:
    read: list[int] = []
    writing = threading.Event()

    def watched() -> Iterator[Batch]:
        for batch in batches(5, 2):
            read.append(batch.index)
            yield batch

    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            feed = Feed(watched(), executor)
            first = await feed.after(None)
            await asyncio.get_running_loop().run_in_executor(executor, lambda: None)
            assert read == [0, 1]
            write = asyncio.get_running_loop().run_in_executor(executor, writing.wait)
            second = await feed.after(first)
            third = asyncio.create_task(feed.after(second))
            await asyncio.sleep(0.01)
            assert (read, third.done()) == ([0, 1], False)
            writing.set()
            await write
            assert (await third, read[:3]) != (None, [0, 1])

    asyncio.run(main())
    assert read[:3] == [0, 1, 2]


def test_batches_that_wait_for_some_of_their_entities_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "_MAX_OPEN", 2)

    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            feed = Feed(batches(3, 2), executor)
            second = await feed.after(await feed.after(None))
            third = asyncio.create_task(feed.after(second))
            await asyncio.sleep(0.05)
            assert not third.done()
            feed.close()
            last = await third
            feed.close()
            assert (last and last.index, await feed.after(last), feed.is_over) == (2, None, True)
            # However many workers ask after the end, none waits for room.
            assert await asyncio.gather(*(feed.after(None) for _ in range(5))) == [None] * 5

    asyncio.run(asyncio.wait_for(main(), 30))


def test_what_can_not_be_read_stops_every_worker() -> None:
    def damaged() -> Iterator[Batch]:
        yield from batches(1, 2)
        raise StoppedError("damaged")

    async def main() -> list[BaseException | None]:
        with ThreadPoolExecutor(1) as executor:
            feed = Feed(damaged(), executor)
            return await asyncio.gather(*(work(feed, []) for _ in range(3)), return_exceptions=True)

    assert [str(each) for each in asyncio.run(main())] == ["damaged"] * 3
