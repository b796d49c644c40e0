import io
import logging
import sys
from collections.abc import Iterator

import pytest

from audit.cli import progress as showing
from audit.cli.console import set_up_logging
from audit.cli.progress import ProgressLines, show_progress
from audit.crawl.progress import Progress
from audit.outcome import Outcome


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    yield
    set_up_logging("text", "normal")


def test_a_job_without_a_terminal_gets_a_line_now_and_then(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showing, "_LINE_EVERY_S", 0.0)
    set_up_logging("text", "normal")
    progress = ProgressLines()
    progress.on_inventory(2, "Northwind")
    progress.on_answer(Outcome.OK)
    progress.on_commit()
    assert capfd.readouterr().err.splitlines() == [
        "webex-audit: inventory of Northwind: 2 entities",
        "webex-audit: 1 of 2 entities",
        "webex-audit: 1 of 2 entities, writing the snapshot",
    ]


def test_a_long_pause_is_told_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr(showing.time, "monotonic", lambda: now_s)
    caplog.set_level(logging.INFO, "audit")
    progress = ProgressLines()
    progress.on_pause(4)
    assert caplog.messages == []
    now_s = 2000.0
    progress.on_pause(194)
    assert caplog.messages == ["all requests pause 194 s, as the API asks for"]
    now_s = 2200.0
    progress.on_pause(194)
    assert len(caplog.messages) == 1
    now_s = 3000.0
    for pause_s in (1, 2, 4, 8, 16, 30, 30):
        # The probes of an outage.
        progress.on_pause(pause_s)
        now_s += pause_s + 30
    assert len(caplog.messages) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_for_capable_terminals_and_logs_of_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert type(show_progress("text", "normal")) is ProgressLines
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert type(show_progress("text", "normal")).__name__ == "ProgressBar"
    assert type(show_progress("json", "normal")) is ProgressLines
    assert type(show_progress("text", "quiet")) is Progress
    monkeypatch.setenv("TERM", "dumb")
    assert type(show_progress("text", "normal")) is ProgressLines


def test_a_log_line_is_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    set_up_logging("text", "normal")
    with show_progress("text", "normal") as progress:
        progress.on_inventory(3, "Northwind")
        logging.getLogger("audit.x").warning("the disk is slow")
        progress.on_answer(Outcome.OK)
    shown = terminal.getvalue()
    assert "webex-audit: warning: the disk is slow" in shown
    assert "asking" in shown
