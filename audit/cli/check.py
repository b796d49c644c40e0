"""The command `check`. It needs the extra `review`."""

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from audit.cli import options
from audit.cli.approvals import approved_beside
from audit.cli.command import Command, heading
from audit.cli.options import settings_of
from audit.cli.results import print_all, print_utf8
from audit.config import profile_of
from audit.errors import FOUND_EXIT_CODE, UsageError
from audit.files import expand
from audit.review import needs_extra
from audit.review.check.finding import Severity
from audit.snapshot.catalog import Snapshot, find_snapshot
from audit.snapshot.staging import staged

if TYPE_CHECKING:
    from audit.cli.metrics import Gauges
    from audit.notify.message import Notice
    from audit.review.check.finding import CheckResult
    from audit.review.news import Since

_SEVERITY = click.Choice([str(each) for each in Severity])


@click.command(cls=Command)
@click.argument("snapshot", default="latest")
@heading("Rules")
@options.flag("check.rules_dir", metavar="DIR", help="Folder of your own rules, *.sql.")
@options.flag("check.exceptions_file", metavar="FILE", help="TOML file of findings that are accepted until a date.")
@options.flag("check.baseline_file", metavar="FILE", help="Show only what is not in this file of --write-baseline.")
@click.option(
    "--write-baseline",
    "written",
    metavar="FILE",
    help="Accept all open findings: write them to this new file, and exit with 0.",
)
@options.flag("check.timeout", metavar="TIME", help="Skip a rule that computes longer.")
@heading("What to compare and to show")
@click.option(
    "--against",
    metavar="SNAPSHOT",
    help="Compare with this snapshot. [default: the snapshot before, of the same scope]",
)
@click.option(
    "--severity", "severities", multiple=True, type=_SEVERITY, help="Only findings of this severity; may be repeated."
)
@click.option("--rule", "rule_ids", multiple=True, metavar="ID", help="Only findings of this rule; may be repeated.")
@click.option(
    "--org",
    "organizations",
    multiple=True,
    metavar="ID|NAME",
    help="Only findings of this organization (id, UUID or exact name); may be repeated.",
)
@click.option(
    "--fail-on",
    type=_SEVERITY,
    help="Exit with 1 if a finding of this severity or a worse one remains. [default: low]",
)
@heading("Output")
@click.option(
    "--format",
    "form",
    callback=print_utf8,
    type=click.Choice(["text", "json", "csv", "ocsf", "junit", "oscal"]),
    help="Format of the result. [default: text]",
)
@options.csv_dialect_option
@click.option(
    "--metrics-file",
    metavar="FILE",
    help="Write the number of findings for the textfile collector of Prometheus; not the file of 'run'.",
)
@options.config_options
@options.json_option
@options.logging_options
def check(
    snapshot: str,
    against: str | None,
    written: str | None,
    metrics_file: str | None,
    severities: tuple[str, ...],
    rule_ids: tuple[str, ...],
    organizations: tuple[str, ...],
    fail_on: str | None,
    form: Any,
    *,
    as_json: bool,
    **given: Any,
) -> int:
    """Check a snapshot against rules.

    SNAPSHOT is a path, an id or its first characters, 'latest' (the default), 'previous' or 'approved'.
    In --against, 'latest', 'previous' and 'approved' are of the same scope as SNAPSHOT. --severity, --rule and --org
    choose what is shown and written, and what decides the exit code; the result says how much they leave out.
    """
    settings = settings_of(given)
    from audit.cli import metrics
    from audit.cli.notifying import notified
    from audit.clock import Clock
    from audit.webex import ids

    with notified(settings.notify, "check", is_on=written is None) as teller:
        if as_json and form not in (None, "json"):
            raise UsageError(f"choose one of --json and --format {form}")
        is_csv = form == "csv"
        options.refuse_dialect_without_csv(given, is_csv=is_csv, csv_flag="--format csv")
        with needs_extra():
            from audit.review.check.baseline import accept_all, check_new
            from audit.review.check.check import check as apply_rules
            from audit.review.check.choice import Choice
            from audit.review.check.formats import FORMATS
            from audit.review.check.formats.csv import as_csv
            from audit.review.comparable import find_before, find_beside
            from audit.review.news import find_news
        orgs = [ids.uuid_of(each) or each for each in organizations]
        choice = Choice([Severity(each) for each in severities], rule_ids, orgs, Severity(fail_on) if fail_on else None)
        if written is not None:
            check_new(expand(written))
        profile = profile_of(given["profile"], os.environ)
        gauges = metrics.Gauges(metrics.checked(metrics_file), profile) if metrics_file else None
        found = find_snapshot(settings.output.folder, snapshot)
        previous = find_beside(settings.output.folder, against, found) if against else find_before(found)
        now = Clock().now()
        with staged(found) as one, staged(previous) as other, staged(approved_beside(settings, found)) as right:
            result = apply_rules(one, other, settings.check, today=now.date(), approved=right)
            result = choice.of(result, found.manifest.orgs)
            like = other if result.previous_id else None
            news = partial(find_news, result, one, like, settings.check, today=now.date(), approved=right)
            teller.tell(lambda: _notice(found, result, news, fails=choice.fails(result)))
        if written is not None:
            result = accept_all(expand(written), result, found.manifest.orgs, now.date())
        if gauges:
            _write_metrics(gauges, result)
        name: Any = "json" if as_json else form or ("findings" if given["quiet"] else "text")
        render = partial(as_csv, dialect=settings.output.csv_dialect) if is_csv else FORMATS[name]
        if text := render(result, now):
            print_all([text, "\n"], whole=True)
    return FOUND_EXIT_CODE if choice.fails(result) else 0


def _write_metrics(gauges: "Gauges", result: "CheckResult") -> None:
    from audit.cli.metrics import write_check
    from audit.review.news import by_severity

    write_check(
        gauges,
        dict.fromkeys(map(str, Severity), 0) | by_severity(result.findings),
        accepted=sum(len(each.excepted) for each in result.results),
        skipped=sum(each.status == "skipped" for each in result.results),
    )


def _notice(found: Snapshot, result: "CheckResult", find: "Callable[[], Since | None]", *, fails: bool) -> "Notice":
    """What to tell of a check: what is new is looked for only if somebody is to hear of it."""
    from audit.notify.message import News, of_check
    from audit.review.check.formats.text import line_of
    from audit.review.news import by_severity

    since = find()
    named = since.findings if since else result.findings
    # The line of a message is short, and the finding stands at its end.
    has_orgs = len(found.manifest.orgs) > 1
    news = News(
        fails,
        by_severity(result.findings),
        by_severity(since.findings) if since else None,
        since.opened if since else None,
        [f"{each.severity} {each.rule_id}: {line_of(each, has_orgs=has_orgs)}" for each in named],
    )
    return of_check(found.manifest, str(found.path), news)
