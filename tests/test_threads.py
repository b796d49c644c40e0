import asyncio
import threading

import pytest

from audit.threads import in_thread, to_the_end


def test_work_is_done_in_another_thread_with_its_arguments() -> None:
    def work(one: int, *, other: int) -> tuple[int, bool]:
        return one + other, threading.current_thread() is threading.main_thread()

    assert asyncio.run(in_thread(work, 1, other=2)) == (3, False)


def test_an_error_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(lambda: 1 // 0))


def test_what_is_cancelled_is_waited_for() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        threading.Event().wait(0.05)
        ended.set()

    async def main() -> None:
        task = asyncio.create_task(in_thread(work))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(main())


def test_what_goes_to_the_end_is_not_cancelled() -> None:
    begun, released = threading.Event(), threading.Event()

    def commit() -> str:
        begun.set()
        released.wait(10)
        return "committed"

    async def main() -> str:
        task = asyncio.create_task(to_the_end(commit))
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        released.set()
        return str(await task)

    assert asyncio.run(main()) == "committed"
