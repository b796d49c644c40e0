"""A snapshot to query, made once for the tests of a module."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Result

from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, find_snapshot


@pytest.fixture(scope="module")
def made() -> list[Path]:
    """The snapshot that all tests here copy."""
    return []


@pytest.fixture
def snapshot(
    audit: Callable[..., Snapshot], made: list[Path], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Snapshot:
    if not made:
        path = audit(Simulation(Organization(60, people=30))).path
        made.append(path.rename(tmp_path_factory.mktemp("made") / path.name))
    path = tmp_path / "out" / made[0].name
    shutil.copytree(made[0], path)
    return find_snapshot(path.parent, path.name)


@pytest.fixture
def query(snapshot: Snapshot, webex_audit: Callable[..., Result]) -> Callable[..., Result]:
    return lambda *arguments: webex_audit("query", snapshot.path, *arguments)
