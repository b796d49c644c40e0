"""A snapshot to query, made once for the tests of a module."""

from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Result

from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, find_snapshot


@pytest.fixture
def snapshot(audit: Callable[..., Snapshot], once: Callable[..., Path]) -> Snapshot:
    return find_snapshot(once(lambda: audit(Simulation(Organization(60, people=30)))), "latest")


@pytest.fixture
def query(snapshot: Snapshot, webex_audit: Callable[..., Result]) -> Callable[..., Result]:
    return lambda *arguments: webex_audit("query", snapshot.path, *arguments)
