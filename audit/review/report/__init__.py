"""A snapshot for reviewers: one HTML file, a workbook, or a CSV file of the rooms that open."""

from audit.review.report.html import write_report
from audit.review.report.open_rooms_csv import write_open_rooms
from audit.review.report.xlsx import write_workbook

__all__ = ["write_open_rooms", "write_report", "write_workbook"]
