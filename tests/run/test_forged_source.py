"""Rows of an earlier snapshot are carried over only if that snapshot is what was committed."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from harness import Result, Where, visible
from keys import write_key
from object_stores import S3
from starting import told
from tampering import recommit, restate, rewrite

from audit.files import sha256_of
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import Faults
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, find_snapshot
from audit.snapshot.layout import MANIFEST
from audit.snapshot.manifest import Retried, read_manifest
from audit.snapshot.proof.signing import SIGNATURE, seal_with
from audit.storage.place import place

pytestmark = pytest.mark.attack("what is read back")

Api = Callable[[Simulation], str]
Audit = Callable[..., Snapshot]
Retry = Callable[..., tuple[Result, Simulation]]
OWN = Organization(40, people=10)
FAILED = OWN.workspace(7)["id"]
TABLE = "push_to_talk"


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The key of all runs of a test."""
    path = write_key(tmp_path / "key.pem")
    monkeypatch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(path))
    return path


@pytest.fixture
def partial(audit: Audit, tmp_path: Path) -> Callable[..., Path]:
    """A snapshot in which a room has no answer."""

    def partial(**flags: Any) -> Path:
        if key_file := os.environ.get("WEBEX_AUDIT_SIGN_KEY_FILE"):
            flags["sign__key_file"] = key_file
        snapshot = audit(Simulation(OWN, Where("mistyped", FAILED)), **flags)
        assert snapshot.manifest.status == "partial"
        assert isinstance(snapshot.path, Path)
        return snapshot.path

    return partial


@pytest.fixture
def retry(webex_audit: Callable[..., Result], api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Retry:
    """Retries the latest snapshot; returns the result and the simulation that was asked."""
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")

    def retry(
        *arguments: Any, source: str = "latest", faults: Faults | None = None, output: Any = tmp_path / "out"
    ) -> tuple[Result, Simulation]:
        simulation = Simulation(OWN, faults) if faults else Simulation(OWN)
        given = ["--retry-failed", source, "--output", output, "--base-url", api(simulation)]
        return webex_audit("run", *given, *arguments), simulation

    return retry


def one_way(rows: pa.Table) -> pa.Table:
    place = rows.schema.get_field_index("connection_type")
    column = pc.if_else(pc.equal(rows["connection_type"], "TWO_WAY"), "ONE_WAY", rows["connection_type"])
    return rows.set_column(place, rows.schema.field(place), column)


def answered(rows: pa.Table) -> pa.Table:
    place = rows.schema.get_field_index("outcome")
    return rows.set_column(place, rows.schema.field(place), pa.repeat(pa.scalar("ok"), rows.num_rows))


def without_a_room(rows: pa.Table) -> pa.Table:
    return rows.slice(1)


def parquet_of(folder: Path, table: str = TABLE) -> Path:
    (path,) = (folder / table).glob("*/*.parquet")
    return path


def forge(folder: Path, change: Callable[[pa.Table], pa.Table] = one_way, table: str = TABLE) -> None:
    path = parquet_of(folder, table)
    rows = change(pq.ParquetFile(path).read())
    path.unlink()
    pq.write_table(rows, path)


def refused(result: Result, simulation: Simulation, folder: Path) -> str:
    """The reason why a snapshot was refused: nothing was asked, written or lost."""
    assert result.code == 2, result.err
    assert simulation.log == []
    assert visible(folder.parent) == [folder.name]
    assert result.out == ""
    text = told(result.err)
    assert text.startswith(f"snapshot {folder.name} is damaged at ")
    return text


@pytest.mark.parametrize(
    ("change", "table"),
    [(one_way, TABLE), (answered, "coverage"), (without_a_room, TABLE), (without_a_room, "coverage")],
)
def test_a_forged_part_of_a_signed_snapshot_is_not_carried_over(
    change: Callable[[pa.Table], pa.Table], table: str, key: Path, partial: Callable[..., Path], retry: Retry
) -> None:
    folder = partial()
    forge(folder, change, table)
    text = refused(*retry(), folder)
    path = parquet_of(folder, table).relative_to(folder).as_posix()
    assert f"{path}: has " in text
    assert "but the manifest says" in text


@pytest.mark.parametrize("table", [TABLE, "coverage", "push_to_talk_members"])
def test_a_forged_part_is_not_carried_over_though_the_manifest_has_its_new_digest(
    table: str, partial: Callable[..., Path], retry: Retry
) -> None:
    folder = partial()
    forge(folder, without_a_room, table)
    restate(folder, parquet_of(folder, table).relative_to(folder).as_posix())
    assert f"{table}" in refused(*retry(), folder)


def test_a_forged_snapshot_that_keeps_the_old_signature_is_not_carried_over(
    key: Path, partial: Callable[..., Path], retry: Retry
) -> None:
    folder = partial()
    recommit(folder, TABLE, one_way)
    assert "was signed (manifest.dsse.json)" in refused(*retry(), folder)


def test_a_signature_by_this_key_that_does_not_hold_is_refused(
    key: Path, partial: Callable[..., Path], retry: Retry
) -> None:
    folder = partial()
    envelope = json.loads((folder / SIGNATURE).read_text())
    signature = envelope["signatures"][0]["sig"]
    envelope["signatures"][0]["sig"] = signature[:4] + ("A" if signature[4] != "A" else "B") + signature[5:]
    (folder / SIGNATURE).write_bytes(msgspec.json.format(msgspec.json.encode(envelope), indent=2) + b"\n")
    assert "its signature does not match" in refused(*retry(), folder)


@pytest.mark.parametrize("signature", ["missing", "of another key"])
def test_what_builds_on_a_snapshot_that_this_key_has_not_signed_is_not_signed(
    signature: str,
    key: Path,
    partial: Callable[..., Path],
    retry: Retry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    webex_audit: Callable[..., Result],
) -> None:
    other = write_key(tmp_path / "other.pem")
    with monkeypatch.context() as patch:
        patch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(other))
        folder = partial()
    recommit(folder, TABLE, one_way)
    (folder / SIGNATURE).unlink()
    if signature == "of another key":
        seal = seal_with(str(other))
        assert seal
        seal(folder, read_manifest(folder))
    result, _ = retry()
    assert result.code == 0, result.err
    made = find_snapshot(tmp_path / "out", "latest")
    assert made.path != folder
    assert made.manifest.basis
    sha256 = sha256_of(folder / MANIFEST)
    assert made.manifest.basis.retried == Retried(folder.name, sha256, signature)  # type: ignore[arg-type]
    assert not (made.path / SIGNATURE).exists()  # type: ignore[operator]
    assert result.err.count("the new snapshot is not signed") == 1
    assert webex_audit("verify", "--public-key", key.with_suffix(".pub"), "--output", tmp_path / "out").code == 1
    assert webex_audit("verify", "--output", tmp_path / "out").code == 0


