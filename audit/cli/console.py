"""The terminal: what is safe to show, log lines and the progress bar, all on standard error."""

import logging
import secrets
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal, Self

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from audit.config import LogFormat
from audit.crawl.progress import Progress
from audit.outcome import Outcome
from audit.text import printable

log = logging.getLogger(__name__)

Verbosity = Literal["quiet", "normal", "verbose"]
_LEVELS = {"quiet": logging.ERROR, "normal": logging.INFO, "verbose": logging.DEBUG}
_LINE_EVERY_S = 30.0
_LONG_PAUSE_S = 5.0
#: Pauses that follow each other within this time are told once: those of a limit, or between the probes of an outage.
_SAME_PAUSE_S = 60.0
#: Tells the lines of one process from those of another, where many share a log.
_RUN_ID = secrets.token_hex(4)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "run": _RUN_ID,
            "message": _encodable(record.getMessage()),
        }
        entry |= {name: getattr(record, name) for name in ("entity_id", "tracking_id") if hasattr(record, name)}
        if record.exc_info:
            entry["traceback"] = _encodable(self.formatException(record.exc_info))
        return msgspec.json.encode(entry).decode()


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        trace = self.formatException(record.exc_info).split("\n") if record.exc_info else []
        return "\n".join([f"webex-audit: {level}{printable(record.getMessage())}", *map(printable, trace)])


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


class _Console(Console):
    """A console whose reader may go away: what is told is lost then, and nothing else."""

    def on_broken_pipe(self) -> None:
        """Go quiet; rich would end the process."""
        self.quiet = True


class _ConsoleHandler(logging.Handler):
    """Writes above a progress bar that may be running."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            self._console.print(Text(self.format(record)), soft_wrap=True)


def set_up_logging(log_format: LogFormat, verbosity: Verbosity) -> Console:
    """Send log records to standard error; returns the console that they share with the progress bar."""
    is_terminal = bool(sys.stderr and sys.stderr.isatty())
    console = _Console(stderr=True, highlight=False, force_terminal=is_terminal)
    handler = _ConsoleHandler(console)
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("audit").setLevel(_LEVELS[verbosity])
    return console


def show_progress(console: Console, log_format: LogFormat, verbosity: Verbosity) -> Progress:
    """What tells of a run: a bar on a terminal, lines elsewhere, nothing where quiet is wanted."""
    if verbosity == "quiet":
        return Progress()
    is_bar = console.is_terminal and not console.is_dumb_terminal and log_format == "text"
    return ProgressBar(console) if is_bar else ProgressLines()


class ProgressLines(Progress):
    """A log line at each step, and now and then between: for a job without a terminal."""

    def __init__(self) -> None:
        self._total = self._done = 0
        self._told_at_s = time.monotonic()
        self._paused_to_s = -_SAME_PAUSE_S

    def on_inventory(self, entities: int, of: str) -> None:
        """Tell the size of an inventory."""
        self._total += entities
        log.info("inventory of %s: %d entities", of, entities)

    def on_answer(self, outcome: Outcome) -> None:
        """Tell how far the crawl is, every 30 seconds."""
        self._done += 1
        if time.monotonic() - self._told_at_s >= _LINE_EVERY_S:
            self._told_at_s = time.monotonic()
            log.info("%d of %d entities", self._done, self._total)

    def on_resumed(self, entities: int) -> None:
        """Tell what need not be asked again."""
        self._done += entities

    def on_pause(self, pause_s: float) -> None:
        """Log a pause that is long enough to wonder about, unless it follows another one."""
        now_s = time.monotonic()
        if pause_s >= _LONG_PAUSE_S and now_s > self._paused_to_s + _SAME_PAUSE_S:
            log.info("all requests pause %.0f s, as the API asks for", pause_s)
        self._paused_to_s = max(self._paused_to_s, now_s + pause_s)

    def on_commit(self) -> None:
        """Tell that the crawl is over."""
        log.info("%d of %d entities, writing the snapshot", self._done, self._total)


class ProgressBar(Progress):
    """Done, total, rate, throttled and time left, on a terminal."""

    def __init__(self, console: Console) -> None:
        self._resume_at_s = 0.0
        self._total = 0
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            _PaceColumn(self),
            TextColumn("{task.fields[throttled]} throttled"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task("taking the inventory", total=None, throttled=0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._bar.stop()

    @property
    def pause_s(self) -> float:
        """Seconds that a pause still takes; 0 where there is none."""
        return max(0.0, self._resume_at_s - time.monotonic())

    def on_inventory(self, entities: int, of: str) -> None:
        """Show the size of an inventory, beside those before."""
        self._total += entities
        self._bar.update(self._task, description="asking", total=self._total)

    def on_resumed(self, entities: int) -> None:
        """Move the bar by what need not be asked again."""
        self._bar.advance(self._task, entities)

    def on_pause(self, pause_s: float) -> None:
        """Show a pause and its countdown."""
        self._resume_at_s = time.monotonic() + pause_s

    def on_answer(self, outcome: Outcome) -> None:
        """Move the bar."""
        self._bar.advance(self._task)

    def on_requests(self, total: int, throttled: int) -> None:
        """Show what was throttled."""
        self._bar.update(self._task, throttled=throttled)

    def on_commit(self) -> None:
        """Show that the crawl is over."""
        self._bar.update(self._task, description="writing the snapshot")


class _PaceColumn(ProgressColumn):
    """Entities a second, or the countdown of a pause."""

    max_refresh = 0.5

    def __init__(self, progress: ProgressBar) -> None:
        super().__init__()
        self._progress = progress

    def render(self, task: Task) -> Text:
        if self._progress.pause_s > 0:
            return Text(f"pausing {self._progress.pause_s:.0f} s")
        return Text(f"{task.speed:.1f}/s" if task.speed else "")
