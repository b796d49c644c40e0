"""A workbook for the tests of the report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from audit.review.report import write_workbook


@pytest.fixture
def workbook(tmp_path: Path) -> Callable[..., Any]:
    """Writes the workbook of a snapshot, and reads it back."""

    def workbook(*arguments: Any, **limits: Any) -> Any:
        path = tmp_path / "report.xlsx"
        with path.open("wb") as stream:
            write_workbook(*arguments, stream, **limits)
        return openpyxl.load_workbook(path)

    return workbook
