"""The reports of `run --report`: checked before the first request, written after the commit, which they can't undo."""

import logging
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit import config
from audit.cli import options, report_file, signals
from audit.cli.child import result_of
from audit.cli.report_file import ReportFile
from audit.cli.resuming import as_line, context
from audit.clock import Clock
from audit.config import Settings
from audit.errors import AuditError, UsageError, shortage, words_of
from audit.files import entry_of, expand
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
    def paths(self) -> list[Path]:
        """The files that are written."""
        return [Path(each["path"]) for each in self.written]

    @property
    def news(self) -> list[str]:
        """A line about each file, for a reader elsewhere."""
        lacking = [f"{each.absolute()} is not written; the log of this machine says why" for each in self.lacking]
        return [*(str(each.absolute()) for each in self.paths), *lacking]


def planned(settings: Settings, given: dict[str, Any]) -> list[ReportFile]:
    """The reports that a run is to write, checked before the first request: an audit would end without its report.

    What lies in the output, such as a damaged snapshot to compare with, stops no audit.

    Args:
        settings: the configuration.
        given: the values of the options, by name.

    Raises:
        UsageError: a file can't be written; the extra, a rule, an exception or Parquet is missing; `--csv-dialect` is
            given, and no CSV is made.
        StoppedError: the disk is full.
    """
    reports = _named(given["reports"])
    kinds = {each.kind for each in reports}
    options.refuse_dialect_without_csv(
        given, is_csv="csv" in {*settings.output.formats, *kinds}, csv_flag="--format csv"
    )
    if reports:
        from audit.review import foresight

        foresight.check_readable(settings.output.formats)
        if kinds != {"csv"}:
            foresight.check_findings(settings.check, Clock().now().date())
    for each in reports:
        _check_other_use(each, settings, given)
        report_file.check_file(each, settings.output.folder)
    return reports


def _named(files: Sequence[str]) -> list[ReportFile]:
    """The reports that `--report` names, each once."""
    if "-" in files:
        raise UsageError(f"{_FLAG} -: standard output has the result of the run: name a file")
    found: dict[Path, ReportFile] = {}
    for each in files:
        path, kind = expand(each), report_file.kind_of(each, flag=_FLAG)
        found.setdefault(entry_of(path), ReportFile(path, kind, _FLAG))
    return [*found.values()]


def _check_other_use(report: ReportFile, settings: Settings, given: dict[str, Any]) -> None:
    """Refuse the name of a file that the run itself reads or writes."""
    for name, path in _files_of(settings, given):
        if entry_of(report.path) in (entry_of(path), Path(os.path.realpath(path))):
            raise UsageError(f"{_FLAG} {report.path} is also the file of {name}: name another file")


def check_datasets(reports: Sequence[ReportFile], datasets: Collection[str]) -> None:
    """Check that the scope has what the reports need.

    Raises:
        UsageError: it has not.
    """
    if any(each.kind == "csv" for each in reports):
        from audit.review import foresight

        foresight.check_ways(datasets)


def write_all(reports: Sequence[ReportFile], snapshot: Snapshot, given: dict[str, Any]) -> Reports:
    """Write the reports of a committed snapshot. Whatever goes wrong is a warning; a signal ends the writing.

    Args:
        reports: the reports.
        snapshot: the snapshot.
        given: the values of the options, by name.
    """
    done = Reports()
    with suppress(KeyboardInterrupt), signals.stoppable() as is_stopped:
        for each in reports:
            if not is_stopped():
                _write(each, snapshot, given, done)
    for each in reports:
        if each.path not in (*done.paths, *done.lacking):
            _give_up(each, signals.reason(), snapshot, given, done)
    return done


def tell_of_none(reports: Sequence[ReportFile], snapshot: Snapshot, given: dict[str, Any]) -> None:
    """Log that a run has made no snapshot to report on; the snapshot that stands may have a report."""
    for each in reports:
        line = as_line(command(each, snapshot, given))
        log.info("%s is not written, because there is no new snapshot; to write it: %s", each.path, line)


def command(report: ReportFile, snapshot: Snapshot, given: dict[str, Any]) -> list[str]:
    """The words after `webex-audit` that write the report of a snapshot."""
    dialect = given["output__csv_dialect"] if report.kind == "csv" else None
    words = [*context(given), *(["--csv-dialect", dialect] if dialect else []), "--file", str(report.path)]
    return ["report", snapshot.manifest.snapshot_id, *words]


def _files_of(settings: Settings, given: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    """The files that a run reads or writes, each with the key or option that names it."""
    for key in [*config.keys()]:
        section, _, name = key.partition(".")
        if name.endswith("_file") and (value := getattr(getattr(settings, section), name)):
            yield key, expand(value)
    for option in ("ids_from", "users_from"):
        if (value := given[option]) not in (None, "-"):
            yield f"--{option.replace('_', '-')}", expand(value)


def _write(report: ReportFile, snapshot: Snapshot, given: dict[str, Any], done: Reports) -> None:
    try:
        done.written.append(result_of(command(report, snapshot, given)) | {"path": str(report.path)})
    except Exception as error:  # noqa: BLE001 - the snapshot is committed
        found = shortage(error) or error
        why = str(found) if isinstance(found, AuditError) else words_of(found)
        _give_up(report, why.removeprefix(f"{report.path}: "), snapshot, given, done)


def _give_up(report: ReportFile, why: str, snapshot: Snapshot, given: dict[str, Any], done: Reports) -> None:
    log.warning("%s is not written: %s; to write it: %s", report.path, why, as_line(command(report, snapshot, given)))
    done.lacking.append(report.path)
