"""Somebody who walks the journeys."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from crafted import TickingClock
from walking import Reader


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(*(tmp_path / name for name in ("work", "home", "bin")))
    for folder in (made.folder, made.home, made.path):
        folder.mkdir()
    (made.path / "webex-audit").symlink_to(Path(sys.executable).with_name("webex-audit"))
    yield made
    for process in made.started:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()
