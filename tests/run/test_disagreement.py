"""Datasets that disagree about an entity keep an outcome each, and no view of the snapshot contradicts them."""

import json
from collections.abc import Callable
from typing import Any

import pyarrow.dataset as ds
import pytest
from harness import Result, Where

from audit.errors import StoppedError
from audit.inventory import Users
from audit.simulator.app import Simulation
from audit.simulator.faults import Faults, parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

Audit = Callable[..., Snapshot]
Command = Callable[..., Result]
OWN = Organization(30, odd=False, people=12, virtual_lines=3, paging_groups=2)
BOTH = ["push-to-talk", "answer-settings"]
CALLING = next(index for index in range(1, 12) if OWN.person_refusal(index) is None and OWN.person_location_id(index))
ROOM, PERSON, LINE = OWN.workspace(2)["id"], OWN.person(CALLING)["id"], OWN.virtual_line(1)["id"]
DOCUMENTED = "/telephony/config/workspaces/"


def coverage(snapshot: Snapshot) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ds.dataset(snapshot.path / "coverage", partitioning="hive").to_table().to_pylist()
    return rows


def outcome(snapshot: Snapshot, dataset: str, entity_id: str) -> str:
    rows = coverage(snapshot)
    (row,) = [row for row in rows if (row["dataset"], row["entity_id"]) == (dataset, entity_id)]
    return str(row["outcome"])


@pytest.mark.few(5)
@pytest.mark.parametrize(
    ("fault", "outcomes"),
    [
        (f"404 {ROOM}/answerSettings", ("ok", "not_found")),
        (f"404 {ROOM}/pushToTalk", ("not_found", "ok")),
        (f"405-wxc {ROOM}/pushToTalk", ("not_licensed", "ok")),
        (f"403 {ROOM}/pushToTalk", ("forbidden", "ok")),
        (f"404 {PERSON}/answerSettings", ("ok", "not_found")),
        (f"404 {PERSON}/features/pushToTalk", ("not_found", "ok")),
        (f"404 {LINE}/answerSettings", ("ok", "not_found")),
        (f"400 {LINE}/answerSettings", ("ok", "bad_request")),
    ],
)
@pytest.mark.slow
def test_each_dataset_keeps_its_own_outcome(
    fault: str, outcomes: tuple[str, str], audit: Audit, webex_audit: Command
) -> None:
    kind, path = fault.split()
    entity_id = path.partition("/")[0]
    kinds = {"scope__entities": ["workspace", "person", "virtual-line"]}
    before = audit(Simulation(OWN), scope__datasets=BOTH, **kinds)
    snapshot = audit(Simulation(OWN, Where(kind, path)), scope__datasets=BOTH, **kinds)
    assert (outcome(snapshot, "push_to_talk", entity_id), outcome(snapshot, "answer_settings", entity_id)) == outcomes
    is_complete = all(word in ("ok", "not_found", "not_licensed") for word in outcomes)
    assert (snapshot.manifest.status == "complete") == is_complete
    at = ["--output", snapshot.path.parent]
    # One entity is one entity, however many datasets ask for it.
    assert snapshot.manifest.orgs[0].entities == before.manifest.orgs[0].entities == 45
    shown = webex_audit("show", *at).out
    assert "45 entities" in shown
    assert webex_audit("verify", *at).code == 0
    changes = json.loads(webex_audit("diff", *at, "--json").out)
    text = json.dumps(changes)
    gone = {("push_to_talk", "answer_settings")[place] for place, word in enumerate(outcomes) if word != "ok"}
    kept = {"push_to_talk", "answer_settings"} - gone
    assert all(name not in text or f'"{name}"' not in text for name in kept), text
    findings = json.loads(webex_audit("check", *at, "--json").out)
    unread = [each for each in json.dumps(findings).split("entity-not-read") if entity_id in each]
    assert bool(unread) or is_complete
    webex_audit("report", *at, "--file", snapshot.path.parent / "report.html")
    assert (snapshot.path.parent / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("flags", "selected", "people"),
    [
        ({}, {}, 1),
        ({"scope__all_users": True}, {}, 12),
        ({}, {"users": Users("named", (OWN.member(2)["email"], OWN.member(5)["email"]))}, 2),
        ({"scope__entities": ["person"]}, {}, 1),
        ({"scope__entities": ["person", "workspace"], "scope__all_users": True}, {}, 12),
    ],
)
def test_audio_options_have_an_inventory_of_their_own(
    flags: dict[str, Any], selected: dict[str, Any], people: int, audit: Audit
) -> None:
    serving = Simulation(OWN)
    snapshot = audit(serving, scope__datasets=["all"], **flags, **selected)
    rows = coverage(snapshot)
    kinds = flags.get("scope__entities", ["workspace"])
    wanted = {"workspace": 30, "person": 12}
    for name in ("push_to_talk", "answer_settings"):
        found = {row["entity_id"] for row in rows if row["dataset"] == name}
        assert len(found) == sum(wanted[kind] for kind in kinds)
    assert len({row["entity_id"] for row in rows if row["dataset"] == "audio_options"}) == people
    assert {row["entity_type"] for row in rows if row["dataset"] == "audio_options"} == {"PERSON"}
    assert len({row["entity_id"] for row in rows if row["dataset"] == "paging_groups"}) == 2
    # All entities together, each counted once.
    assert snapshot.manifest.orgs[0].entities == len({(row["entity_type"], row["entity_id"]) for row in rows})
    assert snapshot.manifest.status == "complete"


