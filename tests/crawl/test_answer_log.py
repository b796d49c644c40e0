"""A stopped run loses no answer, a killed run at most two seconds of answers."""

import asyncio
import errno
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import Where, environment, visible

from audit.crawl.answer_log import AnswerLog, read_answers
from audit.crawl.crawl import _surely
from audit.crawl.reader import Reading
from audit.entity import Entity, EntityType
from audit.errors import StoppedError
from audit.outcome import Outcome
from audit.output.partition import Partition
from audit.output.seal import Seal, SealedFile, sealed_file
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.untrusted.bounds import LOG_BYTES
from audit.webex.client import Answer

Api = Callable[[Simulation], str]
Audit = Callable[..., Snapshot]
ROOMS = 60


def reads(simulation: Simulation) -> Counter[str]:
    """The number of reads of each room."""
    return Counter(line for line in simulation.log if "pushToTalk" in line)


def digests(snapshot: Snapshot) -> dict[str, str]:
    return {name: table.digest for name, table in snapshot.manifest.tables.items()}


def test_a_deadline_that_is_far_too_short_ends_after_some_nights(audit: Audit, tmp_path: Path) -> None:
    whole = audit(Simulation(Organization(ROOMS)), output__path=str(tmp_path / "whole"))
    asked: Counter[str] = Counter()
    requests = 0
    for _ in range(20):
        simulation = Simulation(Organization(ROOMS))
        try:
            snapshot = audit(simulation, is_resuming=True, run__deadline="5s", pace__max_rate=5, pace__concurrency=2)
            break
        except StoppedError:
            assert len(visible(tmp_path / "out")) == 1
        finally:
            asked += reads(simulation)
            requests += len(simulation.log)
    else:
        pytest.fail("it never comes to its end")
    assert digests(snapshot) == digests(whole)
    # Two reads may be under way when the deadline comes.
    assert sum(asked.values()) <= len(asked) + 2 * 20
    assert requests - 2 * 20 <= snapshot.manifest.requests.total <= requests


def test_what_was_answered_before_an_error_is_kept(audit: Audit) -> None:
    first, second = Simulation(Organization(ROOMS), parse("429-long@45")), Simulation(Organization(ROOMS))
    with pytest.raises(StoppedError, match="beyond the deadline"):
        audit(first, pace__concurrency=1, run__deadline="1m")
    audit(second, is_resuming=True)
    asked = reads(first) + reads(second)
    assert len(reads(first)) > ROOMS // 2
    assert sum(asked.values()) == len(asked) + 1


def test_only_complete_answers_are_kept(audit: Audit) -> None:
    organization = Organization(ROOMS)
    simulation = Simulation(organization, Where("500", organization.workspace(3)["id"]))
    with pytest.raises(StoppedError):
        audit(simulation, pace__concurrency=1, retry__attempts=1, run__deadline="9s", pace__max_rate=5)
    snapshot = audit(Simulation(organization), is_resuming=True)
    assert snapshot.manifest.status == "complete"


