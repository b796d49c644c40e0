"""Measures how fast a whole audit is, and the alternatives to it, on the same served organization.

    python benchmarks/speed.py [--workspaces 20000] [--slow-workspaces 2000] [--rounds 5] [--own-server]
                               [--results FILE]

Each contestant is a process of its own, measured from its start to its end: wall time, reads of settings a
second, peak memory and CPU seconds (user and system). Rounds are interleaved, so that a busy machine is busy
for all of them. Ratios are of the same round; shown are medians. Every contestant is the best that a good
engineer would write with its library. dlt reads fewer workspaces, as its rate hardly depends on how many. The
result is printed and written to `benchmarks/results.md`.
"""

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import served

HERE = Path(__file__).parent
RESULTS = HERE / "results.md"
PACKAGES = ("aiohttp", "dlt", "msgspec", "pyarrow", "uvloop", "wxc-sdk")
#: Reads of settings a second, as a share of another contestant's.
GOALS = {"bare": 0.6, "wxc": 2.2, "dlt": 25.0}
#: The most CPU seconds, as a multiple of the bare loop's.
CPU_GOAL = 2.2
_DISTANCE = """\
Not all goals are reached. The cause: a run takes {ours_s:.1f} s of CPU, and aiohttp alone {bare_s:.1f} s for the same
requests, in the one thread that an event loop has. The other {rest_s:.1f} s are the start, the inventory, the pace and
the checks of each answer (in that thread, too), columns and files (in threads of their own), and the commit.
`docs/performance.md` says how much each takes, what was tried, and why a client that would have come nearer was not
kept. Below an API whose limit is lower than the rate in the table, none of it shows in wall time.
"""


@dataclass
class Contestant:
    """A program, and what its runs took.

    Attributes:
        title: what it is.
        needs: the package without which it is left out.
        command: what follows `python`, given the base URL, the file of ids and an empty folder.
        is_slow: it reads fewer workspaces.
        settings: further variables of its environment.
    """

    title: str
    needs: str
    command: Callable[[str, str, str], list[str]]
    is_slow: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    walls_s: list[float] = field(default_factory=list)
    cpus_s: list[float] = field(default_factory=list)
    peaks_mib: list[float] = field(default_factory=list)

    def run(self, base_url: str, ids_file: Path) -> None:
        """Run it once, and keep its times and memory."""
        with tempfile.TemporaryDirectory() as output:
            command = [sys.executable, *self.command(base_url, str(ids_file), output)]
            began_s = perf_counter()
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment(output) | self.settings
            )
            _, status, usage = os.wait4(process.pid, 0)
            self.walls_s.append(perf_counter() - began_s)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise RuntimeError(f"{self.title} ended with {process.returncode}")
        self.cpus_s.append(usage.ru_utime + usage.ru_stime)
        self.peaks_mib.append(usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))


