"""The command `report`. It needs the extra `review`."""

from typing import Any

import click

from audit.cli import options, views
from audit.cli.approvals import approved_beside
from audit.cli.options import settings_of
from audit.cli.results import print_result
from audit.errors import UsageError
from audit.files import atomic_file, expand
from audit.review import needs_extra
from audit.snapshot.catalog import Snapshot, find_snapshot
from audit.snapshot.layout import SNAPSHOT_ID
from audit.snapshot.staging import staged
from audit.text import printable


@click.command()
@click.argument("snapshot", default="latest")
@options.flag("check.rules_dir", metavar="DIR", help="Folder of your own rules, *.sql.")
@options.flag("check.exceptions_file", metavar="FILE", help="TOML file of findings that are accepted until a date.")
@options.flag("check.baseline_file", metavar="FILE", help="Accept what is in this file of check --write-baseline.")
@options.flag("check.timeout", metavar="DURATION", help="Skip a rule that computes longer.")
@click.option(
    "--against",
    metavar="SNAPSHOT",
    help="Show what changed since this snapshot. [default: the one before, of the same scope]",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["html", "xlsx"]),
    default="html",
    show_default=True,
    help="Format of the file.",
)
@click.option("--file", metavar="FILE", help="Path of the file. [default: <snapshot id>.html or .xlsx in this folder]")
@options.config_options
@options.json_option
@options.logging_options
def report(snapshot: str, against: str | None, kind: str, file: str | None, *, as_json: bool, **given: Any) -> int:
    """Write a report for reviewers, as HTML or as a workbook.

    SNAPSHOT is a path, an id, 'latest' (the default), 'previous' or 'approved'. In --against, 'latest', 'previous'
    and 'approved' are of the same scope as SNAPSHOT.
    """
    settings = settings_of(given)
    from audit.clock import Clock

    with needs_extra():
        from audit.review.check.check import check as apply_rules
        from audit.review.comparable import find_before, find_beside
        from audit.review.diff.compare import compare
        from audit.review.report import write_report, write_workbook
    found = find_snapshot(settings.output.folder, snapshot)
    earlier = find_beside(settings.output.folder, against, found) if against else find_before(found)
    path = expand(file or f"{_name_of(found)}.{kind}")
    approved = approved_beside(settings, found)
    with staged(found) as one, staged(earlier) as other:
        checks = apply_rules(one, other, settings.check, today=Clock().now().date(), approved=approved)
        changes = compare(other, one) if other else None
        try:
            if kind == "xlsx":
                write_workbook(one, checks, changes, other, path)
            else:
                with atomic_file(path) as stream:
                    stream.write(write_report(one, checks, changes, other, approved).encode())
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}: name another file with --file") from None
    print_result(views.as_json({"path": str(path)}) if as_json else printable(str(path)))
    return 0


def _name_of(snapshot: Snapshot) -> str:
    """The name of a report: that of the snapshot's folder, since anybody may have written the manifest."""
    name = snapshot.path.resolve().name
    return name if SNAPSHOT_ID.fullmatch(name) else "report"
