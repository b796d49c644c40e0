"""The progress bar of a run, on a terminal."""

import time
from contextlib import suppress
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from audit.cli.speed import Speed
from audit.crawl.progress import Progress
from audit.outcome import Outcome


class _Console(Console):
    """Survives a closed pipe: output is dropped."""

    def on_broken_pipe(self) -> None:
        """Go quiet; rich would end the process."""
        self.quiet = True


class ProgressBar(Progress):
    """A progress bar with entities done, total, rate, throttled requests, the limit and time left."""

    def __init__(self) -> None:
        self._resume_at_s = 0.0
        self._speed = Speed()
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            _PaceColumn(self),
            TextColumn("{task.fields[throttled]} throttled{task.fields[limit]}", markup=False),
            _LeftColumn(self),
            console=_Console(stderr=True, highlight=False, force_terminal=True),
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task("taking the inventory", total=None, throttled=0, limit="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._bar.stop()

    @property
    def speed(self) -> Speed:
        """The speed of the run."""
        return self._speed

    @property
    def pause_s(self) -> float:
        """Seconds left of a pause; 0 without a pause."""
        return max(0.0, self._resume_at_s - time.monotonic())

    def on_inventory(self, entities: int, of: str, dataset: str | None = None) -> None:
        """Add the size of an inventory to the total."""
        self._speed.list(entities)
        self._bar.update(self._task, description="asking", total=self._speed.total)

    def on_resumed(self, entities: int) -> None:
        """Move the bar by the answers of the resumed run."""
        self._speed.resume(entities)
        self._bar.advance(self._task, entities)

    def on_pause(self, pause_s: float) -> None:
        """Show a pause and its countdown."""
        self._resume_at_s = time.monotonic() + pause_s

    def on_limit(self, text: str) -> None:
        """Show what limits the requests."""
        self._bar.update(self._task, limit=f", {text}")

    def on_answer(self, outcome: Outcome) -> None:
        """Move the bar."""
        self._speed.answer()
        self._bar.advance(self._task)

    def on_requests(self, total: int, throttled: int) -> None:
        """Show the number of throttled requests."""
        self._bar.update(self._task, throttled=throttled)

    def on_commit(self) -> None:
        """Show the end of the crawl."""
        self._bar.update(self._task, description="writing the snapshot")


class _PaceColumn(ProgressColumn):
    """Entities per second, or the countdown of a pause."""

    max_refresh = 0.5

    def __init__(self, progress: ProgressBar) -> None:
        super().__init__()
        self._progress = progress

    def render(self, task: Task) -> Text:
        if self._progress.pause_s > 0:
            return Text(f"pausing {self._progress.pause_s:.0f} s")
        return Text(self._progress.speed.rate)


class _LeftColumn(ProgressColumn):
    """The time left."""

    max_refresh = 0.5

    def __init__(self, progress: ProgressBar) -> None:
        super().__init__()
        self._progress = progress

    def render(self, task: Task) -> Text:
        return Text(self._progress.speed.left)
