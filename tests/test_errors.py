"""Each error says once how much of a run it ends."""

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from audit import errors
from audit.errors import AuditError, DamagedError, Reach, StoppedError, words_of
from audit.webex import errors as webex

EXPECTED = {
    Reach.KIND: {
        errors.RefusedError,
        webex.ScopeError,
        webex.NotAcceptedError,
        webex.UnansweredError,
        webex.PageTooLongError,
        webex.NotListedError,
        webex.ForeignLinkError,
    },
    Reach.ORGANIZATION: {errors.StoppedError, errors.DeadlineError, webex.OutageError},
    Reach.RUN: {
        AuditError,
        errors.UsageError,
        errors.DamagedError,
        errors.EngineError,
        errors.LockedError,
        webex.TokenRefusedError,
        webex.ApiGoneError,
    },
}


def all_below(kind: type[AuditError]) -> Iterator[type[AuditError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from all_below(each)


@pytest.mark.parametrize("reach", Reach)
def test_the_reach_of_each_error_is_decided(reach: Reach) -> None:
    known = {kind for kind in all_below(AuditError) if kind.__module__ in (errors.__name__, webex.__name__)}
    assert {kind for kind in known if kind.reach is reach} == EXPECTED[reach]


@pytest.mark.parametrize("error", [StoppedError("the disk is full"), DamagedError("part.arrow", "it is cut off")])
def test_an_error_with_advice_is_another_one_of_its_kind(error: AuditError) -> None:
    advised = error.resumable().advised("go on with: run --resume")
    assert type(advised) is type(error)
    assert str(advised) == f"{error}; go on with: run --resume"
    assert (advised.is_resumable, error.is_resumable) == (True, False)


class _Thing(msgspec.Struct, forbid_unknown_fields=True):
    a: int


def _raised(work: Callable[[], object]) -> Exception:
    try:
        work()
    except Exception as error:  # noqa: BLE001 - whatever a library raises
        return error
    raise AssertionError


@pytest.mark.attack("redaction")
@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda: msgspec.json.decode(b'{"a": "s3cret"}', type=_Thing), "a value is not what is expected at `$.a`"),
        (lambda: msgspec.json.decode(b'{"s3cret ": 1, "a": 1}', type=_Thing), "a value is not what is expected"),
        (lambda: msgspec.json.decode(b"{}", type=_Thing), "missing required field `a`"),
        (lambda: msgspec.json.decode(b"{s3cret"), "it is not JSON at byte 1"),
        (lambda: tomllib.loads("a = s3cret"), "the syntax is wrong at line 1, column 5"),
        (lambda: tomllib.loads("s3cret = 1\ns3cret = 2\n"), "the syntax is wrong at line 2, column 11"),
        (b"s3cret\xff".decode, "it is not UTF-8"),
        (lambda: pa.ipc.open_file(b"s3cret"), "its content can't be used (ArrowInvalid)"),
        (lambda: Path("/nowhere/s3cret").read_bytes(), "No such file or directory"),
        (lambda: int("s3cret"), "its content can't be used (ValueError)"),
        (lambda: {}["s3cret"], "its content can't be used (KeyError)"),
    ],
)
def test_what_the_error_of_a_library_quotes_is_not_told(work: Callable[[], object], words: str) -> None:
    assert words_of(_raised(work)) == words
