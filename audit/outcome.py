"""The result of one entity in one dataset (design, "Outcomes and exit codes")."""

from enum import StrEnum


class Outcome(StrEnum):
    """The words for outcomes; every entity of an inventory ends with exactly one outcome."""

    OK = "ok"
    NOT_LICENSED = "not_licensed"
    NOT_FOUND = "not_found"
    FORBIDDEN = "forbidden"
    BAD_REQUEST = "bad_request"
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    INVALID_RESPONSE = "invalid_response"

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
