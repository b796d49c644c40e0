"""Three nights to verify, made once for the tests of a module."""

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


@pytest.fixture
def output(
    audit: Callable[..., Snapshot], once: Callable[..., Path], clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Three nights: one organization and both datasets; two, with CSV of each; one again."""

    def make() -> None:
        hours = count()
        night = datetime(2026, 11, 21, tzinfo=UTC)
        monkeypatch.setattr(clock, "now", lambda: night + timedelta(hours=next(hours)))
        own, customers = Organization(9, people=5), (Organization(4, 2),)
        both = ["push-to-talk", "audio-options"]
        kinds = ["workspace", "person"]
        at = {"output__path": "snapshots"}
        audit(Simulation(own), scope__datasets=both, scope__all_users=True, scope__entities=kinds, **at)
        audit(Simulation(own, customers=customers), scope__all_orgs=True, output__csv_per_org=True, **at)
        audit(Simulation(own), **at)

    return once(make, "snapshots")


@pytest.fixture
def nights(output: Path) -> Nights:
    return Nights(*(each.path for each in list_snapshots(output)))
