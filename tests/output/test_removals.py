"""The record of removed snapshots comes from a folder that others may write to."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.errors import DamagedError, StoppedError, UsageError
from audit.output.removals import record_abandoned, record_removed
from audit.snapshot.layout import REMOVED
from audit.snapshot.manifest import Previous
from audit.snapshot.removed import Removed, has_record, read_removed, read_small, readable_removed
from audit.storage.place import Place

NOW = datetime(2026, 11, 21, 19, 9, tzinfo=UTC)
ENTRY = Removed("20261121T190900Z-0a1b2c", "0" * 64, Previous("20261120T190900Z-0a1b2c", "1" * 64), NOW, "old")
OTHER = msgspec.structs.replace(ENTRY, snapshot_id="20261121T190900Z-0a1b2d", previous=None)


def test_what_is_recorded_is_read_and_stays(tmp_path: Path) -> None:
    assert (read_removed(tmp_path), has_record(tmp_path)) == ([], False)
    record_removed(tmp_path, [])
    assert not has_record(tmp_path)
    record_removed(tmp_path, [ENTRY])
    record_removed(tmp_path, [OTHER])
    assert (read_removed(tmp_path), has_record(tmp_path)) == ([ENTRY, OTHER], True)


def test_an_entry_stays_as_it_is_unless_it_says_something_else_of_the_chain(tmp_path: Path) -> None:
    record_removed(tmp_path, [ENTRY])
    record_removed(tmp_path, [msgspec.structs.replace(ENTRY, reason="again", removed_at=datetime.now(UTC))])
    assert read_removed(tmp_path) == [ENTRY]
    corrected = msgspec.structs.replace(ENTRY, previous=None)
    record_removed(tmp_path, [corrected])
    assert read_removed(tmp_path) == [corrected]
    another = msgspec.structs.replace(ENTRY, manifest_sha256="f" * 64)
    record_removed(tmp_path, [another])
    assert read_removed(tmp_path) == [corrected, another]


def test_folders_that_never_became_snapshots_are_recorded(tmp_path: Path) -> None:
    record_abandoned(tmp_path, [ENTRY.snapshot_id])
    record_removed(tmp_path, [ENTRY])
    first, second = read_removed(tmp_path)
    assert (first.snapshot_id, first.manifest_sha256, first.previous) == (ENTRY.snapshot_id, None, None)
    assert (first.reason, first.is_abandoned, second.is_abandoned) == ("abandoned", True, False)
    assert abs((datetime.now(UTC) - first.removed_at).total_seconds()) < 60


def test_nothing_is_written_without_the_lock_and_what_is_signed_is_signed_first(tmp_path: Path) -> None:
    steps: list[str] = []

    def seal(output: Place, entries: Sequence[Removed]) -> None:
        steps.append(f"seal {len(entries)}, recorded {len(read_removed(output))}")

    record_removed(tmp_path, [ENTRY], seal=seal, check_lock=lambda: steps.append("lock"))
    assert steps == ["lock", "seal 1, recorded 0", "lock"]

    def lost() -> None:
        raise StoppedError("the lock was lost")

    with pytest.raises(StoppedError):
        record_abandoned(tmp_path, [OTHER.snapshot_id], check_lock=lost)
    assert read_removed(tmp_path) == [ENTRY]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"format_version": 1', b'"format_version": 2'),
        (b"20261121T190900Z-0a1b2c", b"../20261121T190900Z-0a1b2c"),
        (b"20261121T190900Z-0a1b2c", b"20261121T190900Z-0a1b2c\\n"),
        (b"0" * 64, b"0" * 63),
        (b'Z"', b'"'),
        (b'"reason"', b'"excuse"'),
        (b'"old"', b"\xff"),
        (b"{", b"["),
    ],
)
def test_what_is_not_as_it_is_written_is_damaged(
    tmp_path: Path, old: bytes, new: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    record_removed(tmp_path, [ENTRY])
    data = (tmp_path / REMOVED).read_bytes()
    assert old in data
    (tmp_path / REMOVED).write_bytes(data.replace(old, new))
    with pytest.raises(DamagedError, match=f"{REMOVED} is damaged: "):
        read_removed(tmp_path)
    with pytest.raises(DamagedError):
        record_removed(tmp_path, [OTHER])
    assert (tmp_path / REMOVED).read_bytes() == data.replace(old, new)
    assert readable_removed(tmp_path) == []
    assert f"{REMOVED} is damaged: " in caplog.text


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.recursive(st.just(b"[]"), lambda inner: inner.map(lambda each: b"[" + each + b"]")))
def test_no_bytes_are_worse_than_damaged(tmp_path: Path, data: bytes) -> None:
    (tmp_path / REMOVED).write_bytes(data)
    with pytest.raises(DamagedError):
        read_removed(tmp_path)


def test_depth_ends_without_a_crash(tmp_path: Path) -> None:
    (tmp_path / REMOVED).write_bytes(b'{"removed":' + b"[" * 100_000)
    with pytest.raises(DamagedError):
        read_removed(tmp_path)


@pytest.mark.attack("planted links and files")
def test_links_pipes_and_large_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_removed(tmp_path, [ENTRY])
    path = tmp_path / REMOVED
    size = path.stat().st_size
    assert read_small(path, size) == path.read_bytes()
    with pytest.raises(DamagedError, match=f"more than {size - 1} bytes"):
        read_small(path, size - 1)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DamagedError, match="not a regular file"):
        read_removed(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DamagedError, match="not a regular file"):
        read_removed(tmp_path)
    with pytest.raises(UsageError, match="Not a directory"):
        read_small(tmp_path / "elsewhere" / REMOVED, 1)
