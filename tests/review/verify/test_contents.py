"""Rows and digests: what the tables hold is what the manifest says, in Parquet and in CSV."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tampering import FORMATS, SCHEMAS, Nights, check, recommit, restate, rewrite, told

from audit.config import CsvDialect
from audit.output.tables import write_table
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.snapshot.csv import CSV_OPTIONS, GUARDS_OF_0_1, without_formulas
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import FileEntry, read_manifest, write_manifest
from audit.snapshot.proof.contents import check_table
from audit.snapshot.proof.fault import Fault


@pytest.mark.attack("what is read back")
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
    assert f"{MANIFEST}: table push_to_talk has the digest {digest}, but its Parquet has {entry.digest}" in told(
        nights.third
    )


@pytest.mark.parametrize("guards", [GUARDS_OF_0_1, ()])
def test_csv_with_the_guards_of_version_0_1_is_fine_and_without_guards_is_not(nights: Nights, guards: Any) -> None:
    rows: list[pa.Table] = []

    def named(table: pa.Table) -> pa.Table:
        names = pa.array([f"=Room {index};-x" for index in range(table.num_rows)])
        rows.append(table.set_column(table.schema.get_field_index("location_name"), "location_name", names))
        return rows[-1]

    recommit(nights.third, "push_to_talk", named)
    assert not check(nights.third).faults
    path = nights.third / "push_to_talk.csv"
    pcsv.write_csv(without_formulas(rows[0], guards) if guards else rows[0], path, CSV_OPTIONS)
    restate(nights.third, path.name)
    faults = [fault.message for fault in check(nights.third).faults]
    assert faults == ([] if guards else ["does not hold what the Parquet of the table holds"])


@pytest.mark.attack("what is read back")
def test_csv_that_says_other_than_parquet_is_told(nights: Nights) -> None:
    path = nights.third / "push_to_talk.csv"
    text = path.read_text()
    path.write_text(text.replace("true", "false", 1))
    restate(nights.third, path.name)
    assert "push_to_talk.csv: does not hold what the Parquet of the table holds" in told(nights.third)
    path.write_text(text.rpartition("\n")[0].rpartition("\n")[0] + "\n")
    restate(nights.third, path.name)
    rows = text.count("\n") - 1
    assert f"push_to_talk.csv: holds {rows - 1} rows, but the manifest says {rows}" in told(nights.third)
    path.write_text(text.replace("org_id", "orgid", 1))
    restate(nights.third, path.name)
    assert "push_to_talk.csv: can't be read as CSV: its columns differ from those" in told(nights.third)


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
        ({"rows": entry.rows + 1}, f"table coverage has {entry.rows + 1} rows, but its files have {entry.rows}"),
        ({"files": []}, f"table coverage has {entry.rows} rows, but its files have 0"),
        ({"files": [*entry.files, entry.files[0]]}, "2 times"),
    ):
        rewrite(nights.third, tables=manifest.tables | {"coverage": msgspec.structs.replace(entry, **change)})
        assert message in told(nights.third)
    rewrite(nights.third, tables={name: each for name, each in manifest.tables.items() if name != "coverage"})
    assert f"{MANIFEST}: has no table coverage" in told(nights.third)


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
    assert f"{MANIFEST}: is damaged: a file of table coverage is not where its files are" in changed(odd)
    write_manifest(nights.second, manifest)
    one, two = (file for file in entry.files if file.path.endswith(".parquet"))
    counted = changed(msgspec.structs.replace(one, rows=one.rows + 1), msgspec.structs.replace(two, rows=two.rows - 1))
    assert f"{one.path}: holds {one.rows} rows, but the manifest says {one.rows + 1}" in counted
    pq.write_table(
        pq.read_table(nights.second / two.path, partitioning=None).drop(["outcome"]), nights.second / two.path
    )
    restate(nights.second, two.path)
    assert f"{two.path}: can't be read as Parquet: its columns differ from those of the other files" in told(
        nights.second
    )
    pq.write_table(pa.table({"org_id": ["x"]}), nights.second / one.path)
    restate(nights.second, one.path)
    assert f"{one.path}: can't be read as Parquet: the column org_id belongs" in told(nights.second)


def test_csv_alone_is_verified_as_far_as_it_goes(audit: Callable[..., Snapshot]) -> None:
    snapshot = audit(Simulation(Organization(9)), output__formats=["csv"])
    found = check(snapshot.path)
    assert found.faults == []
    assert sum("has no Parquet" in note.message for note in found.notes) == len(snapshot.manifest.tables) + 1
    path = snapshot.path / "coverage.csv"
    path.write_text(path.read_text().rstrip("\n").rpartition("\n")[0] + "\n")
    restate(snapshot.path, "coverage.csv")
    assert "coverage.csv: holds 8 rows, but the manifest says 9" in told(snapshot.path)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    numbers = count()
    return (tmp_path / f"table{number}" for number in numbers)


TEXT = st.none() | st.text(st.sampled_from("a'\"=+@,;\r\n\0é\u2028 "), max_size=5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(TEXT, TEXT, st.none() | st.booleans(), st.none() | st.integers(-5, 5)), max_size=5),
    TEXT,
    st.sampled_from(["rfc4180", "excel"]),
)
def test_any_rows_and_names_are_found_alike_in_parquet_and_csv(
    folders: Iterator[Path], rows: list[Any], name: str | None, dialect: CsvDialect
) -> None:
    folder = next(folders)
    folder.mkdir()
    schema = pa.schema(
        [("org_id", pa.string()), ("a", pa.string()), ("b", pa.string()), ("c", pa.bool_()), ("d", pa.int32())]
    )
    table = pa.table([["o"] * len(rows), *([row[index] for row in rows] for index in range(4))], schema=schema)
    names = {"o": name, "p": "another"}
    entry = write_table(folder, "t", schema, [("o", [table])], FORMATS, names=names, csv_dialect=dialect)
    assert list(check_table(folder, "t", entry, names)) == []
    other = write_table(folder, "u", schema, [("o", [table])], FORMATS, names=names)
    lost = msgspec.structs.replace(other, digest="0")
    assert [type(each) for each in check_table(folder, "u", lost, names)] == [Fault]
