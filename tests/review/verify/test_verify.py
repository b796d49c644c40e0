"""A snapshot that is not what was committed is told, with the file that shows it."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from harness import Result, VirtualClock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.datasets import DATASETS
from audit.output.prune import Folder, carry_out
from audit.output.tables import write_table
from audit.review.verify.contents import check_table, files_of, read_parquet
from audit.review.verify.fault import Fault, Verification
from audit.review.verify.verify import verify
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.snapshot.coverage import COVERAGE_SCHEMA
from audit.snapshot.layout import MANIFEST, REMOVING
from audit.snapshot.manifest import FileEntry, Manifest, TableEntry, read_manifest, write_manifest

SCHEMAS = {"coverage": COVERAGE_SCHEMA} | {
    name: schema for dataset in DATASETS.values() for name, schema in dataset.tables.items()
}
FORMATS: Any = {"parquet", "csv"}


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def output(
    _made: Path,
    audit: Callable[..., Snapshot],
    clock: VirtualClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Three nights: one organization and both datasets; two, with CSV of each; one again."""
    if not (_made / "out").exists():
        hours = count()
        night = datetime(2026, 11, 21, tzinfo=UTC)
        monkeypatch.setattr(clock, "now", lambda: night + timedelta(hours=next(hours)))
        own, customers = Organization(9, people=5), (Organization(4, 2),)
        both = ["push-to-talk", "audio-options"]
        kinds = ["workspace", "person"]
        audit(Simulation(own), scope__datasets=both, scope__all_users=True, scope__entities=kinds)
        audit(Simulation(own, customers=customers), scope__all_orgs=True, output__csv_per_org=True)
        audit(Simulation(own))
        (tmp_path / "out").rename(_made / "out")
    shutil.copytree(_made / "out", tmp_path / "snapshots")
    return tmp_path / "snapshots"


@dataclass(frozen=True)
class Nights:
    """The folders of the three snapshots."""

    first: Path
    second: Path
    third: Path


@pytest.fixture
def nights(output: Path) -> Nights:
    return Nights(*(each.path for each in list_snapshots(output)))


def check(folder: Path) -> Verification:
    return verify(folder.parent, folder.name)


def told(folder: Path) -> str:
    """The faults of a snapshot as text, of which there must be some."""
    found = check(folder)
    assert found.faults
    return "\n".join(f"{fault.path}: {fault.message}" for fault in found.faults)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flip(path: Path, position: int, mask: int) -> None:
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= mask
    path.write_bytes(data)


def rewrite(folder: Path, **changes: Any) -> None:
    """Another manifest, as one would write it who wants to hide something."""
    write_manifest(folder, msgspec.structs.replace(read_manifest(folder), **changes))


def recommit(folder: Path, name: str, change: Callable[[pa.Table], pa.Table]) -> TableEntry:
    """Change the rows of a table in all its files, and what the manifest says of them."""
    manifest = read_manifest(folder)
    rows = [
        (org_id, [change(pa.concat_tables(read_parquet(folder / file.path, org_id))).cast(SCHEMAS[name])])
        for org_id, file in files_of(name, manifest.tables[name]).parquet
    ]
    for file in manifest.tables[name].files:
        (folder / file.path).unlink()
    entry = write_table(folder, name, SCHEMAS[name], rows, FORMATS)
    rewrite(folder, tables=manifest.tables | {name: entry})
    return entry


def restate(folder: Path, path: str) -> None:
    """Let the manifest say of a file what it is now, and nothing else."""
    text = json.loads((folder / MANIFEST).read_text())
    for table in text["tables"].values():
        for file in table["files"]:
            if file["path"] == path:
                data = (folder / path).read_bytes()
                file |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(text))


def test_what_was_committed_is_verified_in_one_line(
    output: Path, nights: Nights, webex_audit: Callable[..., Result]
) -> None:
    for folder, earlier in ((nights.first, 0), (nights.second, 1), (nights.third, 2)):
        result = webex_audit("verify", folder.name)
        assert (result.code, result.err, result.out.count("\n")) == (0, "", 1)
        assert result.out.startswith(f"verified {folder.name}: ")
        assert (f", {earlier} earlier snapshots" in result.out) == bool(earlier)
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


