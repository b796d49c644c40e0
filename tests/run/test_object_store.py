"""Whatever works in a folder works in an object store, with the same result."""

import json
import multiprocessing
import os
import signal
import stat
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pytest
from harness import Result, Where
from object_stores import S3

from audit.cli import cli, process, signals
from audit.errors import DamagedError, StoppedError, UsageError
from audit.output import inventory, lease
from audit.output.draft import Draft
from audit.output.holder import Holder
from audit.output.lock import lock
from audit.output.removals import record_removed
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.changed import Changed
from audit.simulator.faults import Faults
from audit.simulator.organization import Organization
from audit.snapshot import staging
from audit.snapshot.catalog import Snapshot, find_snapshot, list_snapshots
from audit.snapshot.layout import MANIFEST, REMOVED, REMOVING
from audit.snapshot.manifest import write_manifest
from audit.snapshot.removed import Removed, read_removed, read_small
from audit.snapshot.staging import staged, staged_whole
from audit.storage.content import sha256_of
from audit.storage.errors import StorageError
from audit.storage.objects import ObjectPath
from audit.storage.place import place

Api = Callable[[Simulation], str]
Audit = Callable[..., Snapshot]
Command = Callable[..., Result]
WORKSPACES = 60
NOW = datetime(2026, 11, 21, 19, 9, tzinfo=UTC)


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name}/webex"


@pytest.fixture
def output(s3: S3, folder: str) -> str:
    return s3.uri(folder)


@pytest.fixture(autouse=True)
def _nothing_is_left_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(inventory, "BATCH_SIZE", 20)
    yield
    assert list(temporary.iterdir()) == []


def digests(snapshot: Snapshot) -> dict[str, tuple[str, list[str]]]:
    return {
        name: (table.digest, [file.sha256 for file in table.files if name != "coverage"])
        for name, table in snapshot.manifest.tables.items()
    }


@pytest.mark.slow
def test_the_whole_chain(
    api: Api, audit: Audit, webex_audit: Command, s3: S3, output: str, folder: str, tmp_path: Path
) -> None:
    pytest.importorskip("duckdb")
    simulation = Simulation(Organization(WORKSPACES))
    local = audit(Simulation(Organization(WORKSPACES)))
    environment = ["--token-file", tmp_path / "token", "--base-url", api(simulation), "--output", output]
    (tmp_path / "token").write_text(ADMIN_TOKEN)
    (tmp_path / "token").chmod(0o600)

    ran = webex_audit("run", *environment, "--json")
    assert ran.code == 0, ran.err
    first = find_snapshot(place(output), "latest")
    assert digests(first) == digests(local)
    assert json.loads(ran.out)["path"] == str(first.path)
    files = [file.path for table in first.manifest.tables.values() for file in table.files]
    assert s3.keys(folder) == sorted([".lock", *(f"{first.path.name}/{name}" for name in [*files, MANIFEST])])

    simulation.organization = Changed.of(simulation.organization)
    simulation.faults = Where("409", f"{simulation.organization.workspace(0)['id']}/pushtotalk")
    assert webex_audit("run", *environment, "--resume").code == 3
    simulation.faults = Faults()
    assert webex_audit("run", *environment, "--retry-failed", "latest").code == 0
    snapshots = list_snapshots(place(output))
    assert [each.manifest.previous and each.manifest.previous.snapshot_id for each in snapshots] == [
        None,
        *(each.manifest.snapshot_id for each in snapshots[:-1]),
    ]
    at = ["--output", output]
    assert webex_audit("snapshots", *at).out.count("complete") == 2
    assert str(first.path) in webex_audit("show", str(first.path)).out
    verified = webex_audit("verify", "latest", *at)
    assert (verified.code, "2 earlier snapshots" in verified.out) == (0, True), verified.out
    assert webex_audit("diff", first.path.name, "latest", *at, "--exit-code").code == 1
    assert webex_audit("diff", str(first.path), local.path, "--exit-code").code == 0
    assert webex_audit("check", *at).code == 1
    report = webex_audit("report", "--file", tmp_path / "report.html", *at)
    assert (report.code, (tmp_path / "report.html").stat().st_size > 10_000) == (0, True)
    asked = webex_audit("query", "latest", "SELECT count(*) AS n FROM coverage", "--csv", *at)
    assert asked.out.split() == ['"n"', str(WORKSPACES)]
    assert webex_audit("prune", "--keep-last", "1", *at).code == 0
    assert {key.partition("/")[0] for key in s3.keys(folder)} == {".lock", snapshots[-1].path.name, REMOVED}
    assert webex_audit("doctor", *environment).code == 0
    assert webex_audit("doctor", *environment).out.count("can be written\n") == 1


