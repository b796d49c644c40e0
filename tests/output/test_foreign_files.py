"""Others may write to an output: what stands there hangs nothing, leads nowhere, and has nothing of theirs removed."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from harness import Result

from audit.errors import UsageError
from audit.output.draft import create
from audit.output.held import Held
from audit.output.journal import read_journal
from audit.output.lock import lock
from audit.output.unfinished import tidy
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.snapshot.layout import JOURNAL, MANIFEST, REMOVING

Api = Callable[[Simulation], str]
Audit = Callable[..., Snapshot]
Command = Callable[..., Result]
NOW = datetime(2026, 11, 21, 19, 9, tzinfo=UTC)
FOLDER = "20261121T190900Z-0a1b2c"

FILES: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
    "no UTF-8": lambda path: path.write_bytes(b'{"run_id": "\xff\xfe"}') and None,
    "a deep nest": lambda path: path.write_bytes(b'{"run_id":' * 100_000) and None,
    "another type": lambda path: path.write_bytes(b"[]") and None,
}


@pytest.mark.few(6)
@pytest.mark.attack("planted links and files")
@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", [JOURNAL, MANIFEST, REMOVING])
@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_no_file_hangs_or_fails_a_command(
    make: Callable[[Path], None],
    name: str,
    api: Api,
    webex_audit: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    output = tmp_path / "out"
    (output / FOLDER).mkdir(parents=True)
    (output / FOLDER / "precious").write_text("theirs")
    make(output / FOLDER / name)
    at = ["--output", output]
    ran = webex_audit("run", "--base-url", api(Simulation(Organization(3))), "--resume", *at)
    assert ran.code == 0, ran.err
    for command in (["snapshots"], ["prune", "--keep-last", "1"], ["prune", "--keep-last", "1", "--dry-run"]):
        result = webex_audit(*command, *at)
        assert (result.code, "Traceback" in result.err) == (0, False), result.err
    assert (output / FOLDER / "precious").exists()


@pytest.mark.few(3)
@pytest.mark.attack("paths")
@pytest.mark.parametrize("run_id", ["../../victim", "..", "/", "", "victim", f"{FOLDER}/../../victim", f"{FOLDER}\n"])
def test_a_journal_leads_nowhere(run_id: str, audit: Audit, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    snapshot = audit(Simulation(Organization(3)))
    for folder in (victim, snapshot.path.parent / "victim"):
        folder.mkdir()
        (folder / JOURNAL).write_text("{}")
    journal = {"run_id": run_id, "started_at": NOW.isoformat(), "scope": {}}
    (snapshot.path / JOURNAL).write_text(json.dumps(journal))
    assert read_journal(snapshot.path) is None
    tidy(snapshot.path.parent, Held())
    assert (victim / JOURNAL).exists()
    assert (snapshot.path.parent / "victim" / JOURNAL).exists()
    assert [each.path for each in list_snapshots(snapshot.path.parent)] == [snapshot.path]


@pytest.mark.attack("paths")
def test_a_journal_has_no_other_draft_removed(audit: Audit) -> None:
    snapshot = audit(Simulation(Organization(3)))
    other = create(snapshot.path.parent, NOW, {"a": 1}, held=Held())
    claim = {"run_id": other.journal.run_id, "started_at": NOW.isoformat(), "scope": {"b": 2}}
    (snapshot.path / JOURNAL).write_text(json.dumps(claim))
    tidy(snapshot.path.parent, Held())
    assert read_journal(other.folder) == other.journal


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_a_lock_that_is_not_a_file_is_refused(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / ".lock")
    with pytest.raises((UsageError, OSError)), lock(tmp_path):
        pytest.fail("it is held")


def test_an_output_that_holds_nothing_is_pruned_of_nothing(webex_audit: Command, tmp_path: Path) -> None:
    result = webex_audit("prune", "--keep-last", "1", "--output", tmp_path, "--json")
    assert (result.code, result.out.strip()) == (0, "[]")