def test_what_builds_on_a_good_signature_is_signed_and_says_so(
    key: Path, partial: Callable[..., Path], retry: Retry, tmp_path: Path, webex_audit: Callable[..., Result]
) -> None:
    folder = partial()
    result, simulation = retry()
    assert (result.code, len([line for line in simulation.log if "pushToTalk" in line])) == (0, 1), result.err
    made = find_snapshot(tmp_path / "out", "latest")
    assert made.manifest.basis
    assert made.manifest.basis.is_sound
    assert made.manifest.basis.retried == Retried(folder.name, sha256_of(folder / MANIFEST), "good")
    assert webex_audit("verify", "--public-key", key.with_suffix(".pub"), "--output", tmp_path / "out").code == 0


def test_a_snapshot_that_is_forged_to_be_complete_is_not_taken_for_complete(
    partial: Callable[..., Path], retry: Retry
) -> None:
    folder = partial()
    tree = json.loads((folder / MANIFEST).read_text())
    tree["status"] = tree["orgs"][0]["status"] = "complete"
    tree["outcomes"][TABLE] = {"ok": 40}
    (folder / MANIFEST).write_text(json.dumps(tree))
    refused(*retry(), folder)


@pytest.mark.parametrize("planted", ["link", "folder link", "missing", "longer", "csv"])
def test_a_file_that_was_exchanged_is_not_carried_over(
    planted: str, partial: Callable[..., Path], retry: Retry, tmp_path: Path
) -> None:
    folder = partial()
    path = parquet_of(folder)
    match planted:
        case "link":
            shutil.copy(path, tmp_path / "elsewhere.parquet")
            path.unlink()
            path.symlink_to(tmp_path / "elsewhere.parquet")
        case "folder link":
            path.parent.rename(tmp_path / "elsewhere")
            path.parent.symlink_to(tmp_path / "elsewhere")
        case "missing":
            path.unlink()
        case "longer":
            path.write_bytes(path.read_bytes() + bytes(10))
        case _:
            (folder / f"{TABLE}.csv").write_text("forged")
    result, simulation = retry()
    assert (result.code, simulation.log, visible(folder.parent)) == (2, [], [folder.name])
    told(result.err)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(partial: Callable[..., Path], retry: Retry) -> None:
    folder = partial()
    parquet_of(folder).unlink()
    os.mkfifo(parquet_of_name(folder))
    result, simulation = retry()
    assert (result.code, simulation.log) == (2, [])
    assert "not a regular file" in told(result.err)


