"""What all commands share: their group, settings, log, and how a result is printed."""

import io
import logging
import os
import sys
from collections.abc import Iterable
from typing import Any

import click
from rich.console import Console

from audit import __version__, config
from audit.cli import views as summary
from audit.cli.console import Verbosity, set_up_logging
from audit.config import Settings
from audit.errors import PARTIAL_EXIT_CODE, StoppedError
from audit.snapshot.catalog import Snapshot

log = logging.getLogger(__name__)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="webex-audit")
def cli() -> None:
    """Audit Push-to-Talk settings and audio options of Webex organizations.

    Data goes to standard output, all else to standard error. 'webex-audit demo' shows the whole
    chain on a simulated organization, without an account.
    """


def settings_of(given: dict[str, Any]) -> tuple[Settings, Console, Verbosity]:
    """The settings of a command, with its log set up as they say."""
    flags = {name.replace("__", "."): value for name, value in given.items() if "__" in name and value != ()}
    flags = {key: list(value) if isinstance(value, tuple) else value for key, value in flags.items()}
    verbosity: Verbosity = "quiet" if given["quiet"] else "verbose" if given["verbose"] else "normal"
    set_up_logging(flags.get("log.format") or early_log_format(), verbosity)
    settings = config.load(given.get("config_file"), os.environ, flags)
    return settings, set_up_logging(settings.log.format, verbosity), verbosity


def early_log_format() -> Any:
    """The log format of the environment, for what goes wrong before the settings are read."""
    return "json" if os.environ.get("WEBEX_AUDIT_LOG_FORMAT") == "json" else "text"


def print_result(text: str) -> None:
    """Print a result. That nobody can read it is told, and changes nothing else."""
    try:
        stream = sys.stdout
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        print(text, flush=True)  # noqa: T201 - click.echo would end the process on a closed pipe
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            log.error("the result can't be printed: %s", error.strerror)


def print_all(texts: Iterable[str], encoding: str | None = None) -> None:
    """Print a result as it comes; a reader that has seen enough ends it.

    Raises:
        StoppedError: it can't be printed, such as on a full disk.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
    for text in texts:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            return
        except OSError as error:
            raise StoppedError(f"the result can't be printed: {error.strerror}") from None


def print_snapshot(snapshot: Snapshot, *, as_json: bool, is_quiet: bool) -> None:
    """Print a snapshot, in a screen of text or as JSON."""
    if as_json:
        print_result(summary.as_json(summary.describe(snapshot)))
    elif not is_quiet:
        print_result(summary.render(snapshot))


def exit_code(snapshot: Snapshot, *, allow_partial: bool) -> int:
    """The exit code of a run that committed a snapshot; why it is partial, is told."""
    if snapshot.manifest.status == "complete":
        return 0
    log.warning("the snapshot is partial: %s", summary.shortcomings(snapshot))
    return 0 if allow_partial else PARTIAL_EXIT_CODE
