"""The lock in an object store: one holder at a time, whatever becomes of it."""

import time
from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest
from object_stores import S3

from audit.clock import boot_s
from audit.errors import LockedError, StoppedError
from audit.output import lease as lease_module
from audit.output.holder import Holder
from audit.output.lease import hold
from audit.output.lock import lock
from audit.storage.objects import ObjectPath


@pytest.fixture
def path(s3: S3, request: pytest.FixtureRequest) -> ObjectPath:
    return ObjectPath.of(s3.uri(f"lease/{request.node.name}/.lock"))


def wait_until(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def holder(path: ObjectPath) -> Holder:
    return msgspec.json.decode(path.read_bytes(), type=Holder)


def test_one_run_holds_it_and_leaves_it_free(path: ObjectPath, caplog: pytest.LogCaptureFixture) -> None:
    with lock(path.parent) as held:
        held.check()
        with (
            pytest.raises(LockedError, match=r"another run holds the lock on s3://.*: process \d+ on .*free in \d+ s"),
            lock(path.parent),
        ):
            pytest.fail("two hold it")
        assert not holder(path).is_released
    assert holder(path).is_released
    with lock(path.parent) as held:
        held.check()
        assert not holder(path).is_released
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_it_is_renewed_for_as_long_as_it_is_held(path: ObjectPath) -> None:
    with hold(path, 1) as lease:
        wait_until(lambda: holder(path).renewals > 2)
        lease.check()


def test_what_a_dead_run_left_is_taken_over_when_it_has_expired(path: ObjectPath, s3: S3) -> None:
    dead = Holder.this(60.0)
    path.put(msgspec.json.encode(dead))
    s3.age(path.key, 55)
    with pytest.raises(LockedError), hold(path, 60):
        pytest.fail("it may be alive")
    s3.age(path.key, 10)
    with hold(path, 60) as lease:
        lease.check()
        assert holder(path).nonce != dead.nonce
    assert holder(path).is_released


def test_a_lock_that_nobody_can_read_expires_too(path: ObjectPath, s3: S3) -> None:
    path.put(b"?")
    with pytest.raises(LockedError, match="an unknown process"), hold(path, 60):
        pytest.fail("somebody holds it")
    s3.age(path.key, 100)
    with hold(path, 60) as lease:
        lease.check()


def test_who_lost_it_stops_and_leaves_it_to_the_other(path: ObjectPath) -> None:
    other = msgspec.json.encode(Holder.this(60.0))
    with hold(path, 1) as lease:
        path.put(other)

        def is_noticed() -> bool:
            with suppress(StoppedError):
                lease.check()
                return False
            return True

        wait_until(is_noticed)
        with pytest.raises(StoppedError, match="was lost"):
            lease.check()
    assert path.read_bytes() == other


def test_a_lock_that_was_removed_counts_as_lost(path: ObjectPath) -> None:
    with hold(path, 1) as lease:
        path.unlink()
        wait_until(lambda: lease._is_lost)
    assert not path.exists()


def test_it_is_lost_here_before_it_is_free_there(path: ObjectPath, monkeypatch: pytest.MonkeyPatch) -> None:
    with hold(path, 60) as lease:
        now_s = boot_s()
        monkeypatch.setattr(lease_module, "boot_s", lambda: now_s + 61)
        with pytest.raises(StoppedError):
            lease.check()
        lease.release()
        assert path.exists()
        monkeypatch.undo()


def test_a_renewal_that_seemed_to_fail_holds_from_when_it_was_tried_first(
    path: ObjectPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = ObjectPath.put

    def put_and_lose(self: ObjectPath, data: bytes, mode: object = "overwrite") -> object:
        put(self, data, mode)
        raise OSError(5, "the answer was lost")

    with hold(path, 60) as lease:
        now_s = boot_s()
        with monkeypatch.context() as patch:
            patch.setattr(ObjectPath, "put", put_and_lose)
            with pytest.raises(OSError, match="the answer was lost"):
                lease._write(lease._version)
        tried_at_s = lease._tried_at_s
        assert tried_at_s is not None
        with monkeypatch.context() as patch:
            patch.setattr(lease_module, "boot_s", lambda: now_s + 30)
            lease._write(lease._version)
        assert lease._until_s == tried_at_s + 60
        lease.check()


def test_an_answer_that_was_lost_is_made_good(path: ObjectPath, monkeypatch: pytest.MonkeyPatch) -> None:
    put = ObjectPath.put

    def put_twice(self: ObjectPath, data: bytes, mode: object = "overwrite") -> object:
        put(self, data, mode)
        return put(self, data, mode)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectPath, "put", put_twice)
        with hold(path, 2) as lease:
            wait_until(lambda: holder(path).renewals > 1)
            lease.check()
            assert not lease._is_lost


@pytest.mark.attack("planted links and files")
def test_a_planted_lock_without_end_is_not_read_whole(
    path: ObjectPath, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lease_module, "_MAX_BYTES", 1000)
    path.put(msgspec.json.encode(Holder.this(60.0)) + b" " * 2000 + b"[")
    with pytest.raises(LockedError, match="an unknown process"), lock(path.parent):
        pytest.fail("it is held")
