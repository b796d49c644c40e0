"""What only adds names never ends an audit, and never costs more than a minute."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pyarrow.dataset as ds
import pytest
from aiohttp import web
from harness import Result, without

from audit.errors import DeadlineError
from audit.inventory import Users
from audit.inventory.names import LIMIT_S
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.webex.errors import TokenRefusedError

Audit = Callable[..., Snapshot]
ORGANIZATION = Organization(20, people=10)
PLACED = sum("locationId" in ORGANIZATION.workspace(index) for index in range(20))
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Break = Callable[[str, Answer], None]


def _status(status: int, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "Server says no"}, status=status, headers=headers)

    return answer


def _body(text: str, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, content_type="application/json", headers=headers)

    return answer


async def _reset(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.abort()
    return web.Response()


async def _hang(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


async def _drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(5)


async def _circle(request: web.Request) -> web.StreamResponse:
    items = [{"id": "x", "name": "y"}]
    return web.json_response({"items": items}, headers={"Link": f'<http://{request.host}{request.path}>; rel="next"'})


async def _endless(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(1)
    number = int(request.query.get("cursor", "0")) + 1
    link = f'<http://{request.host}{request.path}?cursor={number}>; rel="next"'
    return web.json_response({"items": [{"id": f"x{number}", "name": "y"}]}, headers={"Link": link})


BROKEN: dict[str, Answer] = {
    "500": _status(500),
    "501": _status(501),
    "502": _status(502),
    "400": _status(400),
    "404": _status(404),
    "405": _status(405),
    "redirect": _status(302, Location="/x"),
    "empty": _body(""),
    "html": _body("<html>"),
    "list": _body("[]"),
    "items-null": _body('{"items": null}'),
    "items-absent": _body("{}"),
    "reset": _reset,
    "hang": _hang,
    "drip": _drip,
    "circle": _circle,
    "endless": _endless,
    "foreign": _body('{"items": [{"id": "x", "name": "y"}]}', Link='<https://example.net/x>; rel="next"'),
    "429": _status(429, **{"Retry-After": "1"}),
    "429-bare": _status(429),
    "429-long": _status(429, **{"Retry-After": "1000"}),
    "423": _status(423),
    "503-long": _status(503, **{"Retry-After": "600"}),
}


#: One of each kind, for listings that share the code of locations.
FEW = ("500", "404", "redirect", "html", "reset", "hang", "circle", "429-long")
#: Seconds that the API asks all requests to wait; names are tried once more then.
ASKED_S = {"429-long": 1000.0, "503-long": 600.0}


@pytest.fixture
def break_path(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Answer a path of the simulator in another way."""

    def break_path(path: str, answer: Answer) -> None:
        route = web.UrlDispatcher.add_get

        def add_get(self: Any, at: str, handler: Any, **options: Any) -> Any:
            return route(self, at, answer if at == f"/v1{path}" else handler, **options)

        monkeypatch.setattr(web.UrlDispatcher, "add_get", add_get)

    return break_path


def rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = ds.dataset(snapshot.path / "coverage", partitioning="hive").to_table().to_pylist()
    return read


def took_s(snapshot: Snapshot) -> float:
    return (snapshot.manifest.finished_at - snapshot.manifest.started_at).total_seconds()


@pytest.mark.few(8)
@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.slow
def test_broken_locations_cost_their_names_and_a_minute_at_most_beside_what_all_wait(
    how: str, audit: Audit, break_path: Break, caplog: pytest.LogCaptureFixture
) -> None:
    break_path("/locations", BROKEN[how])
    snapshot = audit(Simulation(ORGANIZATION), run__stall_s=600)
    (org,) = snapshot.manifest.orgs
    assert (snapshot.manifest.status, org.status, org.unnamed_locations) == ("complete", "complete", PLACED)
    assert {row["location_name"] for row in rows(snapshot)} == {None}
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "location names can't be read, so they are left out: " in warning.getMessage()
    assert took_s(snapshot) < LIMIT_S + 10 + 2 * ASKED_S.get(how, 0)


@pytest.mark.few(3)
@pytest.mark.parametrize("how", FEW)
def test_a_broken_list_of_organizations_costs_a_name(how: str, audit: Audit, break_path: Break) -> None:
    break_path("/organizations", BROKEN[how])
    snapshot = audit(Simulation(ORGANIZATION), run__stall_s=600)
    assert [(org.name, org.status) for org in snapshot.manifest.orgs] == [(None, "complete")]
    assert took_s(snapshot) < LIMIT_S + 10 + 2 * ASKED_S.get(how, 0)


