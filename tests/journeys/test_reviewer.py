"""The reviewer: judges snapshots of somebody else, whose names are formulas, and changes none of them."""

import csv
import hashlib
import os
import re
from pathlib import Path

import openpyxl
import pytest
from crafted import Audit, crafted, two_way
from keys import write_key
from walking import Reader

from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.proof.signing import seal_with

FORMULAS = ('=HYPERLINK("http://evil/","x")', "@SUM(1+1)*cmd|' /C calc'!A0", "+1+1", "-2+3", "\t=1", "=1;=2")


def renamed(organization: Organization) -> Organization:
    """The organization, whose rooms are named as formulas."""
    named = organization.workspace
    organization.__class__.workspace = (  # type: ignore[method-assign]
        lambda self, index: named(index) | {"displayName": FORMULAS[index % len(FORMULAS)]}
    )
    return organization


def content(folder: Path) -> dict[str, tuple[str, int]]:
    """Digest and time of each file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(each): (hashlib.sha256(each.read_bytes()).hexdigest(), each.stat().st_mtime_ns) for each in files}


@pytest.fixture
def given(tmp_path: Path, audit: Audit) -> tuple[Path, Path]:
    """A folder of two signed snapshots that nobody may write to, and the public key. A room opens with the second."""
    key = write_key(tmp_path / "key")
    seal = seal_with(str(key))
    audit(Simulation(renamed(crafted(workspaces=6))), seal=seal)
    audit(Simulation(renamed(crafted(two_way, workspaces=6))), seal=seal)
    for folder, _, files in os.walk(tmp_path / "out"):
        for name in files:
            (Path(folder) / name).chmod(0o444)
        Path(folder).chmod(0o555)
    return tmp_path / "out", key.with_suffix(".pub")


@pytest.mark.parametrize("umask", [0o000, 0o022])
@pytest.mark.few(1)
@pytest.mark.slow
def test_a_reviewer_judges_and_changes_nothing(umask: int, reader: Reader, given: tuple[Path, Path]) -> None:
    reader.umask = umask
    folder, key = given
    before = content(folder)
    told = reader.walk("reviewer.sh", folder, key, "Ann Smith", "reviewed with facility management")
    assert told.code == 0, told
    assert ", signed by key " in told.out
    assert " approved by Ann Smith on " in told.out
    unread = "is incomplete: answer settings were not read; paging groups were not read"
    assert told.err == f"webex-audit: warning: open-rooms.csv {unread}\n"
    assert content(folder) == before
    assert "two-way" in (reader.folder / "changes.txt").read_text().lower()
    assert "1 finding (1 high)" in (reader.folder / "since-approval.txt").read_text()
    made = {"changes.txt", "since-approval.txt"}
    mine = [path for path in reader.open_to_others(but=frozenset(made)) if "/reviewed/" not in path]
    assert mine == []


@pytest.mark.slow
def test_names_that_are_formulas_stay_names(reader: Reader, given: tuple[Path, Path]) -> None:
    assert reader.walk("reviewer.sh", *given, "=1", "=1+1").code == 0
    book = openpyxl.load_workbook(reader.folder / "report.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {FORMULAS[0], FORMULAS[1]} <= {cell.value for cell in cells}
    assert [cell.coordinate for cell in cells if cell.data_type == "f" or cell.hyperlink] == []
    raw = (reader.folder / "open-rooms.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = [*csv.DictReader(raw.decode("utf-8-sig").splitlines())]
    names = [row["entity_name"] for row in rows]
    assert len(names) >= len(FORMULAS)
    assert [name for name in names if re.match(r"\s*[=@]|[-+]\D*\d+[-+]", name)] == []


@pytest.mark.parametrize("fault", ["a changed file", "another key", "a missing snapshot"])
def test_a_reviewer_of_what_was_changed_stops_there(
    fault: str, reader: Reader, given: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, key = given
    older, newer = sorted(path.parent for path in folder.glob("*/manifest.json"))
    if fault == "a changed file":
        (newer / "coverage.csv").chmod(0o644)
        (newer / "coverage.csv").write_text("x")
    elif fault == "another key":
        key = write_key(tmp_path / "other").with_suffix(".pub")
    else:
        folder.chmod(0o755)
        older.rename(tmp_path / "gone")
    told = reader.walk("reviewer.sh", folder, key, "Ann Smith", "fine")
    assert told.code == 1
    assert not (reader.folder / "report.html").exists()
    assert not (reader.folder / "reviewed").exists()
