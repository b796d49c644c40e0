"""The check of plain English refuses what its list holds, where people read it, and nothing else."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / ".ci" / "plain-english"
CHECK = runpy.run_path(str(PROGRAM))

REFUSED = [
    "A token that is no word",
    "The parts are no\nuse",
    "None where it is none",
    "The listener is told of each step",
    "what the scheduler was told by them",
    "So many requests at once",
    "the batch behind it",
    "what lies behind an error",
    "users by mail address",
    "are no chance",
    "is in the way for a minute",
    "Drop what there is",
    "would seem not to be",
    "hardly two users have",
    "Who asks again gets it",
    "and who takes over the lock",
    "does it all the same",
    "once at the least",
    "stopped amid the work",
    "without a key at hand",
    "it waits for ever",
    "the rest is of no use",
    "orgs 2, of which one is not complete",
    "requests of which none was answered",
    "another host than before",
    "answered otherwise than with 403",
    "one row a finding",
    "people without a licence",
    "the behaviour of the API",
    "Neighbours in another data centre",
]
ACCEPTED = [
    "There is no other file, and there is none in the folder",
    "It is no longer there, and takes no more than a second",
    "the organization behind a proxy",
    "users by email address",
    "Who may open a microphone in which room?",
    "if the value is None",
    "At least one of them is not a folder",
    "digits that are all the same",
    "a licensed neighbor at the center of a call",
]


def run(*paths: Path) -> tuple[int, list[str]]:
    done = subprocess.run([sys.executable, PROGRAM, *paths], capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def refused(page: Path, text: str) -> list[str]:
    page.write_text(text)
    return list(CHECK["look"](page))


@pytest.mark.parametrize(("pattern", "better"), CHECK["HABITS"])
def test_every_habit_has_an_example_and_a_better_form(pattern: str, better: str, tmp_path: Path) -> None:
    lines = refused(tmp_path / "page.md", "\n\n".join(REFUSED))
    assert better
    assert any(line.endswith(f": better {better}") for line in lines), pattern


@pytest.mark.parametrize("text", REFUSED)
def test_each_is_refused_with_its_line(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    assert refused(page, f"# Page\n\n{text}\n")[0].startswith(f"{page}:3: ")


@pytest.mark.parametrize("text", ACCEPTED)
def test_good_english_is_accepted(text: str, tmp_path: Path) -> None:
    assert refused(tmp_path / "page.md", f"{text}\n") == []
    assert run(tmp_path) == (0, [])


def test_a_sentence_that_is_right_is_excepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    monkeypatch.setitem(CHECK["look"].__globals__, "RIGHT", ((str(page), "so many", "a quotation"),))
    assert refused(page, "so many\n\nmail address\n") == [f"{page}:3: 'mail address': better \"email address\""]


def test_it_looks_where_people_read(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(
        '"""A file\nthat is no file."""\n\nso_many = 1  # so many\ntext = "it is no text"\n'
    )
    (tmp_path / "rule.sql").write_text("-- title: A room is no room\nSELECT 'is no column'\n")
    (tmp_path / "keys.toml").write_text('# mail address\nkey = "mail address"\n')
    (tmp_path / "page.md").write_text("`is no code`\n\n```text\nis no output\n```\n\nis no page\n")
    (tmp_path / "report.html.j2").write_text("<p>{# told by #}{{ a.is_told }}\nEverybody is told</p>\n")
    (tmp_path / "report.js").write_text("const text = 'so many rooms';\n")
    (tmp_path / "board.json").write_text('{"title": "Runs\nof which none is told"}')
    (tmp_path / "job.sh").write_text("#!/bin/sh\n# runs at the least once\n")
    (tmp_path / "Makefile").write_text("# amid\nall:\n\techo amid\n")
    code, lines = run(tmp_path)
    places = {line.removeprefix(f"{tmp_path}/").partition(": ")[0] for line in lines[:-1]}
    assert code == 1
    assert places == {
        *("code.py:2", "code.py:4", "code.py:5", "rule.sql:1", "rule.sql:2", "keys.toml:1", "page.md:7", "Makefile:1"),
        *("report.html.j2:2", "report.js:1", "board.json:2", "job.sh:2"),
    }
