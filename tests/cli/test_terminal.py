"""What comes from outside moves no cursor, sets no title and turns no text around, in any form of any result."""

import csv
import io
import json
import os
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import Result, environment

from audit.cli import process
from audit.cli.group import cli
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

pytestmark = pytest.mark.attack("spreadsheets and terminals")

#: CSI, OSC in seven and eight bits, a bell, DEL, marks and isolates of direction, a zero width, line separators, tags.
HOSTILE = "a\x1b[2J\x1b]0;title\x07\x9b31m\x9d8;;http://evil\x9c\x7f\u202e\u2066\u200b\ufeff\u2028\u2029\x85\U000e0041\r\tz\nb"
SQL = "SELECT concat_ws('', {}) AS \"x\x1b[1m\u202e\", 'Größe 表 = 1' AS plain".format(
    ", ".join(f"chr({ord(char)})" for char in HOSTILE)
)
RESULTS = [
    ("snapshots",),
    ("show",),
    ("verify",),
    ("diff",),
    ("diff", "--csv"),
    ("query", "latest", SQL),
    ("query", "--csv", "latest", SQL),
    *((("check", "--format", form)) for form in ("text", "json", "csv", "ocsf", "junit", "oscal")),
    ("prune", "--keep-last", "1", "--dry-run"),
]
JSON = [
    ("snapshots",),
    ("show",),
    ("verify",),
    ("diff",),
    ("query", "latest", SQL),
    ("check",),
    ("prune", "--keep-last", "1", "--dry-run"),
]


class Hostile(Organization):
    """An organization in which every name of a room is hostile."""

    def workspace(self, index: int) -> dict[str, object]:
        return super().workspace(index) | {"displayName": f"{HOSTILE}{index}"}


@pytest.fixture
def output(audit: Callable[..., Snapshot], once: Callable[..., Path]) -> Path:
    return once(lambda: [audit(Simulation(each)) for each in (Organization(30), Hostile(30))])


@contextmanager
def terminal() -> Iterator[tuple[int, Callable[[], str]]]:
    """A terminal: its end for a program, and a function that returns what it showed once that end is closed."""
    ours, theirs = os.openpty()
    shown = bytearray()

    def read() -> None:
        while block := _read(ours):
            shown.extend(block)

    reader = threading.Thread(target=read)
    reader.start()

    def told() -> str:
        reader.join()
        return shown.decode().replace("\r\n", "\n")

    try:
        yield theirs, told
    finally:
        reader.join(10)
        os.close(ours)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # EIO: nobody has the other end any more
        return b""


def shown_by(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """What a command shows on a terminal."""
    with terminal() as (end, told), monkeypatch.context() as patch:
        with os.fdopen(end, "w") as stream:
            patch.setattr(sys, "stdout", stream)
            process.execute(cli, list(arguments))
        return told()


def obeyed(text: str) -> list[str]:
    """The characters that a terminal would obey, or that nobody would see."""
    return [char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs")]


@pytest.mark.few(4)
@pytest.mark.parametrize("command", RESULTS, ids=lambda each: " ".join(part for part in each if part != SQL))
def test_a_hostile_name_rules_no_terminal(
    command: tuple[str, ...], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = shown_by(monkeypatch, *command, "--output", str(output))
    assert len(shown) > 20
    assert obeyed(shown) == []
    assert command[0] not in {"query", "diff", "check"} or "\\x1b[2J" in shown or "\\u001b[2J" in shown


@pytest.mark.few(3)
@pytest.mark.parametrize("command", JSON, ids=lambda each: each[0])
def test_json_escapes_what_a_terminal_obeys_and_means_the_same(
    command: tuple[str, ...], output: Path, webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*command, "--json", "--output", str(output)]
    piped = webex_audit(*arguments).out
    assert obeyed(piped) == []
    assert json.loads(shown_by(monkeypatch, *arguments)) == json.loads(piped)
    if command[0] == "query":
        assert json.loads(piped) == [{"x\x1b[1m\u202e": HOSTILE, "plain": "Größe 表 = 1"}]
        assert "Größe 表 = 1" in piped


def test_piped_csv_stays_exact(output: Path, webex_audit: Callable[..., Result]) -> None:
    told = webex_audit("query", "--csv", "SELECT DISTINCT entity_name FROM coverage", "--output", output)
    names = [row[0] for row in csv.reader(io.StringIO(told.out, newline=""))]
    assert any("\x1b]0;title" in name and "\u202e" in name for name in names)


def test_a_command_of_its_own_on_a_terminal_escapes_too(output: Path) -> None:
    command = [sys.executable, "-m", "audit", "query", "--csv", "latest", SQL, "--output", str(output)]
    with terminal() as (end, told):
        subprocess.run(command, stdin=end, stdout=end, stderr=end, env=environment(), timeout=60, check=True)
        os.close(end)
        shown = told()
    assert obeyed(shown) == []
    assert "a\\x1b[2J\\x1b]0;title\\x07\\x9b31m" in shown
    assert "Größe 表 = 1" in shown
