"""`login` with a real browser, which presses the buttons of the simulator's pages."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chromium import BROWSER, sign_in
from signing_in import CLIENT_ID, SECRET, free_port

from audit.simulator.app import Simulation
from audit.simulator.organization import Organization

Api = Callable[[Simulation], str]
OWN = Organization(6, people=3, odd=False)


def _begun(base_url: str, secret_file: Path, *arguments: object) -> tuple["subprocess.Popen[str]", str]:
    """A login in a process of its own, and the address that it shows."""
    given = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        given.pop(name, None)
    command = [sys.executable, "-m", "audit", "login", "--client-id", CLIENT_ID, "--client-secret-file", secret_file]
    process = subprocess.Popen(
        [*map(str, command), "--base-url", base_url, *map(str, arguments)],
        env=given | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    for line in process.stderr:
        if line.startswith("http"):
            return process, line.strip()
    raise AssertionError(process.communicate())


@pytest.mark.skipif(BROWSER is None, reason="needs a Chromium")
@pytest.mark.parametrize(
    ("button", "end", "code"), [("accept", "You can close this page", 0), ("decline", "Not signed in", 4)]
)
def test_a_login_in_a_real_browser(
    api: Api, secret_file: Path, chromium: str, button: str, end: str, code: int
) -> None:
    base_url = api(Simulation(OWN, client_secret=SECRET))
    process, url = _begun(base_url, secret_file, "--port", free_port())
    shown = asyncio.run(sign_in(chromium, url, button, end))
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Go back to your terminal" in shown
    assert out.startswith("signed in as ") == (code == 0)


@pytest.mark.skipif(BROWSER is None, reason="needs a Chromium")
@pytest.mark.slow
def test_a_login_by_code_in_a_real_browser(api: Api, secret_file: Path, chromium: str) -> None:
    base_url = api(Simulation(OWN, client_secret=SECRET))
    process, url = _begun(base_url, secret_file, "--device")
    began_s = time.monotonic()
    asyncio.run(sign_in(chromium, url, "accept", "Done"))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.startswith("signed in as ")
    assert time.monotonic() - began_s < 30
