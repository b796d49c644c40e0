"""How fast a run is, and how long it will take: one computation for the progress bar and for the lines of a log."""

import time
from collections import deque
from collections.abc import Callable

from audit.text import count_of, duration_of

#: The rate is that of the last seconds, pauses included: the limit of an API changes.
_WINDOW_S = 60.0
#: A sample is taken at most this often.
_SAMPLE_S = 0.5
#: A rate over less time than this depends on timing.
_LEAST_S = 1.0


class Speed:
    """Counts entities, and measures their rate.

    Args:
        now_s: the time, on a clock that never jumps.

    Attributes:
        total: the entities that are listed so far.
        done: those that have their outcome, also from the run that this one resumes.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self.total = self.done = 0
        self._now_s = now_s
        #: Times, each with the number of answers of this run by then.
        self._samples: deque[tuple[float, int]] = deque()
        self._answers = 0

    def list(self, entities: int) -> None:
        """Note that entities were listed: answers are about to come."""
        if not self._samples:
            self._samples.append((self._now_s(), 0))
        self.total += entities

    def resume(self, entities: int) -> None:
        """Note entities that the resumed run has read; they say nothing of the speed of this run."""
        self.done += entities

    def answer(self) -> None:
        """Note that an entity has its outcome."""
        self.done += 1
        self._answers += 1
        now_s = self._now_s()
        if not self._samples or now_s - self._samples[-1][0] >= _SAMPLE_S:
            self._samples.append((now_s, self._answers))
            # The first sample that is kept is as old as the window, or older.
            while len(self._samples) > 1 and now_s - self._samples[1][0] >= _WINDOW_S:
                self._samples.popleft()

    @property
    def rate_per_s(self) -> float | None:
        """Entities per second; None if too little is known."""
        if not self._samples:
            return None
        since_s, before = self._samples[0]
        passed_s = self._now_s() - since_s
        return (self._answers - before) / passed_s if passed_s >= _LEAST_S and self._answers > before else None

    @property
    def left_s(self) -> float | None:
        """Seconds for what is listed so far at this rate; None if too little is known."""
        rate_per_s = self.rate_per_s
        return (self.total - self.done) / rate_per_s if rate_per_s else None

    @property
    def progress(self) -> str:
        """The entities that have their outcome, of those that are listed, in words."""
        return f"{self.done:,} of {count_of(self.total, 'entity', 'entities')}"

    @property
    def rate(self) -> str:
        """The rate in words; empty if too little is known."""
        return f"{self.rate_per_s:.1f}/s" if self.rate_per_s else ""

    @property
    def left(self) -> str:
        """The time left in words; empty if too little is known."""
        left_s = self.left_s
        return "" if left_s is None else f"about {duration_of(left_s)} left"
