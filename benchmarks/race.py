"""Runs a client against a limit in virtual time: a discrete-event simulation, one event after the other."""

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from audit.webex.rate import AdaptiveRate

#: The longest run, in virtual seconds.
_LONGEST_S = 7200.0
#: Seconds that a client needs for the work of one request: it bounds the rate on a machine without a limit.
_WORK_S = 0.0004
#: Part of the latency that is the way to the server and back; the rest is the server's work, if it lets one through.
WAY = 0.4
#: The latency of each answer differs by up to this part.
_SPREAD = 0.3


class Server(Protocol):
    """A server with a limit."""

    def take(self, now_s: float) -> float | None:
        """Let a request through (None), or refuse it: the `Retry-After`, in seconds."""

    def service_s(self, now_s: float, work_s: float) -> float:
        """Seconds until a request that was let through is answered, where the work alone takes `work_s`."""

    def leave(self) -> None:
        """Note that a request that was let through is answered."""


class Client(Protocol):
    """Decides when requests start."""

    def __init__(self, at_once: int) -> None: ...

    def next_s(self, now_s: float, in_flight: int) -> float:
        """When the next request may start; infinite if not before an answer."""

    def on_sent(self, now_s: float, in_flight: int) -> None:
        """Note that a request starts; `in_flight` counts it."""

    def on_success(self, now_s: float, sent_at_s: float) -> None:
        """Note the answer to a request."""

    def on_throttled(self, now_s: float, sent_at_s: float, retry_after_s: float) -> None:
        """Note a refusal."""


class Plain:
    """Keeps a fixed number of requests at once, and obeys one shared `Retry-After`."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._resume_at_s = 0.0

    def next_s(self, now_s: float, in_flight: int) -> float:
        """As soon as a request is answered, and no pause lasts."""
        return max(now_s, self._resume_at_s) if in_flight < self._at_once else math.inf

    def on_sent(self, now_s: float, in_flight: int) -> None:
        """Nothing to note."""

    def on_success(self, now_s: float, sent_at_s: float) -> None:
        """Nothing to note."""

    def on_throttled(self, now_s: float, sent_at_s: float, retry_after_s: float) -> None:  # noqa: ARG002
        """Pause all requests."""
        self._resume_at_s = max(self._resume_at_s, now_s + retry_after_s)


class Wxc:
    """What wxc-sdk does: each request waits for its own `Retry-After`, at most 60 s, and keeps its place meanwhile."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        #: When the requests that wait are sent again.
        self._again_s: list[float] = []

    def next_s(self, now_s: float, in_flight: int) -> float:
        """A new request if there is a place; else the next that waits."""
        if in_flight + len(self._again_s) < self._at_once:
            return now_s
        return max(now_s, self._again_s[0]) if self._again_s else math.inf

    def on_sent(self, now_s: float, in_flight: int) -> None:
        """Take the request that waited longest from its place, if it may be sent."""
        if self._again_s and (self._again_s[0] <= now_s or in_flight + len(self._again_s) > self._at_once):
            heapq.heappop(self._again_s)

    def on_success(self, now_s: float, sent_at_s: float) -> None:
        """Nothing to note."""

    def on_throttled(self, now_s: float, sent_at_s: float, retry_after_s: float) -> None:  # noqa: ARG002
        """Wait."""
        heapq.heappush(self._again_s, now_s + min(60.0, retry_after_s))


class Ours:
    """The state machine that the pace uses."""

    def __init__(self, at_once: int, rate: AdaptiveRate | None = None) -> None:
        self.rate = rate or AdaptiveRate(0.0, at_once=at_once)
        self.next_s = self.rate.start_at_s
        self.on_sent = self.rate.on_sent
        self.on_success = self.rate.on_success
        self.on_throttled = self.rate.on_throttled

    @property
    def belief(self) -> str:
        """What it believes of the limit."""
        return str(self.rate.belief)


