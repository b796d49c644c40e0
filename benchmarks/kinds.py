"""The kinds of limit that the pace is chosen by (tuning), and those that its figures are of (reporting)."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from race import Server
from servers import All, Any, AtOnce, Bucket, Limit, Loaded, Noise, Sliding, Window, Wrong


@dataclass(frozen=True)
class Kind:
    """A kind of limit.

    Attributes:
        name: its name in the table.
        reads: the number of reads.
        make: a server with it, for a seed.
        ideal_s: for a bucket or window that is ours alone: the time of a client that knows it, by number of reads.
    """

    name: str
    reads: int
    make: Callable[[int], Server]
    ideal_s: Callable[[int], float] | None = None


def bucket(rate: float, reads: int, burst: float | None = None) -> Kind:
    """A bucket, by default with the burst of a second."""
    saved = burst or rate
    name = f"bucket of {rate:g}/s" + (f", burst {burst:g}" if burst else "")
    return Kind(name, reads, lambda _: Bucket(rate, saved), lambda n: (n - saved) / rate)


def window(count: int, window_s: float, reads: int) -> Kind:
    """A window that begins at a random time before the first request."""

    def ideal_s(n: int) -> float:
        # The first window is half over on average.
        return max(0.0, math.ceil(n / count) - 1.5) * window_s if window_s > 1 else n / count * window_s

    def make(seed: int) -> Server:
        return Window(count, window_s, random.Random(seed).uniform(0, window_s))  # noqa: S311

    return Kind(f"window: {count} in {window_s:g} s", reads, make, ideal_s)


def sliding(count: int, window_s: float, reads: int) -> Kind:
    """A window that slides."""
    return Kind(f"{count} in any {window_s:g} s (sliding)", reads, lambda _: Sliding(count, window_s))


def noise(part: float, wait_s: float, reads: int) -> Kind:
    """Noise alone."""
    name = f"{part:.0%} of answers are 429 (Retry-After {wait_s:g})"
    return Kind(name, reads, lambda seed: Noise(part, wait_s, seed))


def bursts(part: float, each_s: float, wait_s: float, reads: int) -> Kind:
    """Noise every other while."""

    def at(now_s: float) -> float:
        return part if now_s % (2 * each_s) < each_s else 0.0

    return Kind(f"{part:.0%} noise every other {each_s:g} s", reads, lambda seed: Noise(at, wait_s, seed))


def noisy_bucket(part: float, rate: float, reads: int) -> Kind:
    """Noise on a bucket."""
    name = f"{part:.0%} noise on a bucket of {rate:g}/s"
    return Kind(name, reads, lambda seed: All(Noise(part, 1.0, seed), Bucket(rate, rate)))


def neighbor(part: float, rate: float, each_s: float, reads: int) -> Kind:
    """A neighbor who takes a part of a bucket every other while."""

    def at(now_s: float) -> float:
        return rate if now_s % (2 * each_s) < each_s else (1 - part) * rate

    name = f"a neighbor takes {part:.0%} of a {rate:g}/s bucket every other {each_s:g} s"
    return Kind(name, reads, lambda _: Bucket(at, rate))


def gateways(count: int, rate: float, reads: int, part: float = 0.0) -> Kind:
    """Gateways with a bucket each."""
    name = f"{count} gateways with a bucket of {rate:g}/{count} each" + (f", {part:.0%} noise" if part else "")
    each = rate / count

    def make(seed: int) -> Server:
        return All(Noise(part, 1.0, seed), Any([Bucket(each, each) for _ in range(count)], seed + 1))

    return Kind(name, reads, make)


def at_once(most: int, reads: int) -> Kind:
    """A limit of requests at once that refuses."""
    return Kind(f"at most {most} requests at once", reads, lambda _: AtOnce(most))


def queue(most: int, reads: int) -> Kind:
    """A limit of requests at once that queues."""
    return Kind(f"at most {most} at once, others queue", reads, lambda _: AtOnce(most, queues=True))


def loaded(most: int, reads: int) -> Kind:
    """A server that gets slower."""
    return Kind(f"latency grows with load from {most} at once", reads, lambda _: Loaded(most))


def changing(before: float, after: float, at_s: float, reads: int) -> Kind:
    """A bucket that changes its rate."""
    rate: Callable[[float], float] = lambda now_s: before if now_s < at_s else after  # noqa: E731
    return Kind(f"bucket of {before:g}/s, {after:g}/s from {at_s:g} s on", reads, lambda _: Bucket(rate, 30))


def incident(rate: float, at_s: float, for_s: float, reads: int) -> Kind:
    """A bucket that gives nothing for a while."""
    rate_at: Callable[[float], float] = lambda now_s: 0.0 if at_s <= now_s < at_s + for_s else rate  # noqa: E731
    return Kind(f"bucket of {rate:g}/s, nothing for {for_s:g} s", reads, lambda _: Bucket(rate_at, rate))


def wrong(rate: float, wait_s: float, reads: int) -> Kind:
    """A bucket with a wrong `Retry-After`."""
    return Kind(f"bucket of {rate:g}/s, Retry-After {wait_s:g}", reads, lambda _: Wrong(Bucket(rate, rate), wait_s))


def wrong_window(count: int, window_s: float, wait_s: float, reads: int) -> Kind:
    """A window with a wrong `Retry-After`."""
    name = f"window: {count} in {window_s:g} s, Retry-After {wait_s:g}"
    return Kind(name, reads, lambda _: Wrong(Window(count, window_s, 0.0), wait_s))


def two_levels(rate: float, count: int, window_s: float, reads: int) -> Kind:
    """A bucket within a window."""
    name = f"bucket of {rate:g}/s within {count} in {window_s:g} s"
    return Kind(name, reads, lambda _: All(Bucket(rate, rate), Window(count, window_s, 0.0)))


def noisy_window(part: float, count: int, window_s: float, reads: int) -> Kind:
    """Noise on a window."""
    name = f"{part:.0%} noise on {count} in {window_s:g} s"
    return Kind(name, reads, lambda seed: All(Noise(part, 1.0, seed), Window(count, window_s, 0.0)))


def noisy_at_once(part: float, most: int, reads: int) -> Kind:
    """Noise on a limit of requests at once."""
    name = f"{part:.0%} noise on at most {most} at once"
    return Kind(name, reads, lambda seed: All(Noise(part, 1.0, seed), AtOnce(most)))


def free(reads: int) -> Kind:
    """No limit."""
    return Kind("no limit", reads, lambda _: Limit())


TUNING = [
    free(2000),
    bucket(20, 2000),
    bucket(80, 6000),
    bucket(30, 2000, burst=5),
    window(60, 1.0, 4000),
    window(150, 15.0, 700),
    window(400, 60.0, 1500),
    sliding(120, 12.0, 500),
    noise(0.12, 1.0, 250),
    noise(0.05, 2.0, 300),
    noise(0.015, 1.0, 500),
    noisy_bucket(0.02, 60.0, 500),
    neighbor(0.7, 50, 8.0, 600),
    gateways(4, 50.0, 600),
    at_once(12, 600),
    changing(60, 25, 20.0, 1500),
    incident(30, 20.0, 60.0, 1500),
    changing(20, 70, 25.0, 4000),
    noisy_window(0.02, 150, 15.0, 1500),
    noisy_at_once(0.03, 10, 1500),
]

REPORTING = [
    noise(0.10, 1.0, 200),
    noise(0.04, 3.0, 300),
    noise(0.02, 1.0, 500),
    noisy_bucket(0.03, 40.0, 300),
    neighbor(0.8, 40, 10.0, 500),
    gateways(6, 40.0, 600),
    at_once(8, 600),
    sliding(100, 10.0, 400),
    window(200, 20.0, 800),
    bucket(50, 1000),
    bucket(5, 1200),
    bucket(20, 4800),
    bucket(100, 24000),
    window(5, 1.0, 1200),
    window(20, 1.0, 4800),
    window(100, 1.0, 24000),
    window(300, 60.0, 1500),
    free(3000),
    bucket(40, 2000, burst=2),
    at_once(25, 2000),
    queue(8, 600),
    loaded(10, 1000),
    bursts(0.20, 10.0, 1.0, 1000),
    changing(100, 50, 30.0, 6000),
    changing(25, 100, 30.0, 6000),
    incident(40, 30.0, 120.0, 3000),
    wrong(40, 30.0, 2000),
    wrong_window(100, 10.0, 1.0, 600),
    two_levels(10, 300, 60.0, 900),
    gateways(6, 60.0, 600, part=0.02),
    noisy_window(0.02, 200, 20.0, 800),
    noise(0.01, 30.0, 500),
    noisy_at_once(0.02, 16, 1500),
]
