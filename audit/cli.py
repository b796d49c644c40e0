"""The commands: parse, call, print, exit code. No logic."""

import asyncio
import logging
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, NoReturn, get_args

import click
from rich.console import Console

from audit import __version__, config, job, metrics, process, summary
from audit import doctor as diagnosis
from audit.clock import Clock
from audit.config import Settings
from audit.console import Verbosity, printable, set_up_logging, show_progress
from audit.credentials import find_tokens
from audit.errors import AuditError, UsageError
from audit.progress import Progress
from audit.selection import select
from audit.simulator import app as simulator
from audit.simulator import faults
from audit.simulator.limit import LimitKind
from audit.simulator.organization import Organization
from audit.snapshot.reader import Snapshot, find_snapshot, list_snapshots
from audit.webex.tokens import StaticTokens, Token

log = logging.getLogger(__name__)

_Command = Callable[..., Any]

#: Exit code of a committed snapshot that is partial.
_PARTIAL = 3
_DEFAULTS = Settings()


def _flag(key: str, **attributes: Any) -> Callable[[_Command], _Command]:
    """An option that overrides a key of the configuration, which gives its default."""
    section, _, name = key.partition(".")
    value = getattr(getattr(_DEFAULTS, section), name)
    if value not in (None, False) and "[default" not in attributes["help"]:
        attributes["help"] += f" [default: {', '.join(value) if isinstance(value, list) else value}]"
    return click.option(f"--{config.FLAGS[key]}", key.replace(".", "__"), default=None, **attributes)


def _choice(name: Any) -> click.Choice[str]:
    return click.Choice(get_args(name))


def _logging_options(command: _Command) -> _Command:
    for option in (
        _flag("log.format", type=_choice(config.LogFormat), help="Form of the log lines on standard error."),
        click.option("--verbose", is_flag=True, help="Log each retry, and what lies behind an error."),
        click.option("--quiet", is_flag=True, help="Log errors only."),
    ):
        command = option(command)
    return command


def _config_options(command: _Command) -> _Command:
    command = _flag("output.path", metavar="DIR", help="Folder of all snapshots.")(command)
    return click.option(
        "--config",
        "config_file",
        metavar="FILE",
        help="Configuration file. [default: $WEBEX_AUDIT_CONFIG, else config.toml in the user's configuration folder]",
    )(command)


def _api_options(command: _Command) -> _Command:
    for option in (
        _flag("webex.token_file", metavar="FILE", help="File of the access token. [default: $WEBEX_ACCESS_TOKEN]"),
        _flag("webex.base_url", metavar="URL", help="The API."),
        _flag("scope.org_id", metavar="ID", help="Organization (id or UUID). [default: the token's own]"),
    ):
        command = option(command)
    return command


_json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def _settings(options: dict[str, Any]) -> tuple[Settings, Console, Verbosity]:
    """The settings of a command, with its log set up as they say."""
    flags = {name.replace("__", "."): value for name, value in options.items() if "__" in name and value != ()}
    flags = {key: list(value) if isinstance(value, tuple) else value for key, value in flags.items()}
    verbosity: Verbosity = "quiet" if options["quiet"] else "verbose" if options["verbose"] else "normal"
    set_up_logging(flags.get("log.format") or _early_log_format(), verbosity)
    settings = config.load(options.get("config_file"), os.environ, flags)
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
    """Audit the Push-to-Talk settings of every workspace of a Webex organization.

    Data goes to standard output, all else to standard error. 'webex-audit demo' shows the whole
    chain on a simulated organization, without an account.
    """


