"""What can stop a command. Each error says which exit code it means, and how much of a run it ends.

An error of this module is a sentence for the user: what is wrong, where, and what to do. Any other error that
escapes is a bug of webex-audit and exits with 70.
"""

import errno
import os
import re
import sys
from enum import IntEnum
from typing import Any, Self

from audit.redaction import redact

#: What the dynamic linker says when it can't load a library.
_NO_MEMORY = re.compile("failed to map segment|[Cc]annot allocate memory")

#: Exit code of a review that found something, which is not an error.
FOUND_EXIT_CODE = 1
#: Exit code of a command that left a partial snapshot: not an error, and not complete either.
PARTIAL_EXIT_CODE = 3


class Reach(IntEnum):
    """How much of a run an error ends, if nothing that encloses it can do without what failed.

    An entity that can't be read raises no error: it has an outcome (`audit.outcome`).
    """

    KIND = 1
    """The kinds of entity, or the dataset, that were asked for; other datasets of the organization go on."""
    ORGANIZATION = 2
    """One organization; others go on."""
    RUN = 3
    """The run: no other organization can fare better."""


class AuditError(Exception):
    """Stops a command; the text is the one line that the user reads. It never holds a secret, wherever it travels.

    Attributes:
        exit_code: the exit code of the process; the documentation lists all of them.
        reach: how much of a run it ends.
        is_resumable: what the run has read so far is kept, and `run --resume` goes on from there.
        said: what the API says of it, in its own words; the log shows it once, with `--verbose`.
    """

    exit_code = 70
    reach = Reach.RUN
    is_resumable = False
    said: str | None = None

    def __init__(self, text: str = "") -> None:
        super().__init__(redact(text))

    def saying(self, said: str | None) -> Self:
        """The same error, with what the API says of it."""
        self.said = redact(said) if said else None
        return self

    def resumable(self) -> Self:
        """The same error of a run that has kept what it read."""
        same = self._with_text(str(self))
        same.is_resumable = True
        return same

    def advised(self, advice: str) -> Self:
        """The same error, with advice on what to do after its text."""
        return self._with_text(f"{self}; {advice}")

    def _with_text(self, text: str) -> Self:
        # `__init__` builds the text of some classes from other arguments.
        same = type(self).__new__(type(self), redact(text))
        same.__dict__.update(self.__dict__)
        return same


class UsageError(AuditError):
    """Wrong usage or configuration: the API was not asked for anything."""

    exit_code = 2


class DamagedError(UsageError):
    """A file is not as it was written.

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
    reach = Reach.KIND


class StoppedError(AuditError):
    """The run ended before its commit: API unreachable, disk full, signal."""

    exit_code = 5
    reach = Reach.ORGANIZATION


class DeadlineError(StoppedError):
    """The deadline of the run is over, or would be before a wait ends."""


class EngineError(StoppedError):
    """What audits organizations is gone, or lacks something, so no other organization can be audited."""

    reach = Reach.RUN


class LockedError(AuditError):
    """Another run holds the lock on this output."""

    exit_code = 6


#: Every exit code, with its meaning for people.
EXIT_CODES = {
    0: "done, complete",
    FOUND_EXIT_CODE: "the review found something: findings, differences with --exit-code, a digest that does not match",
    UsageError.exit_code: "wrong usage or configuration; a snapshot that is damaged, or a query that needs too much "
    "memory",
    PARTIAL_EXIT_CODE: "committed, but partial (0 with --allow-partial)",
    RefusedError.exit_code: "the token is refused or lacks a scope: nothing could be audited; a login that was refused",
    StoppedError.exit_code: "stopped before commit (API unreachable, deadline, disk full, signal, a limit of the "
    "machine): resumable, the message says how",
    LockedError.exit_code: "another run holds the lock on this output, or another login of this profile is under way",
    AuditError.exit_code: "a bug of ours: one line, and where the log with the details lies",
}


def said_in(arguments: object) -> set[str]:
    """What the API says of the errors among the arguments of a log line."""
    errors = arguments if isinstance(arguments, tuple) else ()
    return {each.said for each in errors if isinstance(each, AuditError) and each.said}


def shortage(error: BaseException) -> StoppedError | None:
    """The error for the user if the machine lacks something that a limit may grant; None for any other error.

    Args:
        error: what Python raised.
    """
    match error:
        case RuntimeError() if str(error) == "can't start new thread":
            return EngineError(
                "this machine lets no other thread start: raise the limit of processes (ulimit -u, TasksMax, "
                "--pids-limit), or free memory"
            )
        case OSError() if error.errno in (errno.EMFILE, errno.ENFILE):
            return EngineError("too many files are open: raise the limit (ulimit -n), or lower pace.concurrency")
    if isinstance(error, MemoryError) or (isinstance(error, ImportError) and _NO_MEMORY.search(str(error))):
        return EngineError("the memory is used up: give the process more, or lower pace.concurrency")
    return None


def words_of(error: BaseException) -> str:
    """What happened, in our own words: the text of a library's error may quote anything from outside.

    Args:
        error: an error of this module, of the operating system, or of a library.
    """
    is_ours = type(error).__module__.startswith("audit.")
    match error:
        case OSError() if error.errno:
            return str(error.strerror) if is_ours else os.strerror(error.errno)
        case AuditError() | ValueError() if is_ours:
            return str(error)
        case UnicodeError():
            return "it is not UTF-8"
        case RecursionError():
            return "it is nested too deep"
        case ValueError():
            return _words_of_parser(error)
    return f"its content can't be used ({type(error).__name__})"


#: Where parsers (msgspec, tomllib) say that a fault is; what they say of it may quote the text.
_PLACES = {
    "ValidationError": re.compile(
        r"(?:(?P<field>(?:missing required|unknown) field `\w{1,40}`)|.* - at (?P<at>`\$[\w.\[\]]*`))"
    ),
    "DecodeError": re.compile(r"(?P<at>byte [0-9]{1,12})\)$"),
    "TOMLDecodeError": re.compile(r"(?P<at>line [0-9]{1,9}, column [0-9]{1,9}|end of document)\)$"),
}


def _words_of_parser(error: ValueError) -> str:
    kind = type(error).__name__
    found = _PLACES[kind].search(str(error)) if kind in _PLACES else None
    place = found.groupdict() if found else {}
    what = {
        "ValidationError": place.get("field") or "a value is not what is expected",
        "DecodeError": "it is not JSON",
        "TOMLDecodeError": "the syntax is wrong",
    }.get(kind, f"its content can't be used ({kind})")
    return f"{what} at {place['at']}" if place.get("at") else what


def not_installed(error: BaseException) -> UsageError | None:
    """The error for a package that this Python lacks; None for any other error, and for a missing module of our own.

    A checkout may be on the path of any Python, and an environment may have lost a package.
    """
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    if not name or name.partition(".")[0] == "audit":
        return None
    told = UsageError(
        f"{name} is not installed for {sys.executable}: use the Python of the environment that webex-audit is "
        "installed in, or install it again (docs/install.md)"
    )
    told.__cause__ = error
    return told
