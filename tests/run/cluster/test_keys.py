"""What a worker of an existing cluster writes is checked if it has the key, and said to be unchecked if not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from harness import Result

pytest.importorskip("distributed")

from dask_processes import Processes
from keys import write_key

from audit.config import Settings, SignSettings
from audit.run.cluster import driver
from audit.run.cluster.task import traveling
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import find_snapshot
from audit.snapshot.manifest import Basis
from audit.snapshot.proof.signing import SIGNATURE

pytestmark = pytest.mark.attack("cluster")

Command = Callable[..., Result]
Api = Callable[[Simulation], str]
CHECKED, UNCHECKED = Basis(draft="checked"), Basis(draft="not checked")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    processes = Processes(tmp_path_factory.mktemp("dask"))
    processes.wait()
    processes.add_worker()
    yield processes
    processes.stop()


def without_key(settings: Settings) -> Settings:
    """What travels to a worker of a machine that has no file of this name."""
    return msgspec.structs.replace(traveling(settings), sign=SignSettings("/no/such/key.pem"))


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("is_signing", "has_key", "basis"), [(True, True, CHECKED), (True, False, UNCHECKED), (False, False, UNCHECKED)]
)
@pytest.mark.slow
def test_a_part_that_a_worker_without_the_key_may_have_forged_is_not_signed(
    is_signing: bool,  # noqa: FBT001 - parameters of pytest
    has_key: bool,  # noqa: FBT001
    basis: Basis,
    cluster: Processes,
    api: Api,
    webex_audit: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(ADMIN_TOKEN)
    if is_signing:
        monkeypatch.setenv("WEBEX_AUDIT_SIGN_KEY_FILE", str(write_key(tmp_path / "key.pem")))
    if not has_key:
        monkeypatch.setattr(driver, "traveling", without_key)
    url = api(Simulation(Organization(30), customers=(Organization(20, seed=2),)))
    at = ["--base-url", url, "--token-file", token, "--output", tmp_path / "out"]
    result = webex_audit("run", "--all-orgs", "--engine", "dask", "--scheduler", cluster.address, *at)
    assert result.code == 0, result.err
    made = find_snapshot(tmp_path / "out", "latest")
    assert made.manifest.basis == basis
    assert (made.path / SIGNATURE).exists() == has_key  # type: ignore[operator]
    assert result.err.count("the new snapshot is not signed: its draft could not be checked") == is_signing - has_key
    assert "PRIVATE KEY" not in cluster.printed
