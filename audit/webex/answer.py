"""What became of a read, and how many requests were made."""

from datetime import datetime

import msgspec

from audit.outcome import Outcome


class Answer(msgspec.Struct, frozen=True):
    """The last answer to one read, after all retries.

    Attributes:
        outcome: what it means.
        status: the HTTP status; None where no answer came.
        body: the raw JSON object of an answer with outcome `ok`; else empty.
        message: what the API, or the network, said of a failure.
        tracking_id: the API's own name for this answer, for its support.
        attempts: requests that were sent for it.
        fetched_at: when it came, in UTC; None where nothing was asked.
        link: its `Link` header.
        is_empty: it had no body at all.
    """

    outcome: Outcome
    status: int | None
    body: bytes
    message: str | None
    tracking_id: str | None
    attempts: int
    fetched_at: datetime | None
    link: str | None = None
    is_empty: bool = False


class RequestCount(msgspec.Struct):
    """Requests made so far: all, those that repeated another, those answered with 429 or 423."""

    total: int = 0
    retried: int = 0
    throttled: int = 0
