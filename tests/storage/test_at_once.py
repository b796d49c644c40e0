import threading
from collections.abc import Callable

import pytest

from audit.storage.at_once import at_once


def test_results_come_in_the_order_of_the_items() -> None:
    assert at_once(lambda item: item * 2, range(100)) == [item * 2 for item in range(100)]


def test_nothing_runs_after_an_end_by_an_error() -> None:
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        if item == 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        at_once(work, range(1000))
    assert not [each for each in threading.enumerate() if each.name.startswith("files")]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_nothing_runs_after_a_signal_that_came_while_a_thread_was_started(
    which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The executor forgets such a thread, which works on: it made files in a folder that was being removed."""
    start: Callable[[threading.Thread], None] = threading.Thread.start
    begun, ended = threading.Event(), threading.Event()

    def work(_: int) -> None:
        if threading.current_thread().name.endswith(f"_{which}"):
            begun.set()
            threading.Event().wait(0.05)
            ended.set()
        else:
            begun.wait()

    def start_as_a_signal_comes(thread: threading.Thread) -> None:
        start(thread)
        if thread.name.endswith(f"_{which}"):
            begun.wait()
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", start_as_a_signal_comes)
    with pytest.raises(KeyboardInterrupt):
        at_once(work, range(10))
    assert ended.is_set()
