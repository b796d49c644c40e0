"""Whole runs: the content of a snapshot, the same each time; a run that ends early leaves no snapshot."""

import csv
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from harness import visible

from audit.datasets import DATASETS
from audit.errors import RefusedError, StoppedError, UsageError
from audit.files import sha256_of
from audit.output import commit as commit_module
from audit.output import inventory as inventory_file
from audit.output import tables as tables_module
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.snapshot.context import CONTEXT
from audit.snapshot.context.workspace_devices import WORKSPACE_DEVICES
from audit.snapshot.coverage import COVERAGE_SCHEMA
from audit.snapshot.layout import MANIFEST

Audit = Callable[..., Snapshot]
DATA_TABLES = ("push_to_talk", "push_to_talk_members", WORKSPACE_DEVICES)
SCHEMAS = {"coverage": COVERAGE_SCHEMA, **DATASETS["push_to_talk"].tables, **CONTEXT}


def table(snapshot: Snapshot, name: str) -> pa.Table:
    read = ds.dataset(snapshot.path / name, partitioning="hive").to_table()
    schema = SCHEMAS[name]
    return read.select(schema.names).cast(schema)


def csv_rows(snapshot: Snapshot, name: str) -> list[dict[str, str]]:
    with (snapshot.path / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def digests(snapshot: Snapshot) -> dict[str, str]:
    return {name: entry.digest for name, entry in snapshot.manifest.tables.items()}


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 20)
    monkeypatch.setattr(tables_module, "ROW_GROUP_ROWS", 300)


def test_a_snapshot_accounts_for_every_workspace(audit: Audit) -> None:
    organization = Organization(150)
    snapshot = audit(Simulation(organization))
    coverage = table(snapshot, "coverage").to_pylist()
    expected = {organization.workspace(index)["id"]: organization.refusal(index) for index in range(150)}
    assert [row["entity_id"] for row in coverage] == sorted(expected)
    for row in coverage:
        assert row["outcome"] == ("not_licensed" if expected[row["entity_id"]] else "ok")
        assert (row["dataset"], row["site_url"]) == ("push_to_talk", None)
    settings = table(snapshot, "push_to_talk").to_pylist()
    assert [row["entity_id"] for row in settings] == sorted(each for each in expected if not expected[each])
    members = {
        organization.workspace(index)["id"]: organization.push_to_talk(index).get("members") or []
        for index in range(150)
        if not organization.refusal(index)
    }
    assert {row["entity_id"]: row["member_count"] for row in settings} == {each: len(members[each]) for each in members}
    rows = table(snapshot, "push_to_talk_members").num_rows
    assert rows == sum(len(member.get("numbers") or [None]) for each in members.values() for member in each)


def test_the_manifest_tells_what_was_asked_answered_and_written(audit: Audit) -> None:
    simulation = Simulation(Organization(150), parse("429@9,500@12"))
    snapshot = audit(simulation)
    manifest = json.loads((snapshot.path / MANIFEST).read_bytes())
    assert manifest["format_version"] == 1
    assert (manifest["snapshot_id"], manifest["status"]) == (snapshot.path.name, "complete")
    scope = {"datasets": ["push_to_talk"], "entities": ["WORKSPACE"], "entity_ids": None, "organizations": "own"}
    assert manifest["scope"] == scope | {
        "excluded": [],
        "users": None,
        "user_count": None,
        "sites": [],
        "selected": None,
    }
    assert manifest["requests"] == {"total": len(simulation.log), "retried": 2, "throttled": 1}
    (org,) = manifest["orgs"]
    assert (org["name"], org["status"], org["entities"]) == (Organization(1).name, "complete", 150)
    assert sum(manifest["outcomes"]["push_to_talk"].values()) == 150
    assert manifest["unknown_fields"]["push_to_talk"].keys() == {"futureSetting", "members[].presence"}
    assert manifest["started_at"] < manifest["finished_at"]
    assert manifest["previous"] is None
    assert set(manifest["tables"]) == {"coverage", *DATA_TABLES}
    for name, entry in manifest["tables"].items():
        assert entry["rows"] == table(snapshot, name).num_rows == len(csv_rows(snapshot, name))
        for file in entry["files"]:
            path = snapshot.path / file["path"]
            assert (file["bytes"], file["sha256"]) == (path.stat().st_size, sha256_of(path))
            assert file["rows"] == entry["rows"]


