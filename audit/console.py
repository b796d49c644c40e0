"""The terminal: what is safe to show, log lines and the progress bar, all on standard error."""

import logging
import time
import unicodedata
from datetime import UTC, datetime
from typing import Any, Literal, Self

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from audit.outcome import Outcome
from audit.progress import Progress

log = logging.getLogger(__name__)

Verbosity = Literal["quiet", "normal", "verbose"]
_LEVELS = {"quiet": logging.ERROR, "normal": logging.INFO, "verbose": logging.DEBUG}
_LINE_EVERY_S = 30.0


def printable(text: str) -> str:
    """The text with control characters escaped: names and messages come from outside, and a terminal obeys them.

    Escaped are the Unicode categories Cc (C0, C1) and Cf (format: bidirectional marks, zero widths).
    """
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs") else char
        for char in text
    )


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"webex-audit: {level}{printable(record.getMessage())}{trace}"


class _ConsoleHandler(logging.Handler):
    """Writes above a progress bar that may be running."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(Text(self.format(record)), soft_wrap=True)


def set_up_logging(log_format: Literal["text", "json"], verbosity: Verbosity) -> Console:
    """Send log records to standard error; returns the console that they share with the progress bar."""
    console = Console(stderr=True, highlight=False)
    handler = _ConsoleHandler(console)
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("audit").setLevel(_LEVELS[verbosity])
    return console


class ProgressLines(Progress):
    """A log line at each step, and now and then between: for a job without a terminal."""

    def __init__(self) -> None:
        self._total = self._done = 0
        self._told_at_s = time.monotonic()

    def on_inventory(self, entities: int) -> None:
        """Tell the size of the inventory."""
        self._total = entities
        log.info("inventory: %d entities", entities)

    def on_answer(self, outcome: Outcome) -> None:
        """Tell how far the crawl is, every 30 seconds."""
        self._done += 1
        if time.monotonic() - self._told_at_s >= _LINE_EVERY_S:
            self._told_at_s = time.monotonic()
            log.info("%d of %d entities", self._done, self._total)

    def on_commit(self) -> None:
        """Tell that the crawl is over."""
        log.info("%d of %d entities, writing the snapshot", self._done, self._total)


class ProgressBar(Progress):
    """Done, total, rate, throttled and time left, on a terminal. To be used as a context manager."""

    def __init__(self, console: Console) -> None:
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[throttled]} throttled"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("taking the inventory", total=None, rate="", throttled=0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def on_inventory(self, entities: int) -> None:
        """Show the size of the inventory."""
        self._bar.reset(self._task, description="asking", total=entities, rate="", throttled=0)

    def on_answer(self, outcome: Outcome) -> None:
        """Move the bar."""
        self._bar.advance(self._task)

    def on_requests(self, total: int, throttled: int, pause_s: float) -> None:
        """Show the rate, what was throttled, and a pause."""
        speed = self._bar.tasks[0].speed
        rate = f"pausing {pause_s:.0f} s" if pause_s > 0 else f"{speed:.1f}/s" if speed else ""
        self._bar.update(self._task, rate=rate, throttled=throttled)

    def on_commit(self) -> None:
        """Show that the crawl is over."""
        self._bar.update(self._task, description="writing the snapshot")
