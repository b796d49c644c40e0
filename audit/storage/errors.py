"""Errors of object stores in one line: what is wrong, and what to do."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from audit.errors import AuditError, StoppedError, UsageError


class StorageError(OSError):
    """An object store refuses. `strerror` says what to do, `filename` is the URI."""


#: Words in messages of libraries and stores (lower case, no spaces), and what they mean. The first match counts.
_FAULTS: Final = [
    (
        ("nosuchbucket", "containernotfound", "bucketdoesnotexist", "containerdoesnotexist"),
        errno.ENXIO,
        "there is no such bucket: create it, or name another bucket with --output",
    ),
    (
        (
            "169.254.169.254",
            "metadata.google",
            "nocredentials",
            "credentialsnot",
            "findcredentials",
            "failedtogettoken",
        ),
        errno.EACCES,
        "no credentials were found: docs/object-stores.md lists the places that are searched",
    ),
    (
        (
            *("invalidaccesskey", "signaturedoesnotmatch", "expiredtoken", "invalidtoken", "invalidclienttokenid"),
            *("authenticationfailed", "unauthenticated", "401unauthorized", "status401"),
        ),
        errno.EACCES,
        "the credentials are refused: they are wrong, expired, or for another store",
    ),
    (
        ("accessdenied", "403forbidden", "status403", "authorizationfailure", "authorizationpermissionmismatch"),
        errno.EACCES,
        "access is denied: docs/object-stores.md lists the required permissions",
    ),
    (
        ("permanentredirect", "authorizationheadermalformed", "status301", "301moved"),
        errno.ENXIO,
        "the bucket is in another region: add ?region=… to the URI",
    ),
    (
        ("notimplemented", "status501", "notsupported"),
        errno.ENOTSUP,
        "the store has no conditional writes, which the lock needs",
    ),
    (
        (
            *("networkconnection", "errorsendingrequest", "couldnotconnect", "couldn'tconnect", "curlcode", "timedout"),
            *("couldnotresolve", "dnserror", "slowdown", "serviceunavailable", "badgateway", "internalservererror"),
        ),
        errno.EHOSTUNREACH,
        "it can't be reached: check the network and, if the URI has it, endpoint_override; then run again",
    ),
]


def fault_of(error: BaseException, place: object) -> OSError:
    """Translate an error into `FileNotFoundError` or a `StorageError` that tells users what to do."""
    text = str(error)
    plain = re.sub("[ _]", "", text.lower())
    for words, number, told in _FAULTS:
        if any(word in plain for word in words):
            return StorageError(number, told, str(place))
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(place))
    return StorageError(errno.EIO, f"the store fails in an unknown way ({type(error).__name__})", str(place))


@contextmanager
def telling(place: object, *others: type[BaseException]) -> Iterator[None]:
    """Translate errors inside the block (`fault_of`).

    Args:
        place: what is read or written.
        others: errors of another library, beside those of pyarrow.

    Raises:
        FileNotFoundError: the place does not exist.
        StorageError: the store refuses, or can't be reached.
    """
    try:
        yield
    except (StorageError, FileExistsError):
        raise
    except _foreign(*others) as error:
        raise fault_of(error, place) from error


def _foreign(*others: type[BaseException]) -> tuple[type[BaseException], ...]:
    import pyarrow as pa  # noqa: PLC0415 - only an error needs it: it takes longer to load than most commands run

    return OSError, pa.ArrowException, *others


def unwritable(output: object, error: OSError, what_to_do: str = "name another folder with --output") -> AuditError:
    """The error for an output that can't be written; a full disk is not a wrong configuration.

    Args:
        output: the folder of all snapshots.
        error: what happened.
        what_to_do: how to go on. A command that works on the snapshots that lie there gains nothing by another folder.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoppedError(f"output {output} can't be written: {error.strerror}: make room and run again")
    if error.errno == errno.EHOSTUNREACH:
        return StoppedError(f"output {output}: {error.strerror}")
    advice = "" if isinstance(error, StorageError) else f": {what_to_do}"
    return UsageError(f"output {output} can't be written: {error.strerror}{advice}")