@pytest.mark.few(3)
@pytest.mark.parametrize("how", FEW)
def test_a_broken_list_of_licenses_costs_requests(
    how: str, audit: Audit, break_path: Break, caplog: pytest.LogCaptureFixture
) -> None:
    break_path("/licenses", BROKEN[how])
    snapshot = audit(Simulation(ORGANIZATION), scope__entities=["person"], run__stall_s=600)
    assert snapshot.manifest.status == "complete"
    assert "licenses can't be read, so people without a license are audited too: " in caplog.text
    assert took_s(snapshot) < LIMIT_S + 10 + 2 * ASKED_S.get(how, 0)


@pytest.mark.parametrize("how", ["429-long", "503-long"])
def test_a_wait_that_names_are_asked_for_does_not_reach_the_deadline(how: str, audit: Audit, break_path: Break) -> None:
    break_path("/locations", BROKEN[how])
    snapshot = audit(Simulation(ORGANIZATION), run__deadline="500s")
    assert snapshot.manifest.status == "complete"
    assert took_s(snapshot) < 500


def test_the_names_that_came_before_the_fault_are_kept(audit: Audit, break_path: Break) -> None:
    known = ORGANIZATION.locations[0]

    async def second_page_fails(request: web.Request) -> web.StreamResponse:
        if "cursor" in request.query:
            return await BROKEN["501"](request)
        link = f'<http://{request.host}{request.path}?cursor=1>; rel="next"'
        return web.json_response({"items": [known]}, headers={"Link": link})

    break_path("/locations", second_page_fails)
    snapshot = audit(Simulation(ORGANIZATION))
    named = [row for row in rows(snapshot) if row["location_name"]]
    assert {row["location_id"] for row in named} == {known["id"]}
    assert snapshot.manifest.orgs[0].unnamed_locations == PLACED - len(named)


def test_a_location_that_no_longer_exists_is_not_counted_as_lost(audit: Audit, break_path: Break) -> None:
    async def none(_: web.Request) -> web.StreamResponse:
        return web.json_response({"items": []})

    break_path("/locations", none)
    assert audit(Simulation(ORGANIZATION)).manifest.orgs[0].unnamed_locations == 0


def test_a_resumed_run_and_a_retry_still_know_that_names_are_lost(audit: Audit, break_path: Break) -> None:
    break_path("/locations", BROKEN["500"])
    partial = audit(
        Simulation(ORGANIZATION, tokens=without("spark-admin:people_read")), scope__entities=["workspace", "person"]
    )
    assert partial.manifest.status == "partial"
    again = audit(Simulation(ORGANIZATION), retry_failed=partial)
    assert again.manifest.status == "complete"
    assert again.manifest.orgs[0].unnamed_locations >= PLACED


def test_a_missing_scope_for_names_is_told_quietly(audit: Audit, caplog: pytest.LogCaptureFixture) -> None:
    snapshot = audit(Simulation(ORGANIZATION, tokens=without("spark-admin:locations_read")))
    assert snapshot.manifest.orgs[0].unnamed_locations == PLACED
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_token_that_is_refused_everywhere_ends_the_run_at_the_names_too(audit: Audit, break_path: Break) -> None:
    simulation = Simulation(ORGANIZATION)

    async def refuse(request: web.Request) -> web.StreamResponse:
        simulation.tokens.clear()
        return web.json_response({"message": "refused"}, status=401)

    break_path("/locations", refuse)
    with pytest.raises(TokenRefusedError):
        audit(simulation)


def test_the_deadline_of_the_run_ends_it_at_the_names_too(audit: Audit, break_path: Break) -> None:
    break_path("/locations", BROKEN["hang"])
    with pytest.raises(DeadlineError, match="the deadline of 20s is over"):
        audit(Simulation(ORGANIZATION), run__deadline="20s")


def test_the_command_shows_the_counter(
    api: Callable[[Simulation], str],
    webex_audit: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    break_path: Break,
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    break_path("/locations", BROKEN["501"])
    url = api(Simulation(ORGANIZATION))
    assert webex_audit("run", "--base-url", url).code == 0
    assert f"names of locations could not be read: {PLACED} entities" in webex_audit("show").out
    assert webex_audit("verify").code == 0


@pytest.mark.parametrize("how", ["foreign", "circle", "redirect", "500"])
def test_broken_look_ups_of_named_users_leave_their_addresses(how: str, audit: Audit, break_path: Break) -> None:
    break_path("/people", BROKEN[how])
    users = Users("named", (str(ORGANIZATION.person(3)["emails"][0]),))
    snapshot = audit(Simulation(ORGANIZATION), scope__datasets=["audio-options"], users=users)
    assert {row["entity_id"] for row in rows(snapshot)} == set(users.emails)
