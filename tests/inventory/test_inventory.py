from typing import Any

import pyarrow as pa
import pytest
from harness import VirtualClock, run_virtually

from audit.entity import EntityType
from audit.errors import AuditError, RefusedError, StoppedError, UsageError
from audit.inventory import Collector, take_inventory
from audit.inventory.organizations import check_org_ids, named_organizations, own_organization
from audit.simulator.app import ADMIN_TOKEN, Simulation, serve
from audit.simulator.faults import parse
from audit.simulator.organization import Organization, webex_id
from audit.webex.connection import connect
from audit.webex.pace import Pace
from audit.webex.retry import RetryPolicy
from audit.webex.tokens import StaticTokens, Token

WORKSPACES_ONLY = {ADMIN_TOKEN: frozenset({"spark-admin:workspaces_read"})}
OTHER_UUID = "8c9fd285-6500-4518-856e-eb836c6761d8"

TOKENS = StaticTokens(Token(ADMIN_TOKEN))
OPTIONS: dict[str, Any] = {"concurrency": 5, "timeout_s": 5, "retry": RetryPolicy(6, 30, 300)}


def take(
    simulation: Simulation, *, org_id: str | None = None, wanted: list[str] | None = None
) -> tuple[str, str | None, pa.Table]:
    """The organization's UUID and name, and its inventory."""
    clock = VirtualClock()

    async def main() -> Any:
        async with (
            serve(simulation) as url,
            connect(url, TOKENS, Pace(clock), **OPTIONS, clock=clock) as client,
        ):
            named = await named_organizations(client, check_org_ids([org_id])) if org_id else []
            organization = named[0] if named else await own_organization(client)
            with Collector(client, organization) as found:
                await take_inventory(found, [EntityType.WORKSPACE], wanted)
                return organization.org_id, organization.name, pa.concat_tables(found.entities())

    return run_virtually(main())


def test_an_inventory_is_sorted_whole_and_named() -> None:
    organization = Organization(120)
    uuid, name, inventory = take(Simulation(organization, parse("quirks"), max_page=25))
    listed = {item["id"]: item for item in map(organization.workspace, range(120))}
    location_names = {each["id"]: each["name"] for each in organization.locations}
    rows = inventory.to_pylist()
    assert (len(uuid), name) == (36, organization.name)
    assert [row["entity_id"] for row in rows] == sorted(listed)
    for row in rows:
        item = listed[row["entity_id"]]
        assert row["entity_type"] == "WORKSPACE"
        assert row["entity_name"] == item["displayName"]
        assert row["location_id"] == item.get("locationId")
        assert row["location_name"] == location_names.get(row["location_id"])
        calling = item.get("calling", {}).get("type", "webexCalling")
        reason = None if calling == "webexCalling" else f"the inventory says calling type {calling}"
        assert (row["known_outcome"], row["known_reason"]) == ("not_licensed" if reason else None, reason)


def test_names_that_may_not_be_read_are_null_and_no_failure() -> None:
    uuid, name, inventory = take(Simulation(Organization(10), tokens=WORKSPACES_ONLY))
    assert (len(uuid), name, inventory.num_rows) == (36, None, 10)
    assert set(inventory["location_name"].to_pylist()) == {None}


def test_exactly_the_wanted_ids_are_taken_and_the_listing_ends_when_all_are_found() -> None:
    organization = Organization(100)
    unknown = webex_id("PLACE", OTHER_UUID)
    early, late = (organization.workspace(index)["id"] for index in (3, 15))
    simulation = Simulation(organization, max_page=10)
    _, _, inventory = take(simulation, wanted=[late, early])
    assert inventory["entity_id"].to_pylist() == sorted([early, late])
    assert None not in inventory["entity_name"].to_pylist()
    assert len([line for line in simulation.log if "/workspaces" in line]) == 2
    _, _, inventory = take(simulation, wanted=[unknown, early])
    names = dict(zip(inventory["entity_id"].to_pylist(), inventory["entity_name"].to_pylist(), strict=True))
    assert names == {unknown: None, early: organization.workspace(3)["displayName"]}


def test_an_organization_is_named_by_its_id_or_uuid() -> None:
    organization = Organization(3)
    own, name, _ = take(Simulation(organization))
    for org_id in (own, organization.org_id):
        simulation = Simulation(organization)
        assert take(simulation, org_id=org_id)[:2] == (own, name)
        assert all(f"orgId={organization.org_id}" in line for line in simulation.log if "workspaces" in line)
    with pytest.raises(UsageError, match="organization 'Northwind': expected its id"):
        take(Simulation(organization), org_id="Northwind")


def test_an_organization_that_the_token_does_not_manage_is_refused() -> None:
    with pytest.raises(RefusedError, match="403"):
        take(Simulation(Organization(3)), org_id=OTHER_UUID)


def test_workspaces_of_another_organization_than_asked_for_are_refused() -> None:
    class Mixed(Organization):
        def workspace(self, index: int) -> Any:
            return super().workspace(index) | {"orgId": webex_id("ORGANIZATION", OTHER_UUID)}

    with pytest.raises(RefusedError, match=f"the API lists entities of organization {OTHER_UUID}"):
        take(Simulation(Mixed(3)))


def test_odd_items_of_a_listing_are_survived() -> None:
    class Odd(Organization):
        def workspace(self, index: int) -> Any:
            odd: list[Any] = [None, "text", {}, {"id": 7}, {"id": "", "calling": []}]
            return odd[index] if index < 5 else super().workspace(index) | {"calling": "webexCalling", "displayName": 5}

    _, _, inventory = take(Simulation(Odd(7)))
    assert inventory.num_rows == 2
    assert inventory["entity_name"].to_pylist() == [None, None]


@pytest.mark.parametrize(
    ("faults", "error", "text"),
    [
        ("404=1!", StoppedError, "name the organization with --org-id"),
        ("500=1!", StoppedError, "HTTP 500 after 6 tries"),
        ("mistyped@1", StoppedError, "no orgId"),
    ],
)
def test_an_organization_that_can_not_be_found_out_stops(faults: str, error: type[AuditError], text: str) -> None:
    with pytest.raises(error, match=text):
        take(Simulation(Organization(3), parse(faults)))


def test_a_token_that_may_list_nothing_is_refused() -> None:
    with pytest.raises(
        RefusedError, match=r"may not read /workspaces \(403\): it needs the scope spark-admin:workspaces_read"
    ):
        take(Simulation(Organization(3), tokens={ADMIN_TOKEN: frozenset()}))
