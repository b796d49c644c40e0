"""The result of one entity in one dataset (design, "Outcomes and exit codes")."""

from enum import StrEnum
from typing import Self


class Outcome(StrEnum):
    """The words for outcomes; every entity of an inventory ends with exactly one outcome.

    Attributes:
        meaning: what the word says, for people.
    """

    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        """Make a word of its own, not only the text, so that it can have a meaning."""
        outcome = str.__new__(cls, word)
        outcome._value_ = word
        outcome.meaning = meaning
        return outcome

    OK = "ok", "answered: its rows are in the other tables"
    NOT_LICENSED = (
        "not_licensed",
        "it has no Webex Calling license of the right kind, or people only hot desk there, so it has no such settings",
    )
    NOT_FOUND = "not_found", "deleted since it was listed, or never there; a user whom the meeting site does not know"
    FORBIDDEN = (
        "forbidden",
        "refused with 403, or with 401 though the token is accepted elsewhere, or of a kind that is refused whole",
    )
    BAD_REQUEST = "bad_request", "refused in another way that a retry can't change"
    THROTTLED = "throttled", "no answer despite retries: 429 or 423"
    SERVER_ERROR = "server_error", "no answer despite retries: 5xx"
    TIMEOUT = "timeout", "no answer despite retries: none in time, or a lost connection"
    INVALID_RESPONSE = "invalid_response", "the answer is not what is documented; error_message says how"

    @property
    def is_complete(self) -> bool:
        """Whether a second request would tell nothing new. Outcomes that are not complete make a snapshot partial."""
        return self in _COMPLETE

    @property
    def is_unanswered(self) -> bool:
        """Whether no usable answer came despite retries; a later run may get one."""
        return self in _UNANSWERED


# Tuples, because the hash of an enumeration is computed in Python, for each answer several times.
_COMPLETE = (Outcome.OK, Outcome.NOT_LICENSED, Outcome.NOT_FOUND)
_UNANSWERED = (Outcome.THROTTLED, Outcome.SERVER_ERROR, Outcome.TIMEOUT)
