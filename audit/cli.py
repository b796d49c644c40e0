"""The commands: parse, call, print, exit code. No logic."""

import asyncio
import logging
import math
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any, NoReturn

import click
from rich.console import Console

from audit import __version__, config, job, metrics, options, process, summary
from audit import doctor as diagnosis
from audit.clock import Clock
from audit.config import Settings
from audit.console import Verbosity, printable, set_up_logging, show_progress
from audit.credentials import find_tokens
from audit.demo import demonstrate
from audit.errors import PARTIAL_EXIT_CODE, AuditError, UsageError
from audit.plan import plan
from audit.scope import retried_scope, scope_of
from audit.selection import select, select_users
from audit.simulator import app as simulator
from audit.simulator import faults
from audit.simulator.limit import LimitKind
from audit.simulator.organization import Organization
from audit.snapshot.reader import Snapshot, find_snapshot, list_snapshots

log = logging.getLogger(__name__)


def _settings(given: dict[str, Any]) -> tuple[Settings, Console, Verbosity]:
    """The settings of a command, with its log set up as they say."""
    flags = {name.replace("__", "."): value for name, value in given.items() if "__" in name and value != ()}
    flags = {key: list(value) if isinstance(value, tuple) else value for key, value in flags.items()}
    verbosity: Verbosity = "quiet" if given["quiet"] else "verbose" if given["verbose"] else "normal"
    set_up_logging(flags.get("log.format") or _early_log_format(), verbosity)
    settings = config.load(given.get("config_file"), os.environ, flags)
    return settings, set_up_logging(settings.log.format, verbosity), verbosity


def _early_log_format() -> Any:
    """The log format of the environment, for what goes wrong before the settings are read."""
    return "json" if os.environ.get("WEBEX_AUDIT_LOG_FORMAT") == "json" else "text"


def _print(text: str) -> None:
    """Print a result. That nobody can read it is told, and changes nothing else."""
    try:
        stream = sys.stdout
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        print(text, flush=True)  # noqa: T201 - click.echo would end the process on a closed pipe
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            log.error("the result can't be printed: %s", error.strerror)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="webex-audit")
def cli() -> None:
    """Audit Push-to-Talk settings and audio options of Webex organizations.

    Data goes to standard output, all else to standard error. 'webex-audit demo' shows the whole
    chain on a simulated organization, without an account.
    """


