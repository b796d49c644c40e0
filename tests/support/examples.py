"""The examples of docs/examples, and nights on which a run ends with each exit code."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from harness import Where
from signing_in import free_port

from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
#: The folder of the command `webex-audit`.
PROGRAMS = Path(sys.executable).parent
#: What run exits with, by docs/commands.md, but for 70, which no test can bring about by honest means.
RUN_CODES = (0, 2, 3, 4, 5, 6)
ORGANIZATION = Organization(6, seed=5)

Api = Callable[[Simulation], str]


def night(code: int, api: Api) -> dict[str, str]:
    """The environment of a night on which a run ends with an exit code; for 6, the caller holds the lock (`held`)."""
    simulation = Simulation(ORGANIZATION, Where("400", "pushtotalk" if code == 3 else "nothing"))
    base_url = f"http://127.0.0.1:{free_port()}/v1" if code == 5 else api(simulation)
    return {
        "WEBEX_ACCESS_TOKEN": "no-such-token" if code == 4 else ADMIN_TOKEN,
        "WEBEX_AUDIT_BASE_URL": base_url,
        "WEBEX_AUDIT_PACE_START_RATE": "5000",
        "WEBEX_AUDIT_RETRY_ATTEMPTS": "1",
        "WEBEX_AUDIT_PACE_SHARE": "7" if code == 2 else "1",
    }


@contextmanager
def held(output: Path) -> Iterator[None]:
    """Another run is at work in an output."""
    output.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (output / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Ended(NamedTuple):
    """How a script ended."""

    code: int
    out: str
    err: str

    @property
    def mail(self) -> str:
        """What cron would mail."""
        return self.out + self.err


def shell(
    script: str, environment: Mapping[str, str], cwd: Path, command: tuple[str, ...] = ("/bin/sh", "-c")
) -> Ended:
    """Run a script in a shell with this environment alone, as a scheduler does."""
    whole = {"PATH": f"{PROGRAMS}:/usr/bin:/bin", "HOME": str(cwd), "LANG": "C.UTF-8"} | environment
    done = subprocess.run(
        [*command, script], env=whole, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=110, check=False
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def program(path: Path, script: str) -> Path:
    """Make an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
