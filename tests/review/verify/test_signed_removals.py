"""The record of pruned snapshots is signed, and only entries that this key has signed count."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from harness import Result, visible
from keys import write_key

from audit.errors import UsageError
from audit.output import removals
from audit.output.removals import record_abandoned, record_removed
from audit.review.verify.signed_removals import SIGNATURE_OF_REMOVED, check_removed, seal_removed_with
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.snapshot.layout import REMOVED
from audit.snapshot.proof.signing import load_public_key, seal_with
from audit.snapshot.removed import Removed, read_removed

NOW = datetime(2026, 11, 21, 19, 9, tzinfo=UTC)
ENTRY = Removed("20261121T190900Z-0a1b2c", "0" * 64, None, NOW, "old")
OTHER = msgspec.structs.replace(ENTRY, snapshot_id="20261121T190900Z-0a1b2d")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "key.pem")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir(exist_ok=True)
    return folder


def vouched(output: Path, key: Path) -> list[Removed]:
    """The entries that the key has signed, with a good signature."""
    found, faults = check_removed(output, read_removed(output), load_public_key(key.with_suffix(".pub")))
    assert faults == []
    return found


def faults(output: Path, key: Path) -> str:
    found, told = check_removed(output, read_removed(output), load_public_key(key.with_suffix(".pub")))
    assert found == []
    return "\n".join(f"{each.path}: {each.message}" for each in told)


def test_prune_signs_what_it_removes(
    audit: Callable[..., Snapshot],
    webex_audit: Callable[..., Result],
    key: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [audit(Simulation(Organization(2))).path.name for _ in range(3)]
    output = tmp_path / "out"
    monkeypatch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(key))
    for count in (2, 1):
        assert webex_audit("prune", "--output", output, "--keep-last", count).code == 0
    assert (output / SIGNATURE_OF_REMOVED).stat().st_mode & 0o777 == 0o600
    assert [each.snapshot_id for each in vouched(output, key)] == names[:2]
    assert [each.path.name for each in list_snapshots(output)] == names[2:]


@pytest.mark.attack("chain")
def test_what_others_add_is_not_vouched_for_and_never_signed_later(output: Path, key: Path) -> None:
    seal = seal_removed_with(str(key))
    record_removed(output, [ENTRY], seal=seal)
    record_removed(output, [OTHER])
    assert vouched(output, key) == [ENTRY]
    changed = msgspec.structs.replace(ENTRY, previous=None, reason="another")
    text = (output / REMOVED).read_text()
    (output / REMOVED).write_text(text.replace('"old"', '"another"', 1))
    assert vouched(output, key) == []
    assert read_removed(output) == [changed, OTHER]
    (output / REMOVED).write_text(text)
    record_abandoned(output, [ENTRY.snapshot_id], seal=seal)
    assert [(each.snapshot_id, each.is_abandoned) for each in vouched(output, key)] == [
        (ENTRY.snapshot_id, False),
        (ENTRY.snapshot_id, True),
    ]
    record_removed(output, [OTHER], seal=seal)
    assert OTHER in vouched(output, key)


def test_what_is_vouched_for_stays_so_where_the_record_was_not_written(
    output: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = seal_removed_with(str(key))
    record_removed(output, [ENTRY], seal=seal)
    with monkeypatch.context() as patch:
        patch.setattr(removals, "atomic_file", _full)
        with pytest.raises(OSError, match="No space left"):
            record_removed(output, [OTHER], seal=seal)
    assert read_removed(output) == vouched(output, key) == [ENTRY]
    record_removed(output, [OTHER], seal=seal)
    assert vouched(output, key) == [ENTRY, OTHER]


def _full(_: Path) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.attack("chain")
def test_a_signature_that_is_not_good_vouches_for_nothing(output: Path, key: Path, tmp_path: Path) -> None:
    record_removed(output, [ENTRY], seal=seal_removed_with(str(key)))
    path = output / SIGNATURE_OF_REMOVED
    whole = path.read_bytes()
    for position in (*range(0, len(whole), len(whole) // 40), len(whole) - 1):
        data = bytearray(whole)
        data[position] ^= 1
        path.write_bytes(data)
        assert faults(output, key).startswith(f"{SIGNATURE_OF_REMOVED}: "), position
    path.write_bytes(whole)
    other = write_key(tmp_path / "other.pem")
    assert "is signed by another key: expected " in faults(output, other)
    path.unlink()
    assert faults(output, key) == ""
    path.mkdir()
    assert "is damaged: it is not a regular file" in faults(output, key)
    path.rmdir()
    path.write_bytes(b"{}")
    assert "is damaged: " in faults(output, key)


@pytest.mark.attack("chain")
def test_the_signature_of_a_snapshot_vouches_for_nothing(
    audit: Callable[..., Snapshot], output: Path, key: Path
) -> None:
    snapshot = audit(Simulation(Organization(2)))
    seal = seal_with(str(key))
    assert seal
    seal(snapshot.path, snapshot.manifest)
    (snapshot.path / "manifest.dsse.json").rename(output / SIGNATURE_OF_REMOVED)
    assert faults(output, key).startswith(f"{SIGNATURE_OF_REMOVED}: is ")


@pytest.mark.attack("chain")
def test_a_record_that_another_key_has_signed_is_not_signed_over(
    audit: Callable[..., Snapshot],
    webex_audit: Callable[..., Result],
    output: Path,
    key: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(3):
        audit(Simulation(Organization(2)))
    monkeypatch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(key))
    assert webex_audit("prune", "--output", output, "--keep-last", 2).code == 0
    monkeypatch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(write_key(tmp_path / "other.pem")))
    before = {each: each.read_bytes() for each in output.glob("pruned*")}
    stands = visible(output)
    result = webex_audit("prune", "--output", output, "--keep-last", 1)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert f"nothing was removed: {output / SIGNATURE_OF_REMOVED} is signed by another key" in result.err
    assert "move it out of the output and keep it as evidence" in result.err
    assert (visible(output), {each: each.read_bytes() for each in output.glob("pruned*")}) == (stands, before)


def test_a_key_that_can_not_sign_removes_nothing(
    audit: Callable[..., Snapshot], webex_audit: Callable[..., Result], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        audit(Simulation(Organization(2)))
    monkeypatch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(output / "absent.pem"))
    stands = visible(output)
    assert webex_audit("prune", "--output", output, "--keep-last", 1).code == 2
    assert visible(output) == stands
    assert seal_removed_with(None) is None
    with pytest.raises(UsageError):
        seal_removed_with(str(output / "absent.pem"))
