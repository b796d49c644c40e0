"""`--retry-failed` keeps what the earlier snapshot knows, and says so if there is nothing to retry."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import Result, Where, visible, without

from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.snapshot.manifest import encode

Audit = Callable[..., Snapshot]
Api = Callable[[Simulation], str]
Command = Callable[..., Result]
OWN, CUSTOMER = Organization(60, people=20), Organization(40, seed=2, people=10)
ALL: dict[str, Any] = {"scope__all_orgs": True}
KINDS: dict[str, Any] = {"scope__entities": ["workspace", "person"]}


def partner(faults: str = "", **options: Any) -> Simulation:
    return Simulation(OWN, parse(faults), customers=(CUSTOMER,), max_page=1000, **options)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("failing", "scope"),
    [
        (lambda: Simulation(OWN, parse("409@20,500@30,403@45"), max_page=1000), {}),
        (lambda: Simulation(OWN, tokens=without("spark-admin:people_read")), KINDS),
        (lambda: partner(refused_organizations=frozenset({CUSTOMER.org_id})), ALL),
        (lambda: partner(faults_of={CUSTOMER.org_id: parse("mistyped@20,mistyped@25")}), ALL),
    ],
)
def test_a_retried_snapshot_counts_the_unknown_fields_of_a_whole_run(
    failing: Callable[[], Simulation], scope: dict[str, Any], audit: Audit, tmp_path: Path
) -> None:
    whole = audit(partner(), output__path=str(tmp_path / "whole"), **scope)
    partial = audit(failing(), retry__attempts=1, **scope)
    assert partial.manifest.status == "partial"
    again = audit(partner(), retry_failed=partial)
    assert again.manifest.status == "complete"
    assert again.manifest.unknown_fields == whole.manifest.unknown_fields
    assert again.manifest.unknown_fields["push_to_talk"]["futureSetting"] > 0


def test_a_retry_of_a_retry_counts_no_field_twice(audit: Audit, tmp_path: Path) -> None:
    whole = audit(Simulation(OWN), output__path=str(tmp_path / "whole"))
    failing = ",".join(f"409@{number}" for number in range(10, 40))
    partial = audit(Simulation(OWN, parse(failing), max_page=1000))
    again = audit(Simulation(OWN, parse("409@5,409@9,409@12"), max_page=1000), retry_failed=partial)
    assert again.manifest.status == "partial"
    last = audit(Simulation(OWN), retry_failed=again)
    assert last.manifest.unknown_fields == whole.manifest.unknown_fields


@pytest.fixture
def retry(webex_audit: Command, api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Retries the latest snapshot; returns the result and the simulation that was asked."""
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")

    def retry(*arguments: str, simulation: Simulation | None = None) -> tuple[Result, Simulation]:
        serving = simulation or partner()
        given = ["--retry-failed", "latest", "--output", tmp_path / "out", "--base-url", api(serving)]
        return webex_audit("run", *given, *arguments), serving

    return retry


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("arguments", "is_told"),
    [
        ([], "stdout"),
        (["--resume"], "stdout"),
        (["--engine", "dask"], "stdout"),
        (["--json"], "stderr"),
        (["--quiet"], "nowhere"),
        (["--json", "--quiet"], "nowhere"),
    ],
)
def test_a_complete_snapshot_has_nothing_to_retry(
    arguments: list[str], is_told: str, audit: Audit, retry: Callable[..., Any], tmp_path: Path
) -> None:
    snapshot = audit(partner(), **ALL)
    result, simulation = retry(*arguments)
    line = f"nothing to retry: snapshot {snapshot.manifest.snapshot_id} is complete"
    assert result.code == 0, result.err
    assert simulation.log == []
    assert visible(tmp_path / "out") == [snapshot.path.name]
    assert (result.out == f"{line}\n", result.err.count(line)) == (is_told == "stdout", is_told == "stderr")
    if "--json" in arguments:
        assert json.loads(result.out)["snapshot_id"] == snapshot.manifest.snapshot_id
    elif "--quiet" in arguments:
        assert result.out == ""


