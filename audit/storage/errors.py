"""What goes wrong with an object store, in one line each: what it is, and what to do."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from audit.errors import AuditError, StoppedError, UsageError


class StorageError(OSError):
    """An object store refuses; `strerror` says what to do, `filename` is the URI."""


#: Words of libraries and stores (small letters, no spaces), each with what they mean. The first that are found count.
_FAULTS: Final = [
    (
        ("nosuchbucket", "containernotfound", "bucketdoesnotexist", "containerdoesnotexist"),
        errno.ENXIO,
        "there is no such bucket: create it, or name another one with --output",
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
        "no credentials were found: docs/object-stores.md says where they are looked for",
    ),
    (
        (
            *("invalidaccesskey", "signaturedoesnotmatch", "expiredtoken", "invalidtoken", "invalidclienttokenid"),
            *("authenticationfailed", "unauthenticated", "401unauthorized", "status401"),
        ),
        errno.EACCES,
        "the credentials are refused: they are wrong, expired, or of another store",
    ),
    (
        ("accessdenied", "403forbidden", "status403", "authorizationfailure", "authorizationpermissionmismatch"),
        errno.EACCES,
        "access is denied: docs/object-stores.md lists the permissions that are needed",
    ),
    (
        ("permanentredirect", "authorizationheadermalformed", "status301", "301moved"),
        errno.ENXIO,
        "the bucket is in another region: add ?region=… to the URI",
    ),
    (
        ("notimplemented", "status501", "notsupported"),
        errno.ENOTSUP,
        "the store can't write on a condition, which the lock needs",
    ),
    (
        (
            *("networkconnection", "errorsendingrequest", "couldnotconnect", "couldn'tconnect", "curlcode", "timedout"),
            *("couldnotresolve", "dnserror", "slowdown", "serviceunavailable", "badgateway", "internalservererror"),
        ),
        errno.EHOSTUNREACH,
        "it can't be reached: look at the network and, if the URI has one, at endpoint_override; then run again",
    ),
]
_SHOWN = 200


def fault_of(error: BaseException, place: object) -> OSError:
    """The same as an error that tells users what to do: `FileNotFoundError`, or `StorageError`."""
    text = str(error)
    plain = re.sub("[ _]", "", text.lower())
    for words, number, told in _FAULTS:
        if any(word in plain for word in words):
            return StorageError(number, told, str(place))
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(place))
    return StorageError(errno.EIO, text.partition("\n")[0][:_SHOWN], str(place))


@contextmanager
def telling(place: object, *others: type[BaseException]) -> Iterator[None]:
    """Tell what goes wrong inside.

    Args:
        place: what is read or written.
        others: errors of a library, beside those of pyarrow.

    Raises:
        FileNotFoundError: it is not there.
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


def unwritable(output: object, error: OSError) -> AuditError:
    """The error that an output which can't be written is told with: a full disk is no wrong configuration."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoppedError(f"output {output} can't be written: {error.strerror}: make room and run again")
    if error.errno == errno.EHOSTUNREACH:
        return StoppedError(f"output {output}: {error.strerror}")
    advice = "" if isinstance(error, StorageError) else ": name another folder with --output"
    return UsageError(f"output {output} can't be written: {error.strerror}{advice}")
