"""Many organizations with one token, side by side: when one fails, the others go on."""

import asyncio
import csv
import hashlib
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from harness import Result, run_virtually, visible

from audit.clock import Clock
from audit.errors import RefusedError, StoppedError, UsageError
from audit.files import sha256_of
from audit.output import commit as commit_module
from audit.output import inventory as inventory_file
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import Faults, parse
from audit.simulator.organization import Organization, webex_id
from audit.simulator.simulation import ADMIN_SCOPES
from audit.snapshot.catalog import Snapshot
from audit.snapshot.org import Org
from audit.webex.ids import uuid_of
from audit.webex.pace import Ceiling, Pace

Audit = Callable[..., Snapshot]
Api = Callable[[Simulation], str]
Command = Callable[..., Result]
OWN, *CUSTOMERS = (Organization(size, seed=seed, people=30) for seed, size in enumerate((40, 60, 50), 1))
ONE, TWO = CUSTOMERS
ALL: dict[str, Any] = {"scope__all_orgs": True}
BOTH: dict[str, Any] = {"scope__org_ids": [ONE.org_id, TWO.org_id]}


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 20)


def partner(faults: str = "", **options: Any) -> Simulation:
    return Simulation(OWN, parse(faults), customers=(ONE, TWO), **options)


def uuid(organization: Organization) -> str:
    return uuid_of(organization.org_id) or ""


def orgs(snapshot: Snapshot) -> dict[str, Org]:
    return {org.org_id: org for org in snapshot.manifest.orgs}


def statuses(snapshot: Snapshot) -> dict[str, str]:
    return {org_id: org.status for org_id, org in orgs(snapshot).items()}


def coverage(snapshot: Snapshot, organization: Organization) -> list[dict[str, Any]]:
    found = ds.dataset(snapshot.path / "coverage", partitioning="hive").to_table().to_pylist()
    return [row for row in found if row["org_id"] == uuid(organization)]


def content(snapshot: Snapshot) -> dict[str, Any]:
    return {name: table.digest for name, table in snapshot.manifest.tables.items()}


def test_all_organizations_are_audited_in_one_snapshot(audit: Audit) -> None:
    snapshot = audit(partner(), **ALL)
    assert snapshot.manifest.status == "complete"
    assert statuses(snapshot) == dict.fromkeys(sorted(map(uuid, (OWN, ONE, TWO))), "complete")
    for organization, size in ((OWN, 40), (ONE, 60), (TWO, 50)):
        org = orgs(snapshot)[uuid(organization)]
        assert (org.name, org.entities) == (organization.name, size)
        ids = [row["entity_id"] for row in coverage(snapshot, organization)]
        assert ids == sorted(organization.workspace(index)["id"] for index in range(size))
    assert snapshot.manifest.scope.organizations == "all"


def test_each_organization_is_as_if_it_were_audited_alone(audit: Audit, tmp_path: Path) -> None:
    together = audit(partner("all=0.2,quirks", max_page=25), **ALL)
    for organization in (OWN, ONE, TWO):
        folder = str(tmp_path / organization.name)
        alone = audit(partner(), scope__org_ids=[organization.org_id], output__path=folder)
        for table in alone.manifest.tables:
            both = [
                ds.dataset(each.path / table / f"org_id={uuid(organization)}").to_table() for each in (together, alone)
            ]
            columns = [name for name in both[0].column_names if name not in ("tracking_id", "attempts", "fetched_at")]
            assert both[0].select(columns).equals(both[1].select(columns))


def test_named_organizations_are_audited_each_once(audit: Audit) -> None:
    snapshot = audit(partner(), scope__org_ids=[ONE.org_id, uuid(TWO), uuid(ONE)])
    assert set(statuses(snapshot)) == {uuid(ONE), uuid(TWO)}
    assert snapshot.manifest.scope.organizations == "named"


def test_excluded_organizations_are_left_out(audit: Audit) -> None:
    snapshot = audit(partner(), scope__exclude_orgs=[uuid(OWN), TWO.org_id], **ALL)
    assert set(statuses(snapshot)) == {uuid(ONE)}
    assert sorted(snapshot.manifest.scope.excluded) == sorted([uuid(OWN), uuid(TWO)])