@pytest.mark.parametrize("scope", [{"output__formats": ["csv"]}, {"scope__datasets": ["audio-options"]}, KINDS])
def test_what_is_complete_needs_neither_token_nor_parquet(
    scope: dict[str, Any], audit: Audit, retry: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    audit(partner(), **scope)
    monkeypatch.delenv("WEBEX_ACCESS_TOKEN")
    result, simulation = retry()
    assert (result.code, simulation.log, "nothing to retry" in result.out) == (0, [], True)


def test_a_snapshot_of_an_empty_organization_has_nothing_to_retry(audit: Audit, retry: Callable[..., Any]) -> None:
    audit(Simulation(Organization(0)))
    result, simulation = retry()
    assert (result.code, simulation.log, "nothing to retry" in result.out) == (0, [], True)


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("failing", "scope"),
    [
        (lambda: Simulation(OWN, tokens=without("spark-admin:people_read")), KINDS),
        (lambda: partner(refused_organizations=frozenset({CUSTOMER.org_id})), ALL),
        (lambda: partner(faults_of={CUSTOMER.org_id: parse("500=1!")}), ALL),
        (lambda: Simulation(OWN, Where("mistyped", OWN.workspace(7)["id"])), {}),
    ],
)
def test_a_snapshot_with_any_gap_is_retried(
    failing: Callable[[], Simulation], scope: dict[str, Any], audit: Audit, retry: Callable[..., Any], tmp_path: Path
) -> None:
    partial = audit(failing(), retry__attempts=1, **scope)
    assert partial.manifest.status == "partial"
    result, simulation = retry()
    assert (result.code, "nothing to retry" in result.out) == (0, False), result.err
    assert simulation.log
    assert len(visible(tmp_path / "out")) == 2


@pytest.mark.attack("what is read back")
@pytest.mark.parametrize("gap", ["outcomes", "unlisted", "status"])
def test_a_manifest_that_contradicts_its_own_status_is_refused(
    gap: str, audit: Audit, retry: Callable[..., Any]
) -> None:
    snapshot = audit(partner(), **ALL)
    tree = json.loads(encode(snapshot.manifest))
    if gap == "outcomes":
        tree["outcomes"]["push_to_talk"]["timeout"] = 1
    elif gap == "unlisted":
        tree["orgs"][0]["unlisted"] = {"push_to_talk": {"WORKSPACE": "403"}}
    else:
        tree["orgs"][1]["status"] = "partial"
    (snapshot.path / "manifest.json").write_text(json.dumps(tree))
    result, simulation = retry()
    assert (result.code, result.out, simulation.log) == (2, "", [])
    assert "is damaged at manifest.json" in result.err


@pytest.mark.parametrize(
    "flags",
    [
        ["--dataset", "paging-groups"],
        ["--dataset", "all"],
        ["--entity", "person"],
        ["--entity", "workspace", "--entity", "virtual-line"],
        ["--org-id", CUSTOMER.org_id],
        ["--all-orgs", "--exclude-org", CUSTOMER.org_id],
        ["--dataset", "push-to-talk", "--dataset", "audio-options", "--all-users"],
    ],
)
@pytest.mark.parametrize("fault", ["", "409@9"])
def test_a_flag_that_differs_from_the_scope_of_the_snapshot_is_refused(
    flags: list[str], fault: str, audit: Audit, retry: Callable[..., Any]
) -> None:
    snapshot = audit(partner(fault), scope__entities=["workspace"])
    result, simulation = retry(*flags)
    assert (result.code, result.out, simulation.log) == (2, "", []), result
    assert f"differs from the scope of snapshot {snapshot.manifest.snapshot_id}, which --retry-failed" in result.err
    assert any(flag in result.err for flag in flags)


@pytest.mark.parametrize(
    ("scope", "flags"),
    [
        (ALL, ["--all-orgs"]),
        (KINDS, ["--entity", "person", "--entity", "workspace", "--dataset", "push-to-talk"]),
        ({"scope__org_ids": [CUSTOMER.org_id]}, ["--org-id", CUSTOMER.org_id]),
        ({"scope__datasets": ["all"]}, ["--dataset", "all"]),
    ],
)
def test_a_flag_that_repeats_the_scope_of_the_snapshot_is_accepted(
    scope: dict[str, Any], flags: list[str], audit: Audit, retry: Callable[..., Any]
) -> None:
    audit(partner(), **scope)
    result, _ = retry(*flags)
    assert (result.code, "nothing to retry" in result.out) == (0, True), result
