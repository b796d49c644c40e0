"""The reports of `run --report`: checked before the first request, written after the commit, which they can't undo."""

import logging
import os
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit import config
from audit.cli import report_file, signals
from audit.cli.report_file import ReportFile
from audit.cli.resuming import context
from audit.clock import Clock
from audit.config import Settings
from audit.errors import AuditError, UsageError, shortage, words_of
from audit.files import entry_of, expand
from audit.review import foresight
from audit.snapshot.catalog import Snapshot

log = logging.getLogger(__name__)

_FLAG = "--report"


@dataclass
class Reports:
    """What became of the reports of a run.

    Attributes:
        written: what `report --json` prints of each that is written.
        lacking: the files that are not.
    """

    written: list[dict[str, Any]] = field(default_factory=list)
    lacking: list[Path] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        """The files that are written."""
        return [each["path"] for each in self.written]

    @property
    def news(self) -> list[str]:
        """A line about each file, for a reader elsewhere."""
        lacking = [f"{each.absolute()} is not written; the log of this machine says why" for each in self.lacking]
        return [*(str(Path(each).absolute()) for each in self.paths), *lacking]


def named(files: Sequence[str]) -> list[ReportFile]:
    """The reports that `--report` names, each once.

    Raises:
        UsageError: a suffix is of no format, a name can't be a path, or is standard output.
    """
    if "-" in files:
        raise UsageError(f"{_FLAG} -: standard output has the result of the run: name a file")
    found: dict[Path, ReportFile] = {}
    for each in files:
        path, kind = expand(each), report_file.kind_of(each, flag=_FLAG)
        found.setdefault(entry_of(path), ReportFile(path, kind, _FLAG))
    return [*found.values()]


def check(reports: Sequence[ReportFile], settings: Settings, given: dict[str, Any]) -> None:
    """Check, before the first request, whatever may prevent a report: the audit would end without it.

    What lies in the output, such as a damaged snapshot to compare with, stops no audit.

    Args:
        reports: the reports.
        settings: the configuration.
        given: the values of the options, by name.

    Raises:
        UsageError: the extra, a rule, an exception or Parquet is missing, or a file can't be written.
        StoppedError: the disk is full.
    """
    if not reports:
        return
    foresight.check_readable(settings.output.formats)
    if any(each.kind != "csv" for each in reports):
        foresight.check_findings(settings.check, Clock().now().date())
    for each in reports:
        for name, path in _files_of(settings, given):
            if entry_of(each.path) in (entry_of(path), Path(os.path.realpath(path))):
                raise UsageError(f"{_FLAG} {each.path} is also the file of {name}: name another file")
        report_file.check_file(each, settings.output.folder)


def check_datasets(reports: Sequence[ReportFile], datasets: Collection[str]) -> None:
    """Check that the scope has what the reports need.

    Raises:
        UsageError: it has not.
    """
    if any(each.kind == "csv" for each in reports):
        foresight.check_ways(datasets)


def write_all(reports: Sequence[ReportFile], snapshot: Snapshot, settings: Settings, given: dict[str, Any]) -> Reports:
    """Write the reports of a committed snapshot. Whatever goes wrong is a warning; a signal ends the writing.

    Args:
        reports: the reports.
        snapshot: the snapshot.
        settings: the configuration.
        given: the values of the options, by name.
    """
    done, left = Reports(), list(reports)
    try:
        with signals.stoppable():
            while left:
                _write(left[0], snapshot, settings, given, done)
                del left[0]
    except KeyboardInterrupt:
        for each in left:
            _give_up(each, signals.reason(), snapshot, given, done)
    return done


def command(report: ReportFile, snapshot: Snapshot, given: dict[str, Any]) -> str:
    """The command that writes the report of a snapshot."""
    dialect = given["output__csv_dialect"] if report.kind == "csv" else None
    options = [*context(given), *(["--csv-dialect", dialect] if dialect else []), "--file", str(report.path)]
    return shlex.join(["webex-audit", "report", snapshot.manifest.snapshot_id, *options])


def _files_of(settings: Settings, given: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    """The files that a run reads or writes, each with the key or option that names it."""
    for key in [*config.keys()]:
        section, _, name = key.partition(".")
        if name.endswith("_file") and (value := getattr(getattr(settings, section), name)):
            yield key, expand(value)
    for option in ("ids_from", "users_from"):
        if (value := given[option]) not in (None, "-"):
            yield f"--{option.replace('_', '-')}", expand(value)


def _write(report: ReportFile, snapshot: Snapshot, settings: Settings, given: dict[str, Any], done: Reports) -> None:
    try:
        from audit.review.comparable import find_before

        # Whoever reads an error of it may repeat the command `report`.
        file = report._replace(flag="--file")
        done.written.append(report_file.write(file, snapshot, find_before(snapshot), settings))
    except Exception as error:
        found = shortage(error) or error
        why = str(found) if isinstance(found, AuditError) else words_of(found)
        _give_up(report, why.removeprefix(f"{report.path}: "), snapshot, given, done)
        log.debug("details of this error", exc_info=error)


def _give_up(report: ReportFile, why: str, snapshot: Snapshot, given: dict[str, Any], done: Reports) -> None:
    log.warning("%s is not written: %s; to write it: %s", report.path, why, command(report, snapshot, given))
    done.lacking.append(report.path)
