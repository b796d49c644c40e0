"""The loop of the tests moves its clock instead of waiting, and still waits for threads to end."""

import asyncio
import threading
import time

from harness import run_virtually


def test_a_timer_takes_no_real_time() -> None:
    begin_s = time.monotonic()
    run_virtually(asyncio.sleep(3600))
    assert time.monotonic() - begin_s < 10


def test_threads_may_take_their_real_time_to_end() -> None:
    threads: list[threading.Thread] = []

    def work() -> None:
        threads.append(threading.current_thread())
        time.sleep(0.3)

    async def main() -> None:
        # Nobody waits for it, so that it is at work when the loop closes.
        asyncio.get_running_loop().run_in_executor(None, work)

    run_virtually(main())
    assert not threads[0].is_alive()
