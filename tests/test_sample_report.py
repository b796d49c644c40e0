"""The sample report of docs/ is what `make docs` makes, small, and the same each time."""

import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "sample-report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_sample_report_is_what_the_demo_makes() -> None:
    # One call: a second page from the same process would hide what depends on the first.
    assert runpy.run_path(str(DOCS / "sample_report.py"))["make"]() == PAGE, "run: make docs"


def test_the_sample_report_and_its_picture_are_small_and_the_readme_leads_to_them() -> None:
    assert len(PAGE.encode()) < 500_000
    assert (DOCS / "report.png").stat().st_size < 300_000
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert re.search(r"\[!\[.*\]\(docs/report\.png\)\]\(docs/sample-report\.html\)", readme)
