"""The benchmarks work; their figures are not tested."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def run(program: str, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, BENCHMARKS / program, *arguments, "--results", "results.md"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_memory_is_measured_of_whole_runs_over_a_rendered_organization(tmp_path: Path) -> None:
    told = run("scale.py", "--workspaces", "30", "1100", "--folder", str(tmp_path))
    rows = [line.strip("| ").split(" | ") for line in told.splitlines() if line.startswith("| ")][2:]
    assert [row[0] for row in rows] == ["30", "1,100"]
    (small, large) = [int(row[1].replace(",", "")) for row in rows]
    assert 11 < small / 30 < 16
    assert 12 < large / 1100 < 15
    assert Path("results.md").read_text(encoding="utf-8").count("MiB") == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.md"]


@pytest.mark.faults
def test_speed_is_measured_of_all_that_are_installed_without_nginx_too(tmp_path: Path) -> None:
    told = run("speed.py", "--workspaces", "2000", "--slow-workspaces", "5", "--rounds", "1", "--own-server")
    assert "webex-audit run**, Parquet and CSV | 2,000 |" in told
    assert "wxc-sdk, asyncio, and pyarrow | 2,000 |" in told
    assert "asyncio protocol on" in told
    assert "2000 workspaces, 12.7 rows of members each" in told
    assert "has 13 rows of members a workspace" in told
    assert Path("results.md").read_text(encoding="utf-8") in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.md"]


def test_the_pace_races_other_clients_in_virtual_time() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "limits.py", "--kind", "10% of answers", "--seeds", "1"],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert "| 10% of answers are 429 (Retry-After 1) | 200 |" in done.stdout
    assert "of 3 within 1.10 of the best plain client" in done.stdout


@pytest.mark.slow
def test_the_workbook_is_measured() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "workbook.py", "--rooms", "40", "--previous"],
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert "| 40 | " in done.stdout
