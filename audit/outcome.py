"""What became of one entity in one dataset (design, "Outcomes and exit codes")."""

from enum import StrEnum


class Outcome(StrEnum):
    """The outcome words; every entity of an inventory ends with exactly one."""

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
        """Whether asking again would tell nothing new; any other makes a snapshot partial."""
        return self in _COMPLETE

    @property
    def is_unanswered(self) -> bool:
        """Whether nothing was said of what was asked, retries included: another time, it may be."""
        return self in _UNANSWERED


_COMPLETE = frozenset({Outcome.OK, Outcome.NOT_LICENSED, Outcome.NOT_FOUND})
_UNANSWERED = frozenset({Outcome.THROTTLED, Outcome.SERVER_ERROR, Outcome.TIMEOUT})