def test_a_flipped_byte_in_any_file_is_told_with_its_name(nights: Nights, webex_audit: Callable[..., Result]) -> None:
    """Also in the manifest, as the snapshot behind names it."""
    checked = [*files(nights.first), *files(nights.second)]
    assert len(checked) > 15
    for path in checked:
        folder = nights.first if nights.first in path.parents else nights.second
        whole = path.read_bytes()
        for position in (0, len(whole) // 2, len(whole) - 1):
            flip(path, position, 1)
            result = webex_audit("verify", folder.name)
            assert result.code == 1, (path, position)
            assert any(line.startswith(f"{path.relative_to(folder)}: ") for line in result.out.splitlines())
            path.write_bytes(whole)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_flipped_bit_escapes(nights: Nights, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(files(nights.first)))
    whole = path.read_bytes()
    try:
        flip(path, data.draw(st.integers(0, len(whole) - 1)), 1 << data.draw(st.integers(0, 7)))
        if b'"format_version": 1,' in path.read_bytes() or path.name != MANIFEST:
            assert str(path.relative_to(nights.first)) in {fault.path for fault in check(nights.first).faults}
    finally:
        path.write_bytes(whole)


def test_a_file_that_is_dropped_cut_off_or_exchanged_is_named(nights: Nights) -> None:
    others = [path for path in files(nights.first) if path.name != MANIFEST]
    for path, other in zip(others, [*others[1:], others[0]], strict=True):
        name = str(path.relative_to(nights.first))
        whole, moved = path.read_bytes(), other.read_bytes()
        path.unlink()
        assert f"{name}: is missing" in told(nights.first)
        for content in (b"", whole[:-1], whole + b"\n"):
            path.write_bytes(content)
            assert f"{name}: has {len(content)} bytes, and the manifest says {len(whole)}" in told(nights.first)
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
    assert told(nights.first) == "link: is no regular file, or can't be looked into"


def test_links_and_pipes_are_not_followed(nights: Nights, tmp_path: Path) -> None:
    path = nights.first / "coverage.csv"
    path.rename(tmp_path / "moved.csv")
    path.symlink_to(tmp_path / "moved.csv")
    assert told(nights.first) == "coverage.csv: is no regular file, or can't be looked into"
    path.unlink()
    os.mkfifo(path)
    assert told(nights.first) == "coverage.csv: is no regular file, or can't be looked into"
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
    assert "../../secret: is missing" in told(nights.third)


@pytest.mark.parametrize("change", ["value", "row"])
def test_rows_that_the_digest_does_not_speak_of_are_told(nights: Nights, change: str) -> None:
    digest = read_manifest(nights.third).tables["push_to_talk"].digest

    def changed(table: pa.Table) -> pa.Table:
        if change == "row":
            return table.slice(1)
        index = table.schema.get_field_index("allow_auto_answer")
        return table.set_column(index, SCHEMAS["push_to_talk"][index], pc.invert(table["allow_auto_answer"]))

    entry = recommit(nights.third, "push_to_talk", changed)
    manifest = read_manifest(nights.third)
    changed_entry = msgspec.structs.replace(entry, digest=digest)
    rewrite(nights.third, tables=manifest.tables | {"push_to_talk": changed_entry})
    assert f"{MANIFEST}: table push_to_talk has the digest {digest}, and its Parquet {entry.digest}" in told(
        nights.third
    )


def test_csv_that_says_other_than_parquet_is_told(nights: Nights) -> None:
    path = nights.third / "push_to_talk.csv"
    text = path.read_text()
    path.write_text(text.replace("true", "false", 1))
    restate(nights.third, path.name)
    assert "push_to_talk.csv: does not hold what the Parquet of the table holds" in told(nights.third)
    path.write_text(text.rpartition("\n")[0].rpartition("\n")[0] + "\n")
    restate(nights.third, path.name)
    rows = text.count("\n") - 1
    assert f"push_to_talk.csv: holds {rows - 1} rows, and the manifest says {rows}" in told(nights.third)
    path.write_text(text.replace("org_id", "orgid", 1))
    restate(nights.third, path.name)
    assert "push_to_talk.csv: can't be read as CSV: its columns are not those" in told(nights.third)


def test_parquet_that_is_none_is_told(nights: Nights) -> None:
    (path,) = (nights.third / "push_to_talk").glob("*/*.parquet")
    name = str(path.relative_to(nights.third))
    path.write_bytes(b"PAR1 no more")
    restate(nights.third, name)
    assert f"{name}: can't be read as Parquet: " in told(nights.third)


def test_rows_that_do_not_add_up_are_told(nights: Nights) -> None:
    manifest = read_manifest(nights.third)
    entry = manifest.tables["coverage"]
    for change, message in (
        ({"rows": entry.rows + 1}, f"table coverage has {entry.rows + 1} rows, and its files have {entry.rows}"),
        ({"files": []}, f"table coverage has {entry.rows} rows, and its files have 0"),
        ({"files": [*entry.files, entry.files[0]]}, "2 times"),
    ):
        rewrite(nights.third, tables=manifest.tables | {"coverage": msgspec.structs.replace(entry, **change)})
        assert message in told(nights.third)
    rewrite(nights.third, tables={name: each for name, each in manifest.tables.items() if name != "coverage"})
    assert f"{MANIFEST}: has no table coverage" in told(nights.third)


@pytest.mark.parametrize(
    ("change", "complaints"),
    [
        (lambda rows: rows.slice(1), ["and coverage 8", "in coverage"]),
        (lambda rows: pa.concat_tables([rows.slice(0, 1), rows]), ["has two outcomes", "in coverage"]),
        (lambda rows: rows.take(list(range(len(rows)))[::-1]), ["is not in the order of the inventory"]),
    ],
)
def test_coverage_that_is_not_that_of_the_inventory_is_told(
    nights: Nights, change: Callable[[pa.Table], pa.Table], complaints: list[str]
) -> None:
    recommit(nights.third, "coverage", change)
    found = told(nights.third)
    assert all(complaint in found for complaint in complaints), found


@pytest.mark.parametrize("change", ["null", "absent"])
def test_coverage_without_its_ids_is_told(nights: Nights, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    index = COVERAGE_SCHEMA.get_field_index("entity_id")
    if change == "absent":
        monkeypatch.setitem(SCHEMAS, "coverage", COVERAGE_SCHEMA.remove(index))

    def changed(rows: pa.Table) -> pa.Table:
        nulls = pa.array([*rows["entity_id"].to_pylist()[:-1], None])
        return rows.remove_column(index) if change == "absent" else rows.set_column(index, rows.schema[index], nulls)

    recommit(nights.third, "coverage", changed)
    assert "coverage: is not as webex-audit writes it: " in told(nights.third)


def test_files_that_can_not_be_of_their_table_are_told(nights: Nights) -> None:
    manifest = read_manifest(nights.second)
    entry = manifest.tables["coverage"]

    def changed(*files: FileEntry) -> str:
        rest = [file for file in entry.files if file.path not in {each.path for each in files}]
        tables = manifest.tables | {"coverage": msgspec.structs.replace(entry, files=[*files, *rest])}
        rewrite(nights.second, tables=tables)
        return told(nights.second)

    (nights.second / "coverage.txt").touch()
    odd = FileEntry("coverage.txt", 0, 0, hashlib.sha256().hexdigest())
    assert f"{MANIFEST}: table coverage: coverage.txt is no place for a file of it" in changed(odd)
    one, two = (file for file in entry.files if file.path.endswith(".parquet"))
    counted = changed(msgspec.structs.replace(one, rows=one.rows + 1), msgspec.structs.replace(two, rows=two.rows - 1))
    assert f"{one.path}: holds {one.rows} rows, and the manifest says {one.rows + 1}" in counted
    pq.write_table(
        pq.read_table(nights.second / two.path, partitioning=None).drop(["outcome"]), nights.second / two.path
    )
    restate(nights.second, two.path)
    assert f"{two.path}: can't be read as Parquet: its columns are not those of the others" in told(nights.second)
    pq.write_table(pa.table({"org_id": ["x"]}), nights.second / one.path)
    restate(nights.second, one.path)
    assert f"{one.path}: can't be read as Parquet: the column org_id belongs" in told(nights.second)


def _org(manifest: Manifest, **changes: Any) -> dict[str, Any]:
    return {"orgs": [msgspec.structs.replace(manifest.orgs[0], **changes)]}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda _: {"status": "partial"}, "the snapshot is partial, and by its organizations complete"),
        (lambda it: _org(it, status="partial"), "is partial, and by its outcomes complete"),
        (lambda it: _org(it, status="refused"), "is refused, and coverage has outcomes of it"),
        (lambda it: _org(it, message="stopped"), "is complete, and by its outcomes partial"),
        (lambda it: _org(it, entities=10), "has 10 entities, and coverage 9"),
        (lambda it: _org(it, org_id="other"), "does not name organization"),
        (lambda _: {"outcomes": {"push_to_talk": {"ok": 1}}}, "outcomes of push_to_talk are ok 1, and in coverage"),
        (lambda _: {"outcomes": {}}, "outcomes of push_to_talk are none, and in coverage"),
    ],
)
def test_a_manifest_that_coverage_does_not_bear_out_is_told(
    nights: Nights, change: Callable[[Manifest], dict[str, Any]], complaint: str
) -> None:
    rewrite(nights.third, **change(read_manifest(nights.third)))
    assert complaint in told(nights.third)
    assert all(fault.path == MANIFEST for fault in check(nights.third).faults)


