"""Measures the pace against many kinds of limit in virtual time, beside plain clients and wxc-sdk's behavior.

    python benchmarks/limits.py [--set tuning|reporting] [--kind WORD] [--latency SECONDS] [--reads N] [--seeds N]
                                [--http]

Constants of the pace are chosen by the tuning set alone. The reporting set has other numbers, other seeds, and kinds
that the tuning set does not have. Each cell is the mean over the seeds: the ratio of our wall time to that of the best
plain client, both times, and the share of throttled requests of both. `--http` runs a sample of the reporting set over
real HTTP, in real time: with one seed, twenty minutes.
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
#: refuses sooner than the API answers, and a server far away.
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


@dataclass(frozen=True)
class Cell:
    """What a course shows: the ratio to the best plain client, the same in words, wxc-sdk's figures, our belief."""

    ratio: float
    text: str
    wxc: str
    belief: str


def compare(course: Course) -> Cell:
    """Compare our client with the others on a course."""
    ours = course.run(Ours, 50)
    plain = {n: course.run(Plain, n) for n in PLAIN}
    wxc = course.run(Wxc, WXC)
    best = plain[min(PLAIN, key=lambda n: wall_s(plain[n]))]
    ratio = wall_s(ours) / wall_s(best)
    ideal_s = course.kind.ideal_s(course.reads) if course.kind.ideal_s else None
    over = f", ideal × {wall_s(ours) / ideal_s:.3f}" if ideal_s and ideal_s > 0 else ""
    text = f"{ratio:.2f}: {wall_s(ours):.1f} / {wall_s(best):.1f} s{over}, {share(ours):.2%} / {share(best):.2%}"
    return Cell(ratio, text, f"{wall_s(wxc):.1f} s, {share(wxc):.0%}", ours[0].belief)


def race_over_http(word: str, latency_s: float, seeds: range) -> None:
    """Print the table of a sample over real HTTP: means over the seeds."""
    import real  # noqa: PLC0415 - needs a server

    print("| limit | latency s | reads | ours s | best plain s (at once) | ratio | throttled: ours | best plain |")
    print("|" + " --- |" * 8, flush=True)
    for kind in REPORTING:
        if word not in kind.name or not (word or kind.name in SAMPLE):
            continue
        ours = real.measure(kind, real.ours, latency_s, seeds)
        plain = {n: real.measure(kind, real.plain(n), latency_s, seeds) for n in PLAIN}
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
        race_over_http(options.kind, options.latency or 0.05, range(1000, 1000 + options.seeds))
        return
    kinds, first_seed = (TUNING, 0) if options.chosen == "tuning" else (REPORTING, 1000)
    seeds = range(first_seed, first_seed + options.seeds)
    courses = [each for each in LATENCIES if options.latency in (None, each[0])]
    print(f"| limit | reads | {' | '.join(f'{latency_s:g} s' for latency_s, _ in courses)} | wxc-sdk | belief |")
    print("|" + " --- |" * (4 + len(courses)), flush=True)
    ratios = []
    for kind in kinds:
        if options.kind in kind.name:
            reads = options.reads or kind.reads
            cells = [compare(Course(kind, latency_s, way, reads, seeds)) for latency_s, way in courses]
            ratios += [cell.ratio for cell in cells]
            shown = [kind.name, str(reads), *(cell.text for cell in cells), cells[-1].wxc, cells[-1].belief]
            print(f"| {' | '.join(shown)} |", flush=True)
    good = sum(ratio <= 1.10 for ratio in ratios)
    print(f"\n{good} of {len(ratios)} within 1.10 of the best plain client; the largest ratio is {max(ratios):.2f}")


if __name__ == "__main__":
    main()
