"""A reviewer may look into a folder that only others may write to, and hears what to do instead of a decision."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crafted import crafted
from harness import environment

from audit.simulator.app import Simulation

#: Root may write to any folder, unless it lacks this capability.
_BOUND = ("setpriv", "--bounding-set=-dac_override")
pytestmark = pytest.mark.skipif(os.geteuid() == 0 and not shutil.which(_BOUND[0]), reason="root without setpriv")


@pytest.fixture
def output(audit: Callable[..., object], once: Callable[..., Path]) -> Iterator[Path]:
    """An output that nobody may write to."""
    folder = once(lambda: audit(Simulation(crafted())))
    (folder / ".lock").unlink()
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


def run(output: Path, *command: str) -> subprocess.CompletedProcess[str]:
    bound = _BOUND if os.geteuid() == 0 else ()
    line = [*bound, sys.executable, "-m", "audit", *command, "--output", str(output)]
    return subprocess.run(line, env=environment(), capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("command", "what_to_do"),
    [
        (("approve", "--reason", "reviewed", "--by", "Ann"), "copy the folder, and name the copy with --output"),
        (("prune", "--keep-last", "1"), "prune as a user who may write there"),
        (("demo",), "name another folder with --output"),
    ],
)
def test_a_command_that_can_not_write_says_what_to_do_instead(
    command: tuple[str, ...], what_to_do: str, output: Path
) -> None:
    told = run(output, *command)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == f"webex-audit: error: output {output} can't be written: Permission denied: {what_to_do}\n"


@pytest.mark.parametrize(
    "command",
    [("snapshots",), ("show",), ("verify",), ("prune", "--keep-last", "1", "--dry-run"), ("approve", "--list")],
)
@pytest.mark.slow
def test_a_command_that_only_looks_works(command: tuple[str, ...], output: Path) -> None:
    told = run(output, *command)
    assert (told.returncode, told.stderr) == (0, "")