def test_the_whole_chain_is_walked_and_a_pruned_snapshot_is_a_note(nights: Nights) -> None:
    assert check(nights.third).chain == [nights.second.name, nights.first.name]
    whole = (nights.first / MANIFEST).read_bytes()
    (nights.first / MANIFEST).write_bytes(whole.replace(b'"total": ', b'"total": 1'))
    assert f"{nights.first.name}/{MANIFEST}: has SHA-256 " in told(nights.third)
    assert f"and {nights.second.name} names" in told(nights.third)
    assert f"{MANIFEST}: has SHA-256 " in told(nights.first)
    (nights.first / MANIFEST).write_bytes(whole)
    folder = Folder(nights.first.name, "remove", "old")
    assert carry_out(nights.first.parent, [folder])[0].action == "removed"
    found = check(nights.third)
    assert (found.faults, found.chain) == ([], [nights.second.name])
    assert (
        found.notes[0].message == f"1 earlier snapshot was pruned (pruned.json), the last of them {nights.first.name}"
    )


def test_a_chain_that_can_not_be_read_further_says_so(nights: Nights, webex_audit: Callable[..., Result]) -> None:
    path = nights.second / MANIFEST
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))
    result = webex_audit("verify")
    assert (result.code, f"{nights.second.name}/{MANIFEST}: has SHA-256 " in result.out) == (1, True)
    assert "the chain is checked no further: " in result.err
    path.unlink()
    path.mkdir()
    assert f"{nights.second.name}/{MANIFEST}: can't be read: Is a directory" in told(nights.third)


