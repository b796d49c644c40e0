"""The options of the commands, in groups, and the settings that follow from them."""

import os
from collections.abc import Callable, Collection
from typing import Any, get_args

import click

from audit import config
from audit.cli import everywhere
from audit.cli.command import heading
from audit.cli.console import Verbosity, early_log_format, set_up_logging
from audit.cli.process import check_room
from audit.cli.results import print_utf8
from audit.config import Settings
from audit.datasets import NAMES
from audit.errors import UsageError

Command = Callable[..., Any]

#: For every command; for every command with an output; for every command with a configuration.
logging_options = everywhere.logging_options
config_options = everywhere.config_options
profile_options = everywhere.profile_options

_DEFAULTS = Settings()
_DATASETS = click.Choice([*(name.replace("_", "-") for name in NAMES), "all"])


def flag(key: str, **attributes: Any) -> Callable[[Command], Command]:
    """An option that overrides a key of the configuration and has its default."""
    section, _, name = key.partition(".")
    value = getattr(getattr(_DEFAULTS, section), name)
    if value not in (None, False, []) and "[default" not in attributes["help"]:
        attributes["help"] += f" [default: {', '.join(value) if isinstance(value, list) else value}]"
    return click.option(f"--{config.FLAGS[key]}", key.replace(".", "__"), default=None, **attributes)


def choice(name: Any) -> click.Choice[str]:
    """The words of a `Literal`, as choices."""
    return click.Choice(get_args(name))


def shared_option(command: Command) -> Command:
    """For every command that writes to an output."""
    option = flag("output.shared", is_flag=True, help="Accept an output folder that other users may write to.")
    return heading(everywhere.OUTPUT)(option(command))


def json_option(command: Command) -> Command:
    """For every command that prints a result."""
    option = click.option("--json", "as_json", is_flag=True, callback=print_utf8, help="Print the result as JSON.")
    return heading(everywhere.OUTPUT)(option(command))


def api_options(command: Command) -> Command:
    """Add the token and the API."""
    for option in (
        flag(
            "webex.token_file",
            metavar="FILE",
            help="File that holds the access token. [default: $WEBEX_ACCESS_TOKEN, else that of 'webex-audit login']",
        ),
        flag("webex.base_url", metavar="URL", help="Base URL of the API."),
        heading("Token and API"),
    ):
        command = option(command)
    return command


def scope_options(command: Command) -> Command:
    """Add what to audit."""
    for option in reversed(
        (
            heading("What to audit"),
            flag(
                "scope.datasets",
                multiple=True,
                type=_DATASETS,
                help="Settings to audit, or all of them; may be repeated.",
            ),
            flag(
                "scope.entities",
                multiple=True,
                type=choice(config.EntityName),
                help="Kind of entity to audit; may be repeated. [default: workspace, or the only kind of the dataset]",
            ),
            flag(
                "scope.org_ids",
                multiple=True,
                metavar="ID",
                help="Organization (id or UUID); may be repeated. [default: the token's own]",
            ),
            flag("scope.all_orgs", is_flag=True, help="Audit all organizations that the token manages."),
            flag(
                "scope.exclude_orgs",
                multiple=True,
                metavar="ID",
                help="With --all-orgs, leave out this organization; may be repeated.",
            ),
            flag(
                "scope.all_users", is_flag=True, help="Audio options of all people. [default: of the token's own user]"
            ),
            flag("scope.sites", multiple=True, metavar="URL", help="Only this meeting site; may be repeated."),
        )
    ):
        command = option(command)
    return command


#: For every command that asks what a run asks.
events_option = flag(
    "run.admin_events",
    is_flag=True,
    help="Read the administrators' log since the last snapshot, too; needs the scope audit:events_read.",
)
#: For every command that prints or writes CSV.
csv_dialect_option = flag(
    "output.csv_dialect",
    type=choice(config.CsvDialect),
    help="Form of CSV; excel: with a byte order mark and CRLF, for spreadsheets.",
)


def csv_option(what: str) -> Callable[[Command], Command]:
    """For commands that print rows: `--csv`."""
    return click.option("--csv", "as_csv", is_flag=True, callback=print_utf8, help=f"Print {what} as CSV.")


