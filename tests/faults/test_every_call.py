"""Each call of the system that a run makes in its output fails once, in each way, or is the last one before a kill.

However it ends, there is the old state or the new one, verified; a run that ends well has a new snapshot, one that
does not has none; and the next run comes to its end and leaves nothing of the one before.
"""

import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from harness import Result, visible

from audit.cli import cli, process
from audit.review.verify.verify import verify
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import list_snapshots

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
CALLS = ("open", "write", "fsync", "rename", "mkdir", "close", "read", "unlink", "rmdir")
WAYS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EROFS": errno.EROFS, "kill": 0}


def _run(url: str, output: str, faults: dict[str, str]) -> None:
    """A run in a process of its own, which has the shim from its start."""
    os.environ |= faults | {"WEBEX_ACCESS_TOKEN": ADMIN_TOKEN, "FAULT_ROOT": f"{output}/"}
    log = os.open(f"{output}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for standard in (1, 2):
        os.dup2(log, standard)
    os._exit(process.execute(cli, ["run", "--base-url", url, "--output", output, "--resume"]))


@dataclass
class Ended:
    """How a run ended: its exit code, and what it said."""

    code: int
    said: str


@pytest.fixture
def run(url: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    if not shutil.which("cc"):
        pytest.fail("the matrix of faults needs a C compiler (cc)")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, Path(__file__).with_name("shim.c"), "-ldl"], check=True)
    # One process loads all that a run needs, with the shim; each run is a fork of it.
    monkeypatch.setenv("LD_PRELOAD", str(library))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "audit.cli.run",
            "audit.cli.metrics",
            "audit.run.plan",
            "audit.run.job",
            "aiohttp",
            "pyarrow.parquet",
            "pyarrow.csv",
        ]
    )

    def run(output: Path, **faults: str) -> Ended:
        child = context.Process(target=_run, args=(url, str(output), faults))
        child.start()
        child.join(60)
        assert child.exitcode is not None
        return Ended(child.exitcode, Path(f"{output}.log").read_text())

    return run


@pytest.fixture
def url(api: Api) -> str:
    return api(Simulation(Organization(6)))


@pytest.fixture
def before(url: str, webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An output with a snapshot."""
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    output = tmp_path / "before"
    assert webex_audit("run", "--base-url", url, "--output", output).code == 0
    return output


@pytest.fixture
def fresh(before: Path, tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """The same output again and again."""
    output = tmp_path / "out"

    def fresh() -> Path:
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(before, output)
        return output

    return fresh


@pytest.mark.parametrize("call", CALLS)
def test_each_ends_with_the_old_state_or_the_new_one(
    call: str, url: str, run: Callable[..., Ended], fresh: Callable[[], Path], webex_audit: Command, tmp_path: Path
) -> None:
    log = tmp_path / "calls"
    assert run(fresh(), FAULT_LOG=str(log)).code == 0
    total = Counter(log.read_text().split())[call]
    assert total
    for number, way in product(range(1, total + 1), WAYS):
        output = fresh()
        result = run(output, FAULT=f"{call} {number} {WAYS[way]}")
        case = f"{call} {number} of {total}, {way}: exit {result.code}\n{result.said}"
        check_end(result, output, case, is_killed=way == "kill")
        again = webex_audit("run", "--base-url", url, "--output", output, "--resume")
        assert again.code == 0, f"{case}\n{again.err}"
        ids = [each.manifest.snapshot_id for each in list_snapshots(output)]
        assert visible(output) == sorted(ids), case
        assert [fault for each in ids for fault in verify(output, each).faults] == [], case


def check_end(result: Ended, output: Path, case: str, *, is_killed: bool) -> None:
    assert "Traceback" not in result.said, case
    if is_killed:
        assert result.code in (0, -signal.SIGKILL), case
    else:
        assert result.code in (0, 2, 5), case
    snapshots = list_snapshots(output)
    if not is_killed:
        assert len(snapshots) == 1 + (result.code == 0), case
    assert len(snapshots) in (1, 2), case
    for each in snapshots:
        assert verify(output, each.manifest.snapshot_id).faults == [], case
