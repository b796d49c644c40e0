"""The commands that ask the API: `run` and `doctor`."""

import gc
import logging
import os
import shlex
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from audit import config
from audit.cli import options, signals, views
from audit.cli.command import Command, heading
from audit.cli.options import settings_of, verbosity_of
from audit.cli.results import exit_code, print_done, print_result, print_snapshot, print_unchanged
from audit.errors import AuditError, UsageError
from audit.snapshot.catalog import Snapshot, find_snapshot

if TYPE_CHECKING:
    from audit.cli.selection import Selection
    from audit.run.job import Job
    from audit.snapshot.source import Source

log = logging.getLogger(__name__)

#: Objects that are made before the garbage collector looks for cycles. A crawl keeps thousands of answers for a moment,
#: and makes next to no cycles, so the collector would look at them again and again in vain.
_GC_AFTER = 10_000


@click.command(cls=Command)
@options.scope_options
@click.option(
    "--workspace-id", "workspace_ids", multiple=True, metavar="ID", help="Only this workspace; may be repeated."
)
@click.option(
    "--ids-from", metavar="FILE", help="Only the workspace ids in this file, one per line; - is standard input."
)
@click.option("--user", "emails", multiple=True, metavar="EMAIL", help="Audio options of this user; may be repeated.")
@click.option(
    "--users-from",
    metavar="FILE",
    help="Audio options of the users in this file, one email address per line; - is standard input.",
)
@options.config_options
@options.shared_option
@options.flag(
    "output.formats",
    multiple=True,
    type=options.choice(config.FormatName),
    help="Format of the tables; may be repeated.",
)
@options.flag("output.csv_per_org", is_flag=True, help="Write CSV per organization, not for all together.")
@options.csv_dialect_option
@options.flag("output.allow_partial", is_flag=True, help="Exit with 0 even if the snapshot is partial.")
@heading("Pace and limits")
@options.flag(
    "pace.max_rate", type=float, metavar="N", help="Never exceed this many requests per second. [default: no ceiling]"
)
@options.flag("pace.concurrency", type=int, metavar="N", help="Requests in flight at a time.")
@options.flag("run.deadline", metavar="TIME", help="Stop cleanly, resumable, after a time such as 45m. [default: none]")
@heading("Engine")
@options.flag(
    "run.engine",
    type=options.choice(config.EngineName),
    help="What audits the organizations: this process, or a Dask cluster.",
)
@options.flag(
    "run.scheduler", metavar="ADDRESS", help="Address of an existing Dask cluster. [default: a cluster on this machine]"
)
@heading("Resume, retry, rehearse")
@click.option("--resume", is_flag=True, help="Continue the newest unfinished run, if there is one.")
@click.option(
    "--retry-failed",
    metavar="SNAPSHOT",
    help="Keep the complete answers of this snapshot and request the others again, if there are any.",
)
@click.option("--dry-run", is_flag=True, help="Take the inventory, print requests, time and scopes, and crawl nothing.")
@heading("Output")
@click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="FILE",
    help="Write a report of the snapshot, too, as .html, .xlsx, or .csv of who may open which room; may be repeated.",
)
@options.flag(
    "run.metrics_file", metavar="FILE", help="Write metrics for the textfile collector of Prometheus. [default: none]"
)
@heading("What to audit")
@options.events_option
@options.flag(
    "run.admin_events_with_addresses",
    is_flag=True,
    help="With --admin-events, keep IP addresses and user agents of administrators.",
)
@options.api_options
@options.json_option
@options.logging_options
def run(retry_failed: str | None, *, resume: bool, dry_run: bool, as_json: bool, **given: Any) -> int:
    """Crawl one or many organizations and commit a snapshot.

    The access token comes from 'webex-audit login', from a file (--token-file), or from WEBEX_ACCESS_TOKEN.
    """
    settings = settings_of(given)
    from audit.cli import afterwards, metrics, run_reports
    from audit.cli.notifying import notified
    from audit.clock import Clock
    from audit.crawl.earlier import is_nothing_to_retry
    from audit.notify.message import of_run
    from audit.run.credentials import find_tokens, hidden_login
    from audit.run.job import Job
    from audit.run.plan import plan
    from audit.run.retried import check_flags, retried_scope
    from audit.run.scope import scope_of
    from audit.snapshot.proof import signing
    from audit.snapshot.source import verified

    gc.set_threshold(_GC_AFTER)
    verbosity, clock = verbosity_of(given), Clock()
    is_committed = threading.Event()
    with (
        notified(settings.notify, "run", is_on=not dry_run) as teller,
        metrics.recorded(
            None if dry_run else settings.run.metrics_file,
            settings.output.folder,
            config.profile_of(given["profile"], os.environ),
        ) as record,
        ExitStack() as stack,
    ):
        selection = _selection(given, settings, is_retry=retry_failed is not None, is_rehearsal=dry_run)
        reports = run_reports.planned(settings, given)
        key = signing.public_key_of(settings.sign.key_file)
        found = find_snapshot(settings.output.folder, retry_failed) if retry_failed else None
        earlier = stack.enter_context(verified(found, key)) if found else None
        if earlier:
            check_flags(earlier, settings, options.given_keys(given))
        if found and earlier and is_nothing_to_retry(earlier.manifest):
            print_unchanged(found, as_json=as_json, is_quiet=verbosity == "quiet", reports=[] if reports else None)
            run_reports.tell_of_none(reports, found, given)
            return 0
        named = options.named_by(given)
        tokens = find_tokens(settings.webex, os.environ, clock, named)
        if hidden := hidden_login(settings.webex, os.environ, named):
            log.warning("%s", hidden)
        scope = retried_scope(earlier) if earlier else scope_of(settings, *selection.read(sys.stdin))
        run_reports.check_datasets(reports, [each.name for each in scope.datasets])
        if dry_run:
            if resume:
                log.info("this is the plan of a whole run: --resume asks only for what an unfinished run has not read")
            planned = signals.run_until_signal(plan(Job(settings, tokens, scope, clock=clock)))
            print_result(views.as_json(asdict(planned)) if as_json else views.render_plan(planned))
            return 0
        job = Job(settings, tokens, scope, clock=clock)
        snapshot = _crawl(job, given, earlier, selection, is_committed, is_resuming=resume)
        code = exit_code(snapshot, allow_partial=settings.output.allow_partial)
        record(snapshot, code)
        done = run_reports.write_all(reports, snapshot, given)
        teller.tell(lambda: of_run(snapshot.manifest, str(snapshot.path), done.news))
    print_snapshot(snapshot, as_json=as_json, is_quiet=verbosity == "quiet", reports=done.written if reports else None)
    steps = afterwards.next_steps(snapshot, given, settings, done.paths)
    for line in (*afterwards.left_out(scope, settings), *steps):
        if not as_json:
            log.info("%s", line)
    return code


