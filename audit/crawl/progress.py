"""The events of a run, for a console; silent by default."""

from typing import Self

from audit.outcome import Outcome


class Progress:
    """Receives each event of a run, and ignores it. Use it as a context manager."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The run is over."""

    def on_inventory(self, entities: int, of: str, dataset: str | None = None) -> None:
        """An inventory is complete: the crawl will read this many more entities.

        Args:
            entities: the number of entities.
            of: the name of the organization.
            dataset: what is read of them, if the run has several datasets.
        """

    def on_resumed(self, entities: int) -> None:
        """The run that this one resumes has read this many entities."""

    def on_pause(self, pause_s: float) -> None:
        """All requests pause, because the API asks for it or does not answer."""

    def on_limit(self, text: str) -> None:
        """What is believed of the limit on requests, in words; where there are several organizations, the last news."""

    def on_answer(self, outcome: Outcome) -> None:
        """Another entity has its outcome."""

    def on_requests(self, total: int, throttled: int) -> None:
        """The number of requests so far, and how many of them were throttled."""

    def on_commit(self) -> None:
        """Every entity has its outcome; the run writes the snapshot now."""
