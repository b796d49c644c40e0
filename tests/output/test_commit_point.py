"""A snapshot that stands is never lost: before the manifest a draft can be resumed, after it nothing can fail."""

import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Result, environment, visible
from object_stores import S3
from s3_proxy import Proxy, serve_proxy

from audit import files
from audit.cli import cli, process
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.snapshot.layout import MANIFEST
from audit.storage.place import place

Api = Callable[[Simulation], str]
Audit = Callable[..., Snapshot]
Command = Callable[..., Result]
WORKSPACES = 30


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name}/webex"


@pytest.fixture
def proxy(s3: S3) -> Iterator[Proxy]:
    with serve_proxy(s3.port) as serving:
        yield serving


def digests(snapshot: Snapshot) -> dict[str, str]:
    return {name: table.digest for name, table in snapshot.manifest.tables.items()}


def folders_of(s3: S3, folder: str) -> set[str]:
    return {key.partition("/")[0] for key in s3.keys(folder) if "/" in key}


def begin(url: str, output: str, *options: str) -> "subprocess.Popen[str]":
    """A run in a process of its own."""
    command = [sys.executable, "-m", "audit", "run", "--base-url", url, "--output", output, *options]
    return subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


#: Requests of a commit: method, what its path or body holds.
STEPS = {
    "its journal": ("PUT", "run.json"),
    "a table": ("PUT", "coverage.csv"),
    "the promise": ("PUT", '"promise"'),
    "the manifest": ("PUT", MANIFEST),
    "the removal": ("POST", "run.json"),
}


