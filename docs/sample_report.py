"""Makes docs/sample-report.html, the report of a small demo, and docs/report.png, its first screen: `make docs`.

The same code gives the same page: the times are fixed, and what differs between two runs (ids of snapshots, the port of
the simulator, digests of manifests) is replaced. The picture needs Chromium, and is left as it is without.
"""

import asyncio
import base64
import hashlib
import re
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit.cli.demo import demonstrate, review
from audit.clock import Clock
from audit.crawl.progress import Progress
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization

PAGE = Path(__file__).with_name("sample-report.html")
PICTURE = Path(__file__).with_name("report.png")
_START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
_SEED = 7
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_VARIES = (
    (r"\d{8}T\d{6}Z-([0-9a-f]{6})", "20260316T060000Z-5a3b1e"),
    (r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:8000"),
    (r'(?<=<code class="digest">)[0-9a-f]{64}', "0" * 64),
    (r"with [\d,]+ requests \([^)]*\)", "with 200 requests (0 repeated, 0 throttled)"),
)


class _Weekly(Clock):
    """A clock that stands still during a run, and advances by a week before the next."""

    def __init__(self) -> None:
        self._weeks = -1

    def now(self) -> datetime:
        return _START + timedelta(weeks=self._weeks)

    def next_run(self) -> Progress:
        """Advance the clock; returns the display of the run, which shows nothing."""
        self._weeks += 1
        return Progress()


def make() -> str:
    """The sample report."""
    own = Organization(36, people=24, virtual_lines=3, seed=_SEED)
    customer = Organization(12, people=8, virtual_lines=1, seed=_SEED + 1)
    clock = _Weekly()
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation(own, parse("quirks", _SEED), customers=(customer,))
        _, old, new = asyncio.run(demonstrate(simulation, folder, clock.next_run, clock=clock))
        page = Path(folder, "report.html")
        list(review(old, new, page, ""))
        html = page.read_text(encoding="utf-8")
    for pattern, text in _VARIES:
        html = re.sub(pattern, text, html)
    style = html.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    # The style holds the id of the snapshot, and the policy of the page holds the digest of the style.
    return re.sub(r"(?<=style-src &#39;sha256-)[^&]*", digest, html)


def photograph() -> None:
    """Make the picture of the first screen."""
    if browser := next(filter(None, map(shutil.which, _BROWSERS)), None):
        flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,1160")
        with tempfile.TemporaryDirectory() as profile:
            command = [browser, *flags, f"--user-data-dir={profile}", f"--screenshot={PICTURE}", PAGE.as_uri()]
            subprocess.run(command, check=True, capture_output=True, timeout=120)  # noqa: S603 - a fixed command


if __name__ == "__main__":
    PAGE.write_text(make(), encoding="utf-8")
    photograph()
