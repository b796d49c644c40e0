"""The commands: parse, call, print, exit code. No logic."""

import os
import sys
import threading
from typing import NoReturn

from audit.cli import process, signals
from audit.cli.console import early_log_format, set_up_logging
from audit.cli.group import cli

__all__ = ["cli", "main"]


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the console script `webex-audit`."""
    process.hold_streams()
    sys.unraisablehook = process.end_without_memory
    threading.excepthook = process.tell_end_of_thread
    # pyarrow loads numpy, which starts threads for linear algebra, or interrupts the process if none can be started.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    set_up_logging(early_log_format(), "normal")
    code = process.execute(cli, arguments)
    signals.keep_exit_code()
    process.forget_unread_output()
    sys.exit(code)
