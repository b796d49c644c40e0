import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.cli.console import set_up_logging
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


@pytest.mark.attack("spreadsheets and terminals")
def test_a_log_line_can_not_be_forged(capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logging("text", "normal")
    logging.getLogger("audit.x").warning("the API says: %s", "a\nwebex-audit: all is well\x1b[1A [bold]x[/bold]")
    assert capfd.readouterr().err == (
        "webex-audit: warning: the API says: a\\nwebex-audit: all is well\\x1b[1A [bold]x[/bold]\n"
    )
