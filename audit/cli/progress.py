"""The progress of a run on standard error: a bar on a terminal, lines elsewhere."""

import logging
import os
import sys
import time

from audit.cli.console import Verbosity
from audit.cli.speed import Speed
from audit.config import LogFormat
from audit.crawl.progress import Progress
from audit.outcome import Outcome
from audit.text import count_of

log = logging.getLogger(__name__)

_LINE_EVERY_S = 30.0
_LONG_PAUSE_S = 5.0
#: Pauses within this time of each other are logged once: those of a limit, or between the probes of an outage.
_SAME_PAUSE_S = 60.0


def show_progress(log_format: LogFormat, verbosity: Verbosity) -> Progress:
    """The progress display of a run: a bar on a terminal, lines elsewhere, nothing with `--quiet`."""
    if verbosity == "quiet":
        return Progress()
    if log_format == "text" and _is_capable_terminal():
        from audit.cli.bar import ProgressBar

        return ProgressBar()
    return ProgressLines()


def _is_capable_terminal() -> bool:
    is_terminal = bool(sys.stderr and sys.stderr.isatty())
    return is_terminal and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


class ProgressLines(Progress):
    """Logs a line at each step and every 30 seconds in between, for jobs without a terminal."""

    def __init__(self) -> None:
        self._speed = Speed()
        self._logged_at_s = time.monotonic()
        self._paused_to_s = -_SAME_PAUSE_S

    def on_inventory(self, entities: int, of: str, dataset: str | None = None) -> None:
        """Log the size of an inventory."""
        self._speed.list(entities)
        title = f"{of}, {dataset}" if dataset else of
        log.info("inventory of %s: %s", title, count_of(entities, "entity", "entities"))

    def on_answer(self, outcome: Outcome) -> None:
        """Log the progress of the crawl every 30 seconds, with rate and time left."""
        speed = self._speed
        speed.answer()
        if time.monotonic() - self._logged_at_s >= _LINE_EVERY_S:
            self._logged_at_s = time.monotonic()
            pace = "".join(f", {each}" for each in (speed.rate, speed.left) if each)
            log.info("%s%s", speed.progress, pace)

    def on_resumed(self, entities: int) -> None:
        """Count answers of the resumed run."""
        self._speed.resume(entities)

    def on_pause(self, pause_s: float) -> None:
        """Log a pause that is long enough to notice, unless it follows another pause."""
        now_s = time.monotonic()
        if pause_s >= _LONG_PAUSE_S and now_s > self._paused_to_s + _SAME_PAUSE_S:
            log.info("all requests pause %.0f s, as the API asks for", pause_s)
        self._paused_to_s = max(self._paused_to_s, now_s + pause_s)

    def on_commit(self) -> None:
        """Log the end of the crawl."""
        log.info("%s, writing the snapshot", self._speed.progress)
