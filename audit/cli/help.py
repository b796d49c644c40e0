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

    TOPIC is a command or a table; without it, all are listed. --json prints a table for programs.
    """
    options.verbosity_of(given)
    if topic and topic in cli.commands and not as_json:
        cli.commands[topic].make_context(topic, ["--help"], ctx.parent)
    if topic is None:
        rows: list[dict[str, Any]] = [{"topic": name, "explains": each.summary} for name, each in topics.TOPICS.items()]
        shown = topics.Topic("topics", lambda: rows, "{explains}")
    elif topic in topics.TOPICS:
        shown = topics.TOPICS[topic]
        rows = shown.rows()
    else:
        raise UsageError(_unknown(topic))
    if as_json:
        print_result(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        formatter = ctx.make_formatter()
        formatter.write_dl([(str(next(iter(row.values()))), shown.text.format_map(row)) for row in rows])
        print_result(formatter.getvalue().rstrip("\n"))
    return 0


def _unknown(topic: str) -> str:
    if topic in cli.commands:
        return f"--json is of a table, and {topic} is a command: leave it out"
    known = [*topics.TOPICS, *cli.commands]
    nearest = did_you_mean(topic.lower()[:_LONGEST], known, otherwise="; 'webex-audit help' lists the tables")
    return f"no help on {topic[:_LONGEST]!r}{nearest}"
