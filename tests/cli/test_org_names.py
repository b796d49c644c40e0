"""Names of organizations beside their ids, and CSV for spreadsheets, with the real program."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.csv as pcsv
import pytest
from harness import Result, environment
from tampering import files, restate, told

from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, find_snapshot, list_snapshots

Audit = Callable[..., Snapshot]
Command = Callable[..., Result]
BOM = b"\xef\xbb\xbf"
HOSTILE = ('=HYPERLINK("http://evil.example")', "x'); DROP VIEW coverage; --", 'Über "Süd",\n;\u202e-1+1')


class Named(Organization):
    """An organization with a name of our choice."""

    called = ""

    @property
    def name(self) -> str:
        return self.called


def organization(seed: int, name: str, rooms: int = 5) -> Named:
    made = Named(rooms, seed=seed)
    made.called = name
    return made


def hostile(*names: str) -> Simulation:
    own, *customers = (organization(seed, name) for seed, name in enumerate(names, 1))
    return Simulation(own, customers=tuple(customers))


@pytest.fixture
def taken(audit: Audit, once: Callable[..., Path]) -> Snapshot:
    return find_snapshot(once(lambda: audit(hostile(*HOSTILE), scope__all_orgs=True)), "latest")


def csv_files(snapshot: Path) -> list[Path]:
    return [path for path in files(snapshot) if path.suffix == ".csv"]


@pytest.mark.attack("spreadsheets and terminals")
def test_no_name_of_an_organization_is_run_by_a_spreadsheet_or_as_sql(
    taken: Snapshot, webex_audit: Command, tmp_path: Path
) -> None:
    names = {org.org_id: org.name for org in taken.manifest.orgs}
    assert set(names.values()) == set(HOSTILE)
    guarded = {"'" + HOSTILE[0], HOSTILE[1].replace("--", "'--"), HOSTILE[2].replace("-1", "'-1")}
    for path in csv_files(taken.path):
        rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
        assert list(rows[0])[:2] == ["org_id", "org_name"]
        assert {row["org_name"] for row in rows} == guarded
    at = ("--output", tmp_path / "out")
    assert webex_audit("verify", *at).code == 0
    asked = webex_audit("query", "--json", "SELECT DISTINCT org_id, org_name FROM push_to_talk", *at)
    assert {row["org_id"]: row["org_name"] for row in json.loads(asked.out)} == names
    found = json.loads(webex_audit("check", "--json", *at).out)
    findings = [each for result in found["results"] for each in result["findings"] if each["org_id"]]
    assert findings
    assert all(each["org_name"] == names[each["org_id"]] for each in findings)
    text = webex_audit("check", *at).out
    assert all(f"[{HOSTILE[1]} ({org_id})]" in text for org_id, name in names.items() if name == HOSTILE[1])
    rows = list(csv.DictReader(io.StringIO(webex_audit("check", "--format", "csv", *at).out, newline="")))
    assert list(rows[0])[3:5] == ["org_id", "org_name"]
    assert "org_name" in webex_audit("check", "--format", "ocsf", *at).out


@pytest.mark.attack("what is read back")
@pytest.mark.parametrize("formats", [["parquet", "csv"], ["csv"]])
@pytest.mark.parametrize("forged", ["Contoso", "", None])
def test_a_forged_name_in_csv_is_not_taken_for_that_of_the_manifest(
    forged: str | None, formats: list[str], audit: Audit
) -> None:
    snapshot = audit(Simulation(organization(1, "Northwind")), output__formats=formats)
    path = snapshot.path / "push_to_talk.csv"
    text = path.read_text()
    assert '"Northwind"' in text
    path.write_text(text.replace('"Northwind"', "" if forged is None else f'"{forged}"', 1))
    restate(snapshot.path, path.name)
    assert "push_to_talk.csv: does not hold the names of the organizations" in told(snapshot.path)


def test_csv_without_the_column_still_verifies(taken: Snapshot, webex_audit: Command) -> None:
    for path in csv_files(taken.path):
        with duckdb.connect() as connection:
            read = (
                "read_csv(?, all_varchar = true, header = true, allow_quoted_nulls = false, delim = ',', quote = '\"')"
            )
            old = connection.sql(f"SELECT * EXCLUDE (org_name) FROM {read}", params=[str(path)]).to_arrow_table()
        # All values are texts here, and quoted, which means the same.
        pcsv.write_csv(old, path)
        restate(taken.path, path.name)
    assert webex_audit("verify", taken.path).code == 0


def test_a_renamed_organization_is_not_a_difference(audit: Audit, webex_audit: Command, tmp_path: Path) -> None:
    for name in ("Before", "After"):
        audit(Simulation(organization(1, name)))
    audit(Simulation(organization(1, "After", rooms=6)))
    at = ("--output", tmp_path / "out")
    first, second, third = (each.manifest.snapshot_id for each in list_snapshots(tmp_path / "out"))
    assert json.loads(webex_audit("diff", first, second, "--json", *at).out)["changes"] == []
    changes = json.loads(webex_audit("diff", first, third, "--json", *at).out)["changes"]
    assert {each["org_name"] for each in changes} == {"After"}
    row = next(csv.DictReader(io.StringIO(webex_audit("diff", first, third, "--csv", *at).out)))
    assert (list(row)[2:4], row["org_name"]) == (["org_id", "org_name"], "After")


def test_csv_for_excel_is_read_alike_by_every_reader(audit: Audit, webex_audit: Command, tmp_path: Path) -> None:
    plain = audit(hostile(*HOSTILE), scope__all_orgs=True)
    excel = audit(hostile(*HOSTILE), scope__all_orgs=True, output__csv_dialect="excel")
    assert webex_audit("verify", "--output", tmp_path / "out").code == 0
    for path in csv_files(excel.path):
        if path.name == "coverage.csv":
            continue
        data, expected = path.read_bytes(), (plain.path / path.name).read_text()
        assert data.startswith(BOM + b'"org_id","org_name",')
        rows = list(csv.reader(io.StringIO(expected, newline="")))
        assert data.count(b"\r\n") == len(rows)
        assert data[len(BOM) :].decode().replace("\r\n", "\n") == expected
        with path.open(encoding="utf-8-sig", newline="") as file:
            assert list(csv.reader(file)) == rows
        assert _frames(path) == [rows[0]] * len(_frames(path))
        found = pcsv.read_csv(path, parse_options=pcsv.ParseOptions(newlines_in_values=True))
        assert found["org_name"].to_pylist() == [row[1] for row in rows[1:]]


def _frames(path: Path) -> list[list[str]]:
    """The columns of a file by each reader of data frames that is installed."""
    with duckdb.connect() as connection:
        connection.execute(
            "FROM read_csv(?, all_varchar = true, header = true, delim = ',', quote = '\"')", [str(path)]
        )
        found = [[each[0] for each in connection.description or []]]
    for name in ("pandas", "polars"):
        if find_spec(name):
            reader: Any = import_module(name)
            found.append(list(reader.read_csv(path).columns))
    return found


@pytest.mark.parametrize(
    "command", [("check", "--format", "csv"), ("diff", "--csv"), ("query", "--csv", "SELECT 'ü\n;' AS \"ö\", NULL, ''")]
)
@pytest.mark.slow
def test_each_command_prints_csv_for_excel(command: tuple[str, ...], audit: Audit, tmp_path: Path) -> None:
    for rooms in (5, 6):
        audit(Simulation(organization(1, "Süd", rooms)))

    def printed(*options: str) -> bytes:
        line = [sys.executable, "-m", "audit", *command, "--output", str(tmp_path / "out"), "--quiet", *options]
        return subprocess.run(line, env=environment(), capture_output=True, check=False, timeout=60).stdout

    plain, excel = printed(), printed("--csv-dialect", "excel")
    assert excel.startswith(BOM)
    rows = list(csv.reader(io.StringIO(plain.decode(), newline="")))
    assert excel.count(b"\r\n") == len(rows) > 1
    assert excel[len(BOM) :].replace(b"\r\n", b"\n") == plain


@pytest.mark.parametrize(
    "command", [("check",), ("check", "--format", "junit"), ("diff", "--json"), ("query", "SELECT 1"),
                ("run", "--format", "parquet")],
)  # fmt: skip
def test_a_dialect_without_csv_is_an_error(command: tuple[str, ...], webex_audit: Command) -> None:
    result = webex_audit(*command, "--csv-dialect", "excel")
    assert result.code == 2
    assert "--csv-dialect is for CSV, which this command does not make: add --" in result.err


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_csv_for_excel(
    api: Callable[[Simulation], str], webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    url = api(Simulation(organization(1, "Süd", 120)))
    at = ["--base-url", url, "--csv-dialect", "excel", "--resume"]
    line = [sys.executable, "-m", "audit", "run", *at, "--output", str(tmp_path / "killed"), "--max-rate", "40"]
    with subprocess.Popen([*line, "--quiet"], env=environment()) as run:
        while not [*(tmp_path / "killed").rglob("*.answers")]:
            assert run.poll() is None
        run.kill()
    found = []
    for name in ("killed", "whole"):
        assert webex_audit("run", *at, "--output", tmp_path / name).code == 0
        assert webex_audit("verify", "--output", tmp_path / name).code == 0
        (snapshot,) = list_snapshots(tmp_path / name)
        folder = Path(str(snapshot.path))
        assert snapshot.manifest.basis
        assert snapshot.manifest.basis.is_resumed is (name == "killed")
        found.append([(folder / f"{table}.csv").read_bytes() for table in ("push_to_talk", "push_to_talk_members")])
    assert found[0] == found[1]
    assert all(data.startswith(BOM) for data in found[0])