def test_a_chain_of_a_hostile_manifest_ends(nights: Nights) -> None:
    manifest = read_manifest(nights.third)
    for name in (manifest.snapshot_id, "../elsewhere", ""):
        previous = msgspec.structs.replace(manifest.previous, snapshot_id=name)  # type: ignore[type-var]
        rewrite(nights.third, previous=previous)
        assert "as the snapshot before it, which can't be" in told(nights.third)


def test_exchanged_folders_are_told(nights: Nights, tmp_path: Path) -> None:
    nights.third.rename(tmp_path / "x")
    nights.second.rename(nights.third)
    (tmp_path / "x").rename(nights.second)
    assert f"is of snapshot {nights.second.name}, and its folder is {nights.third.name}" in told(nights.third)
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


def test_csv_alone_is_verified_as_far_as_it_goes(audit: Callable[..., Snapshot]) -> None:
    snapshot = audit(Simulation(Organization(9)), output__formats=["csv"])
    found = check(snapshot.path)
    assert found.faults == []
    assert sum("there is no Parquet of it" in note.message for note in found.notes) == len(snapshot.manifest.tables) + 1
    path = snapshot.path / "coverage.csv"
    path.write_text(path.read_text().rstrip("\n").rpartition("\n")[0] + "\n")
    restate(snapshot.path, "coverage.csv")
    assert "coverage.csv: holds 8 rows, and the manifest says 9" in told(snapshot.path)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    numbers = count()
    return (tmp_path / f"table{number}" for number in numbers)


TEXT = st.none() | st.text(st.sampled_from("a'\"=+@,;\r\n\0é\u2028 "), max_size=5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXT, TEXT, st.none() | st.booleans(), st.none() | st.integers(-5, 5)), max_size=5))
def test_any_rows_are_found_alike_in_parquet_and_csv(folders: Iterator[Path], rows: list[Any]) -> None:
    folder = next(folders)
    folder.mkdir()
    schema = pa.schema(
        [("org_id", pa.string()), ("a", pa.string()), ("b", pa.string()), ("c", pa.bool_()), ("d", pa.int32())]
    )
    table = pa.table([["o"] * len(rows), *([row[index] for row in rows] for index in range(4))], schema=schema)
    entry = write_table(folder, "t", schema, [("o", [table])], FORMATS)
    assert list(check_table(folder, "t", entry)) == []
    other = write_table(folder, "u", schema, [("o", [table])], FORMATS)
    lost = msgspec.structs.replace(other, digest="0")
    assert [type(each) for each in check_table(folder, "u", lost)] == [Fault]


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
    (half.path / MANIFEST).rename(half.path / REMOVING)
    assert verify(tmp_path / "out", "latest").faults == []
