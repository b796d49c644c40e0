"""A snapshot for reviewers: one HTML file, or a workbook."""

from audit.review.report.html import write_report
from audit.review.report.xlsx import write_workbook

__all__ = ["write_report", "write_workbook"]
