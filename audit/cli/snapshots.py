"""The commands for whole snapshots: `snapshots`, `show`, `verify`, `prune`."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from audit import config
from audit.cli import options, views
from audit.cli.approvals import approval_field, approval_line, approvals_in
from audit.cli.command import Command, heading
from audit.cli.options import settings_of
from audit.cli.results import print_done, print_result, tell_nothing
from audit.errors import FOUND_EXIT_CODE, UsageError, words_of
from audit.output.journal import folders_of_runs
from audit.snapshot.catalog import Snapshot, check_output, find_snapshot, list_snapshots
from audit.text import count_of

if TYPE_CHECKING:
    from audit.output.prune import Folder

log = logging.getLogger(__name__)


@click.command(cls=Command)
@heading("What to list")
@click.option("--unfinished", is_flag=True, help="List unfinished runs alone.")
@options.config_options
@options.json_option
@options.logging_options
def snapshots(*, unfinished: bool, as_json: bool, **given: Any) -> int:
    """List the committed snapshots of an output, oldest first, and its unfinished runs."""
    settings = settings_of(given)
    found = list_snapshots(settings.output.folder)
    approved = approvals_in(settings.output.folder, found)
    data, lines = _unfinished(settings, given, found, lists_all=unfinished)
    if not (found or data):
        tell_nothing(settings)
    elif unfinished and not data:
        log.info("no unfinished run")
    if not as_json:
        listed = [] if unfinished else [views.render_list(found, approved)]
        print_done("\n".join([*listed, *lines]), is_quiet=False)
    elif unfinished:
        print_result(views.as_json(data))
    else:
        if data:
            log.info("%s: --unfinished lists them", count_of(len(data), "unfinished run"))
        print_result(views.as_json([{**views.describe(each), **approval_field(each, approved)} for each in found]))
    return 0


@click.command(cls=Command)
@click.argument("snapshot", default="latest")
@options.config_options
@options.json_option
@options.logging_options
def show(snapshot: str, *, as_json: bool, **given: Any) -> int:
    """Summarize a snapshot.

    SNAPSHOT is a path, an id or its first characters, 'latest' (the default), 'previous' or 'approved'.
    """
    settings = settings_of(given)
    output = settings.output.folder
    try:
        found = find_snapshot(output, snapshot)
    except UsageError:
        for line in _unfinished(settings, given)[1]:
            log.info("%s", line)
        raise
    approved = approvals_in(found.path.parent, [found])
    data, lines = _unfinished(settings, given) if found.path.parent == output else ([], [])
    if as_json:
        fields = {**approval_field(found, approved), "unfinished": data}
        print_result(views.as_json({**views.describe(found), **fields}))
    else:
        print_result("\n".join([views.render(found), *approval_line(found, approved), *lines]))
    return 0


def _unfinished(
    settings: config.Settings, given: dict[str, Any], found: list[Snapshot] | None = None, *, lists_all: bool = False
) -> tuple[list[dict[str, Any]], list[str]]:
    """The unfinished runs of the output, as data and as lines; `found` are its snapshots, if they are known."""
    output = settings.output.folder
    try:
        if not folders_of_runs(output, {each.manifest.snapshot_id for each in found or ()}):
            return [], []
        from audit.cli import pending_views
        from audit.cli.resuming import ways_on
        from audit.clock import Clock

        now = Clock().now()
        ways = ways_on(settings, given, list_snapshots(output) if found is None else found, now)
    except (OSError, UsageError) as error:
        log.info("unfinished runs can't be listed: %s", words_of(error))
        return [], []
    return pending_views.as_data(ways, now), pending_views.render(ways, now, None if lists_all else given)


@click.command(cls=Command)
@click.argument("snapshot", default="latest")
@heading("Signature")
@click.option(
    "--public-key", metavar="FILE", help="Require a signature by this key (PEM). [default: no signature required]"
)
@options.config_options
@options.json_option
@options.logging_options
def verify(snapshot: str, public_key: str | None, *, as_json: bool, **given: Any) -> int:
    """Recompute the digests of a snapshot and its chain.

    SNAPSHOT is a path, an id or its first characters, 'latest' (the default), 'previous' or 'approved'.

    The exit code is 1 if anything differs.
    """
    settings = settings_of(given)
    from audit.files import expand
    from audit.review.verify import verify as verification
    from audit.snapshot.proof import signing

    key = signing.load_public_key(expand(public_key)) if public_key else None
    found = verification.verify(settings.output.folder, snapshot, key)
    for note in found.notes:
        log.info("%s", note.message)
    if as_json:
        print_result(views.as_json(verification.as_data(found)))
    else:
        print_done(verification.render(found), is_quiet=given["quiet"] and not found.faults)
    return FOUND_EXIT_CODE if found.faults else 0


def _keep_each(period: str, noun: str) -> Callable[[options.Command], options.Command]:
    text = f"Keep a snapshot of each of the latest N {noun}s that have any."
    return click.option(f"--keep-{period}", type=click.IntRange(1), metavar="N", help=text)


@click.command(cls=Command)
@heading("What to keep, of each scope")
@click.option("--keep-last", type=click.IntRange(1), metavar="N", help="Keep the newest N snapshots.")
@click.option("--keep-within", metavar="TIME", help="Keep snapshots younger than a time such as 400d.")
@_keep_each("daily", "day")
@_keep_each("weekly", "week")
@_keep_each("monthly", "month")
@_keep_each("yearly", "year")
@click.option("--dry-run", is_flag=True, help="Print what would be removed; remove nothing.")
@options.shared_option
@options.config_options
@options.json_option
@options.logging_options
def prune(keep_last: int | None, keep_within: str | None, *, dry_run: bool, as_json: bool, **given: Any) -> int:
    """Remove old snapshots, and leftovers of unfinished runs.

    Each --keep option keeps what it names, of each scope on its own. Days, weeks, months and years are those of UTC.
    The newest snapshot of a scope, its newest complete snapshot and approved snapshots always stay.
    """
    settings = settings_of(given)
    from audit.clock import Clock
    from audit.output import prune as pruning
    from audit.output import retention
    from audit.output.lock import lock
    from audit.output.occupant import lock_to_look
    from audit.output.unfinished import tidy
    from audit.review.verify.signed_removals import seal_removed_with
    from audit.storage.errors import unwritable

    within_s = None if keep_within is None else config.seconds_of(keep_within, "--keep-within")
    keep = retention.Keep(keep_last, within_s, *(given[f"keep_{period}"] for period in retention.PERIODS))
    output = settings.output.folder
    seal = seal_removed_with(settings.sign.key_file)
    try:
        check_output(output)
        with (lock_to_look if dry_run else lock)(output, is_shared=settings.output.shared) as held:
            found = pruning.plan(output, keep, Clock().now(), resume_within_s=settings.run.resume_within_s)
            if not dry_run:
                # A damaged record would have been refused above. The plan has the folders that this removes.
                tidy(output, held, seal)
                found = pruning.carry_out(output, found, held.check, seal)
    except OSError as error:
        raise unwritable(output, error, "prune as a user who may write there") from None
    _print_pruned(found, as_json=as_json, is_quiet=given["quiet"] and not dry_run)
    return UsageError.exit_code if any(each.action == "failed" for each in found) else 0


def _print_pruned(found: "list[Folder]", *, as_json: bool, is_quiet: bool) -> None:
    if as_json:
        print_result(views.as_json(found))
        return
    shown = [each for each in found if each.action in ("failed", "left")] if is_quiet else found
    print_done(views.render_pruned(shown), is_quiet=is_quiet and not shown)
