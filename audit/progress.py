"""What a run tells while it works; silent unless a console listens."""

from audit.outcome import Outcome


class Progress:
    """Told of each step of a run. This one says nothing."""

    def on_inventory(self, entities: int) -> None:
        """The inventory is taken: so many entities are to be crawled."""

    def on_answer(self, outcome: Outcome) -> None:
        """One more entity has its outcome."""

    def on_requests(self, total: int, throttled: int, pause_s: float) -> None:
        """Requests made and throttled so far, and the seconds of a pause that runs."""

    def on_commit(self) -> None:
        """All entities are answered; the snapshot is being written."""
