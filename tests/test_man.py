"""The manual page says what help says, and man reads it without a complaint."""

import re
import runpy
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from audit.cli import cli

ROOT = Path(__file__).parents[1]
MAN = runpy.run_path(str(ROOT / "docs" / "man.py"))
PAGE = ROOT / "data" / "share" / "man" / "man1" / "webex-audit.1"


def test_the_page_is_what_help_says() -> None:
    assert PAGE.read_text() == MAN["page"](), "run: make man"


@pytest.fixture
def read() -> str:
    """The page as man shows it."""
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    command = ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=2000n", PAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.replace("\N{HYPHEN}", "-")


def test_every_command_and_option_can_be_read(read: str) -> None:
    for name in cli.commands:
        assert re.search(rf"^ *webex-audit {name} \[OPTIONS\]", read, re.MULTILINE), name
        command = cli.commands[name].load()  # type: ignore[attr-defined]
        context = click.Context(command)
        for option in [each for each in command.params if isinstance(each, click.Option) and not each.hidden]:
            names, text = option.get_help_record(context) or ("", "")
            assert re.search(rf"^ *{re.escape(names)}\s+{re.escape(' '.join(text.split()))}", read, re.MULTILINE), names


def test_the_exit_codes_can_be_read(read: str) -> None:
    listed = re.findall(r"^ *(\d+) {2,}\S", read.partition("EXIT STATUS")[2], re.MULTILINE)
    assert listed == ["0", "1", "2", "3", "4", "5", "6", "70"]


@pytest.mark.parametrize(
    "text", ["'run' keeps -- and \\n", ".so /etc/passwd", "'", "C:\\new \\fB", 'a "quoted" ~^`word`', "… é 日本"]
)
def test_roff_reads_nothing_of_a_text_as_its_own(text: str) -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    page = f".TH A 1\n.SH B\n{MAN['_line'](text)}\n.TP\n.B {MAN['_quoted'](text)}\nx\n"
    command = ["groff", "-man", "-ww", "-Tutf8", "-P-cbou"]
    done = subprocess.run(command, input=page, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.count(text) == 2
