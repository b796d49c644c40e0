"""Dask is an extra: without it, one line says how to install it."""

import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from harness import Result

from audit.extras import how_to_add
from audit.run.cluster import connection
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization


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
    assert f"{library} is not installed: {how_to_add('dask')}" in result.err


@pytest.fixture
def url(api: Callable[[Simulation], str]) -> str:
    """The API; its address as that of the scheduler ends a run at once."""
    return api(Simulation(Organization(1)))


@pytest.mark.attack("cluster")
@pytest.mark.parametrize("scheme", ["tcp://", ""])
@pytest.mark.parametrize("way", ["flag", "file", "environment"])
def test_a_scheduler_without_tls_is_not_used_in_silence(
    way: str,
    scheme: str,
    url: str,
    webex_audit: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    pytest.importorskip("distributed")
    arguments = ["run", "--base-url", url, "--output", str(tmp_path / "out")]
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    address = f"{scheme}{urlsplit(url).netloc}"
    if way == "flag":
        arguments += ["--engine", "dask", "--scheduler", address]
    elif way == "file":
        (tmp_path / "c.toml").write_text(f'[run]\nengine = "dask"\nscheduler = "{address}"\n')
        arguments += ["--config", str(tmp_path / "c.toml")]
    else:
        monkeypatch.setenv("WEBEX_AUDIT_RUN_ENGINE", "dask")
        monkeypatch.setenv("WEBEX_AUDIT_RUN_SCHEDULER", address)
    result = webex_audit(*arguments)
    (warning,) = [line for line in result.err.splitlines() if "warning: " in line]
    assert warning.startswith(f"webex-audit: warning: the scheduler {address} is not protected by TLS: ")
    assert "use tls://" in warning


@pytest.mark.parametrize("scheme", ["tls://", "wss://"])
def test_a_scheduler_with_tls_needs_no_warning(
    scheme: str, url: str, webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    arguments = ["--base-url", url, "--output", str(tmp_path / "out"), "--engine", "dask"]
    result = webex_audit("run", *arguments, "--scheduler", f"{scheme}{urlsplit(url).netloc}")
    assert (result.code in (2, 5), "warning" in result.err) == (True, False)
