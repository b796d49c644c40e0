"""People and virtual lines beside workspaces: which requests are made, and what a missing scope stops."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from harness import Result, Where, visible

from audit.errors import RefusedError, StoppedError
from audit.inventory.people import CALLING_PEOPLE
from audit.output import inventory as inventory_file
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.simulator.simulation import ADMIN_SCOPES
from audit.snapshot.catalog import Snapshot

Audit = Callable[..., Snapshot]
ALL = ["workspace", "person", "virtual-line"]
ORGANIZATION = Organization(60, people=150, virtual_lines=25)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 40)


def rows(snapshot: Snapshot, table: str) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = ds.dataset(snapshot.path / table, partitioning="hive").to_table().to_pylist()
    return read


def outcomes(snapshot: Snapshot) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for row in rows(snapshot, "coverage"):
        found.setdefault(row["entity_type"], Counter())[row["outcome"]] += 1
    return found


def without(*scopes: str) -> dict[str, frozenset[str]]:
    return {ADMIN_TOKEN: ADMIN_SCOPES - set(scopes)}


def test_every_entity_of_each_kind_is_accounted_for(audit: Audit) -> None:
    simulation = Simulation(ORGANIZATION, parse("quirks"), max_page=40)
    snapshot = audit(simulation, scope__entities=ALL)
    assert snapshot.manifest.status == "complete"
    coverage = {row["entity_id"]: row for row in rows(snapshot, "coverage")}
    expected = {ORGANIZATION.workspace(index)["id"]: ORGANIZATION.refusal(index) for index in range(60)}
    expected |= {ORGANIZATION.person(index)["id"]: ORGANIZATION.person_refusal(index) for index in range(150)}
    expected |= {ORGANIZATION.virtual_line(index)["id"]: None for index in range(25)}
    assert list(coverage) == sorted(expected)
    assert {each: row["outcome"] for each, row in coverage.items()} == {
        each: "not_licensed" if refusal else "ok" for each, refusal in expected.items()
    }
    assert {row["entity_type"] for row in rows(snapshot, "push_to_talk_members")} == {
        "WORKSPACE", "PERSON", "VIRTUAL_LINE",
    }  # fmt: skip
    assert snapshot.manifest.scope.entities == ["WORKSPACE", "PERSON", "VIRTUAL_LINE"]
    assert snapshot.manifest.orgs[0].entities == 235


def test_who_has_no_calling_license_is_not_asked_for(audit: Audit) -> None:
    simulation = Simulation(ORGANIZATION)
    snapshot = audit(simulation, scope__entities=["person"])
    unasked = {row["entity_id"]: row for row in rows(snapshot, "coverage") if not row["attempts"]}
    assert {row["error_message"] for row in unasked.values()} >= {
        "the inventory names no license for Webex Calling",
        "the inventory says type bot",
    }
    assert len(unasked) > 10
    asked = [line for line in simulation.log if "/features/pushToTalk" in line]
    assert not [line for line in asked if any(each in line for each in unasked)]
    assert len(asked) == 150 - len(unasked)


def test_without_the_names_of_licenses_nobody_is_wrongly_left_out(audit: Audit) -> None:
    told = audit(Simulation(ORGANIZATION), scope__entities=["person"])
    untold = audit(Simulation(ORGANIZATION, tokens=without("spark-admin:licenses_read")), scope__entities=["person"])
    assert outcomes(told) == outcomes(untold)
    assert untold.manifest.requests.total > told.manifest.requests.total


def test_names_and_places_are_those_of_the_lists(audit: Audit) -> None:
    snapshot = audit(Simulation(ORGANIZATION), scope__entities=["person", "virtual-line"])
    coverage = {row["entity_id"]: row for row in rows(snapshot, "coverage")}
    locations = {each["id"]: each["name"] for each in ORGANIZATION.locations}
    for index in range(150):
        person = ORGANIZATION.person(index, calling_data=True)
        row = coverage[person["id"]]
        assert row["entity_name"] == person["displayName"]
        if row["outcome"] == "ok":
            assert row["location_id"] == person.get("locationId")
            assert row["location_name"] == locations.get(person.get("locationId"))
    for index in range(25):
        line = ORGANIZATION.virtual_line(index)
        row = coverage[line["id"]]
        names = [line[key] for key in ("firstName", "lastName") if line.get(key)]
        assert (row["entity_name"], row["location_name"]) == (" ".join(names) or None, line["location"]["name"])


@pytest.mark.parametrize(
    ("scope", "kind"),
    [
        ("spark-admin:people_read", "PERSON"),
        ("spark-admin:telephony_config_read", "VIRTUAL_LINE"),
        ("spark-admin:workspaces_read", "WORKSPACE"),
    ],
)
def test_a_kind_that_may_not_be_listed_stops_only_itself(scope: str, kind: str, audit: Audit) -> None:
    snapshot = audit(Simulation(ORGANIZATION, tokens=without(scope)), scope__entities=ALL)
    assert snapshot.manifest.status == "partial"
    (org,) = snapshot.manifest.orgs
    assert org.status == "partial"
    assert f"needs the scope {scope}" in org.unlisted["push_to_talk"][kind]
    is_calling = kind == "VIRTUAL_LINE"
    assert ("may have restricted access to the Call Settings API" in org.unlisted["push_to_talk"][kind]) is is_calling
    found = outcomes(snapshot)
    assert found.keys() == {"WORKSPACE", "PERSON", "VIRTUAL_LINE"} - {kind}
    assert {word for counts in found.values() for word in counts} == {"ok", "not_licensed"} - (
        {"not_licensed"} if found.keys() == {"VIRTUAL_LINE"} else set()
    )


def test_of_a_kind_that_is_refused_amid_its_listing_nothing_is_taken(audit: Audit) -> None:
    simulation = Simulation(ORGANIZATION, Where("403", "/workspaces?start="), max_page=40)
    snapshot = audit(simulation, scope__entities=ALL)
    assert outcomes(snapshot).keys() == {"PERSON", "VIRTUAL_LINE"}
    assert snapshot.manifest.orgs[0].unlisted["push_to_talk"].keys() == {"WORKSPACE"}


def test_a_kind_whose_settings_are_refused_is_forbidden_as_a_whole_and_the_others_go_on(audit: Audit) -> None:
    snapshot = audit(
        Simulation(ORGANIZATION, Where("403", "/features/pushToTalk")), scope__entities=ALL, pace__concurrency=1
    )
    found = outcomes(snapshot)
    assert found["PERSON"]["forbidden"] > 100
    assert found["PERSON"].keys() == {"forbidden", "not_licensed"}
    asked = [row for row in rows(snapshot, "coverage") if row["outcome"] == "forbidden" and row["attempts"]]
    assert len(asked) == 20
    assert not {"forbidden"} & (found["VIRTUAL_LINE"].keys() | found["WORKSPACE"].keys())


def test_a_single_kind_whose_settings_are_refused_is_a_missing_scope(audit: Audit, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"of any person \(403, 20 of 20 answers\)"):
        audit(
            Simulation(ORGANIZATION, Where("403", "/features/pushToTalk")),
            scope__entities=["person"],
            pace__concurrency=1,
        )
    assert visible(tmp_path / "out") == []


def test_a_token_that_is_refused_for_every_kind_audits_nothing(audit: Audit) -> None:
    refused = without("spark-admin:people_read", "spark-admin:telephony_config_read")
    with pytest.raises(RefusedError, match="needs the scope spark-admin:people_read"):
        audit(Simulation(ORGANIZATION, tokens=refused), scope__entities=["person", "virtual-line"])


def test_a_list_that_is_not_answered_stops_the_run(audit: Audit) -> None:
    with pytest.raises(StoppedError, match="/people can't be read: HTTP 500"):
        audit(Simulation(ORGANIZATION, Where("500", "/people?")), scope__entities=ALL, retry__attempts=1)


@pytest.mark.parametrize(
    ("changes", "is_asked"),
    [
        ({"licenses": []}, False),
        ({"licenses": ["MEETINGS"]}, False),
        ({"licenses": ["MEETINGS,CALLING"]}, True),
        ({"licenses": ["CALLING=="]}, True),
        ({"licenses": ["UNLISTED"]}, True),
        ({"licenses": [None]}, True),
        ({"licenses": None}, True),
        ({"licenses": [], "errors": {"locationId": {"code": "x"}}}, True),
        ({"licenses": [], "locationId": "somewhere"}, True),
    ],
)
def test_only_who_surely_has_no_calling_license_is_left_out(changes: dict[str, Any], *, is_asked: bool) -> None:
    licenses = {"MEETINGS": "Webex Meetings Suite", "CALLING": "Cisco Webex Calling - Standard"}
    entity = CALLING_PEOPLE.read({"id": "P", "type": "person"} | changes, licenses)
    assert (entity.known_outcome is None) == is_asked


@pytest.mark.parametrize(
    ("name", "is_asked"),
    [
        ("Webex Calling", True),
        ("Webex Calling - Professional", True),
        ("Single License - Webex Calling", True),
        ("Common Area Calling", True),
        ("Webex Suite", True),
        ("Single License - Webex Suite", True),
        ("Webex Voice", True),
        ("WEBEX VOICE", True),
        ("Customer Assist", True),
        ("Single License - CX Essentials", True),
        ("Webex Meetings Suite", False),
        ("Webex Meetings", False),
        ("Messaging", False),
        ("Webex Events", False),
    ],
)
def test_a_license_of_any_age_that_may_include_calling_is_asked_for(name: str, *, is_asked: bool) -> None:
    entity = CALLING_PEOPLE.read({"id": "P", "type": "person", "licenses": ["L"]}, {"L": name})
    assert (entity.known_outcome is None) == is_asked


def test_licenses_that_can_not_be_read_stop_nothing(audit: Audit) -> None:
    snapshot = audit(Simulation(ORGANIZATION, Where("500", "/licenses")), scope__entities=["person"], retry__attempts=1)
    assert snapshot.manifest.status == "complete"


@pytest.mark.slow
def test_what_could_not_be_listed_is_retried_too(audit: Audit) -> None:
    whole = audit(Simulation(ORGANIZATION), scope__entities=ALL)
    partial = audit(Simulation(ORGANIZATION, tokens=without("spark-admin:people_read")), scope__entities=ALL)
    again = Simulation(ORGANIZATION)
    snapshot = audit(again, retry_failed=partial)
    assert snapshot.manifest.status == "complete"
    digests = [{name: table.digest for name, table in each.manifest.tables.items()} for each in (whole, snapshot)]
    assert digests[0] == digests[1]
    assert not [line for line in again.log if "/workspaces/" in line]
    still = audit(Simulation(ORGANIZATION, tokens=without("spark-admin:people_read")), retry_failed=partial)
    assert still.manifest.orgs == partial.manifest.orgs


def test_a_resumed_run_still_knows_what_could_not_be_listed(audit: Audit) -> None:
    dying = parse(",".join(f"reset@{number}" for number in range(60, 400)))
    tokens = without("spark-admin:people_read")
    with pytest.raises(StoppedError):
        audit(Simulation(ORGANIZATION, dying, tokens=tokens), scope__entities=ALL, retry__budget=5)
    snapshot = audit(Simulation(ORGANIZATION, tokens=tokens), scope__entities=ALL, is_resuming=True)
    assert snapshot.manifest.status == "partial"
    assert snapshot.manifest.orgs[0].unlisted.keys() == {"push_to_talk"}


def test_the_command_tells_what_it_could_not_list(
    api: Callable[[Simulation], str], webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    url = api(Simulation(Organization(5, people=8), tokens=without("spark-admin:people_read")))
    entities = ["--entity", "workspace", "--entity", "person"]
    result = webex_audit("run", "--base-url", url, *entities)
    assert result.code == 3
    assert "push_to_talk of people: the token may not read /people (403): it needs the scope" in result.out
    assert "warning: the snapshot is partial" in result.err
    doctor = json.loads(webex_audit("doctor", "--base-url", url, *entities, "--json").out)
    assert {check["name"]: check["status"] for check in doctor if check["name"] in ("workspaces", "people")} == {
        "workspaces": "ok",
        "people": "failed",
    }
    assert webex_audit("doctor", "--base-url", url, *entities).code == 3
