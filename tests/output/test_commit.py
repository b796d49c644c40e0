import errno
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from audit.config import OutputSettings
from audit.entity import Entity, EntityType, entity_table
from audit.errors import AuditError, StoppedError, UsageError
from audit.output import inventory as inventory_file
from audit.output import tables as tables_module
from audit.output.commit import RunFacts, commit
from audit.output.draft import Draft, create, unwritable
from audit.output.held import Held
from audit.output.inventory import Gaps
from audit.output.journal import PartFacts
from audit.output.org_parts import OrgParts
from audit.output.tables import write_table
from audit.output.unfinished import tidy
from audit.snapshot.catalog import Snapshot, find_snapshot, list_snapshots, warn_of_chain
from audit.snapshot.coverage import COVERAGE_SCHEMA
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import Requests, Scope, write_manifest

NOW = datetime(2026, 11, 21, 19, 9, tzinfo=UTC)
ORG = "8c9fd285-6500-4518-856e-eb836c6761d8"


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 2)


def coverage(*ids: str, outcome: str = "ok") -> pa.Table:
    rows = [{"org_id": ORG, "dataset": "d", "entity_id": each, "outcome": outcome} for each in ids]
    return pa.Table.from_pylist(rows, schema=COVERAGE_SCHEMA)


def commit_parts(output: Path, inventory: list[str], parts: list[pa.Table], started_at: datetime = NOW) -> Snapshot:
    return commit_draft(create(output, started_at, {}, held=Held()), inventory, parts)


def commit_draft(draft: Draft, inventory: list[str], parts: list[pa.Table]) -> Snapshot:
    entities = entity_table(Entity(EntityType.WORKSPACE, each) for each in inventory)
    taken = draft.partition(ORG, "d").save_inventory([entities], Gaps())
    for index, part in reversed(list(enumerate(parts))):
        draft.partition(ORG, "d").write_part(index, {"coverage": part}, PartFacts({"new": 1}))
    facts = RunFacts(NOW, "https://h/v1", Scope(["d"], ["WORKSPACE"]), Requests(0, 0, 0))
    org = OrgParts(ORG, None, {"d": taken})
    return commit(draft, facts, [org], {"d": {}}, OutputSettings(formats=["csv"]))


def test_parts_are_joined_in_the_order_of_the_inventory(tmp_path: Path) -> None:
    snapshot = commit_parts(tmp_path, ["a", "b", "c"], [coverage("a", "b"), coverage("c", outcome="timeout")])
    assert snapshot.manifest.outcomes == {"d": {"ok": 2, "timeout": 1}}
    assert snapshot.manifest.status == "partial"
    assert snapshot.manifest.unknown_fields == {"d": {"new": 2}}
    assert sorted(path.name for path in snapshot.path.iterdir()) == ["coverage.csv", "manifest.json"]


@pytest.mark.parametrize(
    "parts",
    [[coverage("a")], [coverage("a", "b"), coverage("b")], [coverage("b", "a")], [coverage("a"), coverage("x")], []],
)
def test_a_run_that_lost_or_doubled_an_entity_does_not_commit(tmp_path: Path, parts: list[pa.Table]) -> None:
    with pytest.raises(AuditError, match=r"not that of the inventory|outcomes for 2 entities"):
        commit_parts(tmp_path, ["a", "b"], parts)
    assert list(tmp_path.glob(f"*/{MANIFEST}")) == []
    assert list_snapshots(tmp_path) == []


def test_latest_and_previous_go_by_the_chain_and_not_by_the_clock(tmp_path: Path) -> None:
    """The clock ran ten years ahead once."""
    made = [commit_parts(tmp_path, [], [], NOW.replace(year=year)) for year in (2026, 2036, 2027)]
    assert list_snapshots(tmp_path) == made
    assert find_snapshot(tmp_path, "latest") == made[2]
    assert find_snapshot(tmp_path, "previous") == made[1]
    assert [each.manifest.previous and each.manifest.previous.snapshot_id for each in made] == [
        None,
        made[0].path.name,
        made[1].path.name,
    ]


def test_one_that_can_not_be_read_is_the_newest_unless_another_names_it(tmp_path: Path) -> None:
    made = [commit_parts(tmp_path, [], [], NOW.replace(year=year)) for year in (2026, 2036, 2027)]
    path = made[1].path / MANIFEST
    whole = path.read_text()
    path.write_text("{")
    assert find_snapshot(tmp_path, "latest") == made[2]
    assert find_snapshot(tmp_path, "previous") == made[0]
    path.write_text(whole)
    (made[2].path / MANIFEST).write_text("{")
    for name in ("latest", "previous"):
        with pytest.raises(UsageError, match=f"the newest snapshot can't be read: .*{made[2].path.name}"):
            find_snapshot(tmp_path, name)


def test_a_folder_of_others_with_a_damaged_manifest_is_not_the_newest(tmp_path: Path) -> None:
    snapshot = commit_parts(tmp_path, [], [])
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / MANIFEST).write_text("{}")
    assert find_snapshot(tmp_path, "latest") == snapshot