def _run_and_die(url: str, output: str, die_at: int, folder: str) -> None:
    """A run in a process of its own, killed behind the n-th object that it writes."""
    os.chdir(folder)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        os.environ[name] = folder
    os.environ |= {"WEBEX_ACCESS_TOKEN": ADMIN_TOKEN, "WEBEX_AUDIT_PACE_START_RATE": "5000"}
    inventory.BATCH_SIZE = 20
    put = ObjectPath.put
    written = 0

    def put_and_die(self: ObjectPath, *given: Any) -> Any:
        nonlocal written
        result = put(self, *given)
        written += 1
        if written == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    ObjectPath.put = put_and_die  # type: ignore[method-assign]
    os._exit(process.execute(cli, ["run", "--base-url", url, "--output", output, "--quiet"]))


@pytest.mark.parametrize("die_at", [5, 10])
@pytest.mark.slow
def test_a_killed_run_is_resumed_to_the_same_tables(
    die_at: int, api: Api, audit: Audit, s3: S3, output: str, folder: str, tmp_path: Path, webex_audit: Command
) -> None:
    simulation = Simulation(Organization(WORKSPACES))
    url = api(simulation)
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_run_and_die, args=(url, output, die_at, str(tmp_path)))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    (tmp_path / "token").write_text(ADMIN_TOKEN)
    (tmp_path / "token").chmod(0o600)
    arguments = ["run", "--base-url", url, "--token-file", tmp_path / "token", "--output", output, "--resume"]
    held = webex_audit(*arguments)
    assert (held.code, f"process {child.pid} on" in held.err) == (6, True)
    s3.age(f"{folder}/.lock", 120)
    asked = len(simulation.log)
    resumed = webex_audit(*arguments)
    assert (resumed.code, "was taken over" in resumed.err) == (0, True), resumed.err
    (snapshot,) = list_snapshots(place(output))
    assert digests(snapshot) == digests(audit(Simulation(Organization(WORKSPACES))))
    if die_at == 10:
        assert len(simulation.log) - asked < WORKSPACES // 2
    assert [key for key in s3.keys(folder) if "parts" in key or key.startswith(".")] == [".lock"]


def test_a_run_that_lost_the_lock_commits_nothing(
    api: Api, webex_audit: Command, s3: S3, output: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 0.4)
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    other = msgspec.json.encode(Holder.this(60.0))

    def steal(draft: Any) -> Any:
        (draft.output / ".lock").put(other)
        draft.held._keeping.join(20)
        assert draft.held._is_lost
        return begin_commit(draft)

    begin_commit = Draft.begin_commit
    monkeypatch.setattr(Draft, "begin_commit", steal)
    result = webex_audit("run", "--base-url", api(Simulation(Organization(WORKSPACES))), "--output", output)
    assert result.code == 5
    assert "the lock" in result.err.splitlines()[-1]
    assert "--resume" in result.err.splitlines()[-1]
    assert [key for key in s3.keys(folder) if key.endswith(MANIFEST)] == []
    assert (place(output) / ".lock").read_bytes() == other


def test_a_manifest_is_written_by_one_run_only(audit: Audit, output: str, folder: str, s3: S3) -> None:
    snapshot = audit(Simulation(Organization(5)), output__path=output)
    write_manifest(snapshot.path, snapshot.manifest)
    with pytest.raises(UsageError, match="by another run"):
        write_manifest(snapshot.path, msgspec.structs.replace(snapshot.manifest, status="partial"))
    assert find_snapshot(place(output), "latest").manifest == snapshot.manifest


