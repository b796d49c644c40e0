"""An output of two snapshots that others may have prepared, and all commands over it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Result, Where
from keys import write_key

from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.snapshot.proof.signing import seal_with

Api = Callable[[Simulation], str]
Audit = Callable[..., Snapshot]
Command = Callable[..., Result]
OWN = Organization(4, people=2)


@pytest.fixture
def output(audit: Audit, once: Callable[..., Path], tmp_path: Path) -> Path:
    """Two snapshots; the newer is partial, so that it can be retried."""

    def make() -> None:
        seal = seal_with(str(write_key(tmp_path / "key")))
        audit(Simulation(OWN), output__path="snapshots", seal=seal)
        faults = Where("mistyped", OWN.workspace(1)["id"])
        partial = audit(Simulation(OWN, faults), output__path="snapshots", seal=seal)
        assert partial.manifest.status == "partial"

    return once(make, "snapshots")


@pytest.fixture
def newest(output: Path) -> Path:
    return Path(str(list_snapshots(output)[-1].path))


@pytest.fixture
def all_commands(
    api: Api, webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Path], dict[str, Result]]:
    """Runs every command over a snapshot; none may end as a bug, or show more than a line for an error."""
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    base_url = api(Simulation(OWN))

    def run(snapshot: Path) -> dict[str, Result]:
        at = ["--output", snapshot.parent]
        results = {}
        for name, command in {
            "snapshots": ["snapshots"],
            "show": ["show", snapshot],
            "verify": ["verify", snapshot],
            "verify latest": ["verify"],
            "diff": ["diff", snapshot, snapshot],
            "check": ["check", snapshot],
            "report": ["report", snapshot, "--file", snapshot.parent.with_name("report.html")],
            "query": ["query", snapshot, "SELECT count(*) FROM coverage"],
            "prune": ["prune", "--keep-last", "1", "--dry-run"],
            "retry": ["run", "--retry-failed", snapshot, "--base-url", base_url, "--allow-partial"],
            "run": ["run", "--base-url", base_url],
        }.items():
            results[name] = result = webex_audit(*command, *at)
            assert result.code in (0, 1, 2), (name, result)
            assert "Traceback" not in result.err, (name, result)
            assert "bug of" not in result.err, (name, result)
            assert result.err.count("error: ") <= 1, (name, result)
            assert (result.out + result.err).replace("\n", "").isprintable(), (name, result)
        return results

    return run
