"""A browser and a workbook for the tests of the report."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from chromium import started

from audit.review.report import write_workbook


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A browser, by the address of its DevTools."""
    with started(tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture
def workbook(tmp_path: Path) -> Callable[..., Any]:
    """Writes the workbook of a snapshot, and reads it back."""

    def workbook(*arguments: Any, **limits: Any) -> Any:
        path = tmp_path / "report.xlsx"
        with path.open("wb") as stream:
            write_workbook(*arguments, stream, **limits)
        return openpyxl.load_workbook(path)

    return workbook
