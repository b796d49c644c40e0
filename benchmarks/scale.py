"""Peak memory of `webex-audit run` by the size of the organization, commit and CSV included.

    python benchmarks/scale.py [--workspaces 20000 1000000] [--folder DIR] [--results FILE]

For each size, a process of its own serves an organization that is rendered as it is asked for
(`benchmarks/rendered.py`, no rate limit), and another one audits it. What the kernel says of that process when it
has ended is printed and written to `benchmarks/results-scale.md`. A million workspaces take some half an hour, and
10 GB below `--folder` (default: the system's folder for temporary files), which are removed again.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

HERE = Path(__file__).parent
RESULTS = HERE / "results-scale.md"
#: Peak memory at the largest size over that at the smallest.
GOAL = 1.3
_MIB = 2**20


class Result(NamedTuple):
    """What a run took."""

    workspaces: int
    members: int
    seconds: float
    cpu_s: float
    peak_mib: float
    written_mib: float


@contextmanager
def served(workspaces: int) -> Iterator[str]:
    """The base URL of an organization with this number of workspaces."""
    command = [sys.executable, str(HERE / "rendered.py"), str(workspaces)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout  # noqa: S101
        yield server.stdout.readline().strip()
        server.communicate()


def measure(workspaces: int, folder: Path) -> Result:
    """Audit an organization with this number of workspaces, in an empty folder."""
    given = {
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder),
        "WEBEX_ACCESS_TOKEN": "a-token-for-nobody",
        "WEBEX_AUDIT_PACE_START_RATE": "10000",
    }
    with served(workspaces) as url:
        command = [sys.executable, "-m", "audit", "run", "--base-url", url, "--output", str(folder / "out"), "--quiet"]
        began_s = time.monotonic()
        child = subprocess.Popen(command, env=os.environ | given, cwd=folder)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began_s
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"the run over {workspaces} workspaces ended with {child.returncode}")
    (path,) = folder.glob("out/*/manifest.json")
    manifest = json.loads(path.read_bytes())
    if manifest["outcomes"] != {"push_to_talk": {"ok": workspaces}}:
        sys.exit(f"not all workspaces were read: {manifest['outcomes']}")
    tables = manifest["tables"]
    written = sum(file["bytes"] for table in tables.values() for file in table["files"])
    # Linux counts in kibibytes, macOS in bytes.
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    cpu_s = used.ru_utime + used.ru_stime
    return Result(workspaces, tables["push_to_talk_members"]["rows"], seconds, cpu_s, peak / _MIB, written / _MIB)


def table_of(results: list[Result]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| workspaces | member rows | peak memory | of the smallest | wall time | CPU time | files written |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    least = results[0].peak_mib
    lines += [
        f"| {each.workspaces:,} | {each.members:,} | {each.peak_mib:.0f} MiB | {each.peak_mib / least:.2f} | "
        f"{each.seconds:.0f} s | {each.cpu_s:.0f} s | {each.written_mib:,.0f} MiB |"
        for each in results
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspaces", type=int, nargs="+", default=[20_000, 1_000_000])
    parser.add_argument("--folder", type=Path, help="work below this folder")
    parser.add_argument("--results", type=Path, default=RESULTS, help="write the results there")
    given = parser.parse_args()
    results: list[Result] = []
    for workspaces in given.workspaces:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            results.append(measure(workspaces, Path(folder)))
        print(results[-1], file=sys.stderr)
    ratio = results[-1].peak_mib / results[0].peak_mib
    verdict = f"Goal: at most {GOAL} × the peak of the smallest. Reached: {ratio:.2f} ×."
    print(table_of(results), verdict, sep="\n\n")
    given.results.write_text(
        f"# Memory by size\n\nMade by `make bench-scale`: a whole `webex-audit run`, with Parquet, CSV and commit.\n"
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, Arrow {pa.__version__}.\n\n"
        f"{table_of(results)}\n\n{verdict}\n"
    )


if __name__ == "__main__":
    main()