@cli.command()
@_flag("scope.datasets", multiple=True, type=_choice(config.DatasetName), help="What to audit; may be repeated.")
@_flag("scope.entities", multiple=True, type=_choice(config.EntityName), help="Of what; may be repeated.")
@click.option("--workspace-id", "workspace_ids", multiple=True, metavar="ID", help="Only this one; may be repeated.")
@click.option("--ids-from", metavar="FILE", help="Only the ids in this file, one a line; - is standard input.")
@_flag("output.formats", multiple=True, type=_choice(config.FormatName), help="May be repeated.")
@_flag("output.allow_partial", is_flag=True, help="Exit with 0 where the snapshot is partial.")
@_flag("pace.max_rate", type=float, metavar="N", help="Requests a second, never exceeded. [default: no ceiling]")
@_flag("pace.concurrency", type=int, metavar="N", help="Requests at once.")
@_flag("run.deadline", metavar="TIME", help="Stop in order, resumable, after a time such as 45m. [default: none]")
@click.option("--resume", is_flag=True, help="Go on with the newest unfinished run, if there is one.")
@click.option("--retry-failed", metavar="SNAPSHOT", help="Keep its complete answers, and ask for the others again.")
@click.option("--dry-run", is_flag=True, help="Take the inventory; tell requests, time and scopes; crawl nothing.")
@_flag("run.metrics_file", metavar="FILE", help="Write metrics for Prometheus' textfile collector. [default: none]")
@_api_options
@_config_options
@_json_option
@_logging_options
def run(
    workspace_ids: tuple[str, ...],
    ids_from: str | None,
    retry_failed: str | None,
    *,
    resume: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Crawl an organization and commit a snapshot.

    The access token is read from WEBEX_ACCESS_TOKEN, or from a file (--token-file).
    """
    settings, console, verbosity = _settings(options)
    if retry_failed and (workspace_ids or ids_from or dry_run):
        raise UsageError("--retry-failed has its own scope: leave out --workspace-id, --ids-from and --dry-run")
    clock = Clock()
    with metrics.recorded(settings.run.metrics_file, settings.output.folder) as record:
        tokens = find_tokens(settings.webex, os.environ, clock, file_is_flag=options["webex__token_file"] is not None)
        wanted = select(workspace_ids, ids_from, sys.stdin)
        earlier = find_snapshot(settings.output.folder, retry_failed) if retry_failed else None
        order = job.Order(wanted, resume, earlier)
        if dry_run:
            plan = process.run_until_signal(job.plan(settings, tokens, order, clock=clock))
            _print(summary.as_json(asdict(plan)) if as_json else summary.render_plan(plan))
            return 0
        with show_progress(console, settings.log.format, verbosity) as progress, _resume_hint(earlier):
            snapshot = process.run_until_signal(job.run(settings, tokens, order, progress=progress, clock=clock))
        record(snapshot)
    code = _exit_code(snapshot, allow_partial=settings.output.allow_partial)
    _print_snapshot(snapshot, as_json=as_json, is_quiet=verbosity == "quiet")
    return code


@contextmanager
def _resume_hint(earlier: Snapshot | None) -> Iterator[None]:
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
            stdin = " (and the same ids on standard input)" if "-" in arguments else ""
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
    log.warning(
        "the snapshot is partial: %d entities have no complete answer (column outcome of coverage)",
        summary.unanswered(snapshot),
    )
    return 0 if allow_partial else _PARTIAL


@cli.command()
@_api_options
@_config_options
@_json_option
@_logging_options
def doctor(*, as_json: bool, **options: Any) -> int:
    """Check configuration, token, scopes, organization and output, and say what to do about each fault."""
    settings, _, _ = _settings(options)
    file_is_flag = options["webex__token_file"] is not None
    checks = process.run_until_signal(diagnosis.examine(settings, os.environ, Clock(), file_is_flag=file_is_flag))
    _print(summary.as_json(diagnosis.as_data(checks)) if as_json else summary.render_checks(checks))
    return diagnosis.exit_code(checks)


@cli.command()
@click.option("--output", default="webex-audit-demo", show_default=True, metavar="DIR", help="Folder for the snapshot.")
@click.option("--workspaces", default=300, show_default=True, type=click.IntRange(0), help="Size of the organization.")
@click.option("--seed", default=1, show_default=True, help="What the organization follows from.")
@click.option("--faults", "fault_spec", default="all=0.005,quirks", show_default=True, help="As in 'simulate'.")
@_json_option
@_logging_options
def demo(output: str, workspaces: int, seed: int, fault_spec: str, *, as_json: bool, **options: Any) -> int:
    """Audit a simulated organization: the whole chain, without an account."""
    given, console, verbosity = _settings({**options, "config_file": os.devnull})
    simulation = simulator.Simulation(Organization(workspaces, seed), _faults(fault_spec, seed))

    async def serve_and_run(progress: Progress) -> Snapshot:
        async with simulator.serve(simulation) as base_url:
            flags = {"webex.base_url": base_url, "output.path": output}
            settings = config.load(os.devnull, {"WEBEX_AUDIT_PACE_START_RATE": "100"}, flags)
            tokens = StaticTokens(Token(simulator.ADMIN_TOKEN))
            return await job.run(settings, tokens, job.Order(), progress=progress, clock=Clock())

    with show_progress(console, given.log.format, verbosity) as progress:
        snapshot = process.run_until_signal(serve_and_run(progress))
    code = _exit_code(snapshot, allow_partial=False)
    _print_snapshot(snapshot, as_json=as_json, is_quiet=verbosity == "quiet")
    if not as_json and verbosity != "quiet":
        members = shlex.quote(printable(str(snapshot.path / "push_to_talk_members.csv")))
        _print(f"\nopen {members}: who may open a microphone in which room")
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
@click.option("--workspaces", default=300, show_default=True, type=click.IntRange(0), help="Size of the organization.")
@click.option("--seed", default=1, show_default=True, help="What the organization follows from.")
@click.option("--plain", is_flag=True, help="Documented answers only: no odd members, no hostile names.")
@click.option("--rate-limit", type=click.FloatRange(0, 1e6, min_open=True), metavar="N", help="Requests a second.")
@click.option(
    "--limit-kind",
    type=_choice(LimitKind),
    default="bucket",
    show_default=True,
    help="Of --rate-limit: one that refills steadily, or a count for each second.",
)
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
    **options: Any,
) -> int:
    """Serve a simulated organization on this machine until stopped."""
    if list_faults:
        _print(faults.explain())
        return 0
    _settings({**options, "config_file": os.devnull})
    if rate_limit is not None and math.isnan(rate_limit):
        raise UsageError("--rate-limit nan is no rate")
    simulation = simulator.Simulation(
        Organization(workspaces, seed, odd=not plain),
        _faults(fault_spec, seed),
        rate_limit_per_s=rate_limit,
        limit_kind=limit_kind,
        max_page=max_page,
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
@_config_options
@_json_option
@_logging_options
def snapshots(*, as_json: bool, **options: Any) -> int:
    """List the committed snapshots of an output folder, the oldest first."""
    settings, _, _ = _settings(options)
    found = list_snapshots(settings.output.folder)
    _print(summary.as_json([summary.describe(each) for each in found]) if as_json else summary.render_list(found))
    return 0


@cli.command()
@click.argument("snapshot", default="latest")
@_config_options
@_json_option
@_logging_options
def show(snapshot: str, *, as_json: bool, **options: Any) -> int:
    """Summarize a snapshot: SNAPSHOT is a path, an id, 'latest' (the default) or 'previous'."""
    settings, _, _ = _settings(options)
    _print_snapshot(find_snapshot(settings.output.folder, snapshot), as_json=as_json, is_quiet=False)
    return 0


def main(arguments: list[str] | None = None) -> NoReturn:
    """The console script."""
    set_up_logging(_early_log_format(), "normal")
    code = process.execute(cli, arguments)
    process.forget_unread_output()
    sys.exit(code)
