"""`verify` and the chain: pruned snapshots are recorded, and any other missing snapshot is a fault."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from harness import Result, VirtualClock
from keys import write_key

from audit.files import sha256_of
from audit.output.prune import Folder, Keep, carry_out, plan
from audit.output.removals import record_abandoned, record_removed
from audit.review.verify.result import Verification
from audit.review.verify.signed_removals import seal_removed_with
from audit.review.verify.verify import verify
from audit.simulator.app import Simulation
from audit.simulator.changed import Changed
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.snapshot.layout import MANIFEST, REMOVED
from audit.snapshot.manifest import read_manifest, write_manifest
from audit.snapshot.proof.signing import load_public_key
from audit.snapshot.removed import Removed, read_removed

NOW = datetime(2026, 11, 21, 19, 9, tzinfo=UTC)
Command = Callable[..., Result]


@pytest.fixture
def output(audit: Callable[..., Snapshot], once: Callable[..., Path]) -> Path:
    """Four runs."""

    def make() -> None:
        for _ in range(4):
            audit(Simulation(Organization(2)), output__path="snapshots")

    return once(make, "snapshots")


@pytest.fixture
def names(output: Path) -> list[str]:
    """The ids of the four snapshots, in the order of their runs."""
    return [each.manifest.snapshot_id for each in list_snapshots(output)]


def told(output: Path, name: str = "latest") -> str:
    """The faults of a snapshot, one on each line."""
    return "\n".join(f"{each.path}: {each.message}" for each in verify(output, name).faults)


def notes(found: Verification) -> list[str]:
    return [each.message for each in found.notes]


def prune(output: Path, *names: str, **options: object) -> None:
    folders = [Folder(name, "remove", "old") for name in names]
    assert [each.action for each in carry_out(output, folders, **options)] == ["removed"] * len(names)  # type: ignore[arg-type]


def test_the_walk_goes_on_past_what_was_pruned(output: Path, names: list[str], webex_audit: Command) -> None:
    first, second, third, last = names
    prune(output, second)
    found = verify(output, "latest")
    assert (found.faults, found.chain) == ([], [third, first])
    assert notes(found) == [f"1 earlier snapshot was pruned: {second} ({REMOVED})"]
    prune(output, first, third)
    found = verify(output, last)
    assert (found.faults, found.chain) == ([], [])
    assert notes(found) == [f"3 earlier snapshots were pruned: last {third} ({REMOVED})"]
    result = webex_audit("verify")
    assert (result.code, third in result.err) == (0, True)


def test_pruning_any_of_them_leaves_nothing_to_find_fault_with(output: Path, names: list[str]) -> None:
    carry_out(output, plan(output, Keep(2), datetime.now(UTC)))
    for name in names[2:]:
        assert told(output, name) == ""


def test_what_is_missing_and_not_recorded_is_one_fault(output: Path, names: list[str], webex_audit: Command) -> None:
    first, second, third, last = names
    shutil.rmtree(output / second)
    missing = f"{second}/{MANIFEST}: is missing: {third} names it as the snapshot before it, and {REMOVED} does not say"
    for name in ("latest", last, third):
        assert told(output, name).startswith(missing)
        assert "\n" not in told(output, name)
    assert told(output, first) == ""
    result = webex_audit("verify")
    assert (result.code, result.out.splitlines()[-1]) == (1, f"not verified: {last}, 1 fault")
    record_removed(output, [Removed(first, sha256_of(output / first / MANIFEST), None, NOW, "old")])
    assert told(output).startswith(missing)


def test_a_record_of_another_manifest_excuses_nothing(output: Path, names: list[str]) -> None:
    previous = read_manifest(output / names[1]).previous
    shutil.rmtree(output / names[1])
    record_removed(output, [Removed(names[1], "0" * 64, previous, NOW, "old")])
    message = f"is not the manifest that {names[2]} names: {REMOVED} says that SHA-256 {'0' * 64} was pruned"
    assert told(output) == f"{names[1]}/{MANIFEST}: {message}"
    assert verify(output, "latest").chain == [names[2], names[0]]


def test_what_a_pruned_snapshot_named_vouches_for_the_one_before_it(output: Path, names: list[str]) -> None:
    prune(output, names[1])
    path = output / names[0] / MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"total": ', b'"total": 1'))
    assert f"{MANIFEST}: has SHA-256 {sha256_of(path)}, but {names[1]} names " in told(output, names[0])
    assert f"{names[0]}/{MANIFEST}: has SHA-256 {sha256_of(path)}, but {names[1]} names " in told(output)


def test_a_fork_is_a_fault_of_whoever_it_concerns(
    output: Path, names: list[str], audit: Callable[..., Snapshot], webex_audit: Command
) -> None:
    first, second, third, last = names
    for name in (third, last):
        (output / name).rename(output.parent / name)
    other = audit(Simulation(Organization(2)), output__path=str(output)).path.name
    for name in (third, last):
        (output.parent / name).rename(output / name)
    ids = ", ".join(sorted([third, other]))
    fork = f"{second}/{MANIFEST}: the chain of snapshots forks: each of {ids} names {second} as the snapshot before it"
    for name in ("latest", "previous", second, third, last, other):
        assert told(output, name) == fork, name
    assert told(output, first) == ""
    assert webex_audit("verify").out.splitlines()[-1] == f"not verified: {last}, 1 fault"
    prune(output, other)
    assert told(output) == ""


def test_a_second_first_snapshot_is_a_fork(output: Path, names: list[str]) -> None:
    manifest = read_manifest(output / names[2])
    write_manifest(output / names[2], msgspec.structs.replace(manifest, previous=None))
    for name in ("latest", names[0], names[2]):
        assert "names no snapshot before it" in told(output, name)


def test_a_copy_in_a_place_of_its_own_is_verified_without_its_chain(
    output: Path, names: list[str], tmp_path: Path
) -> None:
    place = tmp_path / "for the auditor"
    shutil.copytree(output / names[2], place / names[2])
    (place / "notes").mkdir()
    copy = str(place / names[2])
    found = verify(output, copy)
    assert (found.faults, found.chain) == ([], [])
    assert f"{names[1]}, the snapshot before {names[2]}, is not in this folder" in notes(found)[0]
    (place / REMOVED).write_text('{"format_version": 1, "removed": []}')
    assert f"{names[1]}/{MANIFEST}: is missing" in told(output, copy)
    (place / REMOVED).unlink()
    shutil.copytree(output / names[0], place / names[0])
    assert f"{names[1]}/{MANIFEST}: is missing" in told(output, copy)


def test_a_damaged_record_is_a_fault_and_excuses_nothing(output: Path, names: list[str], webex_audit: Command) -> None:
    prune(output, names[0])
    (output / REMOVED).write_text("{")
    result = webex_audit("verify")
    assert result.code == 1
    assert result.out.startswith(f"{REMOVED}: is damaged: ")
    assert f"{names[0]}/{MANIFEST}: is missing" in result.out
    (output / REMOVED).unlink()
    (output / REMOVED).mkdir()
    assert f"{REMOVED}: is damaged: it is not a regular file" in told(output)


def test_a_run_warns_of_a_damaged_record_and_goes_on(
    output: Path, names: list[str], audit: Callable[..., Snapshot], caplog: pytest.LogCaptureFixture
) -> None:
    prune(output, names[0])
    (output / REMOVED).write_text("{")
    snapshot = audit(Simulation(Organization(2)), output__path=str(output))
    assert snapshot.manifest.previous
    assert snapshot.manifest.previous.snapshot_id == names[-1]
    assert f"left out: {output / REMOVED} is damaged: " in caplog.text


@pytest.mark.attack("chain")
def test_with_a_key_only_what_it_has_signed_excuses_a_gap(output: Path, names: list[str], tmp_path: Path) -> None:
    private = write_key(tmp_path / "key.pem")
    key = load_public_key(private.with_suffix(".pub"))

    def faults() -> list[str]:
        found = verify(output, "latest", key).faults
        return [f"{each.path}: {each.message}" for each in found if each.path != "manifest.dsse.json"]

    prune(output, names[0], seal=seal_removed_with(str(private)))
    assert faults() == []
    prune(output, names[2])
    assert told(output) == ""
    told_of = f"{names[3]} names it, and its entry in {REMOVED} is not signed by this key"
    assert faults() == [f"{names[2]}/{MANIFEST}: is missing: {told_of}"]
    other = load_public_key(write_key(tmp_path / "other.pem").with_suffix(".pub"))
    paths = {each.path for each in verify(output, "latest", other).faults}
    assert {"pruned.dsse.json", f"{names[2]}/{MANIFEST}"} <= paths


def test_a_folder_that_was_given_up_lost_no_manifest(output: Path, names: list[str], tmp_path: Path) -> None:
    given_up = output / "20261121T190900Z-0a1b2c"
    given_up.mkdir()
    (given_up / "coverage.csv").touch()
    assert told(output) == f"{given_up.name}/{MANIFEST}: is missing, but other files of the snapshot are still here"
    record_abandoned(output, [given_up.name])
    found = verify(output, "latest")
    assert found.faults == []
    assert notes(found) == [
        f"{given_up.name} holds stray files and is not a snapshot: {REMOVED} says that it was removed or given up"
    ]
    private = write_key(tmp_path / "key.pem")
    key = load_public_key(private.with_suffix(".pub"))
    assert f"{given_up.name}/{MANIFEST}" in {each.path for each in verify(output, "latest", key).faults}
    record_abandoned(output, [given_up.name], seal=seal_removed_with(str(private)))
    assert f"{given_up.name}/{MANIFEST}" not in {each.path for each in verify(output, "latest", key).faults}


def test_a_snapshot_that_is_said_to_be_given_up_is_missing_all_the_same(output: Path, names: list[str]) -> None:
    (output / names[1] / MANIFEST).unlink()
    record_abandoned(output, [names[1]])
    assert f"{names[1]}/{MANIFEST}: is missing: {names[2]} names it" in told(output)


def test_a_clock_that_ran_ahead_once_changes_no_order(
    audit: Callable[..., Snapshot],
    clock: VirtualClock,
    webex_audit: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    organization = Organization(6)
    made = []
    for night, simulated in (
        (NOW, organization),
        (NOW.replace(year=2036), organization),
        (NOW, Changed.of(organization)),
    ):
        monkeypatch.setattr(clock, "now", lambda night=night: night + timedelta(days=len(made)))
        made.append(audit(Simulation(simulated)).path.name)
    assert f"{made[1]}, was begun in the future (2036-11-22" in caplog.text
    at = ["--output", tmp_path / "out"]
    assert [line.split()[0] for line in webex_audit("snapshots", *at).out.splitlines()[1:]] == made
    for name, expected in (("latest", made[2]), ("previous", made[1])):
        assert json.loads(webex_audit("show", name, "--json", *at).out)["snapshot_id"] == expected
    for name in made:
        assert webex_audit("verify", name, *at).code == 0
    compared = webex_audit("diff", "previous", "latest", "--exit-code", *at)
    assert (compared.code, made[1] in compared.out, made[2] in compared.out) == (1, True, True)
    checked = json.loads(webex_audit("check", "--json", *at).out)
    assert made[1] in json.dumps(checked)
    assert webex_audit("prune", "--keep-last", 1, *at).code == 0
    assert [line.split()[0] for line in webex_audit("snapshots", *at).out.splitlines()[1:]] == made[2:]
    assert [each.snapshot_id for each in read_removed(tmp_path / "out")] == made[:2]
    assert webex_audit("verify", *at).code == 0


def test_what_a_cut_off_commit_left_is_a_note(output: Path, names: list[str], webex_audit: Command) -> None:
    folder = output / names[1]
    for path in ("run.json", ".manifest.json.tmp", "parts/x/push_to_talk/0/00000.coverage.arrow"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    found = verify(output, names[1])
    assert found.faults == []
    assert notes(found) == [
        "3 files are left over from the commit; the next run or prune removes them: .manifest.json.tmp"
    ]
    assert webex_audit("verify", names[1]).code == 0
    for path in ("push_to_talk/.x.tmp", "parts.csv", "run.json.txt", "..tmp", "coverage/run.json"):
        (folder / path).touch()
        assert told(output, names[1]) == f"{path}: is not named by the manifest"
        (folder / path).unlink()


def test_all_that_a_commit_leaves_where_it_is_cut_off_at_the_manifest_is_known(
    audit: Callable[..., Snapshot], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("audit.output.draft.Draft.end_commit", lambda *_: None)
        snapshot = audit(Simulation(Organization(2)))
    assert (snapshot.path / "run.json").is_file()  # type: ignore[union-attr]
    found = verify(tmp_path / "out", snapshot.path.name)
    assert (found.faults, "left over from the commit" in notes(found)[0]) == ([], True)
