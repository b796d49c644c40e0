"""A command in a process of its own: whatever ends it, even the kernel, the command that wants its result goes on."""

import json
import logging
import os
import signal
import subprocess
import sys
from typing import Any

from audit.errors import StoppedError

log = logging.getLogger(__name__)

#: A process that waits forever, such as for a thread that died of used up memory, is ended then.
MOST_S = 3600.0
#: How long it may take to remove what it has begun.
_GRACE_S = 5.0
#: Nothing of the current folder is run (-P).
_PROGRAM = ["-P", "-m", "audit"]


def result_of(words: list[str]) -> dict[str, Any]:
    """Run a command of webex-audit that does not ask the API, with `--json`; its warnings are logged as ours.

    Args:
        words: the command.

    Returns:
        What it prints.

    Raises:
        StoppedError: it failed; the text is that of its error.
        OSError: no process can be started.
        KeyboardInterrupt: a signal came, and has ended it.
    """
    # The command needs no token, and its own log is read here.
    environment = {name: text for name, text in os.environ.items() if name != "WEBEX_ACCESS_TOKEN"}
    environment["WEBEX_AUDIT_LOG_FORMAT"] = "json"
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, *_PROGRAM, *words, "--json", "--quiet", "--log-format", "json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=MOST_S)
        except subprocess.TimeoutExpired:
            _end(process)
            raise StoppedError(f"it did not end within {MOST_S:g} s") from None
        except BaseException:
            out, err = _end(process)
            # What it prints last says that all is done.
            if _result(out) is None:
                raise
    result, errors = _result(out), _logged(err)
    if result is None:
        raise StoppedError(errors[-1] if errors else _fate(process.returncode))
    return result


def _end(process: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """End a process; returns what it has printed."""
    process.terminate()
    try:
        return process.communicate(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()


def _result(out: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(out)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _logged(lines: bytes) -> list[str]:
    """Log the warnings of a process; returns the texts of its errors. What a library has printed is left out."""
    errors = []
    for line in lines.splitlines():
        try:
            entry = json.loads(line)
            level, message = entry["level"], str(entry["message"])
        except (ValueError, TypeError, KeyError):
            continue
        if level == "error":
            errors.append(message)
        else:
            log.warning("%s", message)
    return errors


def _fate(code: int) -> str:
    if not code:
        return "its process has printed no result"
    how = f"exit code {code}"
    if code < 0:
        how = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
    return f"its process ended with {how}, as if the memory were used up"