def test_a_refused_organization_leaves_the_others_complete(audit: Audit) -> None:
    snapshot = audit(partner(refused_organizations=frozenset({ONE.org_id})), **ALL)
    assert snapshot.manifest.status == "partial"
    assert statuses(snapshot) == {uuid(OWN): "complete", uuid(ONE): "refused", uuid(TWO): "complete"}
    assert "403" in (orgs(snapshot)[uuid(ONE)].message or "")
    assert orgs(snapshot)[uuid(ONE)].entities == 0
    without = audit(partner(), scope__exclude_orgs=[ONE.org_id], **ALL)
    assert content(snapshot) == content(without)


def test_an_organization_that_the_token_does_not_manage_is_refused(audit: Audit) -> None:
    foreign = webex_id("ORGANIZATION", "8c9fd285-6500-4518-856e-eb836c6761d8")
    snapshot = audit(partner(), scope__org_ids=[ONE.org_id, foreign])
    assert statuses(snapshot) == {uuid(ONE): "complete", uuid_of(foreign): "refused"}
    with pytest.raises(RefusedError, match="403"):
        audit(partner(), scope__org_ids=[foreign])
    not_found = partner(faults_of={foreign: parse("404=1!")})
    with pytest.raises(RefusedError, match="or the token does not manage organization 8c9fd285"):
        audit(not_found, scope__org_ids=[foreign])


def test_an_organization_that_is_not_answered_leaves_the_others_complete(audit: Audit) -> None:
    dead = partner(faults_of={ONE.org_id: parse("500=1!")})
    snapshot = audit(dead, retry__attempts=2, **ALL)
    assert statuses(snapshot) == {uuid(OWN): "complete", uuid(ONE): "unanswered", uuid(TWO): "complete"}
    again = partner()
    whole = audit(again, retry_failed=snapshot)
    assert whole.manifest.status == "complete"
    assert content(whole) == content(audit(partner(), **ALL))
    assert not [line for line in again.log if "pushToTalk" in line and ONE.org_id not in line]


def test_an_organization_that_dies_amid_its_crawl_keeps_what_was_read(audit: Audit) -> None:
    dying = partner(faults_of={ONE.org_id: parse(",".join(f"reset@{number}" for number in range(40, 900)))})
    snapshot = audit(dying, retry__budget=5, pace__concurrency=2, **ALL)
    assert statuses(snapshot) == {uuid(OWN): "complete", uuid(ONE): "partial", uuid(TWO): "complete"}
    rows = coverage(snapshot, ONE)
    assert [row["entity_id"] for row in rows] == sorted(ONE.workspace(index)["id"] for index in range(60))
    unasked = [row for row in rows if row["outcome"] == "timeout"]
    assert 20 <= len(unasked) < 60
    assert all(row["error_message"].startswith("not asked: ") for row in unasked if not row["attempts"])
    assert audit(partner(), retry_failed=snapshot).manifest.status == "complete"


def test_nothing_is_committed_where_no_organization_could_be_audited(audit: Audit, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"none of 2 organizations could be audited; the first: .*403"):
        audit(partner(refused_organizations=frozenset({ONE.org_id, TWO.org_id})), **BOTH)
    with pytest.raises(StoppedError, match="none of 2 organizations could be audited"):
        audit(partner("500=1!"), retry__attempts=1, **BOTH)
    assert visible(tmp_path / "out") == []


def test_a_token_that_is_refused_amid_a_run_stops_all(audit: Audit) -> None:
    class Revoked(Organization):
        def push_to_talk(self, index: int) -> Any:
            simulation.tokens.clear()
            return super().push_to_talk(index)

    simulation = Simulation(OWN, customers=(ONE, Revoked(50, seed=3)))
    with pytest.raises(RefusedError, match="401"):
        audit(simulation, **ALL)


