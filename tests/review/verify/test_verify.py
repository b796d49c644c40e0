"""`verify` reports each difference from what was committed, and the file that shows it."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from harness import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tampering import Nights, check, files, flip, rewrite, told

from audit.files import sha256_of
from audit.output.prune import Folder, carry_out
from audit.output.removals import record_removed
from audit.review.verify.verify import verify
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.snapshot.layout import MANIFEST, REMOVING
from audit.snapshot.manifest import read_manifest, write_manifest
from audit.snapshot.removed import Removed


def test_what_was_committed_is_verified_in_one_line(
    output: Path, nights: Nights, webex_audit: Callable[..., Result]
) -> None:
    for folder, earlier in ((nights.first, 0), (nights.second, 1), (nights.third, 2)):
        result = webex_audit("verify", folder.name)
        assert (result.code, result.err, result.out.count("\n")) == (0, "", 1)
        assert result.out.startswith(f"verified {folder.name}: ")
        assert (f", {earlier} earlier snapshot{'s' if earlier > 1 else ''};" in result.out) == bool(earlier)
    assert webex_audit("verify").out == result.out
    assert webex_audit("verify", nights.third, "--output", "elsewhere").out == result.out


def test_json_says_the_same(nights: Nights, webex_audit: Callable[..., Result]) -> None:
    found = json.loads(webex_audit("verify", "--json", nights.second.name).out)
    assert found["is_verified"] is True
    assert found["chain"] == [nights.first.name]
    assert (found["faults"], found["notes"]) == ([], [])
    (nights.third / "coverage.csv").unlink()
    result = webex_audit("verify", "--json", nights.third.name)
    found = json.loads(result.out)
    assert (result.code, found["is_verified"]) == (1, False)
    assert found["faults"] == [{"path": "coverage.csv", "message": "is missing"}]


def test_verifying_needs_no_extra(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("cryptography", "duckdb"):
        monkeypatch.setitem(sys.modules, package, None)
    assert check(nights.first).faults == []


@pytest.mark.slow
def test_a_flipped_byte_in_any_file_is_told_with_its_name(nights: Nights, webex_audit: Callable[..., Result]) -> None:
    """Also in the manifest, which the next snapshot names."""
    checked = [*files(nights.first), *files(nights.second)]
    assert len(checked) > 15
    for place, path in enumerate(checked):
        folder = nights.first if nights.first in path.parents else nights.second
        whole = path.read_bytes()
        position = (0, len(whole) // 2, len(whole) - 1)[place % 3]
        flip(path, position, 1)
        result = webex_audit("verify", folder.name)
        assert result.code == 1, (path, position)
        assert any(line.startswith(f"{path.relative_to(folder)}: ") for line in result.out.splitlines())
        path.write_bytes(whole)


@pytest.mark.attack("manifest")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
@pytest.mark.slow
def test_no_flipped_bit_escapes(nights: Nights, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files(nights.first)))
    whole = path.read_bytes()
    try:
        flip(path, data.draw(st.integers(0, len(whole) - 1)), 1 << data.draw(st.integers(0, 7)))
        if b'"format_version": 1,' in path.read_bytes() or path.name != MANIFEST:
            assert str(path.relative_to(nights.first)) in {fault.path for fault in check(nights.first).faults}
    finally:
        path.write_bytes(whole)


@pytest.mark.slow
def test_a_file_that_is_dropped_cut_off_or_exchanged_is_named(nights: Nights) -> None:
    others = [path for path in files(nights.first) if path.name != MANIFEST]
    for path, other in zip(others, [*others[1:], others[0]], strict=True):
        name = str(path.relative_to(nights.first))
        whole, moved = path.read_bytes(), other.read_bytes()
        path.unlink()
        assert f"{name}: is missing" in told(nights.first)
        for content in (b"", whole[:-1], whole + b"\n"):
            path.write_bytes(content)
            assert f"{name}: has {len(content)} bytes, but the manifest says {len(whole)}" in told(nights.first)
        path.write_bytes(moved)
        other.write_bytes(whole)
        named = {fault.path for fault in check(nights.first).faults}
        assert named == {name, str(other.relative_to(nights.first))}
        path.write_bytes(whole)
        other.write_bytes(moved)
    assert check(nights.first).faults == []


def test_a_file_of_another_snapshot_is_named(nights: Nights) -> None:
    for name in ("push_to_talk.csv", MANIFEST):
        whole = (nights.first / name).read_bytes()
        shutil.copy(nights.third / name, nights.first / name)
        assert f"{name}: " in told(nights.first)
        (nights.first / name).write_bytes(whole)


def test_what_the_manifest_does_not_name_is_told(nights: Nights, tmp_path: Path) -> None:
    org = next((nights.first / "coverage").iterdir())
    for path in (nights.first / "note.txt", org / "00001.parquet", nights.first / "new" / "x.csv"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
        assert told(nights.first) == f"{path.relative_to(nights.first)}: is not named by the manifest"
        path.unlink()
    (nights.first / "link").symlink_to(tmp_path)
    assert told(nights.first) == "link: is not a regular file, or can't be opened"


@pytest.mark.attack("planted links and files")
def test_links_and_pipes_are_not_followed(nights: Nights, tmp_path: Path) -> None:
    path = nights.first / "coverage.csv"
    path.rename(tmp_path / "moved.csv")
    path.symlink_to(tmp_path / "moved.csv")
    assert told(nights.first) == "coverage.csv: is not a regular file, or can't be opened"
    path.unlink()
    os.mkfifo(path)
    assert told(nights.first) == "coverage.csv: is not a regular file, or can't be opened"
    path.unlink()
    (nights.first / "coverage").rename(tmp_path / "coverage")
    (nights.first / "coverage").symlink_to(tmp_path / "coverage")
    assert "00000.parquet: is missing" in told(nights.first)


def test_names_are_data(nights: Nights, webex_audit: Callable[..., Result]) -> None:
    (nights.first / "\x1b[2J\u202e<b>").touch()
    Path(os.fsdecode(os.fsencode(nights.first) + b"/\xff")).touch()
    result = webex_audit("verify", nights.first.name)
    assert "\\x1b[2J\\u202e<b>: is not named" in result.out
    assert "\\xff: is not named" in result.out
    assert webex_audit("verify", "--json", nights.first.name).code == 1


def test_a_path_out_of_the_folder_is_never_opened(nights: Nights, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    manifest = read_manifest(nights.third)
    entry = manifest.tables["coverage"]
    outside = [msgspec.structs.replace(file, path="../../secret") for file in entry.files[:1]]
    rewrite(nights.third, tables=manifest.tables | {"coverage": msgspec.structs.replace(entry, files=outside)})
    assert "is damaged: a file of table coverage is not where its files are" in told(nights.third)


def test_the_whole_chain_is_walked_and_a_pruned_snapshot_is_a_note(nights: Nights) -> None:
    assert check(nights.third).chain == [nights.second.name, nights.first.name]
    whole = (nights.first / MANIFEST).read_bytes()
    (nights.first / MANIFEST).write_bytes(whole.replace(b'"total": ', b'"total": 1'))
    assert f"{nights.first.name}/{MANIFEST}: has SHA-256 " in told(nights.third)
    assert f"but {nights.second.name} names" in told(nights.third)
    assert f"{MANIFEST}: has SHA-256 " in told(nights.first)
    (nights.first / MANIFEST).write_bytes(whole)
    folder = Folder(nights.first.name, "remove", "old")
    assert carry_out(nights.first.parent, [folder])[0].action == "removed"
    found = check(nights.third)
    assert (found.faults, found.chain) == ([], [nights.second.name])
    assert found.notes[0].message == f"1 earlier snapshot was pruned: {nights.first.name} (pruned.json)"


def test_a_chain_that_can_not_be_read_further_says_so(nights: Nights, webex_audit: Callable[..., Result]) -> None:
    path = nights.second / MANIFEST
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))
    result = webex_audit("verify")
    assert (result.code, f"{nights.second.name}/{MANIFEST}: has SHA-256 " in result.out) == (1, True)
    assert "the chain is not checked further back: " in result.err
    path.unlink()
    path.mkdir()
    assert f"{nights.second.name}/{MANIFEST}: can't be read: not a regular file" in told(nights.third)


@pytest.mark.attack("manifest")
def test_a_chain_of_a_hostile_manifest_ends(nights: Nights) -> None:
    manifest = read_manifest(nights.third)
    for name, complaint in (
        (manifest.snapshot_id, "as the snapshot before it, which"),
        ("../elsewhere", "is damaged: a value is not what is expected at `$.previous.snapshot_id`"),
        ("", "is damaged: a value is not what is expected at `$.previous.snapshot_id`"),
    ):
        previous = msgspec.structs.replace(manifest.previous, snapshot_id=name)  # type: ignore[type-var]
        write_manifest(nights.third, msgspec.structs.replace(manifest, previous=previous))
        assert complaint in told(nights.third)


def test_exchanged_folders_are_told(nights: Nights, tmp_path: Path) -> None:
    nights.third.rename(tmp_path / "x")
    nights.second.rename(nights.third)
    (tmp_path / "x").rename(nights.second)
    assert f"is of snapshot {nights.second.name}, but its folder is {nights.third.name}" in told(nights.third)
    shutil.copytree(nights.third, tmp_path / "for the auditor")
    assert verify(tmp_path, str(tmp_path / "for the auditor")).faults == []


def test_a_damaged_manifest_is_a_fault_and_hides_from_nobody(
    nights: Nights, webex_audit: Callable[..., Result]
) -> None:
    (nights.third / MANIFEST).write_bytes(b"{" + (nights.third / MANIFEST).read_bytes())
    named = webex_audit("verify", nights.third.name)
    assert (named.code, named.out.splitlines()[0][:27]) == (1, "manifest.json: is damaged: ")
    newest = webex_audit("verify")
    assert newest.code == 1
    assert f"{nights.third.name}/{MANIFEST}: is damaged: " in newest.out
    for folder in (nights.first, nights.second):
        shutil.rmtree(folder)
    alone = webex_audit("verify")
    assert (alone.code, alone.out) == (1, newest.out.replace(nights.second.name, "latest"))


def test_what_is_no_snapshot_or_a_newer_one_is_exit_2(
    output: Path, nights: Nights, webex_audit: Callable[..., Result]
) -> None:
    text = (nights.third / MANIFEST).read_text()
    (nights.third / MANIFEST).write_text(text.replace('"format_version": 1', '"format_version": 2'))
    (nights.second / MANIFEST).unlink()
    for name, complaint in (
        (nights.third.name, "format_version 2 is newer than 1"),
        (nights.second.name, "is not a snapshot: it has no manifest.json"),
        ("absent", "no snapshot absent"),
    ):
        result = webex_audit("verify", name)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert complaint in result.err


def test_a_snapshot_that_lost_its_manifest_is_a_fault(audit: Callable[..., Snapshot], tmp_path: Path) -> None:
    output = tmp_path / "out"
    first, second, third = (audit(Simulation(Organization(5))) for _ in range(3))
    (second.path / MANIFEST).rename(tmp_path / "away")
    lines = [fault.path for fault in verify(output, third.path.name).faults]
    assert f"{second.path.name}/{MANIFEST}" in lines or third.manifest.previous.snapshot_id != second.path.name  # type: ignore[union-attr]
    assert f"{second.path.name}/{MANIFEST}" in [fault.path for fault in verify(output, "latest").faults]
    shutil.rmtree(second.path)
    assert verify(output, first.path.name).faults == []


def test_a_snapshot_that_is_being_removed_lost_no_manifest(audit: Callable[..., Snapshot], tmp_path: Path) -> None:
    old, new = (audit(Simulation(Organization(5))) for _ in range(2))
    half = max((old, new), key=lambda each: each.manifest.previous is None)
    sha256, now = sha256_of(half.path / MANIFEST), datetime.now(UTC)
    (half.path / MANIFEST).rename(half.path / REMOVING)
    record_removed(tmp_path / "out", [Removed(half.path.name, sha256, half.manifest.previous, now, "old")])
    assert verify(tmp_path / "out", "latest").faults == []
