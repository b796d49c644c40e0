"""A browser for the tests of the report."""

from collections.abc import Iterator

import pytest
from chromium import started


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A browser, by the address of its DevTools."""
    with started(tmp_path_factory.mktemp("chromium")) as address:
        yield address
