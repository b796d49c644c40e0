"""The help: in groups, with examples that work, and with tables that come from the code."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from crafted import crafted
from harness import Result, environment

from audit.cli import cli
from audit.cli.command import Command
from audit.cli.examples import EXAMPLES
from audit.cli.group import loaded
from audit.cli.topics import _VARIABLES, TOPICS
from audit.config import LogFormat, Settings, keys, variables
from audit.datasets import DATASETS
from audit.errors import EXIT_CODES
from audit.outcome import Outcome
from audit.review.check.rules import load_rules
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.snapshot.catalog import Snapshot
from audit.webex.tokens import TOKEN_VARIABLE

Webex = Callable[..., Result]
COMMANDS = {name: loaded(each) for name, each in cli.commands.items()}
LINES = [(name, line) for name, examples in EXAMPLES.items() for _, line in examples]
#: They wait for a person, a signal or a server.
PARSED_ONLY = {"login", "simulate"}
#: These come true on stdout alone.
LISTS = {"webex-audit login --list", "webex-audit simulate --list-faults"}


def arguments_of(line: str) -> list[str]:
    """The arguments of an example, without the file that its output goes to."""
    name, *arguments = shlex.split(re.split(" [>|] ", line)[0].removeprefix('eval "$(').removesuffix(')"'))
    assert name == "webex-audit"
    return arguments


def test_every_command_has_an_example_and_run_has_three() -> None:
    assert {"cli", *cli.commands} <= EXAMPLES.keys()
    assert len(EXAMPLES["run"]) >= 3
    for name, line in LINES:
        assert name == "cli" or name in arguments_of(line)


@pytest.mark.parametrize(("name", "line"), LINES)
def test_every_example_is_what_the_command_takes(name: str, line: str, webex_audit: Webex) -> None:
    assert (name, webex_audit(*arguments_of(line), "--help").code) == (name, 0)
    words = arguments_of(line)
    with cli.make_context("webex-audit", words) as context:
        called, command, rest = cli.resolve_command(context, [*context._protected_args, *context.args])
        assert command
        assert loaded(command).make_context(called, rest, context).params


@pytest.fixture
def workplace(
    audit: Callable[..., Snapshot],
    api: Callable[[Simulation], str],
    webex_audit: Webex,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Webex:
    """A folder with two snapshots, one approved, and an API that answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_BASE_URL", api(Simulation(crafted())))
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    audit(Simulation(crafted()), output__path="snapshots")
    assert webex_audit("approve", "--reason", "reviewed", "--by", "Ann").code == 0
    assert webex_audit("run").code == 0
    return webex_audit


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_every_example_works(workplace: Webex, tmp_path: Path) -> None:
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", "k"], check=True, cwd=tmp_path)
    subprocess.run(["openssl", "pkey", "-in", "k", "-pubout", "-out", "sign-key.pub"], check=True, cwd=tmp_path)
    for name, line in LINES:
        if name in PARSED_ONLY and line not in LISTS:
            continue
        # A demo of any size takes the same way.
        words = arguments_of(re.sub("demo( --workspaces [0-9]+)?", "demo --workspaces 4", line))
        words += ["--by", "Ann"] if "--reason" in words else []
        result = workplace(*words)
        # 1: the review finds something, or the snapshot is not signed. 3: a simulated organization has odd answers.
        assert result.code in (0, 1, 3), (line, result)
        if name == "approve" and "--withdraw" in words:
            assert workplace("approve", "--reason", "again", "--by", "Ann").code == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_stands_in_a_group(name: str) -> None:
    command = COMMANDS[name]
    assert isinstance(command, Command)
    assert "Options" not in command.sections
    options = {each.name for each in command.params if isinstance(each, click.Option)}
    assert {each for names in command.sections.values() for each in names} == options
    assert len(options) <= 10 or len(command.sections) >= 3


