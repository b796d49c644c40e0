"""Commands in a process of their own, with the most memory that it used."""

import json
import subprocess
import sys

#: The most that a command may use, in MiB.
MOST_MIB = 600
#: Runs commands one after the other, and says their exit codes and the most memory of the process.
PROGRAM = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from audit.cli import process
from audit.cli.group import cli
results = []
for arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = process.execute(cli, arguments)
    results.append([code, out.getvalue()[-2000:], err.getvalue()[-2000:]])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(json.dumps([int(peak.split()[1]) // 1024, results]))
"""


def run(*commands: list[str]) -> tuple[int, list[tuple[int, str, str]]]:
    """The most memory in MiB of a process that runs commands, and of each its exit code, output and errors."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)], capture_output=True, text=True, check=True
    )
    peak, results = json.loads(done.stdout)
    return peak, [tuple(each) for each in results]
