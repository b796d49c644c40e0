import errno
import os

import pyarrow as pa
import pytest

from audit.errors import StoppedError, UsageError
from audit.storage.errors import StorageError, telling, unwritable

PLACE = "s3://b/a"


def fault(error: BaseException) -> OSError:
    with pytest.raises(OSError, match=r".") as caught, telling(PLACE):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("AWS Error NO_SUCH_BUCKET during ListObjectsV2: The specified bucket does not exist", "no such bucket"),
        ("<Error><Code>NoSuchBucket</Code>", "no such bucket"),
        ("AWS Error INVALID_ACCESS_KEY_ID during PutObject", "credentials are refused"),
        ("<Code>SignatureDoesNotMatch</Code> 403 Forbidden", "credentials are refused"),
        ("AWS Error ACCESS_DENIED during HeadObject operation: No response body.", "access is denied"),
        ("Server returned non-2xx status code: 403 Forbidden: ", "access is denied"),
        ("Error performing GET http://169.254.169.254/latest/api/token", "no credentials"),
        ("AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 7", "can't be reached"),
        ("HTTP error: error sending request", "can't be reached"),
        ("Received redirect: PermanentRedirect", "another region"),
        ("501 <Code>NotImplemented</Code>", "no conditional writes"),
        ("something new\nDebug source: much", "the store fails in an unknown way (OSError)"),
    ],
)  # fmt: skip
def test_what_a_store_says_becomes_one_line(text: str, told: str) -> None:
    found = fault(OSError(text))
    assert isinstance(found, StorageError)
    assert told in found.strerror
    assert ("\n" in found.strerror, found.filename) == (False, PLACE)


def test_a_missing_object_is_no_fault_of_the_store() -> None:
    found = fault(FileNotFoundError("Path does not exist 'b/a'"))
    assert (type(found), found.errno, found.filename) == (FileNotFoundError, errno.ENOENT, PLACE)


def test_a_fault_of_arrow_is_told_too_and_a_told_one_stays_as_it_is() -> None:
    assert fault(pa.ArrowInvalid("s3cret")).strerror == "the store fails in an unknown way (ArrowInvalid)"
    told = StorageError(errno.EIO, "told", "elsewhere")
    assert fault(told) is told


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), StoppedError, "make room"),
        (OSError(errno.EACCES, os.strerror(errno.EACCES)), UsageError, "Permission denied: name another folder"),
        (StorageError(errno.EACCES, "say why", PLACE), UsageError, "can't be written: say why$"),
        (StorageError(errno.EHOSTUNREACH, "run again", PLACE), StoppedError, ": run again$"),
    ],
)
def test_an_output_that_cannot_be_written_is_told_by_its_cause(error: OSError, kind: type, told: str) -> None:
    found = unwritable(PLACE, error)
    assert type(found) is kind
    with pytest.raises(kind, match=told):
        raise found
