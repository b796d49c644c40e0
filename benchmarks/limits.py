"""Measures the pace against many kinds of limit in virtual time, beside plain clients and wxc-sdk's behaviour.

    python benchmarks/limits.py [--set tuning|reporting] [--kind WORD] [--latency SECONDS] [--reads N] [--seeds N]
                                [--http]

Constants of the pace are chosen by the tuning set alone. The reporting set has other numbers, other seeds, and kinds
that the tuning set does not have. Each row is the mean over the seeds: our wall time beside that of the best plain
client, and the share of throttled requests of both. `--http` runs a sample of the reporting set once over real HTTP,
in real time: ten minutes.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).parent))

from kinds import REPORTING, TUNING, Kind
from race import WAY, Client, Ours, Plain, Result, Wxc, race

#: Requests at once of the plain clients.
PLAIN = (5, 10, 20, 40)
#: Requests at once of wxc-sdk, as in its examples.
WXC = 40
#: Seconds until an answer, and the part of it that a refusal takes: a server on the same machine, a gateway that
#: refuses sooner than the server behind it answers, and a server far away.
LATENCIES = ((0.01, WAY), (0.05, 0.04), (0.2, WAY))
#: The kinds that are also run over real HTTP: those of issue 14.
SAMPLE = [kind.name for kind in REPORTING[:10]]


@dataclass(frozen=True)
class Course:
    """What all clients of a row have in common."""

    kind: Kind
    latency_s: float
    way: float
    reads: int
    seeds: range

    def run(self, make: type[Client], at_once: int) -> list[Result]:
        """The results of a client for each seed."""
        return [
            race(make(at_once), self.kind.make(seed), self.reads, self.latency_s, seed, self.way) for seed in self.seeds
        ]


def wall_s(results: list[Result]) -> float:
    """The mean wall time."""
    return mean(result.wall_s for result in results)


def share(results: list[Result]) -> float:
    """The share of throttled requests."""
    return sum(result.throttled for result in results) / sum(result.sent for result in results)


def row(course: Course) -> tuple[float, str]:
    """The ratio to the best plain client, and a row of the table."""
    ours = course.run(Ours, 50)
    plain = {n: course.run(Plain, n) for n in PLAIN}
    wxc = course.run(Wxc, WXC)
    best = min(PLAIN, key=lambda n: wall_s(plain[n]))
    ratio = wall_s(ours) / wall_s(plain[best])
    ideal_s = course.kind.ideal_s(course.reads) if course.kind.ideal_s else None
    over = "" if not ideal_s or ideal_s <= 0 else f"{wall_s(ours) / ideal_s:.3f}"
    cells = [
        course.kind.name,
        f"{course.latency_s:g}",
        str(course.reads),
        f"{wall_s(ours):.1f}",
        f"{wall_s(plain[best]):.1f} ({best})",
        f"{ratio:.2f}",
        over,
        f"{share(ours):.2%}",
        f"{share(plain[best]):.2%}",
        f"{wall_s(wxc):.1f}",
        f"{share(wxc):.2%}",
        ours[0].belief,
    ]
    return ratio, f"| {' | '.join(cells)} |"


def race_over_http(word: str, latency_s: float) -> None:
    """Print the table of a sample over real HTTP."""
    import real  # noqa: PLC0415 - needs a server

    print("| limit | latency s | reads | ours s | best plain s (at once) | ratio | throttled: ours | best plain |")
    print("|" + " --- |" * 8, flush=True)
    for kind in REPORTING:
        if word not in kind.name or not (word or kind.name in SAMPLE):
            continue
        ours = real.measure(kind, real.ours, latency_s, 1000)
        plain = {n: real.measure(kind, real.plain(n), latency_s, 1000) for n in PLAIN}
        best = min(PLAIN, key=lambda n: plain[n].wall_s)
        cells = [
            kind.name,
            f"{latency_s:g}",
            str(kind.reads),
            f"{ours.wall_s:.1f}",
            f"{plain[best].wall_s:.1f} ({best})",
            f"{ours.wall_s / plain[best].wall_s:.2f}",
            f"{ours.share:.2%}",
            f"{plain[best].share:.2%}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print the table of the chosen set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=["tuning", "reporting"], default="reporting", dest="chosen")
    parser.add_argument("--kind", default="")
    parser.add_argument("--latency", type=float, help="0.01, 0.05 or 0.2; any over HTTP")
    parser.add_argument("--reads", type=int)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--http", action="store_true")
    options = parser.parse_args()
    if options.http:
        race_over_http(options.kind, options.latency or 0.05)
        return
    kinds, first_seed = (TUNING, 0) if options.chosen == "tuning" else (REPORTING, 1000)
    seeds = range(first_seed, first_seed + options.seeds)
    print(
        "| limit | latency s | reads | ours s | best plain s (at once) | ratio | ours / ideal | throttled: ours "
        "| best plain | wxc-sdk s | wxc-sdk throttled | belief at the end |"
    )
    print("|" + " --- |" * 12, flush=True)
    ratios = []
    for kind in kinds:
        if options.kind not in kind.name:
            continue
        for latency_s, way in [each for each in LATENCIES if options.latency in (None, each[0])]:
            ratio, text = row(Course(kind, latency_s, way, options.reads or kind.reads, seeds))
            ratios.append(ratio)
            print(text, flush=True)
    good = sum(ratio <= 1.10 for ratio in ratios)
    print(f"\n{good} of {len(ratios)} within 1.10 of the best plain client; the largest ratio is {max(ratios):.2f}")


if __name__ == "__main__":
    main()
