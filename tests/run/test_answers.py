"""Several datasets in one run: one inventory for all of them, and each with outcomes of its own."""

from collections import Counter
from collections.abc import Callable
from functools import cached_property
from typing import Any

import pyarrow.dataset as ds
import pytest
from harness import Where, without

from audit.errors import StoppedError
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.simulator.paging_groups import Paging
from audit.snapshot.catalog import Snapshot
from audit.webex.errors import ScopeError

Audit = Callable[..., Snapshot]
BOTH = ["push-to-talk", "answer-settings"]
KINDS = ["workspace", "person", "virtual-line"]
OWN = Organization(60, people=30, virtual_lines=6)
SMALL = Organization(4, people=5, virtual_lines=2)
DOCUMENTED = "/telephony/config/workspaces/"


def coverage(snapshot: Snapshot, dataset: str = "answer_settings") -> list[dict[str, Any]]:
    rows = ds.dataset(snapshot.path / "coverage", partitioning="hive").to_table().to_pylist()
    return [row for row in rows if row["dataset"] == dataset]


def table(snapshot: Snapshot, name: str = "answer_settings") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ds.dataset(snapshot.path / name, partitioning="hive").to_table().to_pylist()
    return rows


def asked(simulation: Simulation, *texts: str) -> list[str]:
    return [line for line in simulation.log if all(text in line for text in texts)]


def listings(simulation: Simulation) -> dict[str, int]:
    paths = [line.removeprefix("GET /v1").partition("?")[0] for line in simulation.log]
    return Counter(path for path in paths if path in ("/workspaces", "/people", "/telephony/config/virtualLines"))


@pytest.mark.parametrize("order", [BOTH, BOTH[::-1]])
def test_one_inventory_serves_all_datasets(order: list[str], audit: Audit) -> None:
    alone, both = Simulation(OWN), Simulation(OWN)
    audit(alone, scope__datasets=["push-to-talk"], scope__entities=KINDS)
    snapshot = audit(both, scope__datasets=order, scope__entities=KINDS)
    assert listings(both) == listings(alone)
    assert snapshot.manifest.status == "complete"
    ids = {name: [row["entity_id"] for row in coverage(snapshot, name)] for name in ("push_to_talk", "answer_settings")}
    assert sorted(ids["push_to_talk"]) == sorted(ids["answer_settings"])
    assert {row["entity_type"] for row in table(snapshot)} == {"WORKSPACE", "PERSON", "VIRTUAL_LINE"}
    (org,) = snapshot.manifest.orgs
    assert (org.entities, org.unoffered, org.other_paths) == (96, {}, {})
    # Each entity is asked for once in each dataset, and no other path is tried where the API knows the documented one.
    assert not asked(both, "/v1/workspaces/", "answerSettings")
    assert max(Counter(asked(both, "answerSettings")).values()) == 1


