"""What a program reads of a command is UTF-8 in every locale, and whole or absent."""

import csv
import io
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest
from harness import Result, environment
from starting import start, told

from audit.cli import spool
from audit.cli.group import LazyCommand, cli
from audit.cli.results import print_utf8
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

Command = Callable[..., Result]
NAME = "Ärzte 北京 🎧"
#: What a system may say of its encoding: none at all, a Latin locale, and an encoding that has no Chinese.
LOCALES = [
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "iso-8859-1"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "cp1252:strict"},
]
SQL = "SELECT DISTINCT entity_name FROM coverage ORDER BY ALL"


class Named(Organization):
    """An organization in which every room has a name that few encodings can show."""

    def workspace(self, index: int) -> dict[str, object]:
        return super().workspace(index) | {"displayName": f"{NAME} {index}"}

    def push_to_talk(self, index: int) -> dict[str, object]:
        return super().push_to_talk(index) | {"allowAutoAnswer": True, "connectionType": "TWO_WAY"}


@pytest.fixture
def output(audit: Callable[..., Snapshot], once: Callable[..., Path]) -> Path:
    """Two snapshots, between which rooms came."""
    return once(lambda: [audit(Simulation(Named(rooms, odd=False))) for rooms in (2, 5)])


def test_every_option_that_asks_for_data_makes_its_output_utf8() -> None:
    asked = [
        (name, option.name)
        for name, command in cli.commands.items()
        for option in (command.load() if isinstance(command, LazyCommand) else command).params
        if isinstance(option, click.Option)
        and option.name in ("as_json", "as_csv")
        and option.callback is not print_utf8
    ]
    assert asked == []


@pytest.mark.few(1)
@pytest.mark.parametrize("locale", LOCALES, ids=lambda each: next(iter(each.values())))
@pytest.mark.slow
def test_what_a_program_reads_is_utf8_whatever_the_locale(locale: dict[str, str], output: Path) -> None:
    def text_of(*arguments: object) -> str:
        done = start(*arguments, "--output", output, **locale)
        assert done.returncode in (0, 1), done
        return done.stdout.decode("utf-8")

    shown_as_json = text_of("check", "--json")
    assert NAME in shown_as_json
    found = json.loads(shown_as_json)
    assert any(f["entity_name"].startswith(NAME) for each in found["results"] for f in each["findings"])
    assert any(NAME in row["entity_name"] for row in csv.DictReader(io.StringIO(text_of("check", "--format", "csv"))))
    assert NAME in "".join(ET.fromstring(text_of("check", "--format", "junit")).itertext())
    assert all(json.loads(line) for line in text_of("check", "--format", "ocsf").splitlines())
    assert json.loads(text_of("query", SQL, "--json"))[0] == {"entity_name": f"{NAME} 0"}
    assert f'"{NAME} 0"' in text_of("query", SQL, "--csv")
    assert any(NAME in each["entity_name"] for each in json.loads(text_of("diff", "--json"))["changes"])
    assert NAME in text_of("diff", "--csv")
    shown = start("query", SQL, "--output", output, **locale).stdout
    assert b"\\u5317\\u4eac" in shown
    baseline = output.with_name("baseline.toml")
    assert start("check", "--output", output, "--write-baseline", baseline, **locale).returncode == 0
    assert NAME in baseline.read_text("utf-8")


