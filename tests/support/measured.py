"""The command line in a process that says on standard error, at its end, how much memory it had at most."""

import atexit
import sys
from pathlib import Path

from audit.cli import main


def say_peak() -> None:
    status = Path("/proc/self/status").read_text()
    peak_kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    print(f"peak KiB: {peak_kib}", file=sys.__stderr__, flush=True)


if __name__ == "__main__":
    atexit.register(say_peak)
    sys.exit(main())
