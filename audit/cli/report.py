"""The command `report`. It needs the extra `review`."""

import errno
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from audit.cli import options, views
from audit.cli.approvals import approved_beside
from audit.cli.command import Command, heading
from audit.cli.options import settings_of
from audit.cli.results import print_done, print_file, print_result
from audit.config import Settings
from audit.errors import StoppedError, UsageError
from audit.files import atomic_file, expand
from audit.review import needs_extra
from audit.snapshot.catalog import Approved, Snapshot, find_snapshot
from audit.snapshot.layout import SNAPSHOT_ID
from audit.snapshot.staging import staged
from audit.text import printable

log = logging.getLogger(__name__)

#: The file of `--format csv`.
_OPEN_ROOMS = "open_rooms.csv"
_SUFFIXES = {".html": "html", ".htm": "html", ".xlsx": "xlsx", ".csv": "csv"}


@click.command(cls=Command)
@click.argument("snapshot", default="latest")
@heading("Rules")
@options.flag("check.rules_dir", metavar="DIR", help="Folder of your own rules, *.sql.")
@options.flag("check.exceptions_file", metavar="FILE", help="TOML file of findings that are accepted until a date.")
@options.flag("check.baseline_file", metavar="FILE", help="Accept what is in this file of check --write-baseline.")
@options.flag("check.timeout", metavar="DURATION", help="Skip a rule that computes longer.")
@heading("What to compare")
@click.option(
    "--against",
    metavar="SNAPSHOT",
    help="Show what changed since this snapshot. [default: the one before, of the same scope]",
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
    kind = _kind_of(kind, file)
    options.refuse_dialect_without_csv(given, is_csv=kind == "csv", csv_flag="--format csv")
    if file == "-" and as_json:
        raise UsageError("--json and --file - both write to standard output: leave out one of them")
    if file == "-" and kind == "xlsx" and sys.stdout and sys.stdout.isatty():
        raise UsageError("a workbook is not a text for a terminal: name a file with --file")
    with needs_extra():
        from audit.review import report as reports
    found = find_snapshot(settings.output.folder, snapshot)
    earlier = _earlier(found, settings, against)
    path = expand(file or (_OPEN_ROOMS if kind == "csv" else f"{_name_of(found)}.{kind}"))
    approved = approved_beside(settings, found)
    with _target(path, is_output=file == "-") as stream, staged(found) as one, staged(earlier) as other:
        if kind == "csv":
            dialect = settings.output.csv_dialect
            rows, lacks = reports.write_open_rooms(one, other, stream, approved=approved, dialect=dialect)
            counts: dict[str, Any] = {"findings": None, "differences": None, "rows": {"open_rooms": rows}}
        else:
            lacks = []
            counts = _write(kind, stream, one, other, approved, settings)
    if lacks:
        log.warning("%s is incomplete: %s", path, "; ".join(lacks))
    if file == "-":
        return 0
    written = {
        "path": str(path),
        "format": kind,
        "snapshot": found.manifest.snapshot_id,
        "against": earlier.manifest.snapshot_id if earlier else None,
        **counts,
    }
    if as_json:
        print_result(views.as_json(written))
    else:
        print_done(printable(str(path)), is_quiet=given["quiet"])
    return 0


def _write(
    kind: str,
    stream: BinaryIO,
    one: Snapshot,
    other: Snapshot | None,
    approved: Approved | None,
    settings: Settings,
) -> dict[str, Any]:
    """Write the report or the workbook; returns its counts."""
    from audit.clock import Clock
    from audit.review.check.check import check as apply_rules
    from audit.review.diff.compare import compare
    from audit.review.diff.views import Tally
    from audit.review.report import write_report, write_workbook

    tally, rows = Tally(), {}
    checks = apply_rules(one, other, settings.check, today=Clock().now().date(), approved=approved)
    changes = tally.count(compare(other, one)) if other else None
    if kind == "xlsx":
        rows = write_workbook(one, checks, changes, other, stream, approved=approved)
    else:
        stream.write(write_report(one, checks, changes, other, approved).encode())
    return {"findings": len(checks.findings), "differences": tally.differences, "rows": rows}


def _earlier(found: Snapshot, settings: Settings, against: str | None) -> Snapshot | None:
    """The snapshot that the report compares with."""
    from audit.review.comparable import find_before, find_beside

    return find_beside(settings.output.folder, against, found) if against else find_before(found)


def _kind_of(kind: str | None, file: str | None) -> str:
    """The format of a report: as asked for, or by the suffix of the file."""
    suffix = Path(file or "").suffix.lower()
    by_suffix = _SUFFIXES.get(suffix)
    if kind is None and suffix and by_suffix is None:
        raise UsageError(f"--file {file}: name it .html, .xlsx or .csv, or say with --format what it is")
    if kind and by_suffix and kind != by_suffix:
        raise UsageError(f"--file {file} contradicts --format {kind}: leave out --format, or name the file .{kind}")
    return kind or by_suffix or "html"


@contextmanager
def _target(path: Path, *, is_output: bool) -> Iterator[BinaryIO]:
    """The file of a report, or a stream that goes to standard output; whole or not at all."""
    try:
        if not is_output:
            if path.is_dir():
                raise UsageError(f"{path} is a folder: name a file in it with --file")
            with atomic_file(path) as stream:
                yield stream
            return
        with tempfile.TemporaryFile() as stream:
            yield stream
            stream.seek(0)
            print_file(stream)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoppedError(
                f"{path}: {error.strerror}, there or in TMPDIR: free some space, or name another file"
            ) from None
        raise UsageError(f"{path}: {error.strerror}: name another file with --file") from None


def _name_of(snapshot: Snapshot) -> str:
    """The name of a report: that of the snapshot's folder, since anybody may have written the manifest."""
    name = snapshot.path.resolve().name
    return name if SNAPSHOT_ID.fullmatch(name) else "report"