@pytest.mark.parametrize(
    ("options", "simulation", "error", "text"),
    [
        (ALL, {"organizations_listed": ()}, RefusedError, "the token manages no organization"),
        (
            ALL,
            {"tokens": {ADMIN_TOKEN: ADMIN_SCOPES - {"spark-admin:organizations_read"}}},
            RefusedError,
            "needs the scope spark-admin:organizations_read",
        ),
        (
            ALL | {"scope__exclude_orgs": [each.org_id for each in (OWN, ONE, TWO)]},
            {},
            UsageError,
            "leaves out all 3 organizations",
        ),
        (ALL | BOTH, {}, UsageError, "leave out --org-id"),
        ({"scope__exclude_orgs": [ONE.org_id]}, {}, UsageError, "add --all-orgs"),
        ({"scope__org_ids": ["Northwind"]}, {}, UsageError, "--org-id: organization 'Northwind': expected its id"),
        (ALL | {"scope__exclude_orgs": ["x"]}, {}, UsageError, "--exclude-org: organization 'x'"),
        (ALL | {"wanted": [ONE.workspace(1)["id"]]}, {}, UsageError, "name only that organization"),
    ],
)
def test_what_can_not_be_audited_is_told_in_a_line(
    options: dict[str, Any], simulation: dict[str, Any], error: type[Exception], text: str, audit: Audit
) -> None:
    with pytest.raises(error, match=text):
        audit(partner(**simulation), **options)


@pytest.mark.slow
def test_starts_are_spread_in_the_order_of_a_hash(audit: Audit) -> None:
    began: dict[str, float] = {}

    class Begun(Faults):
        def next(self, url: str) -> str | None:
            if "/workspaces?" in url:
                began.setdefault(url.partition("orgId=")[2].partition("&")[0], asyncio.get_running_loop().time())
            return None

    many = tuple(Organization(2, seed=seed, people=1) for seed in range(2, 32))
    snapshot = audit(Simulation(OWN, Begun(), customers=many), **ALL)
    assert set(statuses(snapshot).values()) == {"complete"}
    hashes = {each.org_id: hashlib.sha256(uuid(each).encode()).digest() for each in (OWN, *many)}
    # Requests that start at the same moment may arrive in any order.
    expected = sorted(hashes, key=lambda each: hashes[each])
    assert max(abs(expected.index(each) - place) for place, each in enumerate(began)) <= 3
    began.clear()
    # No organization is done before the next begins.
    audit(Simulation(OWN, Begun(), customers=(ONE, TWO)), pace__max_rate=20, **ALL)
    assert min(later - earlier for earlier, later in pairwise(began.values())) >= 0.5


class Timed(Faults):
    """No faults, and the times of all reads of settings."""

    def next(self, url: str) -> str | None:
        if "pushToTalk" in url:
            TIMES.append(asyncio.get_running_loop().time())
        return None


TIMES: list[float] = []


@pytest.mark.slow
def test_each_organization_has_a_pace_of_its_own(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    # Virtual time passes while a batch is written, so let that happen at the end.
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 1000)
    big = tuple(Organization(240, seed=seed, people=30) for seed in (4, 5, 6))
    took_s = []
    for wanted in (big[:1], big):
        TIMES.clear()
        audit(
            Simulation(OWN, Timed(), customers=big, rate_limit_per_s=40),
            scope__org_ids=[each.org_id for each in wanted],
        )
        took_s.append(TIMES[-1] - TIMES[0])
    assert took_s[0] > 240 / 40 - 2
    assert took_s[1] < 1.5 * took_s[0] + 3


def test_all_paces_stay_below_one_ceiling_and_a_paused_one_holds_no_other_back() -> None:
    begun: list[float] = []

    async def request(pace: Pace, loop: asyncio.AbstractEventLoop) -> None:
        await pace.enter()
        begun.append(loop.time())
        await asyncio.sleep(0.05)
        pace.leave()

    async def main() -> tuple[float, int]:
        loop = asyncio.get_running_loop()
        first = Pace(Clock(), Ceiling(3, 20), start_per_s=20)
        paces = [first, first.beside(), first.beside()]
        paces[2].pause(1000)
        async with asyncio.timeout(900), asyncio.TaskGroup() as group:
            stuck = [group.create_task(request(paces[2], loop)) for _ in range(20)]
            await asyncio.gather(*(request(pace, loop) for pace in paces[:2] for _ in range(60)))
            for task in stuck:
                task.cancel()
        return begun[-1] - begun[0], len(begun)

    took_s, count = run_virtually(main())
    assert count == 120
    assert took_s == pytest.approx(119 / 20, rel=0.1)
    assert min(later - earlier for earlier, later in zip(begun, begun[20:], strict=False)) >= 1 - 1e-6


