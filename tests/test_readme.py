"""The README and the pages of reference are held to what the program does."""

import re
import runpy
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from harness import Result
from packaging.requirements import Requirement

from audit.cli import cli
from audit.config import EntityName, Settings, keys
from audit.datasets import DATASETS
from audit.entity import EntityType
from audit.errors import (
    EXIT_CODES,
    FOUND_EXIT_CODE,
    PARTIAL_EXIT_CODE,
    AuditError,
)
from audit.inventory.entities import LISTINGS
from audit.outcome import Outcome
from audit.snapshot.context import CONTEXT

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
AUDITING = (DOCS / "auditing.md").read_text()
COMMANDS = (DOCS / "commands.md").read_text()
CONFIGURATION = (DOCS / "configuration.md").read_text()
SNAPSHOTS = (DOCS / "snapshots.md").read_text()
EVERYWHERE = {"--quiet", "-q", "--verbose", "-v", "--log-format", "--help", "-h"}


def loaded(command: Any) -> click.Command:
    """The command itself, where the group loads it only when it is called."""
    found: click.Command = command.load() if hasattr(command, "load") else command
    return found


def rows(page: str, heading: str) -> dict[str, str]:
    """The table below a heading: first cell → the whole row."""
    table = "|" + page.partition(f"{heading}\n")[2].partition("|")[2].partition("\n\n")[0]
    lines = [line.strip("| ") for line in table.splitlines()[2:] if line.startswith("|")]
    return {line.partition(" | ")[0]: line for line in lines}


def test_every_command_and_every_option_is_documented() -> None:
    documented = rows(COMMANDS, "# Commands")
    assert {name.split()[1].strip("`") for name in documented} == set(cli.commands)
    for name, command in ((name, loaded(each)) for name, each in cli.commands.items()):
        (row,) = [row for first, row in documented.items() if f"webex-audit {name}" in first]
        options = {option for each in command.params if isinstance(each, click.Option) for option in each.opts}
        assert set(re.findall(r"`(--[a-z-]+)`", row.rpartition(" | ")[2])) == options - EVERYWHERE, name
        assert options >= EVERYWHERE - {"--help", "-h"}
        assert command.help
        assert all(each.help for each in command.params if isinstance(each, click.Option))
    assert all(f"`{option}`" in COMMANDS for option in EVERYWHERE)


def subclasses(of: type[AuditError]) -> Iterator[type[AuditError]]:
    yield of
    for each in of.__subclasses__():
        yield from subclasses(each)


def test_every_exit_code_is_documented() -> None:
    codes = {error.exit_code for error in subclasses(AuditError) if error.__module__.startswith("audit.")}
    assert codes | {0, FOUND_EXIT_CODE, PARTIAL_EXIT_CODE} == set(EXIT_CODES)
    documented = (row.split(" | ") for row in rows(COMMANDS, "## Exit codes").values())
    assert {int(code): text.replace("`", "") for code, text in documented} == EXIT_CODES


def test_every_table_and_every_outcome_is_documented() -> None:
    tables = {name for dataset in DATASETS.values() for name in dataset.tables} | {*CONTEXT}
    assert {name.strip("`") for name in rows(SNAPSHOTS, "## Tables")} == tables | {"coverage"}
    documented = list(rows(SNAPSHOTS, "## Outcomes").values())
    assert documented == [f"`{outcome}` | {outcome.meaning}" for outcome in Outcome]
    assert all(outcome.meaning for outcome in Outcome)
    complete = {str(outcome) for outcome in Outcome if outcome.is_complete}
    (sentence,) = re.findall(r"^(.*) are complete answers", SNAPSHOTS, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", sentence)) == complete


def test_every_key_of_the_configuration_is_documented() -> None:
    assert {name.strip("`") for name in rows(CONFIGURATION, "## Keys")} == set(keys())
    assert runpy.run_path(str(DOCS / "configuration.py"))["with_keys"](CONFIGURATION) == CONFIGURATION, "run: make docs"


def test_every_rule_for_an_answer_is_documented() -> None:
    page = (DOCS / "api-behavior.md").read_text()
    assert runpy.run_path(str(DOCS / "api_behavior.py"))["with_rules"](page) == page, "run: make docs"


@pytest.mark.slow
def test_the_output_shown_is_that_of_the_demo(webex_audit: Callable[..., Result]) -> None:
    def normalized(text: str) -> list[str]:
        text = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{6}", "ID", text)
        text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC(, took [\d.]+ s)?", "TIME", text)
        lines = text.strip().splitlines()
        return [line for line in lines if line and not line.startswith("  requests")]

    output = normalized(webex_audit("demo", "--faults", "quirks").out)
    for page, word in ((README, "findings"), (AUDITING, "  complete")):
        (shown,) = [block for block in re.findall(r"```text\n(.*?)```", page, re.DOTALL) if word in block]
        rest = iter(output)
        for line in normalized(shown):
            # What is shown stands in the output, in this order.
            assert line == "[…]" or line in rest, line


def test_the_readme_fits_on_a_few_screens() -> None:
    assert len(README.splitlines()) <= 110
    assert "microphone" in README.split("\n\n")[1]


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    listed = {Requirement(entry).name for entries in lists for entry in entries if isinstance(entry, str)}
    cells = re.findall(r"^\| ([a-z0-9, -]+?) \|", (DOCS / "dependencies.md").read_text(), re.MULTILINE)
    names = {name for cell in cells for name in cell.split(", ")}
    assert listed <= names


def test_the_defaults_in_help_are_those_of_the_configuration(webex_audit: Callable[..., Result]) -> None:
    text = " ".join(webex_audit("run", "--help").out.split())
    settings = Settings()
    for default in (settings.pace.concurrency, settings.webex.base_url, settings.output.path, "parquet, csv"):
        assert f"[default: {default}]" in text


def test_every_choice_of_a_dataset_is_one_that_exists() -> None:
    kinds = {str(kind) for dataset in DATASETS.values() for kind in dataset.scopes}
    # A dataset whose kind can't be chosen is read for all of them.
    assert {name.replace("-", "_").upper() for name in get_args(EntityName)} <= kinds == {*EntityType} == {*LISTINGS}


def test_the_schedules_name_options_that_exist() -> None:
    text = (DOCS / "scheduling.md").read_text() + AUDITING + COMMANDS + README
    options = {option for each in loaded(cli.commands["run"]).params for option in each.opts}
    used = set(re.findall(r"webex-audit[\"', ]+run[^\n]*", text))
    assert used
    for line in used:
        assert set(re.findall(r"--[a-z-]+", line)) <= options, line
