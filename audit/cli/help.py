"""The command `help`."""

import json
from typing import Any

import click

from audit.cli import options, topics
from audit.cli.command import Command
from audit.cli.group import cli
from audit.cli.results import print_result
from audit.errors import UsageError
from audit.text import did_you_mean

_LONGEST = 60


@click.command(cls=Command)
@click.argument("topic", required=False)
@options.json_option
@options.logging_options
@click.pass_context
def help(ctx: click.Context, /, topic: str | None, *, as_json: bool, **given: Any) -> int:  # noqa: A001 - its name on the command line
    """Explain a command, or show a table such as that of outcomes or exit codes.

    TOPIC is a command, a table, or a word of a table, such as an outcome or a rule; without it, commands and tables are
    listed. --json prints a table for programs.
    """
    options.verbosity_of(given)
    if topic and topic in cli.commands and not as_json:
        cli.commands[topic].make_context(topic, ["--help"], ctx.parent)
    shown: topics.Topic | None
    if topic is None:
        rows: list[dict[str, Any]] = [{"topic": name, "explains": each.summary} for name, each in topics.TOPICS.items()]
        shown = topics.Topic("topics", lambda: rows, "{explains}")
    elif topic in topics.TOPICS:
        shown = topics.TOPICS[topic]
        rows = shown.rows()
    elif rows := topics.rows_named(topic):
        shown = None
    else:
        raise UsageError(_unknown(topic))
    if as_json:
        print_result(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        formatter = ctx.make_formatter()
        for lines in [_fields(row) for row in rows] if shown is None else [_lines(rows, shown.text)]:
            formatter.write_dl(lines)
        print_result(formatter.getvalue().rstrip("\n"))
    return 0


def _lines(rows: topics.Rows, text: str) -> list[tuple[str, str]]:
    return [(str(next(iter(row.values()))), text.format_map(row)) for row in rows]


def _fields(row: dict[str, Any]) -> list[tuple[str, str]]:
    """All that a table holds of a word; the text in which the table shows it says the same again."""
    given = {name: value for name, value in row.items() if name != "shown" and value not in (None, "", [])}
    return [(name, ", ".join(value) if isinstance(value, list) else str(value)) for name, value in given.items()]


def _unknown(topic: str) -> str:
    if topic in cli.commands:
        return f"--json is of a table, and {topic} is a command: leave it out"
    known = [*topics.TOPICS, *cli.commands]
    nearest = did_you_mean(topic.lower()[:_LONGEST], known, otherwise="; 'webex-audit help' lists the tables")
    return f"no help on {topic[:_LONGEST]!r}{nearest}"
