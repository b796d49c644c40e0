import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import msgspec
import pytest
from harness import Result, visible

from audit.config import OutputSettings
from audit.errors import UsageError
from audit.files import sha256_of
from audit.output import removals
from audit.output.commit import RunFacts, commit
from audit.output.draft import Draft, create
from audit.output.held import Held
from audit.output.inventory import Gaps
from audit.output.lock import lock
from audit.output.org_parts import OrgParts
from audit.output.prune import carry_out, plan
from audit.output.removals import record_removed
from audit.output.retention import Keep
from audit.output.unfinished import find_unfinished, tidy
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, find_snapshot, list_snapshots
from audit.snapshot.layout import MANIFEST, REMOVED, REMOVING
from audit.snapshot.manifest import Requests, Scope, Status, read_manifest, write_manifest
from audit.snapshot.removed import Removed, read_removed

NOW = datetime(2026, 11, 21, 19, 9, tzinfo=UTC)
ORG = "8c9fd285-6500-4518-856e-eb836c6761d8"


def draft_of(output: Path, days: float, *, has_inventory: bool = True) -> Draft:
    """A run that was interrupted some days ago."""
    after = next((each.manifest.snapshot_id for each in reversed(list_snapshots(output))), None)
    draft = create(output, NOW - timedelta(days=days), {"a": 1}, after=after, held=Held())
    if has_inventory:
        draft.partition(ORG, "d").save_inventory([], Gaps())
    return draft


def taken(output: Path, days: float, status: Status = "complete") -> str:
    """The id of a snapshot that was taken some days ago."""
    facts = RunFacts(NOW, "https://h/v1", Scope(["d"], ["WORKSPACE"]), Requests(0, 0, 0))
    draft = draft_of(output, days)
    org = OrgParts(ORG, None, draft.inventories(ORG, ["d"]))
    snapshot = commit(draft, facts, [org], {"d": {}}, OutputSettings(formats=["csv", "parquet"]))
    write_manifest(snapshot.path, msgspec.structs.replace(snapshot.manifest, status=status))
    return snapshot.path.name


def unfinished(output: Path) -> Draft | None:
    """What a run would go on with."""
    return find_unfinished(output, {"a": 1}, list_snapshots(output), now=NOW, within_s=1e9, held=Held())


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def prune(output: Path) -> Callable[..., dict[str, str]]:
    """Removes; returns what became of each folder."""

    def prune(last: int | None = None, within_days: float | None = None) -> dict[str, str]:
        keep = Keep(last, None if within_days is None else within_days * 86_400)
        return {each.name: each.action for each in carry_out(output, plan(output, keep, NOW))}

    return prune


def test_the_newest_are_kept_and_the_others_removed(output: Path, prune: Callable[..., dict[str, str]]) -> None:
    old, middle, new = (taken(output, days) for days in (30, 20, 10))
    assert prune(last=2) == {old: "removed", middle: "keep", new: "keep"}
    assert visible(output) == [middle, new]


def test_what_either_option_keeps_is_kept(output: Path, prune: Callable[..., dict[str, str]]) -> None:
    oldest, old, middle, new = (taken(output, days) for days in (40, 30, 20, 10))
    assert prune(last=1, within_days=30) == {oldest: "removed", old: "keep", middle: "keep", new: "keep"}
    assert prune(last=2, within_days=1) == {old: "removed", middle: "keep", new: "keep"}


def test_the_newest_and_the_newest_complete_one_stay_whatever_is_asked(
    output: Path, prune: Callable[..., dict[str, str]]
) -> None:
    old, complete = taken(output, 50), taken(output, 40)
    partial, newest = taken(output, 30, "partial"), taken(output, 20, "partial")
    assert prune(within_days=1) == {old: "removed", complete: "keep", partial: "removed", newest: "keep"}
    assert [each.path.name for each in list_snapshots(output)] == [complete, newest]


def test_interrupted_runs_that_a_snapshot_has_overtaken_are_removed(
    output: Path, prune: Callable[..., dict[str, str]]
) -> None:
    old = draft_of(output, 20)
    snapshot = taken(output, 10)
    # By a clock that was behind: the snapshot was there when it began.
    new = draft_of(output, 25)
    useless = draft_of(output, 4, has_inventory=False)
    before_it_began = output / "20261121T190900Z-0a1b2c"
    before_it_began.mkdir()
    (before_it_began / ".run.json.tmp").touch()
    assert prune(last=1) == {
        old.folder.name: "removed",
        new.folder.name: "keep",
        useless.folder.name: "removed",
        snapshot: "keep",
        before_it_began.name: "removed",
    }
    assert visible(output) == sorted([new.folder.name, snapshot])
    found = unfinished(output)
    assert found
    assert found.folder == new.folder


