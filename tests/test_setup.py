"""A fresh machine: the locks hold what pyproject.toml asks for."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
#: Which extras and groups each lock was made from; those in ALONE without the project itself.
LOCKS = {
    "run": ["review", "build"],
    "dev": ["review", "object-store", "dev"],
    "bench": ["review", "bench"],
    "lock": ["lock"],
}
ALONE = {"lock"}


def asked(lists: list[Any]) -> Iterator[Requirement]:
    for entry in lists:
        if isinstance(entry, str):
            yield Requirement(entry)
        else:
            yield from asked(PROJECT["dependency-groups"][entry["include-group"]])


def pins(lock: str) -> Iterator[tuple[Requirement, int]]:
    """The pins of a lock, and the number of their hashes."""
    lines = (ROOT / "requirements" / f"{lock}.txt").read_text().replace("\\\n", "").splitlines()
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            requirement, *hashes = re.split(r"--hash=sha256:", line)
            yield Requirement(requirement.strip()), len(hashes)


def test_every_lock_is_known() -> None:
    assert {path.stem for path in (ROOT / "requirements").glob("*.txt")} == set(LOCKS)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_each_package_with_hashes(lock: str) -> None:
    found = list(pins(lock))
    assert found
    for pin, hashes in found:
        assert [each.operator for each in pin.specifier] == ["=="], pin
        assert hashes, pin


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_the_project_asks_for(lock: str) -> None:
    versions: dict[str, list[str]] = {}
    for pin, _ in pins(lock):
        (version,) = pin.specifier
        versions.setdefault(canonicalize_name(pin.name), []).append(version.version)
    lists = [] if lock in ALONE else PROJECT["project"]["dependencies"]
    tables = PROJECT["project"]["optional-dependencies"] | PROJECT["dependency-groups"]
    for requirement in asked([*lists, *(entry for name in LOCKS[lock] for entry in tables[name])]):
        held = versions.get(canonicalize_name(requirement.name), [])
        assert held, f"{lock}.txt lacks {requirement}; run: make lock"
        assert all(requirement.specifier.contains(version) for version in held), f"{requirement}; run: make lock"
