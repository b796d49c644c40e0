"""A batch of long answers has its rows in several files: all of them count, and none is taken unchecked."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from forging import BATCH, ROOMS, Forge, contents, rewrite
from harness import Where, visible
from keys import write_key

from audit.crawl import flatten
from audit.errors import StoppedError
from audit.output import inventory as inventory_file
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, find_snapshot
from audit.snapshot.manifest import Basis
from audit.snapshot.proof.signing import SIGNATURE

pytestmark = pytest.mark.attack("what is read back")

Audit = Callable[..., Snapshot]
OWN = Organization(ROOMS)
#: The API is gone from the 50th request on.
DYING = ",".join(f"reset@{number}" for number in range(50, 400))


@pytest.fixture
def whole(audit: Audit, tmp_path: Path) -> dict[str, str]:
    """The digests of the tables of a run whose batches are one slice each."""
    return digests(audit(Simulation(OWN), output__path=str(tmp_path / "whole")))


@pytest.fixture
def _small_slices(whole: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", BATCH)
    monkeypatch.setattr(flatten, "SLICE_BYTES", 2000)


@pytest.fixture
def interrupt(_small_slices: None, audit: Audit, tmp_path: Path) -> Callable[..., Path]:
    """A run that came to no end; returns its draft, whose parts have several slices."""

    def interrupt(**flags: object) -> Path:
        before = set(visible(tmp_path / "out"))
        with pytest.raises(StoppedError):
            audit(Simulation(OWN, parse(DYING)), pace__concurrency=1, retry__budget=5, **flags)
        (name,) = set(visible(tmp_path / "out")) - before
        draft: Path = tmp_path / "out" / name
        assert len(slices_of(draft)) > 1
        return draft

    return interrupt


def digests(snapshot: Snapshot) -> dict[str, str]:
    return {name: table.digest for name, table in snapshot.manifest.tables.items()}


def slices_of(draft: Path, batch: int = 0) -> list[Path]:
    """The files of a batch's table, without the first."""
    return sorted(draft.rglob(f"{batch:08d}.*.push_to_talk.[0-9]*.arrow"))


def forge_a_slice(draft: Path) -> None:
    path = slices_of(draft)[0]
    rewrite(path, contents(path))


def swap_two_slices(draft: Path) -> None:
    one, other, *_ = slices_of(draft)
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def take_the_slice_of_another_batch(draft: Path) -> None:
    shutil.copy(slices_of(draft, 1)[0], slices_of(draft, 0)[0])


def take_a_slice_for_the_first(draft: Path) -> None:
    path = slices_of(draft)[0]
    shutil.copy(path, path.with_name(path.name.replace(".1.arrow", ".arrow")))


def plant_a_slice(draft: Path) -> None:
    path = slices_of(draft)[-1]
    number = int(path.name.split(".")[-2])
    shutil.copy(path, path.with_name(path.name.replace(f".{number}.arrow", f".{number + 1}.arrow")))


@pytest.mark.parametrize(
    "forge",
    [
        forge_a_slice,
        swap_two_slices,
        take_the_slice_of_another_batch,
        take_a_slice_for_the_first,
        plant_a_slice,
    ],
    ids=lambda forge: forge.__name__,
)
@pytest.mark.slow
def test_a_forged_slice_of_a_draft_is_not_taken(
    forge: Forge,
    interrupt: Callable[..., Path],
    audit: Audit,
    whole: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    forge(interrupt())
    snapshot = audit(Simulation(OWN), is_resuming=True)
    assert digests(snapshot) == whole
    assert "is not as it was written" in caplog.text
    assert snapshot.manifest.basis == Basis(draft="checked")


def test_a_draft_with_slices_is_resumed_and_signed(
    interrupt: Callable[..., Path], audit: Audit, whole: dict[str, str], tmp_path: Path
) -> None:
    key_file = str(write_key(tmp_path / "key.pem"))
    interrupt(sign__key_file=key_file)
    simulation = Simulation(OWN)
    snapshot = audit(simulation, is_resuming=True, sign__key_file=key_file)
    assert 0 < len([line for line in simulation.log if "pushToTalk" in line]) < ROOMS // 2
    assert digests(snapshot) == whole
    assert snapshot.manifest.basis == Basis(is_resumed=True, draft="checked")
    assert (snapshot.path / SIGNATURE).exists()  # type: ignore[operator]


@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.slow
def test_a_slice_that_is_taken_out_of_a_draft_is_asked_for_again(
    which: int, interrupt: Callable[..., Path], audit: Audit, whole: dict[str, str], tmp_path: Path
) -> None:
    slices_of(interrupt())[which].unlink()
    with pytest.raises(StoppedError, match="is damaged; a resumed run asks for its batch again"):
        audit(Simulation(OWN), is_resuming=True)
    audit(Simulation(OWN), is_resuming=True)
    assert digests(find_snapshot(tmp_path / "out", "latest")) == whole


@pytest.mark.usefixtures("_small_slices")
@pytest.mark.slow
def test_answers_are_carried_over_slice_by_slice_also_by_a_run_that_is_interrupted(
    audit: Audit, whole: dict[str, str], tmp_path: Path
) -> None:
    failed = [OWN.workspace(number)["id"] for number in range(0, ROOMS, 2)]
    earlier = audit(Simulation(OWN, Where("mistyped", *failed)))
    assert earlier.manifest.status == "partial"
    dying = parse(",".join(f"reset@{number}" for number in range(24, 400)))
    with pytest.raises(StoppedError):
        audit(Simulation(OWN, dying), retry_failed=earlier, pace__concurrency=1, retry__budget=5)
    (draft,) = (path.parent for path in (tmp_path / "out").glob("*/parts"))
    assert len(slices_of(draft)) > 1
    simulation = Simulation(OWN)
    snapshot = audit(simulation, retry_failed=earlier, is_resuming=True)
    assert 0 < len([line for line in simulation.log if "pushToTalk" in line]) < len(failed) - 10
    assert digests(snapshot) == whole
    assert snapshot.manifest.status == "complete"
