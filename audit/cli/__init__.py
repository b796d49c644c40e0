"""The commands: parse, call, print, exit code. No logic."""

import sys
from typing import NoReturn

from audit.cli import process, review, simulation, snapshots
from audit.cli import run as crawling
from audit.cli.console import set_up_logging
from audit.cli.group import cli, early_log_format

__all__ = ["cli", "crawling", "main", "review", "simulation", "snapshots"]


def main(arguments: list[str] | None = None) -> NoReturn:
    """The console script."""
    set_up_logging(early_log_format(), "normal")
    code = process.execute(cli, arguments)
    process.forget_unread_output()
    sys.exit(code)
