"""The options of every command, or of most; they may stand before the command, too.

Loads no configuration: `webex-audit --help` and shell completion need these options, and nothing else.
"""

from collections.abc import Callable
from typing import Any

import click

from audit.cli.command import EVERYWHERE, heading

Command = Callable[..., Any]

OUTPUT = "Output"
_output_option = click.option(
    "--output", "output__path", metavar="DIR|URI", help="Folder of all snapshots. [default: snapshots]"
)


def logging_options(command: Command) -> Command:
    """Add the options of every command."""
    for option in (
        click.option(
            "--log-format",
            "log__format",
            type=click.Choice(["text", "json"]),
            help="Format of the log lines on standard error. [default: text]",
        ),
        click.option("-v", "--verbose", is_flag=True, help="Log each retry, and details of errors."),
        click.option("-q", "--quiet", is_flag=True, help="Print and log only what is wrong."),
        heading(EVERYWHERE),
    ):
        command = option(command)
    return command


def profile_options(command: Command) -> Command:
    """Add the configuration: a profile, or a file."""
    for option in (
        click.option(
            "--profile",
            metavar="NAME",
            help="Profile, with a configuration file and a login of its own. [default: $WEBEX_AUDIT_PROFILE]",
        ),
        click.option(
            "--config",
            "config_file",
            metavar="FILE",
            help="Configuration file. [default: that of --profile, else $WEBEX_AUDIT_CONFIG, else webex-audit.toml in "
            "the current folder, else config.toml in the user's configuration folder]",
        ),
        heading(EVERYWHERE),
    ):
        command = option(command)
    return command


def config_options(command: Command) -> Command:
    """Add the configuration and the output folder."""
    return heading(OUTPUT)(_output_option(profile_options(command)))


def before_command(command: Command) -> Command:
    """Add all of them."""
    return profile_options(_output_option(logging_options(command)))
