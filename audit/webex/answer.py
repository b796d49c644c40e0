"""The answer to a read, and the count of requests."""

from datetime import datetime

import msgspec

from audit.outcome import Outcome


class Answer(msgspec.Struct, frozen=True):
    """The last answer to one read, after all retries.

    Attributes:
        outcome: the meaning of the answer.
        status: the HTTP status; None if no answer came.
        body: the raw JSON object of an answer with outcome `ok`; else empty.
        message: the reason for a failure, from the API or the network.
        tracking_id: the API's own name for this answer, for its support.
        attempts: the number of requests.
        fetched_at: when the answer came, in UTC; None if no request was made.
        link: the `Link` header.
        is_empty: the answer had no body at all.
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
    """Counts requests: all, those that repeat another, and those that were answered with 429 or 423."""

    total: int = 0
    retried: int = 0
    throttled: int = 0