@dataclass
class Result:
    """What a client needed.

    Attributes:
        sent: requests.
        throttled: requests that were refused.
        done_at_s: when each read was answered.
        belief: what the client believes of the limit in the end.
    """

    sent: int = 0
    throttled: int = 0
    done_at_s: list[float] = field(default_factory=list)
    belief: str = ""

    @property
    def wall_s(self) -> float:
        """When the last read was answered."""
        return self.done_at_s[-1]

    def per_s(self, begin_s: float, end_s: float) -> float:
        """Reads a second between two times."""
        return sum(begin_s < at_s <= end_s for at_s in self.done_at_s) / (end_s - begin_s)


@dataclass
class _Race:
    client: Client
    server: Server
    left: int
    latency_s: float
    dice: random.Random
    way: float = WAY
    result: Result = field(default_factory=Result)
    in_flight: int = 0
    events: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    order: int = 0
    now_s: float = 0.0

    def turn(self) -> None:
        """A turn of an event loop: read all answers that have arrived, start all requests that may start, wait."""
        while self.events and self.events[0][0] <= self.now_s:
            at_s, _, what = heapq.heappop(self.events)
            what(at_s)
        while self.left and self.client.next_s(self.now_s, self.in_flight) <= self.now_s:
            self.send(self.now_s)
            self.now_s += _WORK_S
        next_s = self.client.next_s(self.now_s, self.in_flight) if self.left else math.inf
        if self.events:
            next_s = min(next_s, self.events[0][0])
        self.now_s = max(self.now_s, min(next_s, _LONGEST_S))

    def at(self, at_s: float, what: Callable[[float], None]) -> None:
        self.order += 1
        heapq.heappush(self.events, (at_s, self.order, what))

    def send(self, now_s: float) -> None:
        self.left -= 1
        self.in_flight += 1
        self.result.sent += 1
        self.client.on_sent(now_s, self.in_flight)
        latency_s = self.latency_s * self.dice.uniform(1 - _SPREAD, 1 + _SPREAD)
        self.at(now_s + self.way * latency_s / 2, lambda at_s: self.arrive(at_s, now_s, latency_s))

    def arrive(self, now_s: float, sent_at_s: float, latency_s: float) -> None:
        wait_s = self.server.take(now_s)
        back_s = self.way * latency_s / 2
        if wait_s is not None:
            self.at(now_s + back_s, lambda at_s: self.refused(at_s, sent_at_s, wait_s))
            return
        worked_s = now_s + self.server.service_s(now_s, (1 - self.way) * latency_s)
        self.at(worked_s, lambda _: self.server.leave())
        self.at(worked_s + back_s, lambda at_s: self.answered(at_s, sent_at_s))

    def refused(self, now_s: float, sent_at_s: float, wait_s: float) -> None:
        self.in_flight -= 1
        self.left += 1
        self.result.throttled += 1
        self.client.on_throttled(max(now_s, self.now_s), sent_at_s, wait_s)

    def answered(self, now_s: float, sent_at_s: float) -> None:
        self.in_flight -= 1
        self.result.done_at_s.append(now_s)
        self.client.on_success(max(now_s, self.now_s), sent_at_s)


def race(client: Client, server: Server, reads: int, latency_s: float, seed: int, way: float = WAY) -> Result:
    """Send reads until all are answered.

    Args:
        client: decides when requests start.
        server: answers them.
        reads: the number of reads.
        latency_s: seconds until an answer, on average.
        seed: of the random latency.
        way: the part of the latency that a refusal takes.
    """
    run = _Race(client, server, reads, latency_s, random.Random(seed), way)  # noqa: S311
    while len(run.result.done_at_s) < reads and run.now_s < _LONGEST_S:
        run.turn()
    if not run.result.done_at_s or len(run.result.done_at_s) < reads:
        run.result.done_at_s.append(_LONGEST_S)
    run.result.belief = str(getattr(client, "belief", ""))
    return run.result
