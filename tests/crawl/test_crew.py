"""An entity that waits on its own account gives its place away: all others are read meanwhile."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from harness import VirtualClock, run_virtually

from audit.crawl import batches as batches_module
from audit.crawl import crew as crew_module
from audit.crawl.batches import Backlog
from audit.crawl.crawl import Crawl, Limits, Sink
from audit.crawl.crew import Crew
from audit.crawl.progress import Progress
from audit.crawl.reader import Reader
from audit.datasets import DATASETS
from audit.entity import EntityType
from audit.inventory import Collector, take_inventory
from audit.inventory.organizations import own_organization
from audit.output import inventory as inventory_file
from audit.output.seal import Seal
from audit.run import job as job_module
from audit.simulator.app import ADMIN_TOKEN, Simulation, serve
from audit.simulator.faults import Faults
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.webex.connection import connect
from audit.webex.pace import Pace
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import StaticTokens, Token

Audit = Callable[..., Snapshot]


class Licensed(Organization):
    """An organization all of whose rooms are asked for, and answer."""

    def workspace(self, index: int) -> dict[str, Any]:
        return super().workspace(index) | {"calling": {"type": "webexCalling"}}

    def refusal(self, index: int) -> int | None:
        return None


ROOMS = Licensed(120)
IDS = sorted(str(ROOMS.workspace(index)["id"]) for index in range(120))


@pytest.fixture
def stall_s() -> float:
    """The default of `run.stall_s`."""
    return 600.0


class Rooms(Faults):
    """One kind of fault for some rooms: when each room was first answered, and the times of the faults."""

    def __init__(self, kind: str, rooms: list[str], times: float = float("inf")) -> None:
        super().__init__()
        self._kind, self._times = kind, times
        self._asked = Counter(dict.fromkeys(rooms, 0))
        self.good_s: dict[str, float] = {}
        self.bad_s: list[float] = []

    def next(self, url: str) -> str | None:
        room = next((room for room in self._asked if room in url), None)
        if "pushToTalk" not in url:
            return None
        if room is None or self._asked[room] >= self._times:
            self.good_s.setdefault(url, self.now_s())
            return None
        self._asked[room] += 1
        self.bad_s.append(self.now_s())
        return self._kind


def outcomes(snapshot: Snapshot) -> dict[str, int]:
    return dict(snapshot.manifest.outcomes["push_to_talk"])


def others(snapshot: Snapshot, without: list[str]) -> list[Any]:
    """The rows of the rooms that are not struck, in the order of the file."""
    rows = ds.dataset(snapshot.path / "coverage", partitioning="hive").to_table().to_pylist()
    return [(row["entity_id"], row["outcome"]) for row in rows if row["entity_id"] not in without]


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("kind", "locked", "concurrency", "outcome"),
    [
        ("423-seconds", 4, 20, "throttled"),
        ("423-seconds", 60, 5, "throttled"),
        ("423", 4, 3, "throttled"),
        ("423-date", 30, 10, "throttled"),
        ("423-long", 3, 2, "throttled"),
        ("423-hours", 40, 1, "throttled"),
        ("500", 1, 1, "server_error"),
        ("500-long", 8, 4, "server_error"),
        ("reset", 3, 1, "timeout"),
    ],
)
@pytest.mark.slow
def test_rooms_that_wait_hold_up_no_other(kind: str, locked: int, concurrency: int, outcome: str, audit: Audit) -> None:
    struck = IDS[10 :: 100 // locked][:locked]
    faults = Rooms(kind, struck)
    given: dict[str, Any] = {"pace__concurrency": concurrency, "pace__start_rate": 500}
    snapshot = audit(Simulation(ROOMS, faults), **given)
    assert outcomes(snapshot)[outcome] == locked
    assert snapshot.manifest.status == "partial"
    assert len(faults.good_s) == 120 - locked
    assert max(faults.good_s.values()) - min(faults.good_s.values()) < 1.5
    assert faults.bad_s[-1] - faults.bad_s[0] < 610
    others_alone = others(audit(Simulation(ROOMS)), struck)
    assert others(snapshot, struck) == others_alone


@pytest.mark.few(2)
@pytest.mark.parametrize(("kind", "times"), [("423-seconds", 5), ("423", 3), ("423-long", 1), ("500", 4)])
@pytest.mark.slow
def test_rooms_that_are_unlocked_in_time_are_complete(kind: str, times: int, audit: Audit, tmp_path: Path) -> None:
    whole = audit(Simulation(ROOMS), output__path=str(tmp_path / "whole"))
    snapshot = audit(Simulation(ROOMS, Rooms(kind, IDS[::9], times)), pace__concurrency=4)
    assert snapshot.manifest.status == "complete"
    assert [table.digest for name, table in sorted(snapshot.manifest.tables.items()) if name != "coverage"] == [
        table.digest for name, table in sorted(whole.manifest.tables.items()) if name != "coverage"
    ]


@pytest.mark.parametrize("concurrency", [1, 3, 30])
def test_few_places_for_waiting_rooms_and_few_open_batches_end_a_run_all_the_same(
    concurrency: int, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 7)
    monkeypatch.setattr(crew_module, "_MAX_ASIDE", 4)
    monkeypatch.setattr(batches_module, "_MAX_OPEN", 2)
    faults = Rooms("423-seconds", IDS[3::5], 3)
    snapshot = audit(Simulation(ROOMS, faults), pace__concurrency=concurrency, pace__start_rate=500)
    assert (snapshot.manifest.status, len(faults.good_s)) == ("complete", 120)


def test_requests_at_once_are_bounded_when_many_rooms_come_back_together(
    audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    paces: list[Pace] = []
    at_once: list[int] = []

    class Watched(Pace):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            paces.append(self)

    class Counting(Rooms):
        def next(self, url: str) -> str | None:
            at_once.append(sum(pace.in_flight for pace in paces))
            return super().next(url)

    monkeypatch.setattr(job_module, "Pace", Watched)
    audit(Simulation(ROOMS, Counting("423-seconds", IDS[:80], 2)), pace__concurrency=3, pace__start_rate=5000)
    assert max(at_once) == 3


def test_a_crew_replaces_those_who_wait_and_shrinks_again() -> None:
    begun: list[float] = []
    left = list(range(30))

    async def main() -> list[int]:
        clock = VirtualClock()
        sizes: list[int] = []

        async def work(crew: Crew) -> None:
            while left and not crew.is_too_large:
                number = left.pop(0)
                begun.append(clock.monotonic_s())
                if number < 10:
                    with crew.aside():
                        await clock.sleep(60)
                await clock.sleep(1)
                sizes.append(crew._at_work)

        async with asyncio.TaskGroup() as tasks:
            Crew(2, tasks, work, lambda: not left).fill()
        return sizes

    sizes = run_virtually(main())
    assert not left
    # Ten begin at once, and twenty are done by two.
    assert begun[-1] - begun[0] == pytest.approx(9, abs=0.1)
    assert max(sizes[:20]) == 2


def test_a_crawl_that_waits_for_locked_rooms_alone_is_not_stalled() -> None:
    assert crawled(Rooms("423-long", IDS[5:7], 1), stall_s=40) == {"ok": 120}


def test_a_deadline_that_comes_before_locked_rooms_are_free_leaves_the_others(audit: Audit) -> None:
    snapshot = audit(Simulation(ROOMS, Rooms("423-seconds", IDS[:3])), run__deadline="15s", pace__start_rate=200)
    assert outcomes(snapshot) == {"ok": 117, "throttled": 3}


def crawled(faults: Faults, stall_s: float) -> dict[str, int]:
    """The outcomes of a crawl whose stall is watched for with less patience than a request has."""
    clock, push_to_talk = VirtualClock(), DATASETS["push_to_talk"]
    parts: list[Any] = []

    async def main() -> None:
        async with (
            serve(Simulation(ROOMS, faults)) as url,
            connect(
                url,
                StaticTokens(Token(ADMIN_TOKEN)),
                Pace(clock),
                concurrency=5,
                timeout_s=5,
                retry=RetryPolicy(6, 30, 300),
                clock=clock,
            ) as client,
        ):
            organization = await own_organization(client)
            with Collector(client, organization) as found:
                await take_inventory(found, [EntityType.WORKSPACE])
                inventory_file.write_inventory(Path("inventory.arrow"), found.entities(), {}, Seal())
            inventory = inventory_file.Inventory.open(Path("inventory.arrow"), Seal())
            backlog = Backlog(push_to_talk, organization.org_id, inventory)
            sink = Sink(lambda _, slices: parts.append(next(slices)[0]), lambda *_: None)
            reader = Reader(client, push_to_talk, organization)
            await Crawl(reader, backlog, sink, Limits(5, stall_s), Progress(), clock).run()

    run_virtually(main())
    return dict(Counter(word for part in parts for word in part["coverage"]["outcome"].to_pylist()))
