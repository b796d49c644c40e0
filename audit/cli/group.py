"""The command line: all commands by name, each loaded when it is called."""

from importlib import import_module
from typing import Any

import click

from audit import __version__


class LazyCommand(click.Command):
    """Stands for a command until somebody calls it: to load all of them takes longer than most of them run.

    `webex-audit --help` and shell completion show the summary, and load nothing.

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
        """Parse the arguments of the command itself; click goes on with the command of the context."""
        return self.load().make_context(info_name, args, parent, **extra)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    commands=[
        LazyCommand(
            "check",
            "review",
            "Check a snapshot by rules: SNAPSHOT is a path, an id, 'latest' (the default) or 'previous'.",
        ),
        LazyCommand("demo", "simulation", "Audit simulated organizations: the whole chain, without an account."),
        LazyCommand(
            "diff", "review", "Tell what changed between two snapshots: each is a path, an id, 'latest' or 'previous'."
        ),
        LazyCommand(
            "doctor",
            "run",
            "Check configuration, token, scopes, organizations and output, and say what to do about each fault.",
        ),
        LazyCommand("prune", "snapshots", "Remove old snapshots, and what interrupted runs left."),
        LazyCommand(
            "query",
            "review",
            "Ask a snapshot in SQL (DuckDB): one SELECT statement over its tables; without SQL, list these.",
        ),
        LazyCommand("report", "review", "Write a snapshot as one HTML file that reviewers read, or as a workbook."),
        LazyCommand("run", "run", "Crawl one or many organizations and commit a snapshot."),
        LazyCommand(
            "show",
            "snapshots",
            "Summarize a snapshot: SNAPSHOT is a path, an id, 'latest' (the default) or 'previous'.",
        ),
        LazyCommand("simulate", "simulation", "Serve simulated organizations on this machine until stopped."),
        LazyCommand("snapshots", "snapshots", "List the committed snapshots of an output folder, the oldest first."),
        LazyCommand(
            "verify",
            "snapshots",
            "Recompute all digests of a snapshot, and of the chain before it; exit with 1 where something differs.",
        ),
    ],
)
@click.version_option(__version__, prog_name="webex-audit")
def cli() -> None:
    """Audit Push-to-Talk settings and audio options of Webex organizations.

    Data goes to standard output, all else to standard error. 'webex-audit demo' shows the whole
    chain on a simulated organization, without an account.
    """
