"""The command line: all commands by name; a command is loaded when it is called."""

import re
from importlib import import_module
from typing import Any

import click

from audit import __version__

#: A comment of SQL, which click would take for an option; no option holds a blank or a line end before its value.
_COMMENT = re.compile(r"--\s|--(?![\w-]+=)[^\n]*\n")


class LazyCommand(click.Command):
    """Stands for a command until it is called: loading all commands takes longer than most of them run.

    `webex-audit --help` and shell completion show the summary and load nothing.

    Args:
        name: name of the command, and of the function in its module.
        module: the module below `audit.cli` that holds the command.
        summary: the first paragraph of the command's own help.
    """

    def __init__(self, name: str, module: str, summary: str) -> None:
        super().__init__(name, help=summary)
        self._module = module

    def load(self) -> click.Command:
        """Import the command."""
        command: click.Command = getattr(import_module(f"audit.cli.{self._module}"), str(self.name))
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Load the command and let it parse its arguments; click then invokes the command of this context."""
        args = [f" {each}" if _COMMENT.match(each) else each for each in args]
        return self.load().make_context(info_name, args, parent, **extra)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    commands=[
        LazyCommand("approve", "approve", "Record a snapshot as the approved state of its scope."),
        LazyCommand("check", "check", "Check a snapshot against rules."),
        LazyCommand("demo", "simulation", "Audit simulated organizations, without an account."),
        LazyCommand("diff", "diff", "Show what changed between two snapshots."),
        LazyCommand("doctor", "run", "Check token, scopes, organizations and output before a run."),
        LazyCommand("login", "login", "Sign in with an integration, and store a token that renews itself."),
        LazyCommand("prune", "snapshots", "Remove old snapshots, and leftovers of interrupted runs."),
        LazyCommand("query", "query", "Query a snapshot in SQL (DuckDB)."),
        LazyCommand(
            "report",
            "report",
            "Write a report for reviewers, as HTML, as a workbook, or as CSV of who may open which room.",
        ),
        LazyCommand("run", "run", "Crawl one or many organizations and commit a snapshot."),
        LazyCommand("show", "snapshots", "Summarize a snapshot."),
        LazyCommand("simulate", "simulation", "Serve simulated organizations on this machine until stopped."),
        LazyCommand(
            "snapshots",
            "snapshots",
            "List the committed snapshots of an output, oldest first, and its unfinished runs.",
        ),
        LazyCommand("verify", "snapshots", "Recompute the digests of a snapshot and its chain."),
    ],
)
@click.version_option(__version__, prog_name="webex-audit")
def cli() -> None:
    """Audit Push-to-Talk settings and audio options of Webex organizations.

    Results go to standard output, everything else to standard error. 'webex-audit demo' shows the
    whole chain on a simulated organization, without an account.
    """
