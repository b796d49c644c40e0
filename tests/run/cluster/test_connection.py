"""Dask is an extra: without it, one line says how to install it."""

import sys
from collections.abc import Callable

import pytest
from harness import Result

from audit.run.cluster import connection
from audit.simulator.app import ADMIN_TOKEN


@pytest.mark.parametrize("library", ["cryptography", "dask.config", "distributed"])
def test_a_missing_extra_is_told_in_a_line(
    library: str, webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setitem(sys.modules, library, None)
    connection.import_dask.cache_clear()
    result = webex_audit("run", "--engine", "dask", "--quiet")
    connection.import_dask.cache_clear()
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert f"{library} is not installed: pip install 'webex-audit[dask]'" in result.err
