"""What can stop a command, each with the exit code that the design promises for it.

An error here is a sentence for the user: what is wrong, where, and what to do. Anything else that
escapes is a bug of ours and exits with 70.
"""

from typing import Any

#: Of a review that found something: no error.
FOUND_EXIT_CODE = 1
#: Of a command that left a snapshot which is partial: no error, and not complete either.
PARTIAL_EXIT_CODE = 3


class AuditError(Exception):
    """Stops a command; the text is the one line that the user reads.

    Attributes:
        exit_code: the exit code of the process (design, "Outcomes and exit codes").
    """

    exit_code = 70
    #: What was done so far is kept, so that `run --resume` goes on from there.
    is_resumable = False


class UsageError(AuditError):
    """Wrong usage or configuration: nothing was asked of the API."""

    exit_code = 2


class DamagedError(UsageError):
    """A file is not what was written there.

    Args:
        path: the file.
        reason: what is wrong with it.
    """

    def __init__(self, path: Any, reason: str) -> None:
        super().__init__(f"{path} is damaged: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.reason)


class RefusedError(AuditError):
    """The token is refused or lacks a scope: nothing could be audited."""

    exit_code = 4


class StoppedError(AuditError):
    """The run ended before its commit: API unreachable, disk full, signal."""

    exit_code = 5


class DeadlineError(StoppedError):
    """The time that the run was given is over, or would be."""


class EngineError(StoppedError):
    """What organizations are audited by is gone, so that none can be audited further."""


class LockedError(AuditError):
    """Another run holds the lock on this output."""

    exit_code = 6
