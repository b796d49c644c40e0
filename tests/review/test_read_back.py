"""Snapshots that somebody changed after their commit: no review reads what the manifest does not name."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from harness import Result
from tampering import flip, rewrite

from audit.review.query.query import ask
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots

pytestmark = pytest.mark.attack("what is read back")

Attack = Callable[[Path], object]


@pytest.fixture
def snapshots(audit: Callable[..., Snapshot], once: Callable[..., Path]) -> tuple[Path, Path]:
    older, newer = list_snapshots(once(lambda: [audit(Simulation(Organization(5))) for _ in range(2)]))
    return Path(str(older.path)), Path(str(newer.path))


def turned_one_way(path: Path) -> None:
    table = pq.ParquetFile(path).read()
    index = table.schema.get_field_index("connection_type")
    changed = pc.if_else(pc.is_valid(table["connection_type"]), "ONE_WAY", None)
    pq.write_table(table.set_column(index, "connection_type", changed), path, compression="zstd")


def without_a_room(path: Path) -> None:
    pq.write_table(pq.ParquetFile(path).read().slice(1), path, compression="zstd")


def with_one_other_bit(path: Path) -> None:
    flip(path, 40, 1)


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"PAR1")


def from_another_table(path: Path) -> None:
    (other,) = path.parents[2].glob("push_to_talk_members/*/*.parquet")
    shutil.copy(other, path)


def as_a_link(path: Path) -> None:
    path.rename(path.with_name("other.parquet"))
    path.symlink_to("other.parquet")


def as_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


ATTACKS = (
    turned_one_way,
    without_a_room,
    with_one_other_bit,
    grown,
    from_another_table,
    as_a_link,
    as_a_pipe,
    as_a_folder,
)


@pytest.mark.few(3)
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_forged_file_of_a_snapshot_is_refused_by_every_review(
    attack: Attack, snapshots: tuple[Path, Path], webex_audit: Callable[..., Result], tmp_path: Path
) -> None:
    old, new = snapshots
    (forged,) = new.glob("push_to_talk/*/*.parquet")
    attack(forged)
    report = tmp_path / "report.html"
    for command in (
        ("check", new),
        ("report", new, "--file", report),
        ("diff", old, new),
        ("diff", new, old),
        ("query", new, "SELECT 1"),
        ("query", new),
    ):
        result = webex_audit(*command)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result
        assert f"error: {forged} is damaged: " in result.err
    assert not report.exists()
    assert webex_audit("verify", new).code == 1


def test_a_forged_earlier_snapshot_is_not_compared_with(
    snapshots: tuple[Path, Path], webex_audit: Callable[..., Result]
) -> None:
    turned_one_way(next(snapshots[0].glob("push_to_talk/*/*.parquet")))
    for command in ("check", "diff", "report"):
        result = webex_audit(command, "--output", snapshots[0].parent)
        assert (result.code, result.out) == (2, "")
        assert "is damaged: it is not the file that the manifest names" in result.err


def test_a_file_that_is_exchanged_after_the_check_is_not_read(
    snapshots: tuple[Path, Path], audit: Callable[..., Snapshot]
) -> None:
    snapshot = audit(Simulation(Organization(5)))
    (path,) = snapshot.path.glob("push_to_talk/*/*.parquet")
    with ask(snapshot, "SELECT connection_type, allow_auto_answer FROM push_to_talk ORDER BY ALL") as rows:
        expected = pa.Table.from_batches(rows.batches)
    with ask(snapshot, "SELECT connection_type, allow_auto_answer FROM push_to_talk ORDER BY ALL") as rows:
        turned_one_way(path)
        assert pa.Table.from_batches(rows.batches).equals(expected)


def test_a_manifest_that_is_exchanged_after_it_was_read_is_refused(
    snapshots: tuple[Path, Path], audit: Callable[..., Snapshot]
) -> None:
    snapshot = audit(Simulation(Organization(5)))
    rewrite(snapshot.path, invalid_organizations=1)
    with pytest.raises(Exception, match=r"is damaged: it changed while it was read"), ask(snapshot, "SELECT 1"):
        pass


def test_a_forged_number_of_rows_is_refused(snapshots: tuple[Path, Path], webex_audit: Callable[..., Result]) -> None:
    path = snapshots[1] / "manifest.json"
    path.write_text(path.read_text().replace('"rows": 5', '"rows": 4'))
    result = webex_audit("check", snapshots[1])
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "it does not hold the number of rows that the manifest says" in result.err
