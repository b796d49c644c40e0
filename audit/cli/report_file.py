"""The file of a report: its format, what is in its way, and what is written. `report` and `run --report` share it."""

import errno
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from audit.cli.approvals import approved_beside
from audit.cli.results import print_file
from audit.config import Settings
from audit.errors import StoppedError, UsageError
from audit.files import atomic_file, check_replaceable, entry_of
from audit.review import needs_extra
from audit.snapshot.catalog import Approved, Snapshot
from audit.snapshot.layout import SNAPSHOT_ID
from audit.snapshot.staging import staged
from audit.storage.place import Place

log = logging.getLogger(__name__)

_SUFFIXES = {".html": "html", ".htm": "html", ".xlsx": "xlsx", ".csv": "csv"}


class ReportFile(NamedTuple):
    """Where a report goes.

    Attributes:
        path: the file.
        kind: its format: html, xlsx, or csv of the view `open_rooms`.
        flag: the option that names the file.
        is_output: it goes to standard output instead.
    """

    path: Path
    kind: str
    flag: str = "--file"
    is_output: bool = False


def kind_of(file: str, kind: str | None = None, *, flag: str = "--file", advice: str = "") -> str:
    """The format of a report: as asked for, or by the suffix of the file; without any, html.

    Args:
        file: the file, as the user names it.
        kind: the format that the user asks for.
        flag: the option that names the file.
        advice: what else helps if the suffix is of no format.

    Raises:
        UsageError: the suffix is of no format, or of another format.
    """
    suffix = Path(file).suffix.lower()
    by_suffix = _SUFFIXES.get(suffix)
    if kind is None and suffix and by_suffix is None:
        raise UsageError(f"{flag} {file}: name it .html, .xlsx or .csv{advice}")
    if kind and by_suffix and kind != by_suffix:
        raise UsageError(f"{flag} {file} contradicts --format {kind}: leave out --format, or name the file .{kind}")
    return kind or by_suffix or "html"


def load_review() -> None:
    """Load what writes reports.

    Raises:
        UsageError: the extra `review` is not installed.
    """
    with needs_extra():
        import_module("audit.review.report")


def check_file(file: ReportFile, output: Place) -> None:
    """Check that a report can be written later, as far as this can be known without writing it.

    Args:
        file: where it goes.
        output: the folder of all snapshots.

    Raises:
        UsageError: it can't.
        StoppedError: the disk is full.
    """
    with _explained(file):
        _check_place(file, output)
        is_new = isinstance(output, Path) and not os.path.lexists(output)
        # The run makes the folder of its output.
        if not (is_new and entry_of(file.path).parent == Path(os.path.realpath(str(output)))):
            check_replaceable(file.path)


def write(file: ReportFile, found: Snapshot, earlier: Snapshot | None, settings: Settings) -> dict[str, Any]:
    """Write the report of a snapshot, whole or not at all; returns what was written, for programs.

    Args:
        file: where it goes.
        found: the snapshot.
        earlier: the snapshot to compare with.
        settings: the configuration.

    Raises:
        UsageError: the file can't be written; the extra `review`, a rule, an exception or a snapshot is wrong.
        StoppedError: the disk is full, or the review needs too much memory.
    """
    load_review()
    approved = approved_beside(settings, found)
    with _opened(file, found.path.parent) as stream, staged(found) as one, staged(earlier) as other:
        counts, lacks = _fill(file, stream, one, other, approved, settings)
    if lacks:
        log.warning("%s is incomplete: %s", file.path, "; ".join(lacks))
    return {
        "path": str(file.path),
        "format": file.kind,
        "snapshot": found.manifest.snapshot_id,
        "against": earlier.manifest.snapshot_id if earlier else None,
        **counts,
    }


def _fill(
    file: ReportFile,
    stream: BinaryIO,
    one: Snapshot,
    other: Snapshot | None,
    approved: Approved | None,
    settings: Settings,
) -> tuple[dict[str, Any], list[str]]:
    """Write the content of the file; returns its counts, and what it lacks."""
    from audit.clock import Clock
    from audit.review.check.check import check as apply_rules
    from audit.review.diff.compare import compare
    from audit.review.diff.views import Tally
    from audit.review.report import write_open_rooms, write_report, write_workbook

    if file.kind == "csv":
        number, lacks = write_open_rooms(one, other, stream, approved=approved, dialect=settings.output.csv_dialect)
        return {"findings": None, "differences": None, "rows": {"open_rooms": number}}, lacks
    tally, rows = Tally(), {}
    checks = apply_rules(one, other, settings.check, today=Clock().now().date(), approved=approved)
    changes = tally.count(compare(other, one)) if other else None
    if file.kind == "xlsx":
        rows = write_workbook(one, checks, changes, other, stream, approved=approved)
    else:
        stream.write(write_report(one, checks, changes, other, approved).encode())
    return {"findings": len(checks.findings), "differences": tally.differences, "rows": rows}, []


@contextmanager
def _opened(file: ReportFile, output: Place) -> Iterator[BinaryIO]:
    """The file of a report, or a stream that goes to standard output; whole or not at all."""
    with _explained(file):
        if not file.is_output:
            _check_place(file, output)
            with atomic_file(file.path) as stream:
                yield stream
            return
        with tempfile.TemporaryFile() as stream:
            yield stream
            stream.seek(0)
            print_file(stream)


@contextmanager
def _explained(file: ReportFile) -> Iterator[None]:
    """Turn an error of the system into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoppedError(
                f"{file.path}: {error.strerror}, there or in TMPDIR: free some space, or name another file"
            ) from None
        raise UsageError(f"{file.path}: {error.strerror}: name another file with {file.flag}") from None


def _check_place(file: ReportFile, output: Place) -> None:
    """Refuse a folder, and what belongs to the snapshots: a report must not take the place of a table or the lock."""
    if file.path.is_dir():
        raise UsageError(f"{file.path} is a folder: name a file in it with {file.flag}")
    folder = Path(os.path.realpath(output)) if isinstance(output, Path) else None
    entry = entry_of(file.path)
    if folder and entry.is_relative_to(folder):
        first, *rest = entry.relative_to(folder).parts
        if rest and SNAPSHOT_ID.fullmatch(first):
            raise UsageError(f"{file.path} is in a snapshot: name a file elsewhere with {file.flag}")
        if first.startswith("."):
            raise UsageError(f"{file.path} is a file of the output: name a file elsewhere with {file.flag}")
