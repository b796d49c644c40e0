"""The result of a check in the formats that people and programs read."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from audit.review.check.finding import CheckResult
from audit.review.check.formats.csv import as_csv
from audit.review.check.formats.encoding import safe_json
from audit.review.check.formats.junit import as_junit
from audit.review.check.formats.ocsf import as_ocsf
from audit.review.check.formats.oscal import as_oscal
from audit.review.check.formats.text import as_findings, as_text

FormatName = Literal["text", "findings", "json", "csv", "ocsf", "junit", "oscal"]


def _as_json(result: CheckResult, _: datetime) -> str:
    return safe_json(result, indent=2)


#: Each takes the result of a check and its time (UTC).
FORMATS: dict[FormatName, Callable[[CheckResult, datetime], str]] = {
    "text": as_text,
    "findings": as_findings,
    "json": _as_json,
    "csv": as_csv,
    "ocsf": as_ocsf,
    "junit": as_junit,
    "oscal": as_oscal,
}
