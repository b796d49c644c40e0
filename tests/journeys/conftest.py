"""Somebody who walks the journeys, and a browser."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from chromium import started
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


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started(tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture
def secret_file(reader: Reader) -> Path:
    path = reader.home / "client-secret"
    path.write_text("cl13nt-s3cret\n")
    path.chmod(0o600)
    return path
