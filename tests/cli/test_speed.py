"""The bar and the lines of a log have rate and time left from one computation."""

import io
import logging
import sys

import pytest

from audit.cli import progress as showing
from audit.cli import speed as measuring
from audit.cli.progress import ProgressLines, show_progress
from audit.cli.speed import Speed
from audit.outcome import Outcome


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def time() -> Time:
    return Time()


def answer(speed: Speed, time: Time, count: int, every_s: float) -> None:
    for _ in range(count):
        time.now_s += every_s
        speed.answer()


@pytest.mark.parametrize(
    ("total", "count", "every_s", "rate", "left"),
    [
        (400, 100, 0.1, "10.0/s", "about 30 seconds left"),
        (4000, 1000, 0.125, "8.0/s", "about 6 minutes left"),
        (100_000, 10, 2.0, "0.5/s", "about 2 days left"),
        (10, 10, 1.0, "1.0/s", "about 0 seconds left"),
        (10, 9, 0.125, "8.0/s", "about 1 second left"),
        (13, 10, 0.125, "8.0/s", "about 1 second left"),
        (10, 1, 0.01, "", ""),
        (10, 0, 0.0, "", ""),
    ],
)
def test_the_time_left_follows_from_the_rate(
    total: int, count: int, every_s: float, rate: str, left: str, time: Time
) -> None:
    speed = Speed(time)
    speed.list(total)
    answer(speed, time, count, every_s)
    assert (speed.rate, speed.left) == (rate, left)


def test_answers_of_the_resumed_run_are_no_speed(time: Time) -> None:
    speed = Speed(time)
    speed.list(1000)
    speed.resume(900)
    answer(speed, time, 10, 1.0)
    assert (speed.done, speed.rate, speed.left) == (910, "1.0/s", "about 2 minutes left")


def test_the_rate_is_that_of_the_last_minute_and_a_pause_counts(time: Time) -> None:
    speed = Speed(time)
    speed.list(10_000)
    answer(speed, time, 5000, 0.01)
    answer(speed, time, 120, 1.0)
    assert speed.rate_per_s == pytest.approx(1, rel=0.05)
    time.now_s += 60
    assert speed.rate_per_s == pytest.approx(0.5, rel=0.05)


def test_few_samples_are_kept_of_many_answers(time: Time) -> None:
    speed = Speed(time)
    speed.list(1_000_000)
    answer(speed, time, 100_000, 0.01)
    assert len(speed._samples) < 150


def test_a_line_without_a_terminal_has_rate_and_time_left(
    time: Time, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(showing.time, "monotonic", time)
    monkeypatch.setattr(measuring.time, "monotonic", time)
    caplog.set_level(logging.INFO, "audit")
    progress = ProgressLines()
    progress._speed = Speed(time)
    progress.on_inventory(4000, "Northwind")
    progress.on_resumed(100)
    for _ in range(62):
        time.now_s += 0.5
        progress.on_answer(Outcome.OK)
    assert caplog.messages[-1] == "160 of 4,000 entities, 2.0/s, about 32 minutes left"


def test_the_bar_has_the_same_words(monkeypatch: pytest.MonkeyPatch, time: Time) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with show_progress("text", "normal") as progress:
        progress._speed = Speed(time)  # type: ignore[attr-defined]
        progress.on_inventory(4000, "Northwind")
        for _ in range(60):
            time.now_s += 0.5
            progress.on_answer(Outcome.OK)
    assert "2.0/s" in terminal.getvalue()
    assert "about 33 minutes left" in terminal.getvalue()
