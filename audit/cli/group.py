"""The command line: all commands by name; a command is loaded when it is called."""

import re
from importlib import import_module
from typing import Any

import click
from click.core import ParameterSource

from audit import __version__
from audit.cli import everywhere
from audit.cli.command import Command
from audit.cli.usage import owners_of
from audit.text import did_you_mean

#: A comment of SQL, which click would take for an option; no option holds a blank or a line end before its value.
_COMMENT = re.compile(r"--\s|--(?![\w-]+=)[^\n]*\n")


#: The commands in the order of their use; those that stand nowhere else are in the last section.
_SECTIONS = {
    "Start": ("demo", "login", "doctor"),
    "Audit": ("run", "snapshots", "show", "verify", "prune"),
    "Review": ("diff", "check", "query", "report", "approve"),
    "More": (),
}


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
        command = self.load()
        if extra.get("resilient_parsing"):
            from audit.cli.completing import complete_values

            complete_values(command)
        return command.make_context(info_name, args, parent, **extra)


class Group(Command, click.Group):
    """The commands; options that stand before the command are those of the command."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.sections = {"Options, before or after the command": [each.name for each in self.params if each.name]}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what stands before the command."""
        if ctx.resilient_parsing:
            from audit.cli.completing import complete_values

            complete_values(self)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name, otherwise = error.option_name, "; options of a command come after it"
            own = (each for param in self.get_params(ctx) for each in param.opts)
            near = otherwise if owners_of(name) else did_you_mean(name, own, otherwise=otherwise)
            raise click.UsageError(f"there is no option {name} before the command{near}", ctx) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and hand it the options that stand before it."""
        name, found, rest = super().resolve_command(ctx, args)
        before = self._before(ctx)
        if isinstance(found, LazyCommand) and before and not ctx.resilient_parsing:
            known = {each for param in found.load().params for each in param.opts}
            for option in before:
                if option not in known:
                    raise click.UsageError(f"'webex-audit {name}' has no option {option}: leave it out", ctx)
        given = [option if value is True else f"{option}={value}" for option, value in before.items()]
        return name, found, [*given, *rest]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options."""
        named = {name for names in _SECTIONS.values() for name in names}
        width = max(map(len, self.commands))
        for title, names in _SECTIONS.items():
            shown = names or [name for name in self.list_commands(ctx) if name not in named]
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), self.commands[name].help or "") for name in shown])
        super().format_options(ctx, formatter)

    def _before(self, ctx: click.Context) -> dict[str, Any]:
        return {
            each.opts[-1]: ctx.params[each.name]
            for each in self.params
            if each.name in ctx.params and ctx.get_parameter_source(each.name) is ParameterSource.COMMANDLINE
        }


def loaded(command: click.Command) -> click.Command:
    """The command itself, where the group has only its name."""
    return command.load() if isinstance(command, LazyCommand) else command


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    commands=[
        LazyCommand("approve", "approve", "Record a snapshot as the approved state of its scope."),
        LazyCommand("check", "check", "Check a snapshot against rules."),
        LazyCommand("completion", "completion", "Print the completion script of a shell."),
        LazyCommand("demo", "simulation", "Audit simulated organizations, without an account."),
        LazyCommand("diff", "diff", "Show what changed between two snapshots."),
        LazyCommand("doctor", "run", "Check token, scopes, organizations and output before a run."),
        LazyCommand("help", "help", "Explain a command, or show a table such as that of outcomes or exit codes."),
        LazyCommand("login", "login", "Sign in with an integration, and store a token that renews itself."),
        LazyCommand("prune", "snapshots", "Remove old snapshots, and leftovers of unfinished runs."),
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
@everywhere.before_command
@click.version_option(__version__, "-V", "--version", prog_name="webex-audit")
def cli(**_: Any) -> None:
    """Audit Push-to-Talk settings and audio options of Webex organizations.

    Results go to standard output, everything else to standard error. 'webex-audit demo' shows the
    whole chain on a simulated organization, without an account. 'webex-audit COMMAND --help' has the options of a
    command, with examples; 'webex-audit help' lists what else it explains.
    """
