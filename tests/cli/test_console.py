import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.cli import progress as showing
from audit.cli.console import set_up_logging
from audit.cli.progress import ProgressLines
from audit.outcome import Outcome
from audit.text import printable


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    yield
    set_up_logging("text", "normal")


@given(st.text())
def test_printable_text_commands_no_terminal(text: str) -> None:
    shown = printable(text)
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 or "\u202a" <= char <= "\u202e" for char in shown)
    if text.isascii() and text.isprintable():
        assert shown == text


def test_plain_names_of_all_scripts_are_shown_as_they_are() -> None:
    for name in ("Zürich Praxis", "東京 本社", "مكتب", "Cafe\u0301 🏥"):
        assert printable(name) == name


def test_a_log_line_can_not_be_forged(capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logging("text", "normal")
    logging.getLogger("audit.x").warning("the API says: %s", "a\nwebex-audit: all is well\x1b[1A [bold]x[/bold]")
    assert capfd.readouterr().err == (
        "webex-audit: warning: the API says: a\\nwebex-audit: all is well\\x1b[1A [bold]x[/bold]\n"
    )


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