def parquet_of_name(folder: Path) -> Path:
    manifest = read_manifest(folder)
    return next(folder / file.path for file in manifest.tables[TABLE].files if file.path.endswith(".parquet"))


def test_a_path_that_leads_out_of_the_snapshot_is_refused(
    partial: Callable[..., Path], retry: Retry, tmp_path: Path
) -> None:
    folder = partial()
    manifest = read_manifest(folder)
    entry = manifest.tables[TABLE]
    away = [
        msgspec.structs.replace(file, path=f"../../{file.path}") if file.path.endswith(".parquet") else file
        for file in entry.files
    ]
    rewrite(folder, tables=manifest.tables | {TABLE: msgspec.structs.replace(entry, files=away)})
    result, simulation = retry()
    assert (result.code, simulation.log, visible(folder.parent)) == (2, [], [folder.name])
    told(result.err)


def test_a_planted_file_that_the_manifest_does_not_name_is_not_read(
    partial: Callable[..., Path], retry: Retry, tmp_path: Path
) -> None:
    folder = partial()
    path = parquet_of(folder)
    rows = one_way(pq.ParquetFile(path).read())
    pq.write_table(rows, path.with_name("00001.parquet"))
    result, _ = retry()
    assert result.code == 0, result.err
    made = find_snapshot(tmp_path / "out", "latest")
    assert made.manifest.tables[TABLE].rows == read_manifest(folder).tables[TABLE].rows + 1


class Swapping(Faults):
    """Forges a snapshot while a run is at work that has verified it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.is_done = False

    def next(self, url: str) -> str | None:
        if not self.is_done:
            self.is_done = True
            forge(self._folder)
            forge(self._folder, answered, "coverage")
        return None


def test_what_is_forged_after_it_was_verified_is_not_carried_over(
    partial: Callable[..., Path], retry: Retry, audit: Audit, tmp_path: Path
) -> None:
    whole = audit(Simulation(OWN), output__path=str(tmp_path / "whole"))
    folder = partial()
    swapping = Swapping(folder)
    result, _ = retry(faults=swapping)
    assert swapping.is_done
    made = find_snapshot(tmp_path / "out", "latest")
    assert (result.code, made.manifest.status) == (0, "complete")
    assert made.manifest.tables[TABLE].digest == whole.manifest.tables[TABLE].digest


@pytest.mark.slow
def test_a_worker_carries_over_what_was_verified_or_nothing(
    key: Path, partial: Callable[..., Path], retry: Retry, tmp_path: Path
) -> None:
    folder = partial()
    good = parquet_of(folder).read_bytes()
    forge(folder)
    refused(*retry("--engine", "dask"), folder)
    parquet_of(folder).write_bytes(good)
    result, _ = retry("--engine", "dask")
    assert result.code == 0, result.err
    basis = find_snapshot(tmp_path / "out", "latest").manifest.basis
    assert basis
    assert basis.is_sound


@pytest.mark.slow
def test_a_forged_object_of_a_store_is_not_carried_over(s3: S3, audit: Audit, retry: Retry) -> None:
    output = s3.uri("forged/webex")
    snapshot = audit(Simulation(OWN, Where("mistyped", FAILED)), output__path=output)
    (file,) = (file for file in snapshot.manifest.tables[TABLE].files if file.path.endswith(".parquet"))
    path: Any = snapshot.path / file.path
    content = path.read_bytes()
    path.put(content[:-40] + bytes(8) + content[-32:])
    result, simulation = retry(output=output)
    assert (result.code, simulation.log) == (2, [])
    assert f"{file.path}: has SHA-256" in told(result.err)
    path.put(content)
    assert retry(output=place(output))[0].code == 0