def simulation_options(command: Command) -> Command:
    """Add what to simulate."""
    for option in reversed(
        (
            heading("Simulated organizations"),
            _size("--workspaces", 300, "Workspaces of the organization."),
            _size("--people", 120, "People of the organization."),
            _size("--virtual-lines", 12, "Virtual lines of the organization."),
            _size("--customers", 1, "Other organizations that the token manages, a fifth of the size."),
            click.option("--seed", default=1, show_default=True, help="The same seed gives the same organizations."),
        )
    ):
        command = option(command)
    return command


def _size(flag: str, default: int, text: str) -> Callable[[Command], Command]:
    return click.option(flag, default=default, show_default=True, type=click.IntRange(0), help=text)


def given_keys(given: dict[str, Any]) -> list[str]:
    """The keys of the configuration that flags have set."""
    return [name.replace("__", ".") for name, value in given.items() if "__" in name and value not in (None, ())]


def settings_of(given: dict[str, Any], *, makes_profile: bool = False) -> Settings:
    """The settings of a command; also sets up its log, and checks that there is room for its threads.

    Args:
        given: the values of the options, by name.
        makes_profile: the command makes the profile if it does not exist yet.

    Raises:
        UsageError: as `audit.config.load`.
        RuntimeError: as `audit.cli.process.check_room`.
    """
    flags = _flags(given)
    set_up_logging(flags.get("log.format") or early_log_format(), verbosity_of(given))
    file, profile = given.get("config_file"), given.get("profile")
    settings = config.load(file, os.environ, flags, profile, makes_profile=makes_profile, looks_here=True)
    set_up_logging(settings.log.format, verbosity_of(given))
    check_room()
    return settings


def settings_with(given: dict[str, Any], names: Collection[str]) -> Settings:
    """The settings of a command that repeats a part of the options of this command.

    Args:
        given: the values of the options, by name.
        names: the options to repeat; `--config` and `--profile` always are.

    Raises:
        UsageError: as `audit.config.load`.
    """
    flags = _flags({name: given.get(name) for name in names})
    return config.load(given.get("config_file"), os.environ, flags, given.get("profile"), looks_here=True)


def _flags(given: dict[str, Any]) -> dict[str, Any]:
    flags = {name.replace("__", "."): value for name, value in given.items() if "__" in name and value != ()}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in flags.items()}


def config_source(given: dict[str, Any]) -> str:
    """Which configuration file a command reads, and which variables of the environment, in words."""
    flag, environment = given.get("profile"), os.environ
    profile = config.profile_of(flag, environment)
    file = config.chosen_file(given.get("config_file"), environment, profile, flag, looks_here=True)
    apart = (config.CONFIG_VARIABLE, config.PROFILE_VARIABLE)
    variables = sorted(name for name in environment if name.startswith("WEBEX_AUDIT_") and name not in apart)
    return f"{file}; environment: {', '.join(variables)}" if variables else str(file)


def named_by(given: dict[str, Any]) -> config.Named:
    """The source of the access token that flags name."""
    profile = config.profile_of(given["profile"], os.environ)
    return config.Named(given["webex__token_file"] is not None, given["profile"] is not None, profile)


def refuse_dialect_without_csv(given: dict[str, Any], *, is_csv: bool, csv_flag: str) -> None:
    """Refuse `--csv-dialect` where no CSV is made; the configuration may name a dialect for other commands.

    Raises:
        UsageError: the flag was given in vain.
    """
    if given["output__csv_dialect"] is not None and not is_csv:
        raise UsageError(f"--csv-dialect is for CSV, which this command does not make: add {csv_flag}, or leave it out")


def verbosity_of(given: dict[str, Any]) -> Verbosity:
    """What `--quiet` and `--verbose` ask for.

    Raises:
        UsageError: both were given.
    """
    if given["quiet"] and given["verbose"]:
        raise UsageError("choose one of --quiet and --verbose")
    return "quiet" if given["quiet"] else "verbose" if given["verbose"] else "normal"