@pytest.mark.parametrize(
    ("organization", "quirk"), [(OWN, "no-answers"), (SMALL, "no-answers"), (OWN, "no-answers-405")]
)
def test_an_organization_without_answer_settings_is_complete_and_says_so_once(
    organization: Organization, quirk: str, audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    serving = Simulation(organization, parse(quirk))
    snapshot = audit(serving, scope__datasets=BOTH, scope__entities=KINDS)
    assert snapshot.manifest.status == "complete"
    (org,) = snapshot.manifest.orgs
    assert {*org.unoffered["answer_settings"]} == {"WORKSPACE", "PERSON", "VIRTUAL_LINE"}
    assert org.doubts == {}
    assert table(snapshot) == []
    assert {row["outcome"] for row in coverage(snapshot)} <= {"not_found", "not_licensed"}
    assert len([each for each in caplog.messages if "answer_settings of workspaces" in each]) == 1
    assert snapshot.manifest.outcomes["push_to_talk"]["ok"] > 0


def test_an_api_that_does_not_know_the_path_is_not_asked_for_each_entity(audit: Audit) -> None:
    serving = Simulation(Organization(600), parse("no-answers"))
    snapshot = audit(serving, scope__datasets=["answer-settings"], pace__concurrency=10)
    assert snapshot.manifest.outcomes["answer_settings"]["not_found"] > 400
    assert len(asked(serving, "answerSettings")) < 100


def test_two_runs_over_an_organization_without_answer_settings_are_equal(audit: Audit) -> None:
    one = audit(Simulation(OWN, parse("no-answers")), scope__datasets=BOTH, pace__concurrency=2)
    other = audit(Simulation(OWN, parse("no-answers")), scope__datasets=BOTH, pace__concurrency=30)
    assert {name: each.digest for name, each in one.manifest.tables.items()} == {
        name: each.digest for name, each in other.manifest.tables.items()
    }


@pytest.mark.parametrize("organization", [OWN, Organization(4), Organization(600)])
@pytest.mark.slow
def test_workspaces_are_read_at_the_other_path_where_the_api_does_not_know_the_documented_path(
    organization: Organization, audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    elsewhere, plain = Simulation(organization, parse("answers-elsewhere")), Simulation(organization)
    snapshot = audit(elsewhere, scope__datasets=BOTH, pace__concurrency=5)
    assert snapshot.manifest.status == "complete"
    assert table(snapshot) == table(audit(plain, scope__datasets=BOTH))
    (org,) = snapshot.manifest.orgs
    assert org.other_paths["answer_settings"]["WORKSPACE"].endswith(
        "answers from /workspaces/ID/answerSettings, because the API does not know "
        "/telephony/config/workspaces/ID/answerSettings"
    )
    assert len([each for each in caplog.messages if "because the API does not know" in each]) == 1
    assert len(asked(elsewhere, DOCUMENTED, "answerSettings")) <= 10


@pytest.mark.parametrize("gone", [1, 3, 30])
def test_rooms_that_are_gone_are_not_taken_for_an_unknown_path(gone: int, audit: Audit) -> None:
    organization = Organization(100, odd=False)
    rooms = sorted(organization.workspace(index)["id"] for index in range(100) if not organization.refusal(index))
    # Not the first rooms of the inventory alone: thirty in a row would be.
    paths = [f"/{room}/answerSettings" for room in rooms[1 :: len(rooms) // gone][:gone]]
    snapshot = audit(Simulation(organization, Where("404", *paths)), scope__datasets=BOTH, pace__concurrency=1)
    (org,) = snapshot.manifest.orgs
    assert (org.unoffered, org.other_paths) == ({}, {})
    assert snapshot.manifest.outcomes["answer_settings"]["not_found"] == gone
    assert "not_found" not in snapshot.manifest.outcomes["push_to_talk"]
    messages = {row["error_message"] for row in coverage(snapshot) if row["outcome"] == "not_found"}
    assert messages == {"The requested resource could not be found."}


def test_a_scope_that_is_missing_refuses_its_dataset_alone(audit: Audit, caplog: pytest.LogCaptureFixture) -> None:
    missing = "spark-admin:telephony_config_read"
    serving = Simulation(Organization(400), tokens=without(missing))
    snapshot = audit(serving, scope__datasets=BOTH)
    assert snapshot.manifest.status == "partial"
    assert set(snapshot.manifest.outcomes["answer_settings"]) == {"forbidden", "not_licensed"}
    assert "forbidden" not in snapshot.manifest.outcomes["push_to_talk"]
    assert len(asked(serving, "answerSettings")) < 150
    assert len([each for each in caplog.messages if missing in each]) == 1


def test_a_kind_that_can_not_be_listed_is_asked_for_once_and_missing_in_each_dataset(audit: Audit) -> None:
    serving = Simulation(SMALL, tokens=without("spark-admin:people_read"))
    snapshot = audit(serving, scope__datasets=BOTH, scope__entities=KINDS)
    (org,) = snapshot.manifest.orgs
    assert {name: [*kinds] for name, kinds in org.unlisted.items()} == {
        "push_to_talk": ["PERSON"],
        "answer_settings": ["PERSON"],
    }
    assert len(asked(serving, "/v1/people?")) == 1


def test_a_listing_that_is_refused_is_asked_for_once_with_devices_and_once_without(audit: Audit) -> None:
    serving = Simulation(SMALL, tokens=without("spark-admin:workspaces_read"))
    with pytest.raises(ScopeError, match="workspaces_read"):
        audit(serving, scope__datasets=BOTH)
    assert ["includeDevices" in line for line in asked(serving, "/v1/workspaces?")] == [True, False]


def test_the_datasets_of_all_are_read_each_with_its_own_inventory(audit: Audit) -> None:
    snapshot = audit(Simulation(SMALL), scope__datasets=["all"])
    found = {name: {row["entity_type"] for row in coverage(snapshot, name)} for name in snapshot.manifest.outcomes}
    assert found == {
        "push_to_talk": {"WORKSPACE"},
        "answer_settings": {"WORKSPACE"},
        "audio_options": {"PERSON"},
        "paging_groups": {"PAGING_GROUP"},
    }
    assert snapshot.manifest.status == "complete"


def test_a_retry_asks_only_what_failed_in_each_dataset(audit: Audit) -> None:
    room = OWN.workspace(0)["id"]
    partial = audit(Simulation(OWN, Where("400", f"{room}/answerSettings")), scope__datasets=BOTH)
    assert partial.manifest.status == "partial"
    healed = Simulation(OWN)
    whole = audit(healed, retry_failed=partial)
    assert whole.manifest.status == "complete"
    assert asked(healed, "pushToTalk") == []
    assert len(asked(healed, "answerSettings")) == 1


def test_what_a_snapshot_says_of_the_paths_outlives_a_retry(audit: Audit) -> None:
    failing = f"{OWN.workspace(0)['id']}/pushToTalk"
    faults = Where("400", failing)
    faults.quirks = frozenset({"answers-elsewhere"})
    partial = audit(Simulation(OWN, faults), scope__datasets=BOTH)
    whole = audit(Simulation(OWN, parse("answers-elsewhere")), retry_failed=partial)
    assert whole.manifest.status == "complete"
    assert whole.manifest.orgs[0].other_paths == partial.manifest.orgs[0].other_paths != {}


def test_a_resumed_run_takes_one_inventory_and_asks_nothing_twice(audit: Audit) -> None:
    failing = Simulation(OWN, Where("503", "answerSettings"))
    with pytest.raises(StoppedError):
        audit(failing, scope__datasets=BOTH, run__stall_s=5)
    healed = Simulation(OWN)
    snapshot = audit(healed, scope__datasets=BOTH, is_resuming=True, run__stall_s=5)
    assert snapshot.manifest.status == "complete"
    assert asked(healed, "pushToTalk") == []
    assert listings(healed) == {}


def test_a_paging_group_whose_location_is_not_listed_is_not_lost(audit: Audit) -> None:
    class Placeless(Paging):
        def item(self, index: int) -> dict[str, Any]:
            item = super().item(index)
            return {name: item[name] for name in item if index or name != "locationId"}

    class Odd(Organization):
        @cached_property
        def paging(self) -> Paging:
            return Placeless(self._seed, 3, self.locations, self._target, self.member)

    snapshot = audit(Simulation(Odd(3)), scope__datasets=["push-to-talk", "paging-groups"])
    assert snapshot.manifest.status == "partial"
    assert snapshot.manifest.outcomes["paging_groups"] == {"invalid_response": 1, "ok": 2}
    assert "invalid_response" not in snapshot.manifest.outcomes["push_to_talk"]