def _selection(given: dict[str, Any], settings: config.Settings, *, is_retry: bool, is_rehearsal: bool) -> "Selection":
    """What a run selects by name; also checks options that need, or exclude, another."""
    from audit.cli.selection import Selection

    if settings.run.admin_events_with_addresses and not settings.run.admin_events:
        raise UsageError(
            "--admin-events-with-addresses (run.admin_events_with_addresses) adds to --admin-events: add it"
        )
    selection = Selection(*(given[name] for name in ("workspace_ids", "ids_from", "emails", "users_from")))
    if is_retry and (any(selection) or is_rehearsal):
        raise UsageError("--retry-failed has its own scope: leave out options that select entities, and --dry-run")
    selection.check_stdin()
    return selection


def _crawl(
    job: "Job",
    given: dict[str, Any],
    earlier: "Source | None",
    selection: "Selection",
    is_committed: threading.Event,
    *,
    is_resuming: bool,
) -> Snapshot:
    """Run a job, with its progress on standard error."""
    from audit.cli.progress import show_progress
    from audit.cli.resuming import warn_of_unfinished
    from audit.review.verify.signed_removals import seal_removed_with
    from audit.run.run import run as run_job
    from audit.snapshot.proof import signing

    settings, key_file = job.settings, job.settings.sign.key_file
    seal, seal_removed = signing.seal_with(key_file), seal_removed_with(key_file)
    if not is_resuming:
        warn_of_unfinished(settings, given, job.scope, _resuming_command(earlier))
    with show_progress(settings.log.format, verbosity_of(given)) as progress, _resume_hint(earlier, selection):
        work = run_job(
            replace(job, progress=progress),
            is_resuming=is_resuming,
            seal=seal,
            seal_removed=seal_removed,
            on_committed=is_committed.set,
        )
        return signals.run_until_signal(work, is_committed.is_set)


@contextmanager
def _resume_hint(earlier: "Source | None", selection: "Selection") -> Iterator[None]:
    """Add to the error of a stopped run the exact command that continues it."""
    try:
        yield
    except AuditError as error:
        if not error.is_resumable:
            raise
        stdin = " (and the same lines on standard input)" if selection.reads_stdin else ""
        raise error.advised(f"go on with: {_resuming_command(earlier)}{stdin}") from error


def _resuming_command(earlier: "Source | None") -> str:
    """The command that resumes this run."""
    arguments = with_id([*click.get_current_context().obj], earlier)
    return shlex.join(["webex-audit", *arguments, *([] if "--resume" in arguments else ["--resume"])])


def with_id(arguments: list[str], earlier: "Snapshot | Source | None") -> list[str]:
    """The arguments with the id of the snapshot to retry: `latest` may be another snapshot by then."""
    option = "--retry-failed"
    if earlier and option in arguments:
        arguments[arguments.index(option) + 1] = earlier.manifest.snapshot_id
    elif earlier:
        arguments = [
            f"{option}={earlier.manifest.snapshot_id}" if each.startswith(f"{option}=") else each for each in arguments
        ]
    return arguments


@click.command(cls=Command)
@options.scope_options
@options.events_option
@options.api_options
@options.shared_option
@options.config_options
@heading("Output")
@click.option("--notify", "sends", is_flag=True, help="Also send a test message to the addresses of notify.urls_file.")
@options.json_option
@options.logging_options
def doctor(*, sends: bool, as_json: bool, **given: Any) -> int:
    """Check token, scopes, organizations and output before a run.

    Each fault comes with its remedy; the exit code is that of the run, or 2 if a test message was not sent.
    """
    settings = settings_of(given)
    from audit.cli import notifying
    from audit.clock import Clock
    from audit.run import doctor as diagnosis

    named, source = options.named_by(given), options.config_source(given)
    checks = signals.run_until_signal(diagnosis.examine(settings, os.environ, Clock(), named, source))
    checks += notifying.examine(settings.notify, sends=sends)
    shown = [each for each in checks if each.status != "ok"] if given["quiet"] else checks
    if as_json:
        print_result(views.as_json(diagnosis.as_data(checks)))
    else:
        print_done(views.render_checks(shown), is_quiet=False)
    return diagnosis.exit_code(checks)
