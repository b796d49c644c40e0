"""Workspaces for hot desking only: they have no call settings, and hide no missing scope."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow.dataset as ds
import pytest
from harness import Where

from audit.errors import RefusedError
from audit.inventory.workspaces import WORKSPACES
from audit.simulator.app import Simulation
from audit.simulator.faults import Faults, parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

Audit = Callable[..., Snapshot]
ORGANIZATION = Organization(80)
HOT_DESKS = {ORGANIZATION.workspace(index)["id"] for index in range(1, 80, 4)}
REFUSALS = {
    "hot-desk-405": (405, "Method not allowed."),
    "hot-desk-text": (405, "Invalid Professional Place"),
    "hot-desk-400": (400, "The request could not be understood"),
    "hot-desk-403": (403, "The server understood the request, but refused"),
    "hot-desk-404": (404, "The requested resource could not be found."),
}


class WhereAnd(Where):
    """A fault for some URLs, and quirks."""

    def __init__(self, quirk: str, kind: str, *texts: str) -> None:
        super().__init__(kind, *texts)
        self.quirks = parse(quirk).quirks


def rows(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    table = ds.dataset(snapshot.path / "coverage", partitioning="hive").to_table()
    return {row["entity_id"]: row for row in table.to_pylist()}


@pytest.mark.parametrize("quirk", REFUSALS)
def test_a_hot_desk_that_the_api_refuses_to_read_is_not_licensed(quirk: str, audit: Audit) -> None:
    status, words = REFUSALS[quirk]
    snapshot = audit(Simulation(ORGANIZATION, parse(quirk)))
    assert snapshot.manifest.status == "complete"
    for entity_id, row in rows(snapshot).items():
        if entity_id in HOT_DESKS:
            assert (row["outcome"], row["http_status"]) == ("not_licensed", status)
            assert words in row["error_message"]
        else:
            assert row["outcome"] in ("ok", "not_licensed")


def test_a_hot_desk_that_the_listing_shows_is_not_asked_for(audit: Audit) -> None:
    simulation = Simulation(ORGANIZATION, parse("hot-desk-only"))
    snapshot = audit(simulation)
    found = rows(snapshot)
    assert {(found[each]["outcome"], found[each]["attempts"]) for each in HOT_DESKS} == {("not_licensed", 0)}
    assert {found[each]["error_message"] for each in HOT_DESKS} == {
        "the inventory says hot desking on, and Webex Calling without a number"
    }
    assert not [line for line in simulation.log if any(f"{each}/pushToTalk" in line for each in HOT_DESKS)]


@pytest.mark.parametrize("kind", ["500", "html", "malformed", "409"])
def test_other_answers_for_a_hot_desk_mean_what_they_always_mean(kind: str, audit: Audit) -> None:
    one = min(HOT_DESKS)
    snapshot = audit(Simulation(ORGANIZATION, WhereAnd("hot-desk-405", kind, f"{one}/pushToTalk")), retry__attempts=1)
    assert snapshot.manifest.status == "partial"
    assert rows(snapshot)[one]["outcome"] in ("server_error", "invalid_response", "bad_request")


def test_hot_desks_do_not_hide_a_missing_scope(audit: Audit) -> None:
    for faults in (WhereAnd("hot-desk-403", "403", "pushToTalk"), WhereAnd("hot-desk-405", "403", "pushToTalk")):
        with pytest.raises(RefusedError, match="may not read push_to_talk of any workspace"):
            audit(Simulation(ORGANIZATION, faults))
        with pytest.raises(RefusedError, match="may not read push_to_talk of any workspace"):
            audit(Simulation(Organization(6), faults))


def test_hot_desks_that_answer_do_not_speak_for_the_other_rooms(audit: Audit, caplog: pytest.LogCaptureFixture) -> None:
    class Ordinary(Faults):
        """Every room but the hot desks is forbidden."""

        def next(self, url: str) -> str | None:
            return "403" if "pushToTalk" in url and not any(each in url for each in HOT_DESKS) else None

    for quirk in ("hot-desk-405", "hot-desk-404", "hot-desk-400"):
        faults = Ordinary()
        faults.quirks = parse(quirk).quirks
        snapshot = audit(Simulation(ORGANIZATION, faults))
        assert snapshot.manifest.status == "partial"
        assert "the token may not read push_to_talk of any workspace" in caplog.text
        caplog.clear()


def test_hot_desks_of_a_refused_kind_are_refused_with_it(audit: Audit) -> None:
    faults = WhereAnd("hot-desk-403", "403", "/telephony/config/workspaces/")
    both = {"scope__entities": ["workspace", "virtual-line"]}
    snapshot = audit(Simulation(ORGANIZATION, faults), **both)
    assert {rows(snapshot)[each]["outcome"] for each in HOT_DESKS} == {"forbidden"}
    few = Organization(6)
    snapshot = audit(Simulation(few, faults), **both)
    assert {rows(snapshot)[few.workspace(index)["id"]]["outcome"] for index in (1, 5)} == {"forbidden"}


def test_hot_desks_accuse_no_token(audit: Audit) -> None:
    class Ordinary(Faults):
        """Every ordinary room but one is forbidden."""

        def next(self, url: str) -> str | None:
            ordinary = [ORGANIZATION.workspace(index)["id"] for index in range(80) if index % 4 != 1]
            return "403" if any(f"{each}/pushToTalk" in url for each in sorted(ordinary)[1:3]) else None

    faults = Ordinary()
    faults.quirks = parse("hot-desk-403").quirks
    counts = Counter(row["outcome"] for row in rows(audit(Simulation(ORGANIZATION, faults))).values())
    assert counts["forbidden"] == 2
    assert counts["ok"] > 40


@pytest.mark.parametrize(
    ("changes", "is_certain", "is_hot_desk"),
    [
        ({"calling": {"type": "webexCalling", "webexCalling": {"licenses": ["x"]}}}, True, True),
        ({"calling": {"type": "webexCalling", "webexCalling": {}}}, True, True),
        ({"calling": {"type": "webexCalling", "webexCalling": {"extension": None, "phoneNumber": ""}}}, True, True),
        ({"calling": {"type": "webexCalling", "webexCalling": {"extension": "123"}}}, False, False),
        ({"calling": {"type": "webexCalling", "webexCalling": {"phoneNumber": "+1555"}}}, False, False),
        ({"calling": {"type": "webexCalling"}}, False, True),
        ({"calling": {"type": "webexCalling", "webexCalling": None}}, False, True),
        ({"calling": {"type": "webexCalling", "webexCalling": "x"}}, False, True),
        ({"calling": {"type": "newCalling", "webexCalling": {}}}, False, True),
        ({"calling": None}, False, True),
        ({}, False, True),
        ({"hotdeskingStatus": "off", "calling": {"type": "webexCalling", "webexCalling": {}}}, False, False),
        ({"hotdeskingStatus": None, "calling": {"type": "webexCalling", "webexCalling": {}}}, False, False),
        ({"hotdeskingStatus": ["on"]}, False, False),
    ],
)
def test_only_what_the_listing_surely_says_spares_the_request(
    changes: dict[str, Any], *, is_certain: bool, is_hot_desk: bool
) -> None:
    entity = WORKSPACES.read({"id": "W", "hotdeskingStatus": "on"} | changes, {})
    assert (entity.known_outcome == "not_licensed", entity.is_hot_desk) == (is_certain, is_hot_desk)
