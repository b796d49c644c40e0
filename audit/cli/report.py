"""The command `report`. It needs the extra `review`."""

import sys
from typing import Any

import click

from audit.cli import options, report_file, views
from audit.cli.command import Command, heading
from audit.cli.options import settings_of
from audit.cli.report_file import ReportFile
from audit.cli.results import print_done, print_result
from audit.config import Settings
from audit.errors import UsageError
from audit.files import expand
from audit.snapshot.catalog import Snapshot, find_snapshot
from audit.snapshot.layout import SNAPSHOT_ID
from audit.text import printable

#: The file of `--format csv`.
_OPEN_ROOMS = "open_rooms.csv"


@click.command(cls=Command)
@click.argument("snapshot", default="latest")
@heading("Rules")
@options.flag("check.rules_dir", metavar="DIR", help="Folder of your own rules, *.sql.")
@options.flag("check.exceptions_file", metavar="FILE", help="TOML file of findings that are accepted until a date.")
@options.flag("check.baseline_file", metavar="FILE", help="Accept what is in this file of check --write-baseline.")
@options.flag("check.timeout", metavar="TIME", help="Skip a rule that computes longer.")
@heading("What to compare")
@click.option(
    "--against",
    metavar="SNAPSHOT",
    help="Show what changed since this snapshot. [default: the snapshot before, of the same scope]",
)
@heading("Output")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["html", "xlsx", "csv"]),
    help="Format of the file; csv is the view open_rooms alone. [default: that of the suffix of --file, else html]",
)
@click.option(
    "--file",
    metavar="FILE",
    help="Path of the file; - is standard output. [default: <snapshot id>.html or .xlsx, or open_rooms.csv, here]",
)
@options.csv_dialect_option
@options.config_options
@options.json_option
@options.logging_options
def report(
    snapshot: str, against: str | None, kind: str | None, file: str | None, *, as_json: bool, **given: Any
) -> int:
    """Write a report for reviewers, as HTML, as a workbook, or as CSV of who may open which room.

    SNAPSHOT is a path, an id or its first characters, 'latest' (the default), 'previous' or 'approved'.
    In --against, 'latest', 'previous' and 'approved' are of the same scope as SNAPSHOT.
    """
    settings = settings_of(given)
    kind = report_file.kind_of(file or "", kind, advice=", or say with --format what it is")
    options.refuse_dialect_without_csv(given, is_csv=kind == "csv", csv_flag="--format csv")
    if file == "-" and as_json:
        raise UsageError("--json and --file - both write to standard output: leave out one of them")
    if file == "-" and kind == "xlsx" and sys.stdout and sys.stdout.isatty():
        raise UsageError("a workbook is not a text for a terminal: name a file with --file")
    report_file.load_review()
    found = find_snapshot(settings.output.folder, snapshot)
    earlier = _earlier(found, settings, against)
    path = expand(file or (_OPEN_ROOMS if kind == "csv" else f"{_name_of(found)}.{kind}"))
    written = report_file.write(ReportFile(path, kind, is_output=file == "-"), found, earlier, settings)
    if file == "-":
        return 0
    if as_json:
        print_result(views.as_json(written))
    else:
        print_done(printable(str(path)), is_quiet=given["quiet"])
    return 0


def _earlier(found: Snapshot, settings: Settings, against: str | None) -> Snapshot | None:
    """The snapshot that the report compares with."""
    from audit.review.comparable import find_before, find_beside

    return find_beside(settings.output.folder, against, found) if against else find_before(found)


def _name_of(snapshot: Snapshot) -> str:
    """The name of a report: that of the snapshot's folder, since anybody may have written the manifest."""
    name = snapshot.path.resolve().name
    return name if SNAPSHOT_ID.fullmatch(name) else "report"