def test_files_are_private_and_few_and_parquet_is_as_designed(audit: Audit) -> None:
    snapshot = audit(Simulation(Organization(150)))
    (org,) = snapshot.manifest.orgs
    modes = {
        path.relative_to(snapshot.path).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in snapshot.path.rglob("*")
    }
    names = ("coverage", *DATA_TABLES)
    files = {
        MANIFEST,
        *(f"{name}.csv" for name in names),
        *(f"{name}/org_id={org.org_id}/00000.parquet" for name in names),
    }
    folders = {*names, *(f"{name}/org_id={org.org_id}" for name in names)}
    assert modes == dict.fromkeys(files, 0o600) | dict.fromkeys(folders, 0o700)
    assert stat.S_IMODE(snapshot.path.stat().st_mode) == 0o700
    metadata = pq.read_metadata(snapshot.path / f"push_to_talk_members/org_id={org.org_id}/00000.parquet")
    assert 300 <= metadata.row_group(0).num_rows < 600
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    assert pq.read_table(snapshot.path / "push_to_talk").num_rows == metadata_rows(snapshot, "push_to_talk")


def metadata_rows(snapshot: Snapshot, name: str) -> int:
    return snapshot.manifest.tables[name].rows


@pytest.mark.slow
def test_runs_over_an_unchanged_organization_are_byte_identical(audit: Audit, tmp_path: Path) -> None:
    runs = [
        audit(
            Simulation(Organization(150)), pace__concurrency=concurrency, output__path=str(tmp_path / str(concurrency))
        )
        for concurrency in (1, 3, 50)
    ]
    faulty = Simulation(Organization(150), parse("all=0.3,quirks"), max_page=40)
    runs.append(audit(faulty, output__path=str(tmp_path / "faulty")))
    assert runs[-1].manifest.requests.retried > 50
    assert runs[-1].manifest.status == "complete"
    first = runs[0]
    for other in runs[1:]:
        assert digests(other) == digests(first)
        for name in DATA_TABLES:
            assert (other.path / f"{name}.csv").read_bytes() == (first.path / f"{name}.csv").read_bytes()
            assert table(other, name).equals(table(first, name))


def test_another_organization_has_other_digests(audit: Audit) -> None:
    one, other = audit(Simulation(Organization(40))), audit(Simulation(Organization(40, seed=2)))
    assert set(digests(one).values()).isdisjoint(digests(other).values())


def test_a_csv_tells_null_from_empty_and_runs_no_formula(audit: Audit) -> None:
    snapshot = audit(Simulation(Organization(300)))
    names = [row["entity_name"] for row in csv_rows(snapshot, "coverage")]
    exact = table(snapshot, "coverage")["entity_name"].to_pylist()
    assert any(name.startswith("=") for name in exact)
    assert not [name for name in names if name[:1] in "=+-@\t\r" and name]
    assert [name.replace("'", "") for name in names] == [name.replace("'", "") for name in exact]
    numbers = {row["number_external"] for row in csv_rows(snapshot, "push_to_talk_members")}
    assert any(number.startswith("+1408526") for number in numbers)
    assert ',"",' in (snapshot.path / "push_to_talk_members.csv").read_text()


def test_a_snapshot_of_some_workspaces_says_so(audit: Audit) -> None:
    organization = Organization(50)
    wanted = [organization.workspace(index)["id"] for index in range(5)]
    snapshot = audit(Simulation(organization), wanted=[*wanted, wanted[0]])
    assert table(snapshot, "coverage")["entity_id"].to_pylist() == sorted(wanted)
    assert snapshot.manifest.scope.entity_ids == 5