@cli.command()
@options.scope_options
@click.option("--workspace-id", "workspace_ids", multiple=True, metavar="ID", help="Only this one; may be repeated.")
@click.option("--ids-from", metavar="FILE", help="Only the ids in this file, one a line; - is standard input.")
@click.option("--user", "emails", multiple=True, metavar="EMAIL", help="Audio options of this user; may be repeated.")
@click.option("--users-from", metavar="FILE", help="Of the mail addresses in this file, one a line; - as above.")
@options.flag("output.formats", multiple=True, type=options.choice(config.FormatName), help="May be repeated.")
@options.flag("output.csv_per_org", is_flag=True, help="CSV for each organization, not one for all.")
@options.flag("output.allow_partial", is_flag=True, help="Exit with 0 where the snapshot is partial.")
@options.flag("pace.max_rate", type=float, metavar="N", help="Requests a second, never exceeded. [default: no ceiling]")
@options.flag("pace.concurrency", type=int, metavar="N", help="Requests at once.")
@options.flag(
    "run.deadline", metavar="TIME", help="Stop in order, resumable, after a time such as 45m. [default: none]"
)
@click.option("--resume", is_flag=True, help="Go on with the newest unfinished run, if there is one.")
@click.option("--retry-failed", metavar="SNAPSHOT", help="Keep its complete answers, and ask for the others again.")
@click.option("--dry-run", is_flag=True, help="Take the inventory; tell requests, time and scopes; crawl nothing.")
@options.flag(
    "run.metrics_file", metavar="FILE", help="Write metrics for Prometheus' textfile collector. [default: none]"
)
@options.api_options
@options.config_options
@options.json_option
@options.logging_options
def run(
    workspace_ids: tuple[str, ...],
    ids_from: str | None,
    emails: tuple[str, ...],
    users_from: str | None,
    retry_failed: str | None,
    *,
    resume: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Crawl one or many organizations and commit a snapshot.

    The access token is read from WEBEX_ACCESS_TOKEN, or from a file (--token-file).
    """
    settings, console, verbosity = _settings(given)
    selections = (*workspace_ids, ids_from, *emails, users_from)
    if retry_failed and (any(selections) or dry_run):
        raise UsageError("--retry-failed has its own scope: leave out what selects entities, and --dry-run")
    if ids_from == users_from == "-":
        raise UsageError("--ids-from and --users-from can't both read standard input")
    stdin = " (and the same lines on standard input)" if "-" in (ids_from, users_from) else ""
    clock = Clock()
    with metrics.recorded(settings.run.metrics_file, settings.output.folder) as record:
        tokens = find_tokens(settings.webex, os.environ, clock, file_is_flag=given["webex__token_file"] is not None)
        earlier = find_snapshot(settings.output.folder, retry_failed) if retry_failed else None
        if earlier:
            scope = retried_scope(earlier)
        else:
            wanted = select(workspace_ids, ids_from, sys.stdin)
            scope = scope_of(settings, wanted, select_users(emails, users_from, sys.stdin))
        if dry_run:
            found = process.run_until_signal(plan(settings, tokens, scope, clock=clock))
            _print(summary.as_json(asdict(found)) if as_json else summary.render_plan(found))
            return 0
        with show_progress(console, settings.log.format, verbosity) as progress, _resume_hint(earlier, stdin):
            work = job.run(settings, tokens, scope, is_resuming=resume, progress=progress, clock=clock)
            snapshot = process.run_until_signal(work)
        record(snapshot)
    code = _exit_code(snapshot, allow_partial=settings.output.allow_partial)
    _print_snapshot(snapshot, as_json=as_json, is_quiet=verbosity == "quiet")
    return code


@contextmanager
def _resume_hint(earlier: Snapshot | None, stdin: str) -> Iterator[None]:
    """Tell the exact command that goes on with a run that stopped."""
    try:
        yield
    except AuditError as error:
        if error.is_resumable:
            arguments = [*click.get_current_context().obj]
            if earlier and "--retry-failed" in arguments:
                # By then, `latest` may be another one.
                arguments[arguments.index("--retry-failed") + 1] = earlier.manifest.snapshot_id
            command = shlex.join(["webex-audit", *arguments, *([] if "--resume" in arguments else ["--resume"])])
            error.args = (f"{error}; go on with: {command}{stdin}",)
        raise


def _print_snapshot(snapshot: Snapshot, *, as_json: bool, is_quiet: bool) -> None:
    if as_json:
        _print(summary.as_json(summary.describe(snapshot)))
    elif not is_quiet:
        _print(summary.render(snapshot))


def _exit_code(snapshot: Snapshot, *, allow_partial: bool) -> int:
    if snapshot.manifest.status == "complete":
        return 0
    log.warning("the snapshot is partial: %s", summary.shortcomings(snapshot))
    return 0 if allow_partial else PARTIAL_EXIT_CODE


@cli.command()
@options.scope_options
@options.api_options
@options.config_options
@options.json_option
@options.logging_options
def doctor(*, as_json: bool, **given: Any) -> int:
    """Check configuration, token, scopes, organizations and output, and say what to do about each fault."""
    settings, _, _ = _settings(given)
    file_is_flag = given["webex__token_file"] is not None
    checks = process.run_until_signal(diagnosis.examine(settings, os.environ, Clock(), file_is_flag=file_is_flag))
    _print(summary.as_json(diagnosis.as_data(checks)) if as_json else summary.render_checks(checks))
    return diagnosis.exit_code(checks)


def _organizations(given: dict[str, Any], *, odd: bool = True) -> tuple[Organization, tuple[Organization, ...]]:
    """The simulated organization that the token is of, and its customers."""
    workspaces, people, lines, customers = (
        given.pop(name) for name in ("workspaces", "people", "virtual_lines", "customers")
    )
    seed = given["seed"]
    others = (
        Organization(workspaces // 5, seed + each, odd, people // 5, lines // 5) for each in range(1, customers + 1)
    )
    return Organization(workspaces, seed, odd, people, lines), tuple(others)


@cli.command()
@click.option(
    "--output", default="webex-audit-demo", show_default=True, metavar="DIR", help="Folder for the snapshots."
)
@options.simulation_options
@click.option("--faults", "fault_spec", default="all=0.005,quirks", show_default=True, help="As in 'simulate'.")
@options.json_option
@options.logging_options
def demo(output: str, fault_spec: str, *, as_json: bool, **given: Any) -> int:
    """Audit simulated organizations: the whole chain, without an account."""
    own, customers = _organizations(given)
    settings, console, verbosity = _settings({**given, "config_file": os.devnull})
    simulation = simulator.Simulation(own, _faults(fault_spec, given["seed"]), customers=customers)
    show = partial(show_progress, console, settings.log.format, verbosity)
    found = process.run_until_signal(demonstrate(simulation, output, show))
    code = max(_exit_code(snapshot, allow_partial=False) for snapshot in found)
    if as_json:
        _print(summary.as_json([summary.describe(snapshot) for snapshot in found]))
    elif verbosity != "quiet":
        _print("\n\n".join(map(summary.render, found)))
        first, second = (shlex.quote(printable(str(snapshot.path))) for snapshot in found)
        _print(f"\nopen {first}/push_to_talk_members.csv: who may open a microphone in which room")
        _print(f"open {second}/audio_options.csv: how users join the audio of meetings, and whether by a sound PIN")
        _print(f"look again with: webex-audit show --output {shlex.quote(printable(output))}")
    return code


def _faults(spec: str, seed: int) -> faults.Faults:
    try:
        return faults.parse(spec, seed)
    except ValueError as error:
        raise UsageError(f"--faults {spec}: {error}; 'webex-audit simulate --list-faults' explains them") from None


@cli.command()
@click.option(
    "--port", default=0, type=click.IntRange(0, 65_535), help="Port on 127.0.0.1. [default: any that is free]"
)
@options.simulation_options
@click.option("--plain", is_flag=True, help="Documented answers only: no odd members, no hostile names.")
@click.option("--rate-limit", type=click.FloatRange(0, 1e6, min_open=True), metavar="N", help="Requests a second.")
@click.option(
    "--limit-kind",
    type=options.choice(LimitKind),
    default="bucket",
    show_default=True,
    help="Of --rate-limit: one that refills steadily, or a count for each second.",
)
@click.option("--max-page", default=1000, show_default=True, type=click.IntRange(1), help="Items of a page at most.")
@click.option("--faults", "fault_spec", default="", metavar="SPEC", help="What goes wrong, such as all=0.1,quirks.")
@click.option("--list-faults", is_flag=True, help="Explain --faults, and stop.")
@options.logging_options
def simulate(
    port: int,
    rate_limit: float | None,
    limit_kind: Any,
    max_page: int,
    fault_spec: str,
    *,
    plain: bool,
    list_faults: bool,
    **given: Any,
) -> int:
    """Serve simulated organizations on this machine until stopped."""
    if list_faults:
        _print(faults.explain())
        return 0
    own, customers = _organizations(given, odd=not plain)
    _settings({**given, "config_file": os.devnull})
    if rate_limit is not None and math.isnan(rate_limit):
        raise UsageError("--rate-limit nan is no rate")
    simulation = simulator.Simulation(
        own,
        _faults(fault_spec, given["seed"]),
        rate_limit_per_s=rate_limit,
        limit_kind=limit_kind,
        max_page=max_page,
        customers=customers,
    )

    async def serve() -> None:
        async with simulator.serve(simulation, port=port) as base_url:
            _print(f"export WEBEX_ACCESS_TOKEN={simulator.ADMIN_TOKEN}\nwebex-audit run --base-url {base_url}")
            await asyncio.Event().wait()

    try:
        process.serve_until_signal(serve())
    except OSError as error:
        raise UsageError(f"port {port} of 127.0.0.1 can't be served: {error.strerror}") from None
    return 0


@cli.command()
@options.config_options
@options.json_option
@options.logging_options
def snapshots(*, as_json: bool, **given: Any) -> int:
    """List the committed snapshots of an output folder, the oldest first."""
    settings, _, _ = _settings(given)
    found = list_snapshots(settings.output.folder)
    _print(summary.as_json([summary.describe(each) for each in found]) if as_json else summary.render_list(found))
    return 0


@cli.command()
@click.argument("snapshot", default="latest")
@options.config_options
@options.json_option
@options.logging_options
def show(snapshot: str, *, as_json: bool, **given: Any) -> int:
    """Summarize a snapshot: SNAPSHOT is a path, an id, 'latest' (the default) or 'previous'."""
    settings, _, _ = _settings(given)
    _print_snapshot(find_snapshot(settings.output.folder, snapshot), as_json=as_json, is_quiet=False)
    return 0


def main(arguments: list[str] | None = None) -> NoReturn:
    """The console script."""
    set_up_logging(_early_log_format(), "normal")
    code = process.execute(cli, arguments)
    process.forget_unread_output()
    sys.exit(code)
