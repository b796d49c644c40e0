"""The same in Azure Blob Storage, where its emulator Azurite is installed (`npm install --global azurite`)."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow.fs as pafs
import pytest
from harness import Result

from audit.errors import LockedError
from audit.output.lock import lock
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, find_snapshot
from audit.snapshot.layout import MANIFEST
from audit.storage import bucket
from audit.storage.errors import StorageError
from audit.storage.place import place

#: The key that Microsoft documents for the emulator's only account.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    azurite = os.environ.get("AZURITE") or shutil.which("azurite-blob")
    if not azurite:
        pytest.skip("azurite-blob is not installed")
    pytest.importorskip("obstore")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence"]
    home = tmp_path_factory.mktemp("azurite")
    with subprocess.Popen([azurite, *arguments, "--blobPort", str(port)], cwd=home) as server:
        try:
            end_s = time.monotonic() + 60
            while time.monotonic() < end_s:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            options = {f"{service}_storage_scheme": "http" for service in ("blob", "dfs")}
            options |= {f"{service}_storage_authority": f"127.0.0.1:{port}" for service in ("blob", "dfs")}
            pafs.AzureFileSystem(ACCOUNT, account_key=KEY, **options).create_dir("audits")
            yield port
        finally:
            server.terminate()


@pytest.fixture
def output(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    yield f"abfs://audits@{ACCOUNT}/webex?endpoint_override=127.0.0.1:{port}&scheme=http"
    bucket._store.cache_clear()


def test_a_run_in_azure_comes_to_the_same_tables(
    audit: Callable[..., Snapshot], webex_audit: Callable[..., Result], output: str, tmp_path: Path
) -> None:
    local = audit(Simulation(Organization(30)), output__path=str(tmp_path / "local"))
    first, second = (audit(Simulation(Organization(30)), output__path=output) for _ in range(2))
    tables = [{name: table.digest for name, table in each.manifest.tables.items()} for each in (local, first, second)]
    assert tables[1:] == tables[:1] * 2
    verified = webex_audit("verify", "--output", output)
    assert (verified.code, "1 earlier snapshots" in verified.out) == (0, True), verified.out
    assert webex_audit("prune", "--keep-last", "1", "--output", output).code == 0
    assert {each.name for each in place(output).iterdir()} == {second.path.name}
    assert find_snapshot(place(output), "latest").manifest == second.manifest
    with pytest.raises(FileExistsError):
        (second.path / MANIFEST).put(b"", "create")
    with lock(place(output)), pytest.raises(LockedError), lock(place(output)):
        pytest.fail("two hold it")


def test_a_wrong_container_or_key_is_one_line(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError, match="there is no such bucket"), lock(place(output.replace("audits", "nowhere"))):
        pytest.fail("it is held")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "AAAA")
    bucket._store.cache_clear()
    with pytest.raises(StorageError, match="access is denied"), lock(place(output)):
        pytest.fail("it is held")
