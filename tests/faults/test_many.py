"""Many kills at random moments, and many commits with a fault after the manifest."""

import errno
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import Result, environment
from object_stores import S3

from audit.review.verify.verify import verify
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.snapshot.layout import MANIFEST
from audit.storage.place import place

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

Api = Callable[[Simulation], str]
Audit = Callable[..., Snapshot]
Command = Callable[..., Result]
ROOMS = 700
RATE = 60
KILLS = 50


def digests(snapshot: Snapshot) -> dict[str, str]:
    return {name: table.digest for name, table in snapshot.manifest.tables.items()}


def run_and_kill(url: str, output: str, after_s: float) -> int:
    command = [sys.executable, "-m", "audit", "run", "--base-url", url, "--output", output, "--resume", "--quiet"]
    with subprocess.Popen(
        [*command, "--max-rate", str(RATE)], env=environment(), stderr=subprocess.PIPE, text=True
    ) as run:
        try:
            _, told = run.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.communicate()
        else:
            assert run.returncode == 0, told
        return run.returncode


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_kills_at_random_lose_nothing_and_ask_twice_for_two_seconds_at_most(
    where: str, api: Api, audit: Audit, s3: S3, tmp_path: Path
) -> None:
    whole = digests(audit(Simulation(Organization(ROOMS)), output__path=str(tmp_path / "whole")))
    dice = random.Random(11)
    kills = nights = 0
    while kills < KILLS:
        simulation = Simulation(Organization(ROOMS))
        url = api(simulation)
        folder = f"night{nights}"
        output = str(tmp_path / folder) if where == "folder" else s3.uri(folder)
        of_night = 0
        # A kill may also come between the manifest and the end of the process.
        while run_and_kill(url, output, dice.uniform(0.5, 6)) != 0:
            of_night += 1
            if list_snapshots(place(output)):
                break
            if where == "bucket" and f"{folder}/.lock" in (f"{folder}/{key}" for key in s3.keys(folder)):
                s3.age(f"{folder}/.lock", 100)
        (snapshot,) = list_snapshots(place(output))
        assert digests(snapshot) == whole
        assert verify(place(output), "latest").faults == []
        asked = Counter(line for line in simulation.log if "pushToTalk" in line)
        assert sum(asked.values()) - len(asked) <= 2 * RATE * of_night
        counted = snapshot.manifest.requests.total
        assert len(simulation.log) - 2 * RATE * of_night <= counted <= len(simulation.log)
        kills += of_night
        nights += 1


def test_two_hundred_commits_with_a_fault_after_the_manifest_stand(
    api: Api, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    url, output = api(Simulation(Organization(3))), tmp_path / "out"
    dice = random.Random(5)
    committed, left = [0], [0]

    def failing(call: Callable[..., Any]) -> Callable[..., Any]:
        def fails(*arguments: Any, **options: Any) -> Any:
            # Of the commit that is under way, the manifest stands. To look asks the same calls.
            before, left[0] = left[0], 0
            if before and len(list(output.glob(f"*/{MANIFEST}"))) > committed[0]:
                left[0] = before - 1
                if not left[0]:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
            else:
                left[0] = before
            return call(*arguments, **options)

        return fails

    for name in ("unlink", "rmdir", "fsync", "open", "scandir", "stat"):
        monkeypatch.setattr(os, name, failing(getattr(os, name)))
    for night in range(200):
        committed[0], left[0] = night, dice.randint(1, 25)
        result = webex_audit("run", "--base-url", url, "--output", output, "--resume", "--format", "parquet")
        assert result.code == 0, result.err
    left[0] = 0
    snapshots = list_snapshots(output)
    assert len(snapshots) == 200
    assert [fault for each in snapshots for fault in verify(output, each.path.name).faults] == []