def test_requests_at_once_are_bounded_for_all_together() -> None:
    at_once: list[int] = []

    async def main() -> None:
        running = 0
        first = Pace(Clock(), Ceiling(4), start_per_s=1000)

        async def request(pace: Pace) -> None:
            nonlocal running
            await pace.enter()
            running += 1
            at_once.append(running)
            await asyncio.sleep(1)
            running -= 1
            pace.leave()

        paces = [first, first.beside()]
        await asyncio.gather(*(request(paces[index % 2]) for index in range(40)))

    run_virtually(main())
    assert max(at_once) == 4


def test_an_organization_whose_answers_hang_leaves_room_for_the_others() -> None:
    begun: list[float] = []

    async def request(pace: Pace, takes_s: float) -> None:
        await pace.enter()
        if takes_s < 1:
            begun.append(asyncio.get_running_loop().time())
        await asyncio.sleep(takes_s)
        pace.leave()

    async def main() -> float:
        first = Pace(Clock(), Ceiling(10), start_per_s=1000)
        hanging, lively = first.beside(), first.beside()
        with hanging.at_work(), lively.at_work():
            async with asyncio.TaskGroup() as group:
                stuck = [group.create_task(request(hanging, 3600)) for _ in range(40)]
                await asyncio.sleep(1)
                await asyncio.gather(*(request(lively, 0.1) for _ in range(200)))
                for task in stuck:
                    task.cancel()
        return begun[-1] - begun[0]

    # The organization that hangs has half of the slots; the other half serve 50 requests per second.
    assert run_virtually(main()) < 200 / 50 + 1


