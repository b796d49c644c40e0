"""`verify` refuses a snapshot that says of the administrators' log what its table does not bear out."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from logged import event, logged
from tampering import check, recommit, rewrite, told

from audit.simulator.app import Simulation
from audit.snapshot.catalog import Snapshot

Audit = Callable[..., Snapshot]
ORG = logged(*map(event, range(3)))


def _with_log(snapshot: Snapshot, **changes: Any) -> None:
    (org,) = snapshot.manifest.orgs
    log = msgspec.structs.replace(org.admin_events, **changes) if org.admin_events else None
    rewrite(snapshot.path, orgs=[msgspec.structs.replace(org, admin_events=log)])


@pytest.mark.few(3)
@pytest.mark.parametrize("formats", [["parquet", "csv"], ["parquet"], ["csv"]])
@pytest.mark.parametrize("org", [ORG, logged()])
def test_a_log_that_was_read_is_verified(audit: Audit, org: Any, formats: list[str]) -> None:
    assert not check(audit(Simulation(org), run__admin_events=True, output__formats=formats).path).faults
    assert not check(audit(Simulation(org), output__formats=formats).path).faults


@pytest.mark.attack("what is read back")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "not read"}, "has the table admin_events, but its log is said to be not read"),
        ({"events": 0}, "is said to have 0 events, but admin_events has 3"),
        ({"events": 10**9}, "is said to have 1,000,000,000 events, but admin_events has 3"),
    ],
)
def test_a_forged_number_or_status_of_a_log_is_not_verified(audit: Audit, changes: dict[str, Any], words: str) -> None:
    snapshot = audit(Simulation(ORG), run__admin_events=True)
    _with_log(snapshot, **changes)
    assert words in told(snapshot.path)


@pytest.mark.attack("what is read back")
def test_events_that_were_taken_out_are_missed(audit: Audit) -> None:
    snapshot = audit(Simulation(ORG), run__admin_events=True)
    recommit(snapshot.path, "admin_events", lambda rows: rows.slice(0, 2))
    assert "is said to have 3 events, but admin_events has 2" in told(snapshot.path)


@pytest.mark.attack("what is read back")
def test_a_log_that_is_said_to_be_read_without_a_table_is_not_verified(audit: Audit) -> None:
    with_log = audit(Simulation(ORG), run__admin_events=True)
    without_log = audit(Simulation(ORG))
    (org,) = without_log.manifest.orgs
    log = with_log.manifest.orgs[0].admin_events
    rewrite(without_log.path, orgs=[msgspec.structs.replace(org, admin_events=log)])
    assert "does not have the table admin_events, but its log is said to be read" in told(without_log.path)