def test_without_a_snapshot_what_can_be_resumed_stays(output: Path, prune: Callable[..., dict[str, str]]) -> None:
    draft = draft_of(output, 100)
    assert prune(last=1) == {draft.folder.name: "keep"}


def test_what_is_not_ours_is_never_touched(output: Path, tmp_path: Path, prune: Callable[..., dict[str, str]]) -> None:
    elsewhere = taken(tmp_path, 90)
    (output / elsewhere).symlink_to(tmp_path / elsewhere)
    renamed = (output / taken(output, 80)).rename(output / "before the migration")
    damaged = taken(output, 70)
    (output / damaged / MANIFEST).write_text("{")
    newer = taken(output, 60)
    (output / newer / MANIFEST).write_text('{"format_version": 99}')
    others = output / "photos"
    others.mkdir()
    (others / ".removing").write_text('{"snapshot_id": "another"}')
    (output / "20260101T000000Z-ffffff").mkdir()
    (output / "20260101T000000Z-ffffff" / "notes.txt").touch()
    (output / "list.txt").touch()
    before = visible(output)
    old, new = taken(output, 50), taken(output, 10)
    (output / old / "linked").symlink_to(tmp_path / elsewhere)
    assert prune(last=1) == {renamed.name: "left", damaged: "left", newer: "left", old: "removed", new: "keep"}
    assert visible(output) == sorted([*before, new])
    assert (tmp_path / elsewhere / "coverage.csv").exists()


def test_a_reason_is_told_for_each(output: Path) -> None:
    damaged = taken(output, 70)
    (output / damaged / MANIFEST).write_text("{")
    draft = draft_of(output, 5)
    snapshot = taken(output, 10)
    reasons = {each.name: each.reason for each in plan(output, Keep(1), NOW)}
    assert reasons[damaged].startswith(f"{output}/{damaged}/manifest.json is damaged")
    assert reasons[draft.folder.name] == f"an interrupted run, overtaken by snapshot {snapshot}"
    assert reasons[snapshot] == "the newest"


def test_the_newest_is_that_of_the_chain_whatever_its_clock_said(
    output: Path, prune: Callable[..., dict[str, str]]
) -> None:
    first, ahead, last = taken(output, 30), taken(output, -3650), taken(output, 10)
    assert prune(last=1) == {first: "removed", ahead: "removed", last: "keep"}
    assert prune(within_days=1) == {last: "keep"}
    assert find_snapshot(output, "latest").path.name == last


def test_a_newest_snapshot_of_the_future_makes_no_interrupted_run_old(
    output: Path, prune: Callable[..., dict[str, str]]
) -> None:
    ahead, draft = taken(output, -3650), draft_of(output, 5)
    assert prune(last=1) == {ahead: "keep", draft.folder.name: "keep"}


def test_what_is_removed_is_recorded_with_its_manifest(output: Path, prune: Callable[..., dict[str, str]]) -> None:
    names = [taken(output, days) for days in (30, 20)]
    draft = draft_of(output, 20)
    names.append(taken(output, 10))
    manifests = [(output / name / MANIFEST).read_bytes() for name in names]
    previous = [read_manifest(output / name).previous for name in names]
    prune(last=2)
    assert (output / REMOVED).stat().st_mode & 0o777 == 0o600
    assert prune(last=1)[names[1]] == "removed"
    assert draft.folder.name not in visible(output)
    found = [(each.snapshot_id, each.manifest_sha256, each.previous) for each in read_removed(output)]
    assert found == [
        (name, hashlib.sha256(data).hexdigest(), before)
        for name, data, before in zip(names[:2], manifests, previous, strict=False)
    ]
    assert [each.reason for each in read_removed(output)] == [
        "complete, older than the last 2",
        "complete, older than the last 1",
    ]
    before = (output / REMOVED).read_bytes()
    prune(last=1)
    assert (output / REMOVED).read_bytes() == before


