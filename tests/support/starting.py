"""Starts a command in a process of its own, and reads the line of its error."""

import resource
import subprocess
import sys
from pathlib import Path

from harness import environment


def start(
    *arguments: object,
    limits: dict[int, int] | None = None,
    shell: str = "",
    cwd: Path | None = None,
    **variables: str,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a process of its own.

    Args:
        arguments: those of the command.
        limits: of resources, from the start of the process on.
        shell: a shell that gets the command as its arguments.
        cwd: the working folder.
        variables: more of the environment.
    """

    def limit() -> None:
        for kind, most in (limits or {}).items():
            resource.setrlimit(kind, (most, most))

    command = [sys.executable, "-m", "audit", *map(str, arguments)]
    whole = ["/bin/sh", "-c", shell, "sh", *command] if shell else command
    return subprocess.run(
        whole, env=environment() | variables, cwd=cwd, preexec_fn=limit, capture_output=True, timeout=60, check=False
    )


def told(err: str | bytes) -> str:
    """The one line of an error."""
    text = err if isinstance(err, str) else err.decode()
    assert "Traceback" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("webex-audit: error: ")]
    return line.removeprefix("webex-audit: error: ")