def test_a_wrong_bucket_is_one_line_before_the_first_request(
    api: Api, webex_audit: Command, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    simulation = Simulation(Organization(5))
    nowhere = s3.uri("x").replace("audits", "nowhere")
    url = api(simulation)
    for command in (["run", "--base-url", url], ["snapshots"], ["prune", "--keep-last", "1"]):
        result = webex_audit(*command, "--output", nowhere)
        assert (result.code, len(result.err.splitlines())) == (2, 1)
        assert f"{nowhere}" in result.err
        assert "there is no such bucket" in result.err
    assert simulation.log == []
    checked = webex_audit("doctor", "--base-url", url, "--output", nowhere)
    assert (checked.code, "failed   output" in checked.out) == (2, True)


def test_wrong_credentials_are_one_line_and_told_by_doctor(
    api: Api, webex_audit: Command, s3: S3, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    simulation = Simulation(Organization(5))
    url = api(simulation)

    def allow_without_credentials(requests: float) -> None:
        url = f"http://127.0.0.1:{s3.port}/moto-api/reset-auth"
        request = urllib.request.Request(url, str(requests).encode(), {"Content-Type": "text/plain"})
        urllib.request.urlopen(request).close()

    allow_without_credentials(0)
    try:
        result = webex_audit("run", "--base-url", url, "--output", output)
        assert simulation.log == []
        listed = webex_audit("snapshots", "--output", output)
        checked = webex_audit("doctor", "--base-url", url, "--output", output)
    finally:
        allow_without_credentials(float("inf"))
    for each in (result, listed):
        assert (each.code, len(each.err.splitlines())) == (2, 1)
        assert "the credentials are refused" in each.err or "access is denied" in each.err
    assert (checked.code, "failed   output" in checked.out) == (2, True)


@pytest.mark.slow
def test_a_store_that_cannot_be_reached_stops_a_run(
    api: Api, webex_audit: Command, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    output = s3.uri("x").replace(str(s3.port), "9")
    result = webex_audit("run", "--base-url", api(Simulation(Organization(5))), "--output", output)
    assert (result.code, len(result.err.splitlines()), "can't be reached" in result.err) == (5, 1, True)


def test_a_second_run_is_told_who_holds_the_lock(api: Api, webex_audit: Command, output: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(ADMIN_TOKEN)
    (tmp_path / "token").chmod(0o600)
    arguments = ["--base-url", api(Simulation(Organization(5))), "--token-file", tmp_path / "token", "--output", output]
    with lock(place(output)):
        assert webex_audit("run", *arguments).code == 6
        for flags in ([], ["--dry-run"]):
            assert webex_audit("prune", "--keep-last", "1", "--output", output, *flags).code == 6
        checked = webex_audit("doctor", *arguments)
    assert (checked.code, "warning  output" in checked.out) == (0, True)


@pytest.mark.slow
def test_a_removal_that_was_cut_off_goes_on(
    audit: Audit, webex_audit: Command, s3: S3, output: str, folder: str
) -> None:
    old, new = (audit(Simulation(Organization(5)), output__path=output) for _ in range(2))
    # During a rename, an object store has both files between copy and removal.
    (old.path / REMOVING).put((old.path / MANIFEST).read_bytes())
    prune = ["prune", "--keep-last", "5", "--output", output, "--json"]
    assert {each["action"] for each in json.loads(webex_audit(*prune).out)} == {"keep"}
    record_removed(place(output), [Removed(old.path.name, sha256_of(old.path / MANIFEST), None, NOW, "old")])
    assert {each["name"]: each["action"] for each in json.loads(webex_audit(*prune).out)} == {
        old.path.name: "removed",
        new.path.name: "keep",
    }
    assert {key.partition("/")[0] for key in s3.keys(folder)} == {".lock", new.path.name, REMOVED}


@pytest.mark.slow
def test_a_rehearsal_writes_nothing_and_names_what_is_removed_then(
    audit: Audit, webex_audit: Command, s3: S3, output: str, folder: str
) -> None:
    old, new = (audit(Simulation(Organization(5)), output__path=output) for _ in range(2))
    attempt, late = "20261121T190902Z-0a1b2c", "20261121T190903Z-0a1b2c"
    journal = {"run_id": "20261121T190901Z-0a1b2c", "started_at": NOW, "scope": {}}
    (place(output) / attempt / "run.json").put(msgspec.json.encode(journal))
    (place(output) / attempt / "coverage.csv").put(b"")
    (place(output) / late / "parts" / "0.arrow").put(b"")
    before = s3.keys(folder)
    prune = ["prune", "--keep-last", "1", "--output", output, "--json"]
    rehearsed = json.loads(webex_audit(*prune, "--dry-run").out)
    assert s3.keys(folder) == before
    assert {each["name"]: each["action"] for each in rehearsed} == {
        old.path.name: "remove",
        new.path.name: "keep",
        attempt: "remove",
        late: "remove",
    }
    done = json.loads(webex_audit(*prune).out)
    assert done == [each | {"action": each["action"].replace("remove", "removed")} for each in rehearsed]
    assert {key.partition("/")[0] for key in s3.keys(folder)} == {".lock", new.path.name, REMOVED}
    assert {each.snapshot_id for each in read_removed(place(output)) if each.is_abandoned} == {attempt}
    assert webex_audit("verify", "--output", output).code == 0


@pytest.mark.slow
def test_what_is_pruned_is_recorded_first_and_read_no_further_than_it_may_be_long(
    audit: Audit, webex_audit: Command, s3: S3, output: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (audit(Simulation(Organization(5)), output__path=output) for _ in range(2))
    sha256 = sha256_of(old.path / MANIFEST)
    prune = ["prune", "--keep-last", "1", "--output", output]

    delete = ObjectPath._delete
    recorded: list[str] = []

    def refused(self: ObjectPath, keys: list[str]) -> None:
        if old.path.name in self.key:
            recorded[:] = [each.snapshot_id for each in read_removed(place(output))]
            raise StorageError(13, "access is denied", str(self))
        delete(self, keys)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectPath, "_delete", refused)
        assert webex_audit(*prune).code == 2
    assert [each.path.name for each in list_snapshots(place(output))] == [old.path.name, new.path.name]
    assert recorded == [old.path.name]
    assert [each.manifest_sha256 for each in read_removed(place(output))] == [sha256]
    record = (place(output) / REMOVED).read_bytes()
    assert webex_audit(*prune).code == 0
    assert (place(output) / REMOVED).read_bytes() == record
    verified = webex_audit("verify", "--output", output)
    assert (verified.code, "1 earlier snapshot was pruned" in verified.err) == (0, True), verified.out
    with pytest.raises(DamagedError, match="more than 9 bytes"):
        read_small(place(output) / REMOVED, 9)
    (place(output) / REMOVED).put(b"{")
    verified = webex_audit("verify", "--output", output)
    assert (verified.code, verified.out.startswith(f"{REMOVED}: is damaged: ")) == (1, True), verified.out
    assert f"{old.path.name}/{MANIFEST}: is missing" in verified.out


def test_what_is_fetched_stays_inside_its_folder(audit: Audit, output: str) -> None:
    snapshot = audit(Simulation(Organization(5)), output__path=output)
    table = snapshot.manifest.tables["coverage"]
    file = msgspec.structs.replace(table.files[0], path="../../outside.parquet")
    tables = {"coverage": msgspec.structs.replace(table, files=[file])}
    hostile = Snapshot(snapshot.path, msgspec.structs.replace(snapshot.manifest, tables=tables))
    with pytest.raises(UsageError, match="is not in this folder"), staged(hostile):
        pytest.fail("it was fetched")


def test_what_was_fetched_is_removed_by_a_signal_too(audit: Audit, output: str, tmp_path: Path) -> None:
    snapshot = audit(Simulation(Organization(5)), output__path=output)
    fetched: list[Path] = []

    def read_until_killed() -> None:
        with staged(snapshot) as found:
            assert isinstance(found.path, Path)
            fetched.append(found.path.parent)
            assert stat.S_IMODE(found.path.parent.stat().st_mode) == 0o700
            assert sorted(path.name for path in found.path.glob("*")) == sorted([*snapshot.manifest.tables, MANIFEST])
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt), signals.received():
        read_until_killed()
    assert [path.exists() for path in fetched] == [False]


def test_a_file_that_is_missing_is_told_by_verify(audit: Audit, webex_audit: Command, output: str) -> None:
    snapshot = audit(Simulation(Organization(5)), output__path=output)
    (snapshot.path / "coverage.csv").unlink()
    (snapshot.path / "stray").put(b"x")
    result = webex_audit("verify", "--output", output)
    assert result.code == 1
    assert "coverage.csv: is missing" in result.out
    assert "stray: is not named by the manifest" in result.out
    with staged_whole(snapshot) as folder:
        assert (folder / "stray").read_bytes() == b"x"


def test_a_demo_needs_a_folder(webex_audit: Command, output: str) -> None:
    result = webex_audit("demo", "--output", output)
    assert (result.code, "name a folder on this machine" in result.err) == (2, True)


def test_a_full_disk_where_it_is_fetched_to_is_told(audit: Audit, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = audit(Simulation(Organization(5)), output__path=output)

    @contextmanager
    def full(path: Path) -> Iterator[BinaryIO]:
        with Path("/dev/full").open("wb", buffering=0) as file:
            yield file

    monkeypatch.setattr(staging, "_new_file", full)
    with pytest.raises(StoppedError, match="No space left on device: make room, or set TMPDIR"), staged(snapshot):
        pytest.fail("it was fetched")