def test_nothing_is_removed_that_could_not_be_recorded(
    output: Path, webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = taken(output, 20), taken(output, 10)

    @contextmanager
    def full(path: Path) -> Iterator[BinaryIO]:
        with Path("/dev/full").open("wb", buffering=0) as file:
            yield file

    with monkeypatch.context() as patch:
        patch.setattr(removals, "atomic_file", full)
        result = webex_audit("prune", "--output", output, "--keep-last", 1)
    assert (result.code, "No space left on device" in result.err) == (5, True)
    assert visible(output) == [old, new]


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_a_damaged_record_is_not_written_over(
    output: Path, webex_audit: Callable[..., Result], flags: list[str]
) -> None:
    old, new = taken(output, 20), taken(output, 10)
    (output / REMOVED).write_text('{"format_version": 1, "removed": [')
    result = webex_audit("prune", "--output", output, "--keep-last", 1, *flags)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert f"nothing is removed: {output / REMOVED} is damaged: " in result.err
    assert "restore it from a backup, or move it away" in result.err
    assert visible(output) == [old, new]
    (output / REMOVED).unlink()
    assert webex_audit("prune", "--output", output, "--keep-last", 1, *flags).code == 0


def test_a_mark_of_a_removal_removes_no_snapshot_that_is_not_recorded(
    output: Path, prune: Callable[..., dict[str, str]]
) -> None:
    old, new = taken(output, 20), taken(output, 10)
    for name in (old, new):
        shutil.copy(output / name / MANIFEST, output / name / REMOVING)
    photos = output / "photos"
    photos.mkdir()
    (photos / REMOVING).write_text('{"snapshot_id": "photos"}')
    (output / "fake").mkdir()
    manifest = read_manifest(output / old)
    write_manifest(output / "fake", msgspec.structs.replace(manifest, snapshot_id="fake"))
    assert prune(last=2) == {old: "keep", new: "keep", "fake": "left"}
    record_removed(output, [Removed(old, sha256_of(output / old / MANIFEST), None, NOW, "old")])
    assert prune(last=2) == {old: "removed", new: "keep", "fake": "left"}
    assert visible(output) == sorted([new, "fake", "photos"])


def test_a_removal_that_was_cut_off_before_it_was_recorded_is_recorded(
    output: Path, prune: Callable[..., dict[str, str]]
) -> None:
    """As versions did that recorded nothing."""
    first, second, last = (taken(output, days) for days in (30, 20, 10))
    sha256, previous = sha256_of(output / second / MANIFEST), read_manifest(output / second).previous
    (output / second / MANIFEST).rename(output / second / REMOVING)
    draft = draft_of(output, 20)
    (draft.folder / "run.json").rename(draft.folder / REMOVING)
    assert prune(last=3) == {first: "keep", second: "removed", last: "keep", draft.folder.name: "removed"}
    (entry,) = read_removed(output)
    assert (entry.snapshot_id, entry.manifest_sha256, entry.previous) == (second, sha256, previous)


class KilledError(Exception):
    """The process ends here."""


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Lets this many changes of the disk through, and then stops the process."""
    left = [0]

    def counted(change: Callable[..., object]) -> Callable[..., object]:
        def counting(*arguments: object, **options: object) -> object:
            if not left[0]:
                raise KilledError
            left[0] -= 1
            return change(*arguments, **options)

        return counting

    def kill_at(count: int) -> None:
        left[0] = count

    with monkeypatch.context() as patch:
        for name in ("unlink", "rmdir", "rename", "replace"):
            patch.setattr(os, name, counted(getattr(os, name)))
        yield kill_at


def test_a_kill_at_any_moment_leaves_no_half_and_a_later_prune_finishes(
    output: Path, tmp_path: Path, kill_at: Callable[[int], None]
) -> None:
    kill_at(10_000)
    old, new = taken(output, 30), taken(output, 10)
    whole = sorted(path.name for path in (output / old).rglob("*"))
    # A commit that was cut off before it dropped the journal.
    (output / old / "run.json").write_bytes(
        msgspec.json.encode({"run_id": old, "started_at": NOW - timedelta(days=30), "scope": {"a": 1}})
    )
    draft = create(output, NOW - timedelta(days=20), {"a": 1}, after=old, held=Held())
    draft.partition(ORG, "d").save_inventory([], Gaps())
    backup = tmp_path / "backup"
    shutil.copytree(output, backup)
    for count in range(100):
        shutil.rmtree(output)
        shutil.copytree(backup, output)
        kill_at(count)
        try:
            carry_out(output, plan(output, Keep(1), NOW))
            break
        except KilledError:
            kill_at(10_000)
        stands = {each.path.name for each in list_snapshots(output)}
        assert {new, old} - stands <= {each.snapshot_id for each in read_removed(output)}
        for each in list_snapshots(output):
            assert each.path.name == new or set(whole) <= {path.name for path in each.path.rglob("*")}
        resumable = unfinished(output)
        assert resumable is None or resumable.folder == draft.folder
        tidy(output, Held())
        carry_out(output, plan(output, Keep(1), NOW))
        assert visible(output) == [new], count
        assert [each.snapshot_id for each in read_removed(output)] == [old]
    assert count > 8
    assert visible(output) == [new]


def test_what_cannot_be_removed_is_told_and_holds_nothing_back(
    output: Path, prune: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, old, new = taken(output, 30), taken(output, 20), taken(output, 10)
    rmtree = shutil.rmtree

    def refuse(path: Path) -> None:
        if stuck in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        rmtree(path)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refuse)
        assert prune(last=1) == {stuck: "failed", old: "removed", new: "keep"}
    assert [each.path.name for each in list_snapshots(output)] == [new]
    assert prune(last=1) == {stuck: "removed", new: "keep"}


def test_the_command_tells_removes_and_needs_to_know_what_to_keep(
    output: Path, webex_audit: Callable[..., Result]
) -> None:
    old, new = taken(output, 900), taken(output, 800)
    place = ("--output", output)
    refused = webex_audit("prune", *place)
    assert (refused.code, refused.out) == (2, "")
    assert "--keep-last N, --keep-within TIME" in refused.err
    dry = webex_audit("prune", *place, "--keep-within", "400d", "--dry-run")
    assert (dry.code, dry.out.splitlines()) == (
        0,
        [f"remove   {old}  complete, older than --keep-within", f"keep     {new}  the newest"],
    )
    assert visible(output) == [old, new]
    done = webex_audit("prune", *place, "--keep-last", 1, "--json")
    assert [each["action"] for each in json.loads(done.out)] == ["removed", "keep"]
    assert webex_audit("prune", *place, "--keep-last", 1).out == f"keep     {new}  the newest\n"
    assert visible(output) == [new]


@pytest.mark.parametrize("flags", [["--keep-last", "0"], ["--keep-within", "soon"], ["--keep-within", ""]])
def test_nonsense_is_refused(output: Path, webex_audit: Callable[..., Result], flags: list[str]) -> None:
    name = taken(output, 900)
    assert webex_audit("prune", "--output", output, *flags).code == 2
    assert visible(output) == [name]


def test_a_very_long_time_keeps_everything(output: Path, webex_audit: Callable[..., Result]) -> None:
    old, new = taken(output, 900), taken(output, 800)
    assert webex_audit("prune", "--output", output, "--keep-within", f"{'9' * 30}d").code == 0
    assert visible(output) == [old, new]


def test_nothing_is_removed_while_a_run_is_at_work(output: Path, webex_audit: Callable[..., Result]) -> None:
    old, new = taken(output, 20), taken(output, 10)
    with lock(output):
        result = webex_audit("prune", "--output", output, "--keep-last", 1)
    assert (result.code, result.out) == (6, "")
    assert visible(output) == [old, new]


def test_an_output_that_is_not_there_is_told(tmp_path: Path, webex_audit: Callable[..., Result]) -> None:
    result = webex_audit("prune", "--output", tmp_path / "absent", "--keep-last", 1)
    assert result.code == 2
    assert "no snapshot in" in result.err


def test_a_plan_needs_something_to_keep() -> None:
    with pytest.raises(UsageError, match="say what to keep"):
        Keep()


def test_a_pruned_output_goes_on_as_before(audit: Callable[..., Snapshot]) -> None:
    simulation = Simulation(Organization(5, people=5))
    audit(simulation)
    output = audit(simulation).path.parent
    first, second = list_snapshots(output)
    done = carry_out(output, plan(output, Keep(1), datetime.now(UTC)))
    assert (first.path.name, "removed", "complete, older than the last 1") in [
        (each.name, each.action, each.reason) for each in done
    ]
    third = audit(simulation)
    assert third.manifest.previous
    assert third.manifest.previous.snapshot_id == second.path.name