def test_answers_of_a_part_that_can_not_be_written_are_kept(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    first, second = Simulation(Organization(ROOMS)), Simulation(Organization(ROOMS))
    with monkeypatch.context() as patched:
        patched.setattr(Partition, "write_part", refuse)
        with pytest.raises(StoppedError, match="No space left"):
            audit(first)
    audit(second, is_resuming=True)
    assert len(reads(first)) > ROOMS // 2
    assert not reads(second)


def test_work_that_waits_for_the_disk_is_done_though_nobody_waits_for_it() -> None:
    is_free, done = threading.Event(), list[int]()

    async def main() -> None:
        executor = ThreadPoolExecutor(1)
        executor.submit(is_free.wait, 10)
        waiting = asyncio.create_task(_surely(executor, done.append, 1))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        is_free.set()
        executor.shutdown()

    asyncio.run(main())
    assert done == [1]


def entities(count: int) -> list[Entity]:
    return [Entity(EntityType.WORKSPACE, f"{index:03d}") for index in range(count)]


SEAL = Seal(b"k" * 32)


def reading(body: bytes = b"{}", outcome: Outcome = Outcome.OK) -> list[Reading]:
    return [Reading(None, Answer(outcome, 200, body, None, None, 1, None))]


def read_back(paths: list[Path], found: list[Entity]) -> dict[int, list[Reading]]:
    return read_answers([SealedFile(path, SEAL) for path in paths], found)


def written(tmp_path: Path) -> tuple[AnswerLog, list[Path]]:
    paths: list[Path] = []

    def write(index: int, _: int, data: bytes) -> None:
        paths.append(tmp_path / f"{index}-{len(paths)}")
        with sealed_file(paths[-1], SEAL) as file:
            file.write(data)

    return AnswerLog(write), paths


def test_answers_whose_part_is_written_do_not_fill_the_log(tmp_path: Path) -> None:
    log, _ = written(tmp_path)
    body = b'{"a": "' + b"x" * (LOG_BYTES // 2) + b'"}'
    for index in range(4):
        log.add(index, 0, entities(1)[0], reading(body))
        assert not log.is_full
        log.forget(index)
    log.add(4, 0, entities(2)[0], reading(body))
    log.add(5, 0, entities(2)[1], reading(body))
    assert log.is_full
    log.take()
    assert not log.is_full


def test_answers_come_back_as_they_were(tmp_path: Path) -> None:
    log, paths = written(tmp_path)
    log.add(0, 1, entities(3)[1], reading(b'{"a": "\xc3\xa9"}'))
    log.keep(log.take())
    log.add(0, 2, entities(3)[2], reading())
    log.add(0, 0, entities(3)[0], reading(outcome=Outcome.TIMEOUT))
    log.keep(log.take())
    log.add(0, 0, entities(3)[0], reading())
    log.forget(0)
    log.keep(log.take())
    assert len(paths) == 2
    assert read_back(paths, entities(3)) == {1: reading(b'{"a": "\xc3\xa9"}'), 2: reading()}


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "gone", "other inventory"])
def test_answers_that_can_not_be_trusted_are_asked_again(damage: str, tmp_path: Path) -> None:
    log, paths = written(tmp_path)
    for position in range(2):
        log.add(0, position, entities(2)[position], reading())
        log.keep(log.take())
    content = bytearray(paths[0].read_bytes())
    content[len(content) // 2] ^= 1
    others = entities(2)
    match damage:
        case "cut":
            paths[0].write_bytes(paths[0].read_bytes()[:-1])
        case "flipped":
            paths[0].write_bytes(content)
        case "empty":
            paths[0].write_bytes(b"")
        case "gone":
            paths[0].unlink()
        case _:
            others = [Entity(EntityType.WORKSPACE, "other"), others[1]]
    assert read_back(paths, others) == {1: reading()}
    assert read_back(paths, []) == {}


def run_until(url: str, output: Path, seconds: float, number: signal.Signals) -> int:
    """Run in a process that gets a signal after this time, and return its exit code."""
    command = [sys.executable, "-m", "audit", "run", "--base-url", url, "--output", str(output), "--resume", "--quiet"]
    with subprocess.Popen(
        [*command, "--max-rate", str(RATE)], env=environment(), stderr=subprocess.PIPE, text=True
    ) as run:
        try:
            run.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            run.send_signal(number)
            run.communicate()
        return run.returncode


RATE = 40


@pytest.mark.few(2)
@pytest.mark.parametrize(("number", "lost_s"), [(signal.SIGKILL, 2), (signal.SIGTERM, 0)])
@pytest.mark.slow
def test_a_signal_loses_two_seconds_of_answers_at_the_most(
    number: signal.Signals, lost_s: float, api: Api, audit: Audit, tmp_path: Path
) -> None:
    rooms, stops = 200, 0
    simulation = Simulation(Organization(rooms))
    url, output = api(simulation), tmp_path / "stopped"
    for seconds in (2.5, 3.1, 3.7, 60.0):
        if run_until(url, output, seconds, number) == 0:
            break
        stops += 1
        # On a busy machine, a signal may come after the commit: another run would make another snapshot.
        if any(output.glob("*/manifest.json")):
            break
    (snapshot,) = list_snapshots(output)
    whole = audit(Simulation(Organization(rooms)), output__path=str(tmp_path / "whole"))
    assert digests(snapshot) == digests(whole)
    asked = reads(simulation)
    assert stops
    # Some reads are under way when the signal comes.
    under_way = stops * 5
    assert sum(asked.values()) - len(asked) <= lost_s * RATE * stops + under_way
    counted = snapshot.manifest.requests.total
    assert len(simulation.log) - lost_s * RATE * stops - under_way <= counted <= len(simulation.log)