class Html(Faults):
    """The answer settings are 404 with a page of a gateway, for every entity."""

    def next(self, url: str) -> str | None:
        return "404-html" if "answerSettings" in url else None


def test_a_page_of_a_gateway_does_not_prove_that_settings_are_not_offered(audit: Audit) -> None:
    snapshot = audit(Simulation(OWN, Html()), scope__datasets=BOTH, retry__attempts=1)
    (org,) = snapshot.manifest.orgs
    assert (org.unoffered, org.other_paths) == ({}, {})
    assert snapshot.manifest.status == "partial"
    assert set(snapshot.manifest.outcomes["answer_settings"]) <= {"server_error", "invalid_response", "not_licensed"}
    assert snapshot.manifest.outcomes["push_to_talk"]["ok"] > 20


class SomeElsewhere(Faults):
    """The API knows the documented path for no workspace, and the other path for some."""

    def __init__(self, known: set[str], status: str = "404") -> None:
        super().__init__(quirks=frozenset({"answers-elsewhere"}))
        self._known, self._status = known, status

    def next(self, url: str) -> str | None:
        if "answerSettings" not in url or "/v1/workspaces/" not in url:
            return None
        return None if any(each in url for each in self._known) else self._status


@pytest.mark.few(3)
@pytest.mark.parametrize("count", [1, 4, 12])
@pytest.mark.parametrize("place", ["first", "last"])
def test_another_path_that_works_for_some_rooms_is_recorded_for_those(count: int, place: str, audit: Audit) -> None:
    organization = Organization(15, odd=False)
    rooms = sorted(organization.workspace(index)["id"] for index in range(15) if not organization.refusal(index))
    known = set(rooms[:count] if place == "first" else rooms[-count:])
    snapshot = audit(
        Simulation(organization, SomeElsewhere(known)), scope__datasets=["answer-settings"], pace__concurrency=1
    )
    (org,) = snapshot.manifest.orgs
    assert {row["entity_id"] for row in coverage(snapshot) if row["outcome"] == "ok"} == known
    assert org.unoffered == {}
    said = org.other_paths["answer_settings"]["WORKSPACE"]
    assert "from /workspaces/ID/answerSettings" in said
    # The other path also says which rooms it does not know, once it is known itself.
    assert count <= int(said.split()[0]) <= 15
    assert snapshot.manifest.status == "complete"


@pytest.mark.few(4)
@pytest.mark.parametrize("status", ["404", "405-text", "400"])
@pytest.mark.parametrize("size", [3, 30, 120])
def test_an_api_that_knows_neither_path_is_told_once(
    status: str, size: int, audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    organization = Organization(size, odd=False)
    snapshot = audit(Simulation(organization, Where(status, "answerSettings")), scope__datasets=BOTH)
    (org,) = snapshot.manifest.orgs
    told = [each for each in caplog.messages if "answer_settings" in each]
    assert len(told) <= 1, told
    if status == "404":
        assert "WORKSPACE" in org.unoffered["answer_settings"]
        assert snapshot.manifest.status == "complete"
    assert org.other_paths == {}


@pytest.mark.parametrize("answered", [1, 12, 40])
def test_a_resumed_run_knows_the_other_path_of_answers_that_no_part_has(answered: int, audit: Audit) -> None:
    """The first run ends during its only batch, so that its answers lie in answer files alone."""
    organization = Organization(80, odd=False)
    flags: dict[str, Any] = {"scope__datasets": ["answer-settings"], "run__stall_s": 5, "pace__concurrency": 4}

    class Ending(Faults):
        read = 0

        def next(self, url: str) -> str | None:
            self.read += "/v1/workspaces/" in url
            return "503" if self.read > answered else None

    with pytest.raises(StoppedError):
        audit(Simulation(organization, Ending(quirks=frozenset({"answers-elsewhere"}))), **flags)
    healed = Simulation(organization, parse("answers-elsewhere"))
    resumed = audit(healed, is_resuming=True, **flags)
    again = len([line for line in healed.log if "/v1/workspaces/" in line])
    fresh = audit(Simulation(organization, parse("answers-elsewhere")), **flags)
    assert (
        again
        == fresh.manifest.outcomes["answer_settings"]["ok"]
        + len([row for row in coverage(fresh) if row["outcome"] == "not_licensed" and row["attempts"]])
        - answered
    )
    assert resumed.manifest.orgs[0].other_paths == fresh.manifest.orgs[0].other_paths != {}


def test_reads_that_failed_are_no_answers_from_another_path(audit: Audit) -> None:
    organization = Organization(20, odd=False)
    room = next(organization.workspace(index)["id"] for index in range(20) if not organization.refusal(index))
    faults = Where("503", f"/v1/workspaces/{room}/answerSettings")
    faults.quirks = frozenset({"answers-elsewhere"})
    healthy = audit(Simulation(organization, parse("answers-elsewhere")), scope__datasets=["answer-settings"])
    failing = audit(Simulation(organization, faults), scope__datasets=["answer-settings"], pace__concurrency=1)
    told = [each.manifest.orgs[0].other_paths["answer_settings"]["WORKSPACE"].split()[0] for each in (healthy, failing)]
    assert int(told[0]) - int(told[1]) == failing.manifest.outcomes["answer_settings"]["server_error"] == 1
