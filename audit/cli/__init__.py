"""The commands: parse, call, print, exit code. No logic."""

import sys
from typing import NoReturn

from audit import process
from audit.cli import crawling, review, simulation, snapshots
from audit.cli.group import cli, early_log_format
from audit.console import set_up_logging

__all__ = ["cli", "crawling", "main", "review", "simulation", "snapshots"]


def main(arguments: list[str] | None = None) -> NoReturn:
    """The console script."""
    set_up_logging(early_log_format(), "normal")
    code = process.execute(cli, arguments)
    process.forget_unread_output()
    sys.exit(code)