@pytest.mark.parametrize("columns", ["80", "40", "20", "1", "0", "x"])
def test_help_fits_the_terminal(columns: str, webex_audit: Webex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    words = [["--help"], ["help"], *([name, "-h"] for name in COMMANDS), *(["help", name] for name in TOPICS)]
    for each in words:
        shown = webex_audit(*each)
        assert (each, shown.code, shown.err) == (each, 0, "")
        assert "\x1b" not in shown.out
        assert "\u2011" not in shown.out
        if columns == "80":
            assert max(map(len, shown.out.splitlines())) <= 80, each
            assert not re.search(r"[a-z]-$", shown.out, re.MULTILINE), each


def test_the_short_options_are_those_of_the_long_ones(webex_audit: Webex) -> None:
    assert webex_audit("-h").out == webex_audit("--help").out
    assert webex_audit("-V").out == webex_audit("--version").out
    for command in COMMANDS.values():
        short = {each.opts[0]: each.opts[-1] for each in command.params if len(each.opts) > 1}
        assert short == {"-q": "--quiet", "-v": "--verbose"}


def test_the_options_before_the_command_have_the_defaults_of_the_configuration() -> None:
    (before,) = (each for each in cli.params if "--log-format" in each.opts)
    assert isinstance(before, click.Option)
    assert isinstance(before.type, click.Choice)
    assert tuple(before.type.choices) == get_args(LogFormat)
    assert f"[default: {Settings().log.format}]" in str(before.help)
    (output,) = (each for each in cli.params if "--output" in each.opts)
    assert isinstance(output, click.Option)
    assert f"[default: {Settings().output.path}]" in str(output.help)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_and_a_command_is_the_help_of_the_command(name: str, webex_audit: Webex) -> None:
    assert webex_audit("help", name) == webex_audit(name, "--help")


def test_help_alone_lists_what_it_explains(webex_audit: Webex) -> None:
    listed = webex_audit("help")
    assert all(re.search(rf"^{name} ", listed.out, re.MULTILINE) for name in TOPICS)
    assert [row["topic"] for row in json.loads(webex_audit("help", "--json").out)] == list(TOPICS)


def names_in(topic: str, webex_audit: Webex) -> list[str]:
    rows = json.loads(webex_audit("help", topic, "--json").out)
    names = [str(next(iter(row.values()))) for row in rows]
    text = webex_audit("help", topic).out
    assert all(re.search(rf"^{re.escape(name)}(\s|$)", text, re.MULTILINE) for name in names)
    assert all(all(value != "" for value in row.values()) for row in rows)
    return names


def test_the_tables_name_what_there_is(webex_audit: Webex) -> None:
    assert names_in("outcomes", webex_audit) == [str(each) for each in Outcome]
    assert names_in("exit-codes", webex_audit) == [str(each) for each in sorted(EXIT_CODES)]
    assert names_in("datasets", webex_audit) == [name.replace("_", "-") for name in DATASETS]
    assert set(names_in("rules", webex_audit)) == {each.rule_id for each in load_rules()}
    assert names_in("configuration", webex_audit) == list(keys())
    assert names_in("environment", webex_audit) == [*_VARIABLES, *variables()]
    assert TOKEN_VARIABLE in _VARIABLES
    scopes = {scope for each in DATASETS.values() for scope in each.scopes.values()}
    own = {each.by_user.own_scope for each in DATASETS.values() if each.by_user}
    assert scopes | own | {"audit:events_read", "spark-admin:organizations_read"} <= {*names_in("scopes", webex_audit)}
    formats = names_in("formats", webex_audit)
    assert {"run --format parquet", "check --format ocsf", "report --format xlsx"} <= {*formats}


def test_what_is_new_stands_in_the_tables_by_itself(webex_audit: Webex, monkeypatch: pytest.MonkeyPatch) -> None:
    class Word(StrEnum):
        NEW = "brand_new"

        @property
        def meaning(self) -> str:
            return "a word of tomorrow"

        @property
        def is_complete(self) -> bool:
            return False

    monkeypatch.setattr("audit.cli.topics.Outcome", Word)
    assert "brand_new  a word of tomorrow (partial)" in webex_audit("help", "outcomes").out
    monkeypatch.setitem(EXIT_CODES, 99, "an end of tomorrow")
    assert "99  an end of tomorrow" in webex_audit("help", "exit-codes").out
    dataset: Any = DATASETS["paging_groups"]
    monkeypatch.setitem(
        DATASETS, "new", type(dataset)(**{**vars(dataset), "name": "new", "scopes": {**dataset.scopes}})
    )
    assert re.search("^new  ", webex_audit("help", "datasets").out, re.MULTILINE)


@pytest.mark.parametrize(
    ("topic", "complaint"),
    [
        ("otcomes", "no help on 'otcomes'; did you mean outcomes?"),
        ("exit_codes", "did you mean exit-codes?"),
        ("Scopes", "did you mean scopes?"),
        ("rum", "did you mean run?"),
        ("", "'webex-audit help' lists the tables"),
        ("\x1b[2J\n../../etc/passwd", r"no help on '\x1b[2J\n../../etc/passwd'"),
        ("{0.__class__}" * 1000, "no help on '{0.__class__}"),
        ("%s", "no help on '%s'"),
        ("\u202eelur", "no help on"),
    ],
)
def test_an_unknown_topic_is_one_line_that_says_what_was_meant(topic: str, complaint: str, webex_audit: Webex) -> None:
    refused = webex_audit("help", topic)
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert complaint in refused.err
    assert len(refused.err) < 250
    assert refused.err[:-1].isprintable()


def test_json_is_of_a_table_only(webex_audit: Webex) -> None:
    refused = webex_audit("help", "run", "--json")
    assert (refused.code, "--json is of a table, and run is a command" in refused.err) == (2, True)


@pytest.mark.parametrize("words", [["help", "configuration"], ["help", "rules"], ["--help"], ["run", "--help"]])
def test_a_closed_pipe_ends_the_help_quietly(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        ended = subprocess.run(
            [sys.executable, "-m", "audit", *words], env=environment(), stdout=pipe, stderr=subprocess.PIPE, check=False
        )
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("word", "topic", "part"),
    [
        ("not_licensed", "outcomes", "no Webex Calling license"),
        ("3", "exit-codes", "committed, but partial"),
        ("open-microphone", "rules", "remedy"),
        ("paging-groups", "datasets", "paging_group_members"),
        ("pace.max_rate", "configuration", "WEBEX_AUDIT_MAX_RATE"),
        ("TMPDIR", "environment", "temporary files"),
        ("audit:events_read", "scopes", "administrators' log"),
        ("check --format ocsf", "formats", "SIEM"),
    ],
)
def test_a_word_of_a_table_is_explained_alone(word: str, topic: str, part: str, webex_audit: Webex) -> None:
    shown = webex_audit("help", word)
    assert (shown.code, shown.err) == (0, "")
    assert part in " ".join(shown.out.split())
    (row,) = json.loads(webex_audit("help", word, "--json").out)
    assert row in json.loads(webex_audit("help", topic, "--json").out)


def test_the_datasets_are_listed_with_the_right_nouns(webex_audit: Webex) -> None:
    told = " ".join(webex_audit("help", "datasets").out.split())
    assert "push-to-talk of workspaces, people, virtual lines; in push_to_talk, push_to_talk_members" in told
    assert "audio-options of people; in audio_options" in told


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_has_none_of_the_jargon_of_click(name: str, webex_audit: Webex) -> None:
    shown = " ".join(webex_audit(name, "--help").out.split())
    assert not re.search(r"INTEGER|FLOAT|RANGE|\bx[<>]|\[\]", shown)
