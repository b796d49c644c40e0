"""The command `completion`."""

from typing import Any

import click
from click.shell_completion import ShellComplete, get_completion_class

from audit.cli import options
from audit.cli.command import Command
from audit.cli.results import print_result

_VARIABLE = "_WEBEX_AUDIT_COMPLETE"


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@options.logging_options
@click.pass_context
def completion(context: click.Context, /, shell: str, **_: Any) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    if kind is not None:
        # Not the method of the kind: that of bash starts a bash to ask for its version.
        script = ShellComplete.source(kind(context.find_root().command, {}, "webex-audit", _VARIABLE))
        print_result(script.rstrip("\n"))