def test_a_copy_under_another_name_changes_nothing(tmp_path: Path) -> None:
    made = [commit_parts(tmp_path, [], []) for _ in range(3)]
    for name in ("a copy", "20360101T000000Z-ffffff"):
        shutil.copytree(made[1].path, tmp_path / name)
    assert list_snapshots(tmp_path) == made
    shutil.rmtree(made[1].path)
    # A folder with the name of another snapshot holds damage, not a copy.
    assert [each.path.name for each in list_snapshots(tmp_path)][1] == "a copy"


def test_a_newest_snapshot_of_the_future_and_a_fork_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_chain(tmp_path, NOW)
    first = commit_parts(tmp_path, [], [])
    warn_of_chain(tmp_path, NOW - timedelta(minutes=5))
    assert caplog.messages == []
    warn_of_chain(tmp_path, NOW - timedelta(minutes=5, seconds=1))
    (told,) = caplog.messages
    assert f"{first.path.name}, was begun in the future (2026-11-21 19:09:00 UTC): check the clock" in told
    second = commit_parts(tmp_path, [], [], NOW.replace(hour=22))
    write_manifest(second.path, msgspec.structs.replace(second.manifest, previous=None))
    third = commit_parts(tmp_path, [], [], NOW.replace(hour=23))
    caplog.clear()
    warn_of_chain(tmp_path, NOW.replace(day=22))
    (told,) = caplog.messages
    ids = ", ".join(sorted([first.path.name, second.path.name]))
    assert told.startswith(f"the chain of snapshots forks: each of {ids} names no snapshot before it")
    assert f"'latest' is {third.path.name}" in told


def test_what_may_not_be_looked_into_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="Not a directory"):
        list_snapshots(tmp_path / "file")
    with pytest.raises(UsageError, match="File name too long"):
        list_snapshots(tmp_path / ("x" * 300))
    with pytest.raises(UsageError, match=r"no snapshot x{100}…? in .*: name an id"):
        find_snapshot(tmp_path, "x" * 300)
    assert list_snapshots(tmp_path / "absent") == []


@pytest.mark.parametrize(
    ("code", "exit_code"), [(errno.ENOSPC, 5), (errno.EDQUOT, 5), (errno.EACCES, 2), (errno.EROFS, 2)]
)
def test_a_full_disk_is_no_wrong_configuration(tmp_path: Path, code: int, exit_code: int) -> None:
    assert unwritable(tmp_path, OSError(code, os.strerror(code))).exit_code == exit_code


def test_the_latest_is_not_an_older_one_where_the_newest_can_not_be_read(tmp_path: Path) -> None:
    for hour in (1, 2):
        commit_parts(tmp_path, [], [], NOW.replace(hour=hour))
    newest = max(tmp_path.glob(f"*/{MANIFEST}"))
    newest.write_text(newest.read_text().replace('"format_version": 1', '"format_version": 99'))
    for name in ("latest", "previous"):
        with pytest.raises(UsageError, match=r"the newest snapshot can't be read: .*name another snapshot by its id"):
            find_snapshot(tmp_path, name)
    assert len(list_snapshots(tmp_path)) == 1


def test_a_file_is_closed_only_when_nothing_writes_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_closed = threading.Event()
    told: list[bool] = []

    @contextmanager
    def full(*_: Any) -> Iterator[Any]:
        def write(_: pa.Table) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        yield write

    @contextmanager
    def slow(*_: Any) -> Iterator[Any]:
        try:
            yield lambda _: told.append(is_closed.wait(0.2))
        finally:
            is_closed.set()

    monkeypatch.setattr(tables_module, "_WRITERS", {"parquet": full, "csv": slow})
    with pytest.raises(OSError, match="No space left"):
        write_table(tmp_path, "coverage", COVERAGE_SCHEMA, [(ORG, [coverage("a")])], {"parquet", "csv"}, names={})
    assert told == [False]


class LostAfter(Held):
    """A lock that is lost after this many checks."""

    def __init__(self, checks: int) -> None:
        self.left = iter(range(checks))

    def check(self) -> None:
        if next(self.left, None) is None:
            raise StoppedError("the lock was lost")


@pytest.mark.parametrize("checks", range(1, 8))
def test_who_has_lost_the_lock_neither_commits_nor_removes_anything(tmp_path: Path, checks: int) -> None:
    draft = create(tmp_path, NOW, {}, held=LostAfter(checks))
    try:
        commit_draft(draft, ["a"], [coverage("a")])
    except StoppedError:
        assert list(tmp_path.glob(f"*/{MANIFEST}")) == []
    else:
        # Lost after the commit: what is left over is the next holder's to remove.
        assert checks >= 4
        (snapshot,) = list_snapshots(tmp_path)
        tidy(tmp_path, Held())
        assert [path.name for path in tmp_path.iterdir()] == [snapshot.path.name]
        assert sorted(path.name for path in snapshot.path.iterdir()) == ["coverage.csv", MANIFEST]
        return
    assert draft.partition(ORG, "d").finished() == {0}
    draft.discard()
    assert draft.partition(ORG, "d").finished() == {0}
