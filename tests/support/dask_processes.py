"""A scheduler and workers in processes of their own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def wait_until(is_true: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


class Processes:
    """A scheduler and workers that may die; their output is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.address = ""
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")

    def wait(self) -> None:
        """Wait until the scheduler has printed its address."""
        wait_until(lambda: self._file.exists() and self._file.read_text().endswith("}"))
        self.address = json.loads(self._file.read_text())["address"]

    @property
    def _file(self) -> Path:
        return self._folder / "scheduler.json"

    @property
    def printed(self) -> str:
        return "\n".join(path.read_text() for path in self._folder.glob("*.log"))

    def add_worker(self, **environment: str) -> str:
        name = f"w{len(self._started)}"
        options = ("--host", "127.0.0.1", "--nthreads", "1", "--name", name, "--no-nanny", "--no-dashboard")
        preload = ("--preload", str(HERE / "small_batches.py"), "--local-directory", str(self._folder / name))
        self.workers[name] = self._start("worker", *options, *preload, **environment)
        return name

    def _start(self, kind: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        # A clean environment without a token: a worker reads the file that the driver names.
        given = {name: text for name, text in os.environ.items() if not name.startswith("WEBEX_")} | environment
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options, "--scheduler-file", str(self._file)]
        with (self._folder / f"{kind}-{len(self._started)}.log").open("wb") as log:
            self._started.append(subprocess.Popen(command, stdout=log, stderr=log, env=given, cwd=self._folder))
        return self._started[-1]

    def stop(self) -> None:
        for process in reversed(self._started):
            # An orderly stop, so that their coverage is recorded.
            process.terminate()
        for process in self._started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
