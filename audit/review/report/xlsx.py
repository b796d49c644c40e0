"""A snapshot as a workbook for reviewers who live in spreadsheets: text cells, so that nothing is lost or run."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

from audit import __version__
from audit.files import atomic_file
from audit.review.check.finding import CheckResult, Finding, RuleResult
from audit.review.diff.change import Change
from audit.review.report import wording
from audit.review.tables import open_tables, table_names
from audit.snapshot.catalog import Snapshot
from audit.snapshot.layout import MANIFEST
from audit.storage.content import sha256_of
from audit.text import printable

#: Of Excel ("Excel specifications and limits"): rows of a sheet, the header's included, and characters of a cell.
MAX_ROWS = 1_048_576
MAX_CELL = 32_767
_BATCH = 10_000
_CUT = "… (cut)"
_MIN_WIDTH, _MAX_WIDTH = 12, 48

_SHEETS = {
    "Coverage": "coverage",
    "Rooms": "push_to_talk",
    "Members": "push_to_talk_members",
    "Audio options": "audio_options",
}
#: In every workbook, whatever the snapshot holds.
_ALWAYS = ("Coverage", "Rooms", "Members")
_FINDING_COLUMNS = ("status", "rule_id", "title", *Finding.__struct_fields__[1:], "reason", "remedy")
_Row = Iterable[object]


def write_workbook(
    snapshot: Snapshot,
    checks: CheckResult | None,
    changes: Iterable[Change] | None,
    against: Snapshot | None,
    path: Path,
    *,
    max_rows: int = MAX_ROWS,
) -> None:
    """Write a snapshot as an Excel workbook; the file appears whole or not at all.

    Args:
        snapshot: the snapshot.
        checks: what the rules said of it, if they were run.
        changes: the differences to `against`; read once.
        against: an earlier snapshot.
        path: the file.
        max_rows: rows of a sheet at most, the header's included; what does not fit is told in the sheet Summary.

    Raises:
        UsageError: a table has no Parquet, or a file of it is missing.
        OSError: the disk refuses.
    """
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_numbers": False,
        "strings_to_urls": False,
    }
    with open_tables(snapshot) as connection, atomic_file(path) as file, xlsxwriter.Workbook(file, options) as workbook:
        book = _Book(workbook, max_rows)
        summary = book.add_sheet("Summary")
        tables = set(table_names(connection))
        for sheet, table in _SHEETS.items():
            if table in tables:
                book.fill(sheet, *_table(connection, table))
            elif sheet in _ALWAYS:
                book.fill(sheet, (f"this snapshot has no {table}",), ())
        book.fill("Findings", _FINDING_COLUMNS, _findings(checks))
        book.fill("Changes", Change.__struct_fields__, map(_values, changes or ()))
        book.write(summary, ("what", "value"), _summary(snapshot, checks, against, book.told))


class _Book:
    """A workbook that tells of each sheet how much of it there is.

    Attributes:
        told: lines for the sheet Summary.
    """

    def __init__(self, workbook: xlsxwriter.Workbook, max_rows: int) -> None:
        self._workbook = workbook
        self._max_rows = max_rows
        self._bold = workbook.add_format({"bold": True, "bottom": 1})
        self.told: list[tuple[str, str]] = []

    def add_sheet(self, name: str) -> Worksheet:
        return self._workbook.add_worksheet(name)

    def fill(self, name: str, columns: tuple[str, ...], rows: Iterable[_Row]) -> None:
        """Add a sheet, and tell how many rows it has and how many did not fit."""
        written, left_out = self.write(self.add_sheet(name), columns, rows)
        more = f"; {left_out:,} more do not fit into a sheet of Excel: see the CSV" if left_out else ""
        self.told.append((f"sheet {name}", f"{wording.counted(written, 'row')}{more}"))

    def write(self, sheet: Worksheet, columns: tuple[str, ...], rows: Iterable[_Row]) -> tuple[int, int]:
        """Write a header, which stays in sight, and rows; returns how many were written and left out."""
        sheet.freeze_panes(1, 0)
        for index, column in enumerate(columns):
            sheet.set_column(index, index, max(_MIN_WIDTH, min(_MAX_WIDTH, len(column) + 4)))
            sheet.write_string(0, index, column, self._bold)
        written = left_out = 0
        for row in rows:
            if written + 1 == self._max_rows:
                left_out += 1
                continue
            written += 1
            _write_row(sheet, written, row)
        sheet.autofilter(0, 0, written, len(columns) - 1)
        return written, left_out


def _write_row(sheet: Worksheet, place: int, row: _Row) -> None:
    for index, value in enumerate(row):
        if isinstance(value, int) and not isinstance(value, bool):
            sheet.write_number(place, index, value)
        elif value is not None:
            sheet.write_string(place, index, _text(value))


def _text(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    # `str.isprintable` is false for whatever `printable` escapes, and far faster.
    text = text if text.isprintable() else printable(text)
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - len(_CUT)] + _CUT


def _table(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[tuple[str, ...], Iterator[_Row]]:
    """The columns and the rows of a table, `org_id` first and times as text."""
    described = connection.execute(f'DESCRIBE "{table}"').fetchall()
    kinds = {str(name): str(kind) for name, kind, *_ in described}
    names = ["org_id", *(name for name in kinds if name != "org_id")]
    # A time with a zone would be handed out in the zone of this machine.
    columns = (
        f"strftime(\"{name}\" AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')" if "TIME ZONE" in kinds[name] else f'"{name}"'
        for name in names
    )
    return tuple(names), _stream(connection.execute(f'SELECT {", ".join(columns)} FROM "{table}"'))  # noqa: S608


def _stream(cursor: duckdb.DuckDBPyConnection) -> Iterator[_Row]:
    while rows := cursor.fetchmany(_BATCH):
        yield from rows


def _values(struct: Any) -> _Row:
    return (getattr(struct, name) for name in struct.__struct_fields__)


def _findings(checks: CheckResult | None) -> Iterator[_Row]:
    """Open findings, accepted ones and skipped rules, the worst rule first."""
    results = sorted(checks.results, key=lambda each: (each.rule.severity.rank, each.rule.rule_id)) if checks else []
    for result in results:
        rule = result.rule
        for status, found in (("open", result.findings), ("accepted", result.excepted)):
            for finding in found:
                yield status, rule.rule_id, rule.title, *tuple(_values(finding))[1:], None, rule.remedy
        if result.status == "skipped":
            nobody = [None] * (len(Finding.__struct_fields__) - 2)
            yield "skipped", rule.rule_id, rule.title, rule.severity, *nobody, result.reason, rule.remedy


def _told(result: RuleResult) -> tuple[str, str]:
    """A rule and what became of it."""
    numbers = f"{len(result.findings)} open, {len(result.excepted)} accepted"
    told = numbers if result.status != "skipped" else result.reason or "no reason given"
    return f"rule {result.rule.rule_id}", f"{result.status}: {told}"


def _summary(
    snapshot: Snapshot, checks: CheckResult | None, against: Snapshot | None, told: list[tuple[str, str]]
) -> Iterator[tuple[str, object]]:
    manifest = snapshot.manifest
    yield "snapshot", manifest.snapshot_id
    yield "status", manifest.status
    yield "state of", wording.minute(manifest.finished_at)
    yield "asked for", wording.scope(manifest)
    yield "compared with", against.manifest.snapshot_id if against else "no earlier snapshot"
    for org in manifest.orgs:
        who = f"organization {org.org_id}" + (f" ({org.name})" if org.name else "")
        yield who, f"{org.status}, {org.entities} entities {org.message or ''}".strip()
        for dataset, kinds in org.unlisted.items():
            yield from ((f"{who}: {dataset} of {kind}", f"could not be listed: {why}") for kind, why in kinds.items())
    for dataset, outcomes in manifest.outcomes.items():
        yield from ((f"{dataset}: {outcome}", number) for outcome, number in outcomes.items())
    yield "checks", "were run" if checks else "were not run"
    yield from map(_told, checks.results if checks else ())
    yield from told
    yield "SHA-256 of manifest.json", sha256_of(snapshot.path / MANIFEST)
    yield "made by", f"{manifest.tool.name} {manifest.tool.version}; this workbook by webex-audit {__version__}"
    yield "to verify", f"webex-audit verify {manifest.snapshot_id}"