@pytest.mark.slow
def test_json_of_a_run_is_utf8_too(
    api: Callable[[Simulation], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    made = tmp_path / "Größe 表"
    arguments = ("--json", "--base-url", api(Simulation(Named(2))), "--output", made)
    for command in ("doctor", "run"):
        ended = start(command, *arguments, PYTHONIOENCODING="ascii")
        assert (ended.returncode, bool(json.loads(ended.stdout.decode("utf-8")))) == (0, True)
    for command in ("snapshots", "show", "verify"):
        assert "Größe 表" in start(command, "--json", "--output", made, PYTHONIOENCODING="ascii").stdout.decode("utf-8")


#: Fails at its last rows, after megabytes of good ones.
LATE = "SELECT repeat('x', 50) AS text, CAST(CASE WHEN i = 190000 THEN 'x' ELSE '1' END AS INT) FROM range(200000) t(i)"
ENDLESS = "SELECT a.range FROM range(1000000) a, range(1000000)"
LARGE = "SELECT range, repeat('x', 90) FROM range({})"


@pytest.mark.few(3)
@pytest.mark.parametrize("form", ["--json", "--csv"])
@pytest.mark.parametrize(
    ("sql", "extra", "limits", "code", "why"),
    [
        (LATE, (), {}, 2, "Conversion Error"),
        (ENDLESS, ("--timeout", "0.3s"), {}, 5, "its time is over"),
        (LARGE.format(300_000), (), {resource.RLIMIT_FSIZE: 6 << 20}, 5, "until it is whole: File too large: ask for"),
    ],
    ids=["a bad row", "time", "a full disk"],
)
@pytest.mark.slow
def test_a_query_that_fails_late_prints_nothing_at_all(
    form: str, sql: str, extra: tuple[str, ...], limits: dict[int, int], code: int, why: str, output: Path
) -> None:
    ended = start("query", sql, form, *extra, "--output", output, limits=limits)
    assert (ended.returncode, ended.stdout) == (code, b"")
    assert why in told(ended.stderr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_query_that_is_stopped_prints_nothing_at_all(number: signal.Signals, output: Path) -> None:
    command = [sys.executable, "-m", "audit", "query", ENDLESS, "--json", "--output", str(output), "--verbose"]
    spools = output.with_name("tmp")
    spools.mkdir()
    with subprocess.Popen(command, env=environment() | {"TMPDIR": str(spools)}, stdout=-1, stderr=-1) as process:
        while not list(spools.glob("webex-audit-*")):
            assert process.poll() is None
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (5, b"")
    assert b"stopped" in err
    assert list(spools.iterdir()) == []


@pytest.mark.slow
def test_a_result_never_takes_more_than_half_of_a_free_disk(
    output: Path, webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "_IN_MEMORY_BYTES", 100)
    at = ("--output", output)
    whole = {name: webex_audit(*name, *at).out for name in (("diff", "--json"), ("diff", "--csv"), ("check", "--json"))}
    assert json.loads(whole["diff", "--json"])["summary"]["differences"] > 0
    free = spool.disk_usage(output)
    monkeypatch.setattr(spool, "disk_usage", lambda _: free._replace(free=400))
    for name in whole:
        ended = webex_audit(*name, *at)
        assert (ended.code, ended.out) == (5, "")
        assert "it takes more than half of what is free there" in told(ended.err)


@pytest.mark.slow
def test_a_file_loses_the_half_that_fitted_on_its_disk(output: Path, tmp_path: Path) -> None:
    """Standard output may lie on a disk of its own, beside that of the temporary files."""
    file = tmp_path / "result.json"
    for mode, kept in ((">", ""), (">>", "before\n")):
        file.write_text("before\n")
        ended = start(
            *("query", LARGE.format(10_000), "--json", "--output", output),
            limits={resource.RLIMIT_FSIZE: 300_000},
            shell=f'"$@" {mode} {file}',
        )
        assert ended.returncode == 5
        assert "can't be printed: File too large" in told(ended.stderr)
        assert file.read_text() == kept


@pytest.mark.parametrize("form", [("query", LARGE.format(100_000), "--json"), ("diff", "--csv"), ("check", "--json")])
@pytest.mark.slow
def test_a_reader_that_has_enough_is_not_a_failure(form: tuple[str, ...], output: Path) -> None:
    ended = start(*form, "--output", output, shell='{ "$@"; echo "ended with $?" >&2; } | head -c 20')
    assert len(ended.stdout) == 20
    assert ended.stderr.decode().endswith(f"ended with {int(form[0] == 'check')}\n")
    assert b"error" not in ended.stderr


@pytest.mark.slow
def test_a_result_of_any_length_needs_little_memory(output: Path) -> None:
    script = (
        "import sys, resource; from audit.cli import main\n"
        "try: main()\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)"
    )
    peaks = []
    for rows in (1000, 1_000_000):
        command = [sys.executable, "-c", script, "query", LARGE.format(rows), "--json", "--output", str(output)]
        ended = subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, stderr=-1, check=True)
        peaks.append(int(ended.stderr.split()[-1]))
    assert peaks[1] < peaks[0] + 60


def test_a_folder_for_temporary_files_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, output: Path, webex_audit: Command
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, os.strerror(2))

    monkeypatch.setattr(spool, "_IN_MEMORY_BYTES", 10)
    monkeypatch.setattr(spool, "disk_usage", missing)
    ended = webex_audit("diff", "--json", "--output", output)
    assert (ended.code, ended.out, "TMPDIR" in told(ended.err)) == (2, "", True)
