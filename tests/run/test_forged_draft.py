"""A run goes on from a draft only if its own writers have made all of it."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from forging import BATCH, FORGERIES, ROOMS, Forge, change_journal, take_a_room_out, turn_one_way
from harness import Result, visible
from keys import write_key
from object_stores import S3

from audit.config import Settings
from audit.errors import StoppedError
from audit.output import inventory as inventory_file
from audit.output.journal import Journal
from audit.output.seal import Keys, is_genuine, read_sealed, seal_of, sealed, sealed_file
from audit.run import keys as own_keys
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import Faults, parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, find_snapshot, list_snapshots
from audit.snapshot.layout import JOURNAL
from audit.snapshot.manifest import Basis
from audit.snapshot.proof.signing import SIGNATURE
from audit.storage.place import place

pytestmark = pytest.mark.attack("what is read back")

Api = Callable[[Simulation], str]
Audit = Callable[..., Snapshot]
Run = Callable[..., Simulation]
OWN = Organization(ROOMS)
#: The API is gone from the 50th request on.
DYING = ",".join(f"reset@{number}" for number in range(50, 400))


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", BATCH)


@pytest.fixture
def whole(audit: Audit, tmp_path: Path) -> dict[str, str]:
    """The digests of the tables of a run that was never interrupted."""
    snapshot = audit(Simulation(OWN), output__path=str(tmp_path / "whole"))
    return digests(snapshot)


def digests(snapshot: Snapshot) -> dict[str, str]:
    return {name: table.digest for name, table in snapshot.manifest.tables.items()}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "key.pem")


@pytest.fixture
def interrupt(audit: Audit, tmp_path: Path) -> Callable[..., Path]:
    """A run that came to no end; returns its draft."""

    def interrupt(**flags: Any) -> Path:
        before = set(visible(tmp_path / "out"))
        with pytest.raises(StoppedError) as caught:
            audit(Simulation(OWN, parse(DYING)), pace__concurrency=1, retry__budget=5, **flags)
        assert caught.value.is_resumable
        (name,) = set(visible(tmp_path / "out")) - before
        return tmp_path / "out" / name

    return interrupt


@pytest.fixture
def resume(audit: Audit) -> Run:
    """Resumes an interrupted run; returns what was asked."""

    def resume(**flags: Any) -> Simulation:
        simulation = Simulation(OWN)
        audit(simulation, is_resuming=True, **flags)
        return simulation

    return resume


@pytest.mark.few(8)
@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
@pytest.mark.parametrize("is_signing", [True, False], ids=["signing", "own key"])
@pytest.mark.slow
def test_a_forged_draft_is_discarded_and_the_run_begins_anew(
    forge: Forge,
    is_signing: bool,  # noqa: FBT001 - a parameter of pytest
    interrupt: Callable[..., Path],
    resume: Run,
    whole: dict[str, str],
    key: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    flags = {"sign__key_file": str(key)} if is_signing else {}
    draft = interrupt(**flags)
    forge(draft)
    simulation = resume(**flags)
    snapshot = find_snapshot(tmp_path / "out", "latest")
    assert digests(snapshot) == whole
    assert len([line for line in simulation.log if "pushToTalk" in line]) >= ROOMS - 3
    discarded = [each.message for each in caplog.records if "is discarded" in each.message]
    assert len(discarded) == 1
    assert discarded[0].startswith(f"the unfinished run {draft.name} is discarded: ")
    assert discarded[0].endswith(("is not as it was written", "it holds a link or a pipe, which no run makes"))
    assert visible(tmp_path / "out") == [snapshot.path.name]
    assert snapshot.manifest.basis == Basis(draft="checked")
    assert (snapshot.path / SIGNATURE).exists() == is_signing  # type: ignore[operator]


@pytest.mark.parametrize("is_signing", [True, False])
def test_a_draft_that_checks_out_is_resumed_and_signed(
    is_signing: bool,  # noqa: FBT001
    interrupt: Callable[..., Path],
    resume: Run,
    whole: dict[str, str],
    key: Path,
    tmp_path: Path,
) -> None:
    flags = {"sign__key_file": str(key)} if is_signing else {}
    interrupt(**flags)
    simulation = resume(**flags)
    assert 0 < len([line for line in simulation.log if "pushToTalk" in line]) < ROOMS // 2
    snapshot = find_snapshot(tmp_path / "out", "latest")
    assert digests(snapshot) == whole
    assert snapshot.manifest.basis == Basis(is_resumed=True, draft="checked")
    assert (snapshot.path / SIGNATURE).exists() == is_signing  # type: ignore[operator]


@pytest.mark.few(2)
@pytest.mark.parametrize("pattern", ["00000000.*.arrow", "*.answers", "inventory.arrow", "*.requests"])
def test_what_is_taken_out_of_a_draft_is_asked_for_again(
    pattern: str, interrupt: Callable[..., Path], resume: Run, whole: dict[str, str], tmp_path: Path
) -> None:
    draft = interrupt()
    removed = sorted(draft.rglob(pattern))
    assert removed
    for path in removed:
        path.unlink()
    resume()
    assert digests(find_snapshot(tmp_path / "out", "latest")) == whole


def test_a_part_of_another_draft_of_the_same_user_is_not_taken(
    interrupt: Callable[..., Path], resume: Run, whole: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = interrupt(), interrupt()
    shutil.rmtree(new / "parts")
    shutil.copytree(old / "parts", new / "parts")
    shutil.rmtree(old)
    resume()
    assert f"the unfinished run {new.name} is discarded: " in caplog.text
    assert digests(find_snapshot(tmp_path / "out", "latest")) == whole


def test_a_draft_under_another_name_is_not_taken(
    interrupt: Callable[..., Path], resume: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    draft = interrupt()
    planted = draft.with_name("20301121T190900Z-0a1b2c")
    shutil.copytree(draft, planted)
    change_journal(planted, run_id=planted.name)
    resume()
    assert f"the unfinished run {planted.name} is discarded: " in caplog.text
    assert find_snapshot(tmp_path / "out", "latest").manifest.basis == Basis(is_resumed=True, draft="checked")


@pytest.mark.parametrize("where", [".", "parts", "parts/*/push_to_talk/*", "parts/*/_context/*"])
def test_a_folder_that_is_named_as_an_unfinished_file_holds_no_run_up(
    where: str, interrupt: Callable[..., Path], resume: Run, whole: dict[str, str], tmp_path: Path
) -> None:
    draft = interrupt()
    (folder,) = draft.glob(where) if where != "." else [draft]
    (folder / ".planted.tmp" / ".below.tmp").mkdir(parents=True)
    (folder / ".planted.tmp" / "file").touch()
    resume()
    assert digests(find_snapshot(tmp_path / "out", "latest")) == whole


def plant_a_newer_draft(draft: Path, **changes: Any) -> Path:
    """A copy of a draft with a forged part, without a key, as if another machine had begun it later."""
    planted = draft.with_name("20301121T190900Z-0a1b2c")
    shutil.copytree(draft, planted)
    turn_one_way(planted)
    given = {"run_id": planted.name, "started_at": "2026-11-21T19:27:00.5Z", "key": "", "digest": ""}
    change_journal(planted, **given | changes)
    return planted


@pytest.mark.parametrize("key_id", ["", "0123456789abcdef"])
def test_a_draft_that_checks_out_goes_before_a_newer_draft_that_somebody_has_planted(
    key_id: str, interrupt: Callable[..., Path], resume: Run, whole: dict[str, str], tmp_path: Path
) -> None:
    plant_a_newer_draft(interrupt(), key=key_id)
    resume()
    snapshot = find_snapshot(tmp_path / "out", "latest")
    assert digests(snapshot) == whole
    assert snapshot.manifest.basis == Basis(is_resumed=True, draft="checked")


@pytest.mark.parametrize("key_id", ["", None, "0123456789abcdef"])
def test_a_planted_draft_of_another_scope_holds_no_run_up_that_signs(
    key_id: str | None, interrupt: Callable[..., Path], resume: Run, whole: dict[str, str], key: Path, tmp_path: Path
) -> None:
    draft = interrupt(sign__key_file=str(key))
    scope = json.loads((draft / JOURNAL).read_bytes())["scope"]
    plant_a_newer_draft(draft, key=key_id, scope=scope | {"organizations": ["named", "x"]})
    shutil.rmtree(draft)
    resume(sign__key_file=str(key))
    snapshot = find_snapshot(tmp_path / "out", "latest")
    assert digests(snapshot) == whole
    assert snapshot.manifest.basis == Basis(draft="checked")


def disown(draft: Path) -> None:
    """Make a draft look as if a run without a key, or on another machine, had begun it."""
    change_journal(draft, key="0123456789abcdef")


def strip(draft: Path) -> None:
    change_journal(draft, key="", digest="")


def age(draft: Path) -> None:
    change_journal(draft, key=None)


@pytest.mark.parametrize("hide", [disown, strip, age])
def test_a_draft_that_hides_its_key_is_discarded_by_a_run_that_signs(
    hide: Forge, interrupt: Callable[..., Path], resume: Run, whole: dict[str, str], key: Path, tmp_path: Path
) -> None:
    draft = interrupt(sign__key_file=str(key))
    take_a_room_out(draft)
    hide(draft)
    resume(sign__key_file=str(key))
    snapshot = find_snapshot(tmp_path / "out", "latest")
    assert digests(snapshot) == whole
    assert snapshot.manifest.basis == Basis(draft="checked")


@pytest.mark.parametrize("hide", [disown, strip])
def test_a_draft_without_a_key_at_hand_is_resumed_and_the_snapshot_says_so(
    hide: Forge, interrupt: Callable[..., Path], resume: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    draft = interrupt()
    hide(draft)
    simulation = resume()
    assert 0 < len([line for line in simulation.log if "pushToTalk" in line]) < ROOMS // 2
    snapshot = find_snapshot(tmp_path / "out", "latest")
    assert snapshot.manifest.basis == Basis(is_resumed=True, draft="not checked")
    assert caplog.text.count("can't be checked, because its key is not on this machine") == 1


def test_another_machine_resumes_and_says_so_and_what_it_adds_is_never_taken_for_checked(
    interrupt: Callable[..., Path],
    audit: Audit,
    whole: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    interrupt()
    home = os.environ["XDG_STATE_HOME"]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other machine"))
    with pytest.raises(StoppedError):
        audit(Simulation(OWN, parse("429-long@5")), is_resuming=True, run__deadline="1m", pace__concurrency=1)
    monkeypatch.setenv("XDG_STATE_HOME", home)
    snapshot = audit(Simulation(OWN), is_resuming=True)
    assert digests(snapshot) == whole
    assert snapshot.manifest.basis == Basis(is_resumed=True, draft="not checked")


def test_a_signing_key_checks_a_draft_on_any_machine(
    interrupt: Callable[..., Path], resume: Run, key: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    interrupt(sign__key_file=str(key))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other machine"))
    resume(sign__key_file=str(key))
    assert find_snapshot(tmp_path / "out", "latest").manifest.basis == Basis(is_resumed=True, draft="checked")


@pytest.mark.parametrize("why", ["no home", "not writable", "readable by others", "link"])
def test_without_a_private_state_folder_a_draft_is_resumed_unchecked(
    why: str, interrupt: Callable[..., Path], resume: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state = tmp_path / "home" / "webex-audit"
    match why:
        case "no home":
            monkeypatch.setattr(own_keys, "own_folder", lambda _: None)
        case "not writable":
            (tmp_path / "file").touch()
            monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        case _:
            state.mkdir(parents=True)
            path = state / "draft.key" if why != "link" else tmp_path / "planted.key"
            path.write_bytes(bytes(32))
            path.chmod(0o644 if why != "link" else 0o600)
            if why == "link":
                (state / "draft.key").symlink_to(path)
    interrupt()
    resume()
    snapshot = find_snapshot(tmp_path / "out", "latest")
    assert snapshot.manifest.basis == Basis(is_resumed=True, draft="not checked")


def test_the_key_of_a_user_is_private_and_one_for_all_processes(
    settings: Callable[..., Settings], tmp_path: Path
) -> None:
    given = settings("http://127.0.0.1:1/v1")
    with ThreadPoolExecutor(8) as executor:
        found = set(executor.map(lambda _: own_keys.keys_of(given), range(32)))
    (keys,) = found
    assert keys.signing is None
    assert keys.own
    (path,) = (tmp_path / "home").rglob("draft.key")
    assert path.read_bytes() == keys.own
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["draft.key"]


class Forging(Faults):
    """Forges a draft while its run is at work."""

    def __init__(self, output: Path, forge: Forge, after: int) -> None:
        super().__init__()
        self._output, self._forge, self._left = output, forge, after

    def next(self, url: str) -> str | None:
        self._left -= 1
        if self._left == 0:
            (draft,) = (path for path in self._output.iterdir() if (path / "parts").exists())
            self._forge(draft)
        return None


def test_a_room_taken_out_of_the_inventory_of_a_run_at_work_is_not_missing(audit: Audit, tmp_path: Path) -> None:
    with pytest.raises(StoppedError, match="is damaged; a resumed run takes a new inventory"):
        audit(Simulation(OWN, Forging(tmp_path / "out", take_a_room_out, 55)), pace__concurrency=1)
    snapshot = audit(Simulation(OWN), is_resuming=True)
    assert snapshot.manifest.orgs[0].entities == ROOMS


def test_a_part_forged_while_its_run_is_at_work_is_not_committed(
    audit: Audit, whole: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(StoppedError, match="is damaged; a resumed run asks for its batch again"):
        audit(Simulation(OWN, Forging(tmp_path / "out", turn_one_way, 55)), pace__concurrency=1)
    assert list_snapshots(tmp_path / "out") == []
    assert digests(audit(Simulation(OWN), is_resuming=True)) == whole


@pytest.mark.few(1)
@pytest.mark.parametrize("is_signing", [True, False])
@pytest.mark.slow
def test_workers_have_the_key_of_a_draft_without_its_traveling(
    is_signing: bool,  # noqa: FBT001
    webex_audit: Callable[..., Result],
    api: Api,
    key: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    if is_signing:
        monkeypatch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(key))
    url = api(Simulation(OWN, customers=(Organization(6, seed=2), Organization(7, seed=3))))
    at = ["--base-url", url, "--output", tmp_path / "out"]
    result = webex_audit("run", "--engine", "dask", "--all-orgs", *at)
    assert result.code == 0, result.err
    snapshot = find_snapshot(tmp_path / "out", "latest")
    assert snapshot.manifest.basis == Basis(draft="checked")
    assert (snapshot.path / SIGNATURE).exists() == is_signing  # type: ignore[operator]


def test_a_room_taken_out_of_the_inventory_is_not_missing_from_the_signed_snapshot(
    webex_audit: Callable[..., Result], api: Api, key: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(key))
    simulation = Simulation(OWN, parse("429-long@50"))
    at = ["--base-url", api(simulation), "--output", tmp_path / "out"]
    assert webex_audit("run", "--deadline", "1m", "--concurrency", 1, *at).code == 5
    (name,) = visible(tmp_path / "out")
    take_a_room_out(tmp_path / "out" / name)
    result = webex_audit("run", "--resume", *at)
    assert result.code == 0, result.err
    assert result.err.count(f"the unfinished run {name} is discarded: ") == 1
    snapshot = find_snapshot(tmp_path / "out", "latest")
    assert snapshot.manifest.orgs[0].entities == ROOMS
    verified = webex_audit("verify", "--public-key", key.with_suffix(".pub"), "--output", tmp_path / "out")
    assert verified.code == 0


def test_a_forged_draft_in_a_store_is_discarded(s3: S3, audit: Audit, caplog: pytest.LogCaptureFixture) -> None:
    output = s3.uri("draft/webex")
    with pytest.raises(StoppedError):
        audit(Simulation(OWN, parse(DYING)), pace__concurrency=1, retry__budget=5, output__path=output)
    (found,) = place(output).glob("*/parts/*/*/*/inventory.arrow")
    content: Any = found.read_bytes()
    found.put(content[:-1] + bytes([content[-1] ^ 1]))  # type: ignore[union-attr]
    snapshot = audit(Simulation(OWN), is_resuming=True, output__path=output)
    assert f"{found} is not as it was written" in caplog.text
    assert snapshot.manifest.basis == Basis(draft="checked")


def test_a_digest_fits_one_place_and_one_journal(tmp_path: Path) -> None:
    keys = Keys(b"s" * 32, b"o" * 32)
    journal = sealed(Journal("20261121T190900Z-0a1b2c", datetime(2026, 11, 21, tzinfo=UTC), {"a": 1}), keys)
    assert is_genuine(journal, keys)
    assert not is_genuine(journal, Keys(None, b"o" * 32))
    for changes in ({"scope": {"a": 2}}, {"after": "x"}, {"run_id": "20261121T190900Z-0a1b2d"}):
        forged = msgspec.structs.replace(journal, **changes)
        assert not is_genuine(forged, keys)
        path = tmp_path / "parts" / "o" / "d" / "a" / "x.arrow"
        path.parent.mkdir(parents=True, exist_ok=True)
        with sealed_file(path, seal_of(journal, keys)) as file:
            file.write(b"content")
        assert read_sealed(path, seal_of(journal, keys)) == b"content"
        with pytest.raises(Exception, match="its digest does not match"):
            read_sealed(path, seal_of(forged, keys))