def _environment(home: str) -> dict[str, str]:
    """Settings that do not depend on the user."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    own = {"WEBEX_ACCESS_TOKEN": "bench-token-bench-token", "RUNTIME__DLTHUB_TELEMETRY": "false"}
    return kept | own | {"HOME": home}


def _script(name: str) -> str:
    return str(HERE / "contestants" / name)


def _ours(url: str, _: str, output: str) -> list[str]:
    return ["-m", "audit", "run", "--base-url", url, "--output", f"{output}/out", "--quiet"]


def contestants() -> dict[str, Contestant]:
    """All contestants, by a short name."""
    return {
        "bare": Contestant(
            "bare aiohttp loop", "aiohttp", lambda url, ids, _: [_script("bare.py"), url, ids, "asyncio"]
        ),
        "uvloop": Contestant(
            "bare aiohttp loop on uvloop", "uvloop", lambda url, ids, _: [_script("bare.py"), url, ids, "uvloop"]
        ),
        "ours": Contestant(
            "**webex-audit run**, Parquet and CSV",
            "audit",
            _ours,
            # Where an API without a limit would take the pace.
            settings={"WEBEX_AUDIT_PACE_START_RATE": "10000"},
        ),
        "cold": Contestant("webex-audit run, cold: its pace knows nothing of the API", "audit", _ours),
        "wxc": Contestant(
            "wxc-sdk, asyncio, and pyarrow",
            "wxc_sdk",
            lambda url, _, output: [_script("with_wxc_sdk.py"), url, output],
        ),
        "dlt": Contestant(
            "dlt, rest_api to Parquet",
            "dlt",
            lambda url, _, output: [_script("with_dlt.py"), url, output],
            is_slow=True,
        ),
    }


def table(found: dict[str, Contestant], counts: dict[bool, int]) -> list[str]:
    """The results, as lines of Markdown."""
    median = statistics.median
    lines = [
        "| contestant | workspaces | wall s | reads/s | of the bare loop | peak MiB | CPU s | × the bare loop |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in found.values():
        wall_s, cpu_s = median(each.walls_s), median(each.cpus_s)
        cells = [each.title, f"{counts[each.is_slow]:,}", f"{wall_s:.2f}", f"{counts[each.is_slow] / wall_s:,.0f}"]
        cells += [f"{_rate_ratio(each, found['bare'], counts):.2f}", f"{median(each.peaks_mib):.0f}", f"{cpu_s:.2f}"]
        cpu_ratio = _cpu_ratio(each, found["bare"]) * counts[False] / counts[each.is_slow]
        lines.append(f"| {' | '.join(cells)} | {cpu_ratio:.2f} |")
    ours, bare = found["ours"], found["bare"]
    measured = {name: _rate_ratio(ours, found[name], counts) for name in GOALS if name in found}
    cpu_ratio = _cpu_ratio(ours, bare)
    lines += ["", "| webex-audit run | goal | measured |", "| --- | --- | --- |"]
    lines.append(f"| CPU, × {bare.title} | ≤ {CPU_GOAL:g} | {cpu_ratio:.2f} |")
    lines += [
        f"| reads/s, × {found[name].title} | ≥ {GOALS[name]:g} | {ratio:.2f} |" for name, ratio in measured.items()
    ]
    if cpu_ratio > CPU_GOAL or any(ratio < GOALS[name] for name, ratio in measured.items()):
        ours_s, bare_s = median(ours.cpus_s), median(bare.cpus_s)
        lines += ["", *_DISTANCE.format(ours_s=ours_s, bare_s=bare_s, rest_s=ours_s - bare_s).splitlines()]
    return lines


def _rate_ratio(one: Contestant, other: Contestant, counts: dict[bool, int]) -> float:
    """The reads a second, as a multiple of those of another contestant in the same round."""
    of_counts = counts[one.is_slow] / counts[other.is_slow]
    return of_counts * statistics.median(b / a for a, b in zip(one.walls_s, other.walls_s, strict=True))


def _cpu_ratio(one: Contestant, other: Contestant) -> float:
    """The CPU seconds, as a multiple of those of another contestant in the same round."""
    return statistics.median(a / b for a, b in zip(one.cpus_s, other.cpus_s, strict=True))


def machine() -> list[str]:
    """The machine and the versions."""
    with_versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in PACKAGES
        if importlib.util.find_spec(name.replace("-", "_"))
    ]
    cpu = platform.processor()
    if (info := Path("/proc/cpuinfo")).exists():
        cpu = next((line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), cpu)
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"- machine: {os.cpu_count()} cores ({cpu}), {memory_gib:.0f} GiB, {platform.system()} {platform.machine()}",
        f"- Python {platform.python_version()}; {', '.join(with_versions)}",
    ]


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspaces", type=int, default=20_000)
    parser.add_argument("--slow-workspaces", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--own-server", action="store_true", help="do not use nginx")
    parser.add_argument("--results", type=Path, default=RESULTS, help="write the results there")
    options = parser.parse_args()
    counts = {False: options.workspaces, True: options.slow_workspaces}
    found = {name: each for name, each in contestants().items() if importlib.util.find_spec(each.needs)}
    with ExitStack() as stack:
        places: dict[bool, tuple[str, Path]] = {}
        rows: dict[bool, float] = {}
        for is_slow, count in counts.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            rows[is_slow] = served.render(folder, count) / count
            (folder / "ids").write_text("\n".join(served.workspace_ids(count)))
            url, server = stack.enter_context(served.serve(folder, count, by_nginx=not options.own_server))
            places[is_slow] = (url, folder / "ids")
            print(f"{count} workspaces, {rows[is_slow]:.1f} rows of members each, served by {server}", flush=True)
        for number in range(options.rounds):
            for each in found.values():
                each.run(*places[each.is_slow])
                print(
                    f"round {number + 1}: {each.title}: {each.walls_s[-1]:.2f} s, {each.cpus_s[-1]:.2f} s of CPU",
                    flush=True,
                )
    left_out = [each.title for name, each in contestants().items() if name not in found]
    lines = [
        "# Speed",
        f"`python benchmarks/speed.py{''.join(f' {word}' for word in sys.argv[1:])}` (`make bench`),",
        f"{datetime.now(UTC):%Y-%m-%d}: medians of {options.rounds} interleaved rounds, each process from its start to",
        f"its end. The organization has {rows[False]:.0f} rows of members a workspace and no rate limit; {server} on",
        "the same machine serves it.",
        "",
        *machine(),
        *(f"- left out, as not installed: {title}" for title in left_out),
        "",
        *table(found, counts),
    ]
    print("\n".join(lines))
    options.results.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