@pytest.mark.slow
def test_what_was_given_up_is_asked_for_by_a_resumed_run(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device", "/the/place")

    dead = ",".join(f"reset@{number}" for number in range(40, 900))
    with monkeypatch.context() as full_disk:
        full_disk.setattr(commit_module, "write_manifest", refuse)
        with pytest.raises(StoppedError, match="No space left on device"):
            audit(partner(faults_of={ONE.org_id: parse(dead)}), retry__budget=5, pace__concurrency=2, **ALL)
    resumed = audit(partner(), is_resuming=True, **ALL)
    assert resumed.manifest.status == "complete"
    assert content(resumed) == content(audit(partner(), **ALL))


def test_a_lost_inventory_of_one_organization_harms_no_other(
    audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device", "/the/place")

    with monkeypatch.context() as full_disk:
        full_disk.setattr(commit_module, "write_manifest", refuse)
        with pytest.raises(StoppedError, match="No space left on device"):
            audit(partner(), **ALL)
    (lost,) = (tmp_path / "out").glob(f"*/parts/{uuid(ONE)}/push_to_talk/*/inventory.arrow")
    lost.unlink()
    again = partner()
    assert content(audit(again, is_resuming=True, **ALL)) == content(audit(partner(), **ALL))
    assert not [line for line in again.log if "pushToTalk" in line and TWO.org_id in line]


def test_a_retry_keeps_organizations_that_are_no_longer_listed(audit: Audit) -> None:
    partial = audit(partner(faults_of={ONE.org_id: parse("409@5")}), **ALL)
    assert statuses(partial)[uuid(ONE)] == "partial"
    gone = partner()
    gone.organizations_listed = (OWN, ONE)
    again = audit(gone, retry_failed=partial)
    assert content(again) == content(audit(partner(), **ALL))
    strangers = Simulation(Organization(3, seed=9), customers=(Organization(3, seed=10),))
    kept = audit(strangers, retry_failed=partial)
    assert kept.manifest.outcomes["push_to_talk"]["ok"] == partial.manifest.outcomes["push_to_talk"]["ok"]


def test_a_retry_keeps_what_was_complete_where_an_organization_dies(audit: Audit) -> None:
    partial = audit(partner(faults_of={ONE.org_id: parse("409@5,409@6")}), **ALL)
    dead = partner(faults_of={ONE.org_id: parse("reset=1!")})
    again = audit(dead, retry_failed=partial, retry__attempts=2)
    rows = [row for row in coverage(again, ONE) if row["outcome"] in ("timeout", "bad_request")]
    assert len(rows) == 2
    assert len(coverage(again, ONE)) == 60


def test_odd_organizations_of_the_list_are_told_and_passed_over(audit: Audit, caplog: pytest.LogCaptureFixture) -> None:
    class Odd(Organization):
        @property
        def org_id(self) -> str:  # type: ignore[override]
            return "not-an-id"

    simulation = partner()
    simulation.organizations_listed = (OWN, Odd(3), ONE)
    snapshot = audit(simulation, **ALL)
    assert set(statuses(snapshot)) == {uuid(OWN), uuid(ONE)}
    assert "an organization is listed as {'id': 'not-an-id'" in caplog.text
    assert (snapshot.manifest.status, snapshot.manifest.invalid_organizations) == ("partial", 1)


def test_csv_is_written_for_each_organization_where_wanted(audit: Audit) -> None:
    one_file = audit(partner(), **BOTH)
    per_org = audit(partner(), output__csv_per_org=True, **BOTH)
    assert content(one_file) == content(per_org)
    assert not list(per_org.path.glob("*.csv"))
    for table, entry in per_org.manifest.tables.items():
        rows = []
        for organization in sorted((ONE, TWO), key=uuid):
            with (per_org.path / f"org_id={uuid(organization)}" / f"{table}.csv").open(newline="") as file:
                rows += list(csv.DictReader(file))
        with (one_file.path / f"{table}.csv").open(newline="") as file:
            expected = list(csv.DictReader(file))
        volatile = ("tracking_id", "attempts", "fetched_at")
        assert [{key: row[key] for key in row if key not in volatile} for row in rows] == [
            {key: row[key] for key in row if key not in volatile} for row in expected
        ]
        for file_entry in entry.files:
            path = per_org.path / file_entry.path
            assert file_entry.sha256 == sha256_of(path)
        assert sum(each.rows for each in entry.files if each.path.endswith(".csv")) == entry.rows


@pytest.fixture
def run_command(api: Api, webex_audit: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    monkeypatch.setattr("audit.run.engine._SPREAD_S", 0.01)
    url = api(partner(refused_organizations=frozenset({ONE.org_id})))

    def run(command: str, *arguments: str) -> Result:
        return webex_audit(command, "--base-url", url, *arguments)

    return run


def test_a_wait_beyond_the_deadline_stops_one_organization_and_no_other(
    api: Api, webex_audit: Command, run_command: Command
) -> None:
    url = api(partner(faults_of={ONE.org_id: parse("429-long@20")}))
    result = webex_audit("run", "--base-url", url, "--all-orgs", "--deadline", "2m", "--json")
    found = {org["org_id"]: org for org in json.loads(result.out)["orgs"]}
    assert result.code == 3
    assert {org_id: org["status"] for org_id, org in found.items()} == {
        uuid(OWN): "complete",
        uuid(ONE): "partial",
        uuid(TWO): "complete",
    }
    assert "asks to wait 194 s" in found[uuid(ONE)]["message"]


def test_show_has_a_table_of_organizations(run_command: Command, webex_audit: Command) -> None:
    result = run_command("run", "--all-orgs", "--exclude-org", OWN.org_id)
    assert result.code == 3
    lines = result.out.splitlines()
    assert "  orgs       2, 1 not complete" in lines
    assert f"  org        {uuid(TWO)}  complete    50 entities  {TWO.name}" in lines
    assert f"  org        {uuid(ONE)}  refused      0 entities  {ONE.name}" in lines
    assert re.search(rf"organization .+ \({uuid(ONE)}\) is refused", result.err)
    assert webex_audit("show").out == result.out
    assert json.loads(webex_audit("show", "--json").out)["orgs"][0].keys() >= {"org_id", "status", "message"}
    listed = webex_audit("snapshots").out
    assert all(name in listed for name in (ONE.name, TWO.name))


def test_a_dry_run_and_the_doctor_tell_of_each_organization(run_command: Command) -> None:
    plan = json.loads(run_command("run", "--all-orgs", "--dry-run", "--json").out)
    told = {org["org_id"]: org for org in plan["organizations"]}
    assert told[uuid(TWO)]["entities"] == 50
    assert "403" in told[uuid(ONE)]["message"]
    assert plan["entities"] == 90
    assert "spark-admin:organizations_read" in plan["scopes"]
    assert "; not all of it: " in run_command("run", "--all-orgs", "--dry-run").out
    result = run_command("doctor", "--all-orgs")
    assert (result.code, result.out.count("ok       organization"), result.out.count("failed")) == (3, 3, 1)