def test_what_was_not_answered_makes_a_snapshot_partial(audit: Audit) -> None:
    snapshot = audit(Simulation(Organization(50), parse("500@20,500@25,500@30"), max_page=40), retry__attempts=1)
    assert snapshot.manifest.status == snapshot.manifest.orgs[0].status == "partial"
    assert snapshot.manifest.outcomes["push_to_talk"]["server_error"] == 3


def test_each_snapshot_names_the_one_before(audit: Audit) -> None:
    first = audit(Simulation(Organization(5)))
    second = audit(Simulation(Organization(5)))
    assert second.manifest.previous is not None
    assert second.manifest.previous.snapshot_id == first.manifest.snapshot_id
    assert second.manifest.previous.manifest_sha256 == sha256_of(first.path / MANIFEST)


@pytest.mark.parametrize("formats", [["csv"], ["parquet"]])
def test_only_the_formats_asked_for_are_written(audit: Audit, formats: list[str]) -> None:
    snapshot = audit(Simulation(Organization(5)), output__formats=formats)
    assert {path.suffix for path in snapshot.path.rglob("*") if path.is_file()} == {".json", f".{formats[0]}"}
    assert {entry.rows for entry in snapshot.manifest.tables.values()} != {0}


def test_an_empty_organization_has_a_complete_snapshot_of_empty_tables(audit: Audit) -> None:
    snapshot = audit(Simulation(Organization(0)))
    assert snapshot.manifest.status == "complete"
    for name in ("coverage", *DATA_TABLES):
        assert table(snapshot, name).num_rows == 0
        assert (snapshot.path / f"{name}.csv").read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("faults", "error"), [("500=1!", StoppedError), ("403=1!", RefusedError), ("foreign-link", StoppedError)]
)
def test_a_run_that_ends_before_its_crawl_leaves_nothing(
    audit: Audit, tmp_path: Path, faults: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        audit(Simulation(Organization(60), parse(faults), max_page=20))
    assert visible(tmp_path / "out") == []


def test_an_output_that_can_not_be_written_is_told_before_the_first_request(audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    simulation = Simulation(Organization(5))
    for path in (tmp_path / "file", tmp_path / "file" / "below", "/proc/nowhere"):
        with pytest.raises(UsageError, match=r"can't be written: .*--output"):
            audit(simulation, output__path=str(path))
    assert simulation.log == []


def test_a_full_disk_is_told_and_can_be_resumed(audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device", "/the/place")

    monkeypatch.setattr(commit_module, "write_manifest", refuse)
    with pytest.raises(StoppedError, match="can't be written at /the/place: No space left on device") as caught:
        audit(Simulation(Organization(5)))
    assert caught.value.is_resumable
    assert list((tmp_path / "out").glob("*/manifest.json")) == []
    monkeypatch.undo()
    assert audit(Simulation(Organization(5)), is_resuming=True).manifest.status == "complete"


def test_timeouts_and_tries_are_those_of_the_settings(audit: Audit) -> None:
    late = audit(Simulation(Organization(5), parse("slow@6"), slow_s=20), webex__timeout_s=3.0, retry__attempts=1)
    assert late.manifest.outcomes["push_to_talk"]["timeout"] == 1
    throttled = audit(Simulation(Organization(5), parse("429@6,429@7,429@8")), retry__throttled_attempts=1)
    assert throttled.manifest.outcomes["push_to_talk"]["throttled"] >= 1


def test_what_no_encoding_holds_ends_no_run(audit: Audit) -> None:
    class Surrogate(Organization):
        @property
        def name(self) -> str:
            return "a\ud800b"

        def workspace(self, index: int) -> dict[str, Any]:
            return super().workspace(index) | {"displayName": "" if index else "c\udfffd"}

    snapshot = audit(Simulation(Surrogate(3)))
    assert snapshot.manifest.orgs[0].name == "a\ufffdb"
    assert sorted(table(snapshot, "coverage")["entity_name"].to_pylist()) == ["", "", "c\ufffdd"]
