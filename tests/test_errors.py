"""Each error says once how much of a run it ends."""

from collections.abc import Iterator

import pytest

from audit import errors
from audit.errors import AuditError, DamagedError, Reach, StoppedError
from audit.webex import errors as webex

EXPECTED = {
    Reach.KIND: {
        errors.RefusedError,
        webex.ScopeError,
        webex.NotAcceptedError,
        webex.UnansweredError,
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
