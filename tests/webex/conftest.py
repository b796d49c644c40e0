"""The files of the secrets of an app."""

from pathlib import Path

import pytest
from token_endpoint import REFRESH, SECRET


@pytest.fixture
def secrets(tmp_path: Path) -> tuple[Path, Path]:
    """The files of the client secret and the refresh token."""
    files = tmp_path / "client-secret", tmp_path / "refresh-token"
    for file, text in zip(files, (SECRET, REFRESH), strict=True):
        file.write_text(f"{text}\n")
        file.chmod(0o600)
    return files
