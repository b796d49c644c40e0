"""What a run tells while it works; silent unless a console listens."""

from typing import Self

from audit.outcome import Outcome


class Progress:
    """Told of each step of a run. This one says nothing. To be used as a context manager."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The run is over."""

    def on_inventory(self, entities: int, of: str) -> None:
        """The inventory of something is taken: so many further entities are to be crawled."""

    def on_resumed(self, entities: int) -> None:
        """So many entities were answered by the run that this one resumes."""

    def on_pause(self, pause_s: float) -> None:
        """All requests pause: the API asks for it, or does not answer."""

    def on_answer(self, outcome: Outcome) -> None:
        """One more entity has its outcome."""

    def on_requests(self, total: int, throttled: int) -> None:
        """Requests made and throttled so far."""

    def on_commit(self) -> None:
        """All entities are answered; the snapshot is being written."""
