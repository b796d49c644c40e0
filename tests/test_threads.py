import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

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


def test_work_that_no_thread_can_begin_is_never_done(monkeypatch: pytest.MonkeyPatch) -> None:
    released, done = threading.Event(), threading.Event()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def keep_busy() -> None:
            loop.call_soon_threadsafe(begun.set)
            released.wait(10)

        loop.set_default_executor(ThreadPoolExecutor(2))
        busy = asyncio.create_task(in_thread(keep_busy))
        await begun.wait()
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await in_thread(done.set)
        released.set()
        await busy
        await in_thread(int)  # behind what was queued
        assert not done.is_set()

    asyncio.run(main())
