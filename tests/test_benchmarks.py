"""The benchmarks work; what they measure is no test."""

import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_memory_is_measured_of_whole_runs_over_a_rendered_organization(tmp_path: Path) -> None:
    arguments = ["--workspaces", "30", "1100", "--folder", str(tmp_path), "--results", "results.md"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "scale.py", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    assert [row[0] for row in rows] == ["30", "1,100"]
    (small, large) = [int(row[1].replace(",", "")) for row in rows]
    assert 11 < small / 30 < 16
    assert 12 < large / 1100 < 15
    assert Path("results.md").read_text(encoding="utf-8").count("MiB") == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.md"]
