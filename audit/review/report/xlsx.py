"""A snapshot as a workbook for reviewers who use spreadsheets: cells are text, so nothing is lost or run."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

from audit import __version__
from audit.files import atomic_file
from audit.review import vocabulary
from audit.review.check.finding import CheckResult, Finding, RuleResult
from audit.review.diff.change import Change
from audit.review.quoting import identifier
from audit.review.report import wording
from audit.review.tables import open_tables, table_names
from audit.snapshot.catalog import Snapshot
from audit.snapshot.layout import MANIFEST
from audit.storage.content import sha256_of
from audit.text import count_of, printable

#: The most rows of a sheet, header included, and characters of a cell ("Excel specifications and limits").
MAX_ROWS = 1_048_576
MAX_CELL = 32_767
_BATCH = 10_000
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_CUT = "… (cut)"
_MIN_WIDTH, _MAX_WIDTH = 12, 48

_SHEETS = {
    "Coverage": "coverage",
    "Rooms": "push_to_talk",
    "Members": "push_to_talk_members",
    "Audio options": "audio_options",
}
#: Sheets of every workbook, whatever the snapshot holds.
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
        checks: the results of the rules, if they ran.
        changes: the differences from `against`; read once.
        against: an earlier snapshot.
        path: the file.
        max_rows: the most rows of a sheet, header included; the sheet Summary says how many did not fit.

    Raises:
        UsageError: a table has no Parquet, or one of its files is missing.
        OSError: the file can't be written.
    """
    with (
        open_tables(snapshot) as connection,
        atomic_file(path) as file,
        xlsxwriter.Workbook(file, _OPTIONS) as workbook,
    ):
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
        book.write(summary, ("what", "value"), _summary(snapshot, checks, against, book.sizes))


class _Book:
    """A workbook that counts the rows of each sheet.

    Attributes:
        sizes: lines for the sheet Summary.
    """

    def __init__(self, workbook: xlsxwriter.Workbook, max_rows: int) -> None:
        self._workbook = workbook
        self._max_rows = max_rows
        self._bold = workbook.add_format({"bold": True, "bottom": 1})
        self.sizes: list[tuple[str, str]] = []

    def add_sheet(self, name: str) -> Worksheet:
        return self._workbook.add_worksheet(name)

    def fill(self, name: str, columns: tuple[str, ...], rows: Iterable[_Row]) -> None:
        """Add a sheet; record how many rows it has and how many did not fit."""
        written, left_out = self.write(self.add_sheet(name), columns, rows)
        more = f"; {left_out:,} more do not fit into a sheet of Excel: see the CSV" if left_out else ""
        self.sizes.append((f"sheet {name}", f"{count_of(written, 'row')}{more}"))

    def write(self, sheet: Worksheet, columns: tuple[str, ...], rows: Iterable[_Row]) -> tuple[int, int]:
        """Write a header that stays visible, and rows; returns the numbers of rows written and left out."""
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
    # `str.isprintable` is false for everything that `printable` escapes, and far faster.
    text = text if text.isprintable() else printable(text)
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - len(_CUT)] + _CUT


def _table(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[tuple[str, ...], Iterator[_Row]]:
    """The columns and rows of a table, with `org_id` first and times as text."""
    described = connection.execute(f"DESCRIBE {identifier(table)}").fetchall()
    kinds = {str(name): str(kind) for name, kind, *_ in described}
    names = ["org_id", *(name for name in kinds if name != "org_id")]
    # DuckDB would return a time with a zone in the zone of this machine.
    columns = (
        f"strftime({identifier(name)} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')"
        if "TIME ZONE" in kinds[name]
        else identifier(name)
        for name in names
    )
    return tuple(names), _stream(connection.execute(f"SELECT {', '.join(columns)} FROM {identifier(table)}"))  # noqa: S608


def _stream(cursor: duckdb.DuckDBPyConnection) -> Iterator[_Row]:
    while rows := cursor.fetchmany(_BATCH):
        yield from rows


def _values(struct: Any) -> _Row:
    return (getattr(struct, name) for name in struct.__struct_fields__)


def _findings(checks: CheckResult | None) -> Iterator[_Row]:
    """Open findings, accepted findings and skipped rules, the most severe rule first."""
    results = sorted(checks.results, key=lambda each: (each.rule.severity.rank, each.rule.rule_id)) if checks else []
    for result in results:
        rule = result.rule
        for status, found in (("open", result.findings), ("accepted", result.excepted)):
            for finding in found:
                yield status, rule.rule_id, rule.title, *tuple(_values(finding))[1:], None, rule.remedy
        if result.status == "skipped":
            nothing = [None] * (len(Finding.__struct_fields__) - 2)
            yield "skipped", rule.rule_id, rule.title, rule.severity, *nothing, result.reason, rule.remedy


def _result(result: RuleResult) -> tuple[str, str]:
    """A rule and its result."""
    numbers = f"{len(result.findings):,} open, {len(result.excepted):,} accepted"
    text = numbers if result.status != "skipped" else result.reason or "no reason given"
    return f"rule {result.rule.rule_id}", f"{result.status}: {text}"


def _summary(
    snapshot: Snapshot, checks: CheckResult | None, against: Snapshot | None, sizes: list[tuple[str, str]]
) -> Iterator[tuple[str, object]]:
    manifest = snapshot.manifest
    yield "snapshot", manifest.snapshot_id
    yield "status", manifest.status
    yield "state of", wording.minute(manifest.finished_at)
    yield "asked for", vocabulary.scope(manifest.scope)
    yield "compared with", against.manifest.snapshot_id if against else "no earlier snapshot"
    for org in manifest.orgs:
        who = f"organization {org.org_id}" + (f" ({org.name})" if org.name else "")
        yield who, f"{org.status}, {count_of(org.entities, 'entity', 'entities')} {org.message or ''}".strip()
        for dataset, kinds in org.unlisted.items():
            yield from ((f"{who}: {dataset} of {kind}", f"could not be listed: {why}") for kind, why in kinds.items())
        for dataset, counts in org.invalid_items.items():
            yield from ((f"{who}: {dataset} of {kind}", f"invalid items: {items}") for kind, items in counts.items())
    if manifest.invalid_organizations:
        yield "listed organizations without a usable id", manifest.invalid_organizations
    for dataset, outcomes in manifest.outcomes.items():
        yield from ((f"{dataset}: {outcome}", number) for outcome, number in outcomes.items())
    yield "checks", "ran" if checks else "did not run"
    yield from map(_result, checks.results if checks else ())
    yield from sizes
    yield "SHA-256 of manifest.json", sha256_of(snapshot.path / MANIFEST)
    yield "made by", f"{manifest.tool.name} {manifest.tool.version}; this workbook by webex-audit {__version__}"
    yield "to verify", f"webex-audit verify {manifest.snapshot_id}"
