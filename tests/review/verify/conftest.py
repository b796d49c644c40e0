"""Three nights to verify, made once for the tests of a module."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from harness import VirtualClock
from tampering import Nights

from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def output(
    _made: Path,
    audit: Callable[..., Snapshot],
    clock: VirtualClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Three nights: one organization and both datasets; two, with CSV of each; one again."""
    if not (_made / "out").exists():
        hours = count()
        night = datetime(2026, 11, 21, tzinfo=UTC)
        monkeypatch.setattr(clock, "now", lambda: night + timedelta(hours=next(hours)))
        own, customers = Organization(9, people=5), (Organization(4, 2),)
        both = ["push-to-talk", "audio-options"]
        kinds = ["workspace", "person"]
        audit(Simulation(own), scope__datasets=both, scope__all_users=True, scope__entities=kinds)
        audit(Simulation(own, customers=customers), scope__all_orgs=True, output__csv_per_org=True)
        audit(Simulation(own))
        (tmp_path / "out").rename(_made / "out")
    shutil.copytree(_made / "out", tmp_path / "snapshots")
    return tmp_path / "snapshots"


@pytest.fixture
def nights(output: Path) -> Nights:
    return Nights(*(each.path for each in list_snapshots(output)))
