"""Snapshots from strangers whose files say far more than they hold: refused, in bounded memory."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import parquet_bombs as bombs
import pytest
from measured_commands import MOST_MIB, run

from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.snapshot.manifest import read_manifest, write_manifest

pytestmark = pytest.mark.attack("memory")


@pytest.fixture
def snapshot(audit: Callable[..., Snapshot], once: Callable[..., Path]) -> Path:
    """The second of two snapshots."""
    output = once(lambda: [audit(Simulation(Organization(5))) for _ in range(2)])
    return Path(str(list_snapshots(output)[-1].path))


@pytest.mark.few(2)
@pytest.mark.parametrize("bomb", [bombs.repeated, bombs.countless, bombs.giant, bombs.liar, bombs.mixed])
@pytest.mark.slow
def test_a_parquet_bomb_is_refused_by_every_command_in_bounded_memory(
    bomb: bombs.Bomb, snapshot: Path, tmp_path: Path
) -> None:
    bombs.plant(snapshot, bomb)
    name = str(snapshot)
    peak, (verified, *others) = run(
        ["verify", name],
        ["check", name],
        ["report", name, "--file", str(tmp_path / "x.html")],
        ["diff", str(next(each for each in snapshot.parent.iterdir() if each.is_dir() and each != snapshot)), name],
        ["query", name, "SELECT max(length(entity_name)) FROM push_to_talk"],
    )
    assert verified[0] == 1
    assert "push_to_talk/org_id=" in verified[1]
    assert ": can't be read as Parquet: " in verified[1]
    for code, out, err in others:
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert "is damaged: " in err
    assert peak < MOST_MIB
    shutil.rmtree(snapshot)


#: What Arrow ends the process over; the bytes are those of Thrift's compact protocol.
ABORTS = {
    "repetitions in a column that has none": ("3c16001906", "3c16001936020202"),
    "a level too many": ("190619260600", "19061936060000"),
    "a level too few": ("190619260600", "1906191606"),
    "a thousand levels": ("190619260600", "190619f6e807" + 1000 * "00"),
    "sizes of texts in a column of truth values": ("3c290619260600", "3c1602190619260600"),
    "sizes of texts in a column that only the schema calls a truth value": ("150c2502", "15002502"),
}


@pytest.mark.few(2)
@pytest.mark.parametrize("pair", ABORTS.values(), ids=ABORTS)
@pytest.mark.slow
def test_a_footer_over_which_arrow_ends_the_process_is_one_line(pair: tuple[str, str], snapshot: Path) -> None:
    bombs.plant(snapshot, bombs.restate_footer(pair))
    _, (verified, checked) = run(["verify", str(snapshot)], ["check", str(snapshot)])
    assert verified[0] == 1
    assert ": can't be read as Parquet: " in verified[1]
    assert (checked[0], checked[1], checked[2].count("\n")) == (2, "", 1)
    assert "is damaged: " in checked[2]


def million_columns(path: Path) -> None:
    path.write_text("," * 3_000_000 + "\n")


def endless_header(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


def endless_row(path: Path) -> None:
    header = path.read_text().partition("\n")[0]
    with path.open("w") as file:
        file.write(f'{header}\n"')
        file.truncate(1 << 30)


@pytest.mark.few(2)
@pytest.mark.parametrize("change", [million_columns, endless_header, endless_row])
@pytest.mark.slow
def test_a_csv_bomb_is_a_fault_in_bounded_memory(change: Callable[[Path], None], snapshot: Path) -> None:
    path = snapshot / "push_to_talk.csv"
    change(path)
    manifest = read_manifest(snapshot)
    entry = manifest.tables["push_to_talk"]
    files = [each if each.path != path.name else bombs.named(snapshot, path, each.rows) for each in entry.files]
    tables = manifest.tables | {"push_to_talk": msgspec.structs.replace(entry, files=files)}
    write_manifest(snapshot, msgspec.structs.replace(manifest, tables=tables))
    peak, [(code, out, _)] = run(["verify", str(snapshot)])
    assert code == 1
    assert "push_to_talk.csv: can't be read as CSV: " in out
    assert peak < MOST_MIB
    path.unlink()
