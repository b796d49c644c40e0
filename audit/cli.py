"""The commands: parse, call, print, exit code. No logic."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

from audit import __version__, config, job, process, summary
from audit.config import Settings
from audit.console import ProgressBar, ProgressLines, set_up_logging
from audit.errors import UsageError
from audit.progress import Progress
from audit.selection import select
from audit.simulator import app as simulator
from audit.simulator import faults
from audit.simulator.organization import Organization
from audit.snapshot.reader import Snapshot, find_snapshot, list_snapshots
from audit.webex.tokens import Token, find_token, is_readable_by_others

log = logging.getLogger(__name__)

_Command = Callable[..., Any]

#: Exit code of a committed snapshot that is partial.
_PARTIAL = 3


def _flag(key: str, *names: str, **attributes: Any) -> Callable[[_Command], _Command]:
    """An option that overrides a key of the configuration, which gives its default."""
    return click.option(f"--{config.FLAGS[key]}", *names, key.replace(".", "__"), default=None, **attributes)


def _logging_options(command: _Command) -> _Command:
    for option in (
        _flag("log.format", type=click.Choice(["text", "json"]), help="Form of the log lines on standard error."),
        click.option("--verbose", is_flag=True, help="Log each retry, and what lies behind an error."),
        click.option("--quiet", is_flag=True, help="Log errors only."),
    ):
        command = option(command)
    return command


def _config_options(command: _Command) -> _Command:
    command = _flag("output.path", metavar="DIR", help="Folder of all snapshots. [default: snapshots]")(command)
    return click.option(
        "--config",
        "config_file",
        metavar="FILE",
        help="Configuration file. [default: $WEBEX_AUDIT_CONFIG, else config.toml in the user's configuration folder]",
    )(command)


_json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def _settings(config_file: str | None, options: dict[str, Any]) -> Settings:
    flags = {name.replace("__", "."): value for name, value in options.items() if "__" in name and value != ()}
    return config.load(
        config_file, os.environ, {key: list(v) if isinstance(v, tuple) else v for key, v in flags.items()}
    )


@contextmanager
def _console(log_format: Any, *, quiet: bool, verbose: bool) -> Iterator[Progress]:
    console = set_up_logging(log_format or "text", "quiet" if quiet else "verbose" if verbose else "normal")
    if quiet:
        yield Progress()
    elif console.is_terminal and log_format != "json":
        with ProgressBar(console) as progress:
            yield progress
    else:
        yield ProgressLines()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="webex-audit")
def cli() -> None:
    """Audit the Push-to-Talk settings of every workspace of a Webex organization.

    Data goes to standard output, all else to standard error. 'webex-audit demo' shows the whole
    chain on a simulated organization, without an account.
    """


@cli.command()
@_flag("scope.datasets", multiple=True, type=click.Choice(["push-to-talk"]), help="What to audit; may be repeated.")
@_flag("scope.entities", multiple=True, type=click.Choice(["workspace"]), help="Of what; may be repeated.")
@_flag("scope.org_id", metavar="ID", help="Organization (id or UUID). [default: the token's own]")
@click.option("--workspace-id", "workspace_ids", multiple=True, metavar="ID", help="Only this one; may be repeated.")
@click.option("--ids-from", metavar="FILE", help="Only the ids in this file, one a line; - is standard input.")
@_flag("output.formats", multiple=True, type=click.Choice(["parquet", "csv"]), help="May be repeated. [default: both]")
@_flag("output.allow_partial", is_flag=True, help="Exit with 0 where the snapshot is partial.")
@_flag("pace.max_rate", type=float, metavar="N", help="Requests a second, never exceeded. [default: 5]")
@_flag("pace.concurrency", type=int, metavar="N", help="Requests at once. [default: 10]")
@_flag("webex.base_url", metavar="URL", help="The API. [default: https://webexapis.com/v1]")
@_flag("webex.token_file", metavar="FILE", help="File that holds the access token. [default: $WEBEX_ACCESS_TOKEN]")
@_config_options
@_json_option
@_logging_options
def run(
    config_file: str | None,
    workspace_ids: tuple[str, ...],
    ids_from: str | None,
    *,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> int:
    """Crawl an organization and commit a snapshot.

    The access token is read from WEBEX_ACCESS_TOKEN, or from a file (--token-file).
    """
    with _console(options["log__format"], quiet=quiet, verbose=verbose):
        settings = _settings(config_file, options)
    with _console(settings.log.format, quiet=quiet, verbose=verbose) as progress:
        token_file = settings.webex.token_file
        token = find_token(os.environ, token_file, file_is_flag=options["webex__token_file"] is not None)
        if token_file and is_readable_by_others(Path(token_file).expanduser()):
            log.warning("token file %s can be read by other users: chmod 600 it", token_file)
        wanted = select(workspace_ids, ids_from, sys.stdin)
        snapshot = process.run_until_signal(job.run(settings, token, wanted=wanted, progress=progress))
    _print_snapshot(snapshot, as_json=as_json, quiet=quiet)
    return _exit_code(snapshot, allow_partial=settings.output.allow_partial)


def _print_snapshot(snapshot: Snapshot, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        click.echo(summary.as_json(summary.describe(snapshot)))
    elif not quiet:
        click.echo(summary.render(snapshot))


def _exit_code(snapshot: Snapshot, *, allow_partial: bool) -> int:
    if snapshot.manifest.status == "complete":
        return 0
    log.warning(
        "the snapshot is partial: %d entities have no complete answer (column outcome of coverage)",
        summary.unanswered(snapshot),
    )
    return 0 if allow_partial else _PARTIAL


@cli.command()
@click.option("--output", default="webex-audit-demo", show_default=True, metavar="DIR", help="Folder for the snapshot.")
@click.option("--workspaces", default=300, show_default=True, type=click.IntRange(0), help="Size of the organization.")
@click.option("--seed", default=1, show_default=True, help="What the organization follows from.")
@click.option("--faults", "fault_spec", default="all=0.01,quirks", show_default=True, help="As in 'simulate'.")
@_json_option
@_logging_options
def demo(
    output: str,
    workspaces: int,
    seed: int,
    fault_spec: str,
    *,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> int:
    """Audit a simulated organization: the whole chain, without an account."""
    simulation = simulator.Simulation(Organization(workspaces, seed), _faults(fault_spec, seed))

    async def serve_and_run(progress: Progress) -> Snapshot:
        async with simulator.serve(simulation) as base_url:
            flags = {"webex.base_url": base_url, "output.path": output, "pace.max_rate": 500.0}
            return await job.run(config.load(os.devnull, {}, flags), Token(simulator.ADMIN_TOKEN), progress=progress)

    with _console(options["log__format"], quiet=quiet, verbose=verbose) as progress:
        snapshot = process.run_until_signal(serve_and_run(progress))
    _print_snapshot(snapshot, as_json=as_json, quiet=quiet)
    if not as_json and not quiet:
        click.echo(f"\nopen {snapshot.path / 'push_to_talk_members.csv'}: who may open a microphone in which room")
        click.echo(f"look again with: webex-audit show --output {output}")
    return _exit_code(snapshot, allow_partial=False)


def _faults(spec: str, seed: int) -> faults.Faults:
    try:
        return faults.parse(spec, seed)
    except ValueError as error:
        raise UsageError(f"--faults {spec}: {error}; 'webex-audit simulate --list-faults' explains them") from None


@cli.command()
@click.option("--port", default=0, help="Port on 127.0.0.1. [default: any that is free]")
@click.option("--workspaces", default=300, show_default=True, type=click.IntRange(0), help="Size of the organization.")
@click.option("--seed", default=1, show_default=True, help="What the organization follows from.")
@click.option("--plain", is_flag=True, help="Documented answers only: no odd members, no hostile names.")
@click.option(
    "--rate-limit", type=click.FloatRange(0, min_open=True), metavar="N", help="Requests a second. [default: none]"
)
@click.option("--limit-kind", type=click.Choice(["bucket", "window"]), default="bucket", show_default=True)
@click.option("--max-page", default=1000, show_default=True, type=click.IntRange(1), help="Items of a page at most.")
@click.option("--faults", "fault_spec", default="", metavar="SPEC", help="What goes wrong, such as all=0.1,quirks.")
@click.option("--list-faults", is_flag=True, help="Explain --faults, and stop.")
@_logging_options
def simulate(
    port: int,
    workspaces: int,
    seed: int,
    rate_limit: float | None,
    limit_kind: Any,
    max_page: int,
    fault_spec: str,
    *,
    plain: bool,
    list_faults: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> int:
    """Serve a simulated organization on this machine until stopped."""
    if list_faults:
        click.echo(faults.explain())
        return 0
    simulation = simulator.Simulation(
        Organization(workspaces, seed, odd=not plain),
        _faults(fault_spec, seed),
        rate_limit_per_s=rate_limit,
        limit_kind=limit_kind,
        max_page=max_page,
    )

    async def serve() -> None:
        async with simulator.serve(simulation, port=port) as base_url:
            click.echo(f"export WEBEX_ACCESS_TOKEN={simulator.ADMIN_TOKEN}")
            click.echo(f"webex-audit run --base-url {base_url} --max-rate 100")
            sys.stdout.flush()
            await asyncio.Event().wait()

    with _console(options["log__format"], quiet=quiet, verbose=verbose):
        process.serve_until_signal(serve())
    return 0


@cli.command()
@_config_options
@_json_option
@_logging_options
def snapshots(config_file: str | None, *, as_json: bool, quiet: bool, verbose: bool, **options: Any) -> int:
    """List the committed snapshots of an output folder, the oldest first."""
    with _console(options["log__format"], quiet=quiet, verbose=verbose):
        found = list_snapshots(_settings(config_file, options).output.folder)
    click.echo(summary.as_json([summary.describe(each) for each in found]) if as_json else summary.render_list(found))
    return 0


@cli.command()
@click.argument("snapshot", default="latest")
@_config_options
@_json_option
@_logging_options
def show(snapshot: str, config_file: str | None, *, as_json: bool, quiet: bool, verbose: bool, **options: Any) -> int:
    """Summarize a snapshot: SNAPSHOT is a path, an id, 'latest' (the default) or 'previous'."""
    with _console(options["log__format"], quiet=quiet, verbose=verbose):
        found = find_snapshot(_settings(config_file, options).output.folder, snapshot)
    _print_snapshot(found, as_json=as_json, quiet=False)
    return 0


def main(arguments: list[str] | None = None) -> NoReturn:
    """The console script."""
    set_up_logging("text", "normal")
    sys.exit(process.execute(cli, arguments))
