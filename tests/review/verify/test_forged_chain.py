"""What somebody does to the chain of an output is a fault of `verify`, with exit code 1."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from harness import Result
from keys import write_key

from audit.files import sha256_of
from audit.output.prune import Keep, carry_out, plan
from audit.output.removals import record_removed
from audit.review.verify.signed_removals import seal_removed_with
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.snapshot.layout import MANIFEST, REMOVED
from audit.snapshot.manifest import Previous, read_manifest, write_manifest
from audit.snapshot.removed import Removed

pytestmark = pytest.mark.attack("chain")

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


@pytest.fixture
def faults(webex_audit: Command) -> Callable[..., str]:
    """The faults that `verify` prints; there are some."""

    def faults(*arguments: object) -> str:
        result = webex_audit("verify", *arguments)
        assert result.code == 1, result.out
        return result.out

    return faults


Faults = Callable[..., str]


def replace(output: Path, name: str, other: str) -> None:
    """Put a copy of a snapshot in the place of another."""
    shutil.rmtree(output / name)
    shutil.copytree(output / other, output / name)


def pruned(output: Path, name: str) -> Removed:
    """What `prune` would record of a snapshot."""
    return Removed(name, sha256_of(output / name / MANIFEST), read_manifest(output / name).previous, NOW, "old")


@pytest.mark.parametrize("gone", [[0], [1], [2], [1, 2], [0, 1, 2]])
def test_a_snapshot_removed_before_the_newest_is_missed(
    gone: list[int], output: Path, names: list[str], faults: Faults
) -> None:
    for each in gone:
        shutil.rmtree(output / names[each])
    missing = f"{names[gone[-1]]}/{MANIFEST}: is missing: {names[gone[-1] + 1]} names it"
    assert missing in faults()
    assert missing in faults(names[3])


@pytest.mark.parametrize("record", ["kept", "deleted", "emptied"])
def test_a_snapshot_removed_from_a_pruned_output_is_missed(
    record: str, output: Path, names: list[str], faults: Faults
) -> None:
    carry_out(output, plan(output, Keep(2), NOW))
    shutil.rmtree(output / names[2])
    if record == "deleted":
        (output / REMOVED).unlink()
    elif record == "emptied":
        (output / REMOVED).write_text('{"format_version": 1, "removed": []}')
    assert f"{names[2]}/{MANIFEST}: is missing" in faults()


def test_the_record_of_pruned_snapshots_is_missed_if_it_was_deleted(
    output: Path, names: list[str], faults: Faults, webex_audit: Command
) -> None:
    carry_out(output, plan(output, Keep(2), NOW))
    assert webex_audit("verify").code == 0
    (output / REMOVED).unlink()
    assert f"{names[1]}/{MANIFEST}: is missing" in faults()


def link(output: Path, name: str, other: str) -> None:
    """Put a link to a snapshot in the place of another."""
    shutil.rmtree(output / name)
    (output / name).symlink_to(other)


def link_elsewhere(output: Path, name: str, other: str) -> None:
    """Put a link to a copy of a snapshot, outside the output, in the place of another."""
    shutil.rmtree(output / name)
    shutil.copytree(output / other, output.parent / "elsewhere")
    (output / name).symlink_to(output.parent / "elsewhere")


@pytest.mark.parametrize("put", [replace, link, link_elsewhere])
@pytest.mark.parametrize("old", [0, 1, 2])
def test_an_old_snapshot_in_the_place_of_the_newest_is_found(
    old: int,
    put: Callable[[Path, str, str], None],
    output: Path,
    names: list[str],
    faults: Faults,
    webex_audit: Command,
) -> None:
    put(output, names[3], names[old])
    text = f"it is of snapshot {names[old]}"
    assert text in faults()
    assert text in faults(names[3])
    for command in ("show", "check"):
        result = webex_audit(command)
        assert (result.code, result.out) == (2, "")
        assert text in result.err


def test_a_link_to_an_older_snapshot_in_the_place_of_one_in_the_middle_is_found(
    output: Path, names: list[str], faults: Faults
) -> None:
    link(output, names[2], names[0])
    assert f"it is of snapshot {names[0]}" in faults(names[2])
    assert f"{names[2]}/{MANIFEST}" in faults()


def test_links_to_snapshots_are_not_faults(output: Path, names: list[str], webex_audit: Command) -> None:
    (output / names[1]).rename(output.parent / names[1])
    (output / names[1]).symlink_to(output.parent / names[1])
    (output / "newest").symlink_to(names[3])
    for name in ("latest", "previous", names[1], "newest"):
        assert webex_audit("verify", name).code == 0


def test_an_old_snapshot_that_takes_the_name_of_a_newer_one_is_found(
    output: Path, names: list[str], faults: Faults
) -> None:
    shutil.copytree(output / names[0], output / "20301231T000000Z-ffffff")
    assert f"it is of snapshot {names[0]}" in faults()


def test_an_old_snapshot_that_says_it_follows_the_newest_is_found(
    output: Path, names: list[str], faults: Faults
) -> None:
    newest = Previous(names[3], sha256_of(output / names[3] / MANIFEST))
    write_manifest(output / names[1], msgspec.structs.replace(read_manifest(output / names[1]), previous=newest))
    found = sha256_of(output / names[1] / MANIFEST)
    assert f"{names[1]}/{MANIFEST}: has SHA-256 {found}, but {names[2]} names" in faults()


def test_newest_snapshots_that_are_said_to_be_pruned_are_missed(
    output: Path, names: list[str], faults: Faults, tmp_path: Path
) -> None:
    private = write_key(tmp_path / "key.pem")
    for number in (3, 2):
        record_removed(output, [pruned(output, names[number])])
        shutil.rmtree(output / names[number])
        assert f"{REMOVED}: says that {names[3]} was pruned" in faults()
        assert f"{REMOVED}: says that {names[3]} was pruned" in faults(names[number - 1])
    # An entry that this key has not signed says nothing.
    seal = seal_removed_with(str(private))
    record_removed(output, [pruned(output, names[0])], seal=seal)
    shutil.rmtree(output / names[0])
    assert f"says that {names[3]}" not in faults("--public-key", private.with_suffix(".pub"))


def test_an_old_snapshot_put_back_as_the_only_one_is_found(output: Path, names: list[str], faults: Faults) -> None:
    kept = output.parent / names[0]
    shutil.copytree(output / names[0], kept)
    carry_out(output, plan(output, Keep(1), NOW))
    shutil.rmtree(output / names[3])
    kept.rename(output / names[0])
    assert f"{REMOVED}: says that {names[2]} was pruned" in faults()


def test_a_forged_record_of_another_manifest_excuses_no_gap(output: Path, names: list[str], faults: Faults) -> None:
    forged = msgspec.structs.replace(pruned(output, names[1]), manifest_sha256="0" * 64)
    record_removed(output, [forged])
    shutil.rmtree(output / names[1])
    assert f"{names[1]}/{MANIFEST}: is not the manifest that {names[2]} names" in faults()


def test_a_forged_record_excuses_nothing_with_a_key(
    output: Path, names: list[str], faults: Faults, tmp_path: Path
) -> None:
    public = write_key(tmp_path / "key.pem").with_suffix(".pub")
    record_removed(output, [pruned(output, names[1])])
    shutil.rmtree(output / names[1])
    assert f"its entry in {REMOVED} is not signed by this key" in faults("--public-key", public)


def test_two_snapshots_that_follow_the_same_one_are_a_fork(output: Path, names: list[str], faults: Faults) -> None:
    planted = "20301231T000000Z-ffffff"
    shutil.copytree(output / names[3], output / planted)
    write_manifest(output / planted, msgspec.structs.replace(read_manifest(output / planted), snapshot_id=planted))
    for name in ("latest", "previous", names[2], names[3], planted):
        assert "the chain of snapshots forks" in faults(name)


def test_two_snapshots_that_follow_none_are_a_fork(output: Path, names: list[str], faults: Faults) -> None:
    write_manifest(output / names[3], msgspec.structs.replace(read_manifest(output / names[3]), previous=None))
    assert "names no snapshot before it" in faults()


def test_a_copy_for_an_auditor_is_named_by_its_path(
    output: Path, names: list[str], faults: Faults, webex_audit: Command, tmp_path: Path
) -> None:
    place = tmp_path / "for the auditor"
    shutil.copytree(output / names[2], place / names[2])
    assert webex_audit("verify", place / names[2]).code == 0
    # An output with a single snapshot looks the same: only the user knows that it is a copy.
    assert f"{names[1]}/{MANIFEST}: is missing" in faults("--output", place)
    assert f"{names[1]}/{MANIFEST}: is missing" in faults(names[2], "--output", place)
