"""The README is held to what the program does."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import click
from harness import Result
from packaging.requirements import Requirement

from audit.cli import cli
from audit.cli.group import LazyCommand
from audit.config import EntityName, Settings
from audit.datasets import DATASETS
from audit.errors import (
    FOUND_EXIT_CODE,
    PARTIAL_EXIT_CODE,
    AuditError,
    LockedError,
    RefusedError,
    StoppedError,
    UsageError,
)
from audit.outcome import Outcome

ROOT = Path(__file__).parents[1]
COMMANDS = {name: command.load() for name, command in cli.commands.items() if isinstance(command, LazyCommand)}
README = (ROOT / "README.md").read_text()
EVERYWHERE = {"--quiet", "--verbose", "--log-format", "--help"}


def rows(heading: str) -> dict[str, str]:
    """The table below a heading (or a first cell): first cell → the whole row."""
    section = README.partition(heading)[2].partition("\n|")[2].partition("\n\n")[0]
    lines = [line.strip("| ") for line in section.splitlines()[2:]]
    return {line.partition(" | ")[0]: line for line in lines}


def test_every_command_and_every_option_stands_in_the_readme() -> None:
    told = rows("## Commands")
    assert {name.split()[1].strip("`") for name in told} == set(COMMANDS)
    for name, command in COMMANDS.items():
        (row,) = [row for first, row in told.items() if f"webex-audit {name}" in first]
        options = {option for each in command.params if isinstance(each, click.Option) for option in each.opts}
        assert set(re.findall(r"`(--[a-z-]+)`", row)) == options - EVERYWHERE, name
        assert options >= EVERYWHERE - {"--help"}
        assert command.help
        assert all(each.help for each in command.params if isinstance(each, click.Option))
    assert all(f"`{option}`" in README for option in EVERYWHERE - {"--help"})


def test_every_exit_code_stands_in_the_readme() -> None:
    codes = {error.exit_code for error in (AuditError, UsageError, RefusedError, StoppedError, LockedError)}
    assert {int(code) for code in rows("## Exit codes")} == codes | {0, FOUND_EXIT_CODE, PARTIAL_EXIT_CODE}


def test_every_table_and_outcome_stands_in_the_readme() -> None:
    told = rows("## What a snapshot holds")
    tables = {name for dataset in DATASETS.values() for name in dataset.tables}
    assert {name.strip("`") for name in told} == tables | {"coverage"}
    outcomes = README.partition("| outcome | what")[2].partition("\n\n")[0]
    assert {word for line in outcomes.splitlines() for word in re.findall(r"`(\w+)`", line.split(" | ")[0])} >= {
        str(outcome) for outcome in Outcome
    }


def test_the_output_shown_is_that_of_the_demo(webex_audit: Callable[..., Result]) -> None:
    def normalized(text: str) -> list[str]:
        text = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{6}", "ID", text)
        text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC(, took [\d.]+ s)?", "TIME", text)
        lines = text.strip().splitlines()
        return [line for line in lines if line and not line.startswith("  requests")]

    (shown,) = [block for block in re.findall(r"```text\n(.*?)```", README, re.DOTALL) if "  complete" in block]
    found = iter(normalized(webex_audit("demo", "--faults", "quirks").out))
    for line in normalized(shown):
        # What stands in the README stands in the output, in this order.
        assert line == "[…]" or line in found, line


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    listed = {Requirement(entry).name for entries in lists for entry in entries if isinstance(entry, str)}
    cells = re.findall(r"^\| ([a-z0-9, -]+?) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    names = {name for cell in cells for name in cell.split(", ")}
    assert listed <= names


def test_the_defaults_in_help_are_those_of_the_configuration(webex_audit: Callable[..., Result]) -> None:
    text = " ".join(webex_audit("run", "--help").out.split())
    settings = Settings()
    for default in (settings.pace.concurrency, settings.webex.base_url, settings.output.path, "parquet, csv"):
        assert f"[default: {default}]" in text


def test_every_choice_of_a_dataset_is_one_that_exists() -> None:
    kinds = {str(kind) for dataset in DATASETS.values() for kind in dataset.scopes}
    assert {name.replace("-", "_").upper() for name in get_args(EntityName)} == kinds


def test_the_schedules_name_options_that_exist() -> None:
    text = (ROOT / "docs" / "scheduling.md").read_text() + README
    options = {option for each in COMMANDS["run"].params for option in each.opts}
    used = set(re.findall(r"webex-audit[\"', ]+run[^\n]*", text))
    assert used
    for line in used:
        assert set(re.findall(r"--[a-z-]+", line)) <= options, line
