"""Findings as CSV for spreadsheets: a row for each finding, open or accepted, and for each skipped rule."""

from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa

from audit.config import CsvDialect
from audit.review.check.controls import controls_text
from audit.review.check.finding import CheckResult, Finding, RuleResult
from audit.snapshot.csv import csv_blocks
from audit.text import printable

_COLUMNS = (
    "rule_id", "severity", "status", "org_id", "org_name", "entity_type", "entity_id", "entity_name", "location_name",
    "detail", "exception", "title", "remedy", "controls",
)  # fmt: skip
_SCHEMA = pa.schema([(name, pa.string()) for name in _COLUMNS])


def as_csv(result: CheckResult, _: datetime, dialect: CsvDialect = "rfc4180") -> str:
    """Findings as CSV, without the last line feed; control characters are escaped, and formulas are made inert."""
    rows = [row for each in result.results for row in _rows(each)]
    table = pa.Table.from_pylist(rows, schema=_SCHEMA)
    return "".join(csv_blocks(_SCHEMA, [table], dialect)).removesuffix("\n")


def _rows(result: RuleResult) -> Iterator[dict[str, str | None]]:
    for finding in result.findings:
        yield _row(result, "failed", finding)
    for finding in result.excepted:
        yield _row(result, "accepted", finding)
    if result.reason:
        rule = result.rule
        finding = Finding(rule.rule_id, rule.severity, None, None, None, None, None, result.reason)
        yield _row(result, "skipped", finding)


def _row(result: RuleResult, status: str, finding: Finding) -> dict[str, str | None]:
    values = {name: getattr(finding, name, None) for name in _COLUMNS}
    values |= {"status": status, "title": result.rule.title, "remedy": result.rule.remedy}
    values["controls"] = controls_text(result.rule.controls)
    return {name: value if value is None else printable(str(value)) for name, value in values.items()}