@pytest.mark.few(2)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.slow
def test_a_run_that_was_paused_and_has_lost_its_lock_harms_no_snapshot(
    step: str, api: Api, webex_audit: Command, s3: S3, proxy: Proxy, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    url = api(Simulation(Organization(WORKSPACES)))
    is_there, go_on = threading.Event(), threading.Event()
    drafts = iter(range(2))

    def pause(method: str, path: str, body: bytes) -> Any:
        wanted, text = STEPS[step]
        if method != wanted or text not in f"{path} {body.decode('latin-1')}" or is_there.is_set():
            return "forward"
        # The first journal is that of the draft.
        if text == "run.json" and next(drafts) == 0:
            return "forward"
        is_there.set()
        return go_on

    proxy.rule = pause
    with begin(url, proxy.uri(folder)) as first:
        assert is_there.wait(30)
        os.kill(first.pid, signal.SIGSTOP)
        # For the store, a minute has passed. The first run, which counts by its own clock, still believes in its lock.
        s3.age(f"{folder}/.lock", 100)
        second = webex_audit("run", "--base-url", url, "--output", s3.uri(folder), "--resume")
        assert (second.code, "was taken over" in second.err) == (0, True), second.err
        before = [each.manifest.snapshot_id for each in list_snapshots(place(s3.uri(folder)))]
        go_on.set()
        os.kill(first.pid, signal.SIGCONT)
        _, told = first.communicate(timeout=60)
    snapshots = list_snapshots(place(s3.uri(folder)))
    assert [each.manifest.snapshot_id for each in snapshots] == before
    stands = step in ("the manifest", "the removal")
    assert (first.returncode, len(snapshots)) == ((0, 2) if stands else (5, 1)), told
    assert all(digests(each) == digests(snapshots[0]) for each in snapshots)
    for each in before:
        verified = webex_audit("verify", each, "--output", s3.uri(folder))
        assert verified.code == 0, verified.out
    # Whatever the first one has left, the next holder of the lock removes.
    third = webex_audit("run", "--base-url", url, "--output", s3.uri(folder))
    assert third.code == 0, third.err
    assert folders_of(s3, folder) == {each.path.name for each in list_snapshots(place(s3.uri(folder)))}


def test_an_answer_that_was_lost_is_settled_by_a_look(
    api: Api, webex_audit: Command, s3: S3, proxy: Proxy, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    proxy.rule = lambda method, path, _: "lost" if (method, MANIFEST in path) == ("PUT", True) else "forward"
    result = webex_audit(
        "run", "--base-url", api(Simulation(Organization(5))), "--output", proxy.uri(folder), "--resume"
    )
    assert result.code == 0, result.err
    assert webex_audit("verify", "latest", "--output", s3.uri(folder)).code == 0
    assert [key for key in s3.keys(folder) if "parts" in key or key.endswith("run.json")] == []


@pytest.mark.slow
def test_a_store_that_removes_nothing_fails_no_run(
    api: Api, webex_audit: Command, s3: S3, proxy: Proxy, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    url = api(Simulation(Organization(5)))
    proxy.rule = lambda method, path, _: "503" if method == "DELETE" or "?delete" in path else "forward"
    first = webex_audit("run", "--base-url", url, "--output", proxy.uri(folder))
    assert first.code == 0, first.err
    assert any(key.endswith("run.json") for key in s3.keys(folder))
    verified = webex_audit("verify", "latest", "--output", s3.uri(folder))
    assert verified.code == 0, verified.out
    s3.age(f"{folder}/.lock", 100)
    second = webex_audit("run", "--base-url", url, "--output", s3.uri(folder), "--resume")
    assert second.code == 0, second.err
    snapshots = list_snapshots(place(s3.uri(folder)))
    assert len(snapshots) == 2
    assert folders_of(s3, folder) == {each.path.name for each in snapshots}
    assert not any(key.endswith("run.json") for key in s3.keys(folder))


@pytest.mark.slow
def test_signals_that_come_after_the_commit_change_nothing(api: Api, s3: S3, proxy: Proxy, folder: str) -> None:
    is_there, go_on = threading.Event(), threading.Event()

    def hold(_: str, __: str, body: bytes) -> Any:
        if b"run.json" not in body or is_there.is_set():
            return "forward"
        is_there.set()
        return go_on

    proxy.rule = hold
    with begin(api(Simulation(Organization(5))), proxy.uri(folder)) as run:
        assert is_there.wait(30)
        for _ in range(2):
            run.send_signal(signal.SIGINT)
        assert run.stderr
        while "came too late: the snapshot is committed" not in (line := run.stderr.readline()):
            assert line
        go_on.set()
        run.communicate(timeout=30)
    assert run.returncode == 0
    assert len(list_snapshots(place(s3.uri(folder)))) == 1


@pytest.mark.slow
def test_a_promise_that_could_not_be_kept_is_kept_by_the_next_run(
    api: Api, webex_audit: Command, s3: S3, proxy: Proxy, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    url = api(Simulation(Organization(5)))
    proxy.rule = lambda method, path, _: "503" if (method, MANIFEST in path) == ("PUT", True) else "forward"
    first = webex_audit("run", "--base-url", url, "--output", proxy.uri(folder))
    assert first.code == 5, first.err
    assert "--resume" in first.err
    assert list_snapshots(place(s3.uri(folder))) == []
    s3.age(f"{folder}/.lock", 100)
    pruned = webex_audit("prune", "--keep-last", 5, "--output", s3.uri(folder))
    assert (pruned.code, "is now committed: its run stopped just before the end" in pruned.err) == (0, True)
    (snapshot,) = list_snapshots(place(s3.uri(folder)))
    assert webex_audit("verify", "latest", "--output", s3.uri(folder)).code == 0
    assert folders_of(s3, folder) == {snapshot.path.name}


def test_a_store_that_ignores_conditions_is_refused(
    api: Api, webex_audit: Command, s3: S3, proxy: Proxy, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    simulation = Simulation(Organization(5))
    proxy.rule = lambda *_: "unconditional"
    result = webex_audit("run", "--base-url", api(simulation), "--output", proxy.uri(folder))
    assert (result.code, simulation.log) == (2, [])
    assert "the store ignores conditions" in result.err
    assert s3.keys(folder) == [".lock"]


def _run_with(fault: str, url: str, output: str) -> None:
    """A run in a process of its own, of which some calls of the system fail once the manifest stands."""
    os.environ |= {"WEBEX_ACCESS_TOKEN": ADMIN_TOKEN}

    def stands() -> bool:
        return any(Path(output).glob(f"*/{MANIFEST}"))

    def on_event(event: str, arguments: tuple[Any, ...]) -> None:
        is_removal = event in ("os.remove", "os.rmdir", "shutil.rmtree") and str(arguments[0]) != ""
        if is_removal and fault in ("EIO", "EROFS", "kill") and stands():
            if fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            code = getattr(errno, fault)
            raise OSError(code, os.strerror(code))

    def fail_to_flush(descriptor: int) -> None:
        if fault == "fsync" and stands():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    fsync = os.fsync
    files.os.fsync = fail_to_flush  # type: ignore[attr-defined]
    sys.addaudithook(on_event)
    os._exit(process.execute(cli, ["run", "--base-url", url, "--output", output, "--quiet"]))


@pytest.mark.few(2)
@pytest.mark.parametrize("fault", ["EIO", "EROFS", "fsync", "kill"])
@pytest.mark.slow
def test_nothing_fails_a_run_whose_manifest_stands(
    fault: str, api: Api, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    url, output = api(Simulation(Organization(5))), tmp_path / "out"
    child = multiprocessing.get_context("spawn").Process(target=_run_with, args=(fault, url, str(output)))
    child.start()
    child.join(60)
    assert child.exitcode == (-signal.SIGKILL if fault == "kill" else 0)
    (snapshot,) = list_snapshots(output)
    verified = webex_audit("verify", "latest", "--output", output)
    assert verified.code == 0, verified.out
    again = webex_audit("run", "--base-url", url, "--output", output, "--resume")
    assert again.code == 0, again.err
    snapshots = list_snapshots(output)
    assert len(snapshots) == 2
    assert visible(output) == sorted(each.path.name for each in snapshots)
    assert not (snapshot.path / "run.json").exists()


@pytest.mark.slow
def test_a_lock_that_somebody_removed_is_lost(
    api: Api, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    output = tmp_path / "out"

    simulation = Simulation(Organization(5))
    url = api(simulation)
    with begin(url, str(output), "--max-rate", "5") as run:
        while not list(output.glob("*/parts/*/*/*/inventory.arrow")):
            assert run.poll() is None
        (output / ".lock").unlink()
        _, told = run.communicate(timeout=60)
    assert (run.returncode, "somebody removed or replaced the file" in told) == (5, True), told
    assert list_snapshots(output) == []
    result = webex_audit("run", "--base-url", url, "--output", output, "--resume")
    assert result.code == 0, result.err


@pytest.mark.slow
def test_what_a_late_worker_writes_is_no_fault_and_is_removed(
    api: Api, webex_audit: Command, s3: S3, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    url, output = api(Simulation(Organization(5))), s3.uri(folder)
    assert webex_audit("run", "--base-url", url, "--output", output).code == 0
    (snapshot,) = list_snapshots(place(output))
    late = place(output) / f"{snapshot.path.name[:-6]}0a0b0c" / "parts" / "o" / "d" / "t"
    (late / "00000000.w.coverage.arrow").put(b"late")  # type: ignore[union-attr]
    verified = webex_audit("verify", "latest", "--output", output)
    assert (verified.code, json.loads(webex_audit("snapshots", "--json", "--output", output).out)[1:]) == (0, [])
    assert webex_audit("run", "--base-url", url, "--output", output).code == 0
    assert not any("parts" in key for key in s3.keys(folder))
