"""The command `check`. It needs the extra `review`."""

from typing import Any

import click

from audit.cli import options
from audit.cli.options import settings_of
from audit.cli.results import print_all
from audit.errors import FOUND_EXIT_CODE
from audit.review import needs_extra
from audit.review.check.finding import Severity
from audit.snapshot.catalog import find_snapshot
from audit.snapshot.staging import staged


@click.command()
@click.argument("snapshot", default="latest")
@options.flag("check.rules_dir", metavar="DIR", help="Folder of your own rules, *.sql.")
@options.flag("check.exceptions_file", metavar="FILE", help="TOML file of findings that are accepted until a date.")
@options.flag("check.timeout", metavar="DURATION", help="Skip a rule that computes longer.")
@click.option(
    "--against", metavar="SNAPSHOT", help="Compare with this snapshot. [default: the one before, of the same scope]"
)
@click.option(
    "--fail-on",
    default="low",
    show_default=True,
    type=click.Choice([str(each) for each in Severity]),
    help="Exit with 1 if a finding of this severity or a worse one remains.",
)
@click.option(
    "--format",
    "form",
    default="text",
    show_default=True,
    type=click.Choice(["text", "json", "csv", "ocsf", "junit", "oscal"]),
    help="Format of the result.",
)
@options.config_options
@options.json_option
@options.logging_options
def check(snapshot: str, against: str | None, fail_on: str, form: Any, *, as_json: bool, **given: Any) -> int:
    """Check a snapshot against rules.

    SNAPSHOT is a path, an id, 'latest' (the default) or 'previous'.
    """
    settings = settings_of(given)
    from audit.clock import Clock

    with needs_extra():
        from audit.review.check.check import check as apply_rules
        from audit.review.check.formats import FORMATS
        from audit.review.comparable import find_before
    found = find_snapshot(settings.output.folder, snapshot)
    previous = find_snapshot(settings.output.folder, against) if against else find_before(found)
    now = Clock().now()
    with staged(found) as one, staged(previous) as other:
        result = apply_rules(one, other, settings.check, today=now.date())
    print_all([FORMATS["json" if as_json else form](result, now), "\n"])
    is_found = any(each.severity.rank <= Severity(fail_on).rank for each in result.findings)
    return FOUND_EXIT_CODE if is_found else 0
