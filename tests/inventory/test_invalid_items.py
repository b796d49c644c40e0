"""Listed items without a usable id: counted, told, and never taken for nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from crafted import checked, result_of
from harness import Result, Where

from audit.errors import StoppedError
from audit.inventory import Users
from audit.review.diff.compare import compare
from audit.review.report import wording
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import QUIRKS, parse
from audit.simulator.organization import Json, Organization
from audit.snapshot.catalog import Snapshot
from audit.webex.ids import usable

Audit = Callable[..., Snapshot]
ORGANIZATION = Organization(12, people=30, virtual_lines=5)
INVALID = [
    "null-item", "text-item", "no-id", "blank-id", "long-id", "control-id", "surrogate-id",
]  # fmt: skip
ALL = ["workspace", "person", "virtual-line"]
BY_USER: dict[str, Any] = {"scope__datasets": ["audio-options"], "scope__all_users": True}


class Gone(Organization):
    """The listing holds something else in the place of one room."""

    def workspace(self, index: int) -> Json:
        item: Any = super().workspace(index)
        return None if index == 3 else item  # type: ignore[return-value]


def ids_of(snapshot: Snapshot) -> set[str]:
    rows = ds.dataset(snapshot.path / "coverage", partitioning="hive").to_table(columns=["entity_id"])
    return set(rows["entity_id"].to_pylist())


@pytest.mark.few(3)
@pytest.mark.parametrize("quirk", INVALID)
def test_an_item_that_names_no_entity_is_counted_and_makes_the_organization_partial(quirk: str, audit: Audit) -> None:
    assert quirk in QUIRKS
    snapshot = audit(Simulation(ORGANIZATION, parse(quirk)), scope__entities=ALL)
    (org,) = snapshot.manifest.orgs
    assert org.invalid_items == {"push_to_talk": {"WORKSPACE": 1, "PERSON": 1, "VIRTUAL_LINE": 1}}
    assert (snapshot.manifest.status, org.status, org.entities) == ("partial", "partial", 47)


def test_items_of_all_pages_and_of_all_quirks_are_counted(audit: Audit) -> None:
    snapshot = audit(Simulation(ORGANIZATION, parse(",".join(INVALID)), max_page=5))
    assert snapshot.manifest.orgs[0].invalid_items == {"push_to_talk": {"WORKSPACE": 3 * len(INVALID)}}


@pytest.mark.parametrize(
    ("value", "is_usable"),
    [
        ("Y2lzY29zcGFyazovL3VzL1BMQUNFLzE=", True),
        ("ü", True),
        ("a b", True),
        ("x" * 1000, True),
        ("x" * 1001, False),
        ("", False),
        (" ", False),
        ("\u3000", False),
        ("a\x00b", False),
        ("a\u202eb", False),
        ("a\u2028b", False),
        ("a\ud800", False),
        ("\ufffda", False),
        ("..", False),
        (None, False),
        (7, False),
        (True, False),
        (["a"], False),
        ({"id": "a"}, False),
    ],
)
def test_only_a_printable_text_is_a_usable_id(value: object, *, is_usable: bool) -> None:
    assert usable(value) == (value if is_usable else None)


def test_only_the_items_of_workspaces_that_were_asked_for_count(audit: Audit) -> None:
    wanted = [ORGANIZATION.workspace(index)["id"] for index in (1, 3)]
    snapshot = audit(Simulation(Gone(12), parse("null-item,no-id")), wanted=wanted)
    assert (snapshot.manifest.status, snapshot.manifest.orgs[0].invalid_items) == ("complete", {})
    assert ids_of(snapshot) == set(wanted)


def test_items_of_the_directory_count_for_all_users_and_not_for_named_ones(audit: Audit) -> None:
    everybody = audit(Simulation(ORGANIZATION, parse("text-item")), **BY_USER)
    assert everybody.manifest.orgs[0].invalid_items == {"audio_options": {"PERSON": 1}}
    assert everybody.manifest.status == "partial"
    users = Users("named", (str(ORGANIZATION.person(1)["emails"][0]),))
    named = audit(Simulation(ORGANIZATION, parse("null-item")), scope__datasets=["audio-options"], users=users)
    assert named.manifest.orgs[0].invalid_items == {}


def test_who_is_missing_beside_an_invalid_item_is_not_taken_for_deleted(audit: Audit) -> None:
    address = str(ORGANIZATION.person(4)["emails"][0]).replace("@", "%40")
    failed = audit(Simulation(ORGANIZATION, Where("500", address)), retry__attempts=1, **BY_USER)

    class Fewer(Organization):
        def person_index_of(self, person_id: str) -> int | None:
            index = super().person_index_of(person_id)
            return None if index == 4 else index

    again = audit(Simulation(Fewer(12, people=30), parse("no-id")), retry_failed=failed)
    assert failed.manifest.status == "partial"
    assert "invalid_response" in again.manifest.outcomes["audio_options"]
    assert "not_found" not in again.manifest.outcomes["audio_options"]


def test_a_retry_lists_the_kinds_with_invalid_items_again(audit: Audit) -> None:
    short = audit(Simulation(Gone(12, people=30)), scope__entities=["workspace", "person"])
    assert short.manifest.orgs[0].invalid_items == {"push_to_talk": {"WORKSPACE": 1}}
    again = Simulation(ORGANIZATION)
    snapshot = audit(again, retry_failed=short)
    assert (snapshot.manifest.status, snapshot.manifest.orgs[0].invalid_items) == ("complete", {})
    assert ORGANIZATION.workspace(3)["id"] in ids_of(snapshot)
    assert not [line for line in again.log if "/people?" in line]
    assert len([line for line in again.log if "pushToTalk" in line]) <= 1
    still = audit(Simulation(Gone(12, people=30)), retry_failed=short)
    assert still.manifest.orgs[0].invalid_items == short.manifest.orgs[0].invalid_items
    people = audit(Simulation(ORGANIZATION, parse("null-item")), **BY_USER)
    assert audit(Simulation(ORGANIZATION), retry_failed=people).manifest.status == "complete"


def test_a_resumed_run_still_knows_the_invalid_items(audit: Audit) -> None:
    with pytest.raises(StoppedError):
        audit(Simulation(Gone(60), parse("reset@20+100000")), run__stall_s=1)
    snapshot = audit(Simulation(Organization(60)), is_resuming=True)
    assert snapshot.manifest.orgs[0].invalid_items == {"push_to_talk": {"WORKSPACE": 1}}


def test_a_room_that_an_invalid_item_may_stand_for_is_unknown_and_not_removed(audit: Audit) -> None:
    before, after = audit(Simulation(ORGANIZATION)), audit(Simulation(Gone(12, people=30)))
    (change,) = compare(before, after)
    assert (change.kind, change.entity_id) == ("unknown", ORGANIZATION.workspace(3)["id"])
    assert "workspaces could not be listed in full: 1 listed workspace has no usable id" in str(change.reason)
    (back,) = compare(after, before)
    assert back.kind == "unknown"


def test_a_check_tells_invalid_items_and_does_not_rely_on_such_a_list_of_people(audit: Audit) -> None:
    snapshot = audit(Simulation(ORGANIZATION, parse("null-item")), scope__entities=["workspace", "person"])
    result = checked(snapshot)
    assert {each.detail for each in result_of(result, "organization-not-read").findings} == {
        "push_to_talk of WORKSPACE was not read in full: listed items without a usable id: 1",
        "push_to_talk of PERSON was not read in full: listed items without a usable id: 1",
    }
    assert result_of(result, "member-no-longer-exists").status == "skipped"
    assert wording.gaps(snapshot.manifest) == [
        "1 listed item among people without a usable id",
        "1 listed item among workspaces without a usable id",
    ]


@pytest.mark.few(3)
@pytest.mark.parametrize("quirk", INVALID)
def test_an_organization_that_can_not_be_named_makes_the_run_partial(quirk: str, audit: Audit) -> None:
    customer = Organization(4, seed=5)
    faults = {each.org_id: parse("") for each in (ORGANIZATION, customer)}
    simulation = Simulation(ORGANIZATION, parse(quirk), customers=(customer,), faults_of=faults)
    snapshot = audit(simulation, scope__all_orgs=True)
    assert snapshot.manifest.invalid_organizations == 1
    assert snapshot.manifest.status == "partial"
    assert {org.status for org in snapshot.manifest.orgs} == {"complete"}


def test_a_retry_audits_the_organization_that_an_invalid_item_stood_for(audit: Audit) -> None:
    customer = Organization(4, seed=5)
    faults = {each.org_id: parse("") for each in (ORGANIZATION, customer)}
    listed = (ORGANIZATION,)
    short = audit(
        Simulation(ORGANIZATION, parse("no-id"), customers=(customer,), faults_of=faults, organizations_listed=listed),
        scope__all_orgs=True,
    )
    assert len(short.manifest.orgs) == 1
    again = audit(Simulation(ORGANIZATION, customers=(customer,)), retry_failed=short)
    assert (again.manifest.status, len(again.manifest.orgs)) == ("complete", 2)


def test_a_list_of_organizations_without_any_id_is_an_error(audit: Audit) -> None:
    with pytest.raises(StoppedError, match="lists 1 item without the id of an organization, and nothing else"):
        audit(Simulation(ORGANIZATION, parse("null-item"), organizations_listed=()), scope__all_orgs=True)


@pytest.mark.slow
def test_the_command_tells_invalid_items_at_the_end_and_exits_with_3(
    api: Callable[[Simulation], str], webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    url = api(Simulation(Organization(5), parse("null-item,no-id")))
    result = webex_audit("run", "--base-url", url)
    assert result.code == 3
    assert "the snapshot is partial: 2 listed workspaces have no usable id" in result.err
    assert "push_to_talk: 2 listed workspaces have no usable id" in webex_audit("show").out
    assert json.loads(webex_audit("show", "--json").out)["orgs"][0]["invalid_items"] == {
        "push_to_talk": {"WORKSPACE": 2}
    }
    assert webex_audit("verify").code == 0
    plan = json.loads(webex_audit("run", "--dry-run", "--base-url", url, "--json").out)
    assert plan["organizations"][0]["message"] == "2 listed workspaces have no usable id"
    assert webex_audit("report").code == 0
    html = next(Path().glob("*.html")).read_text("utf-8")
    assert "2 listed items among workspaces without a usable id" in html
    assert "Push-to-Talk: 2 listed workspaces have no usable id, so nobody knows what is missing" in html
    checked = json.loads(webex_audit("check", "--format", "json").out)["results"]
    reasons = [each["reason"].split("; ") for each in checked if each["reason"]]
    assert all(len(each) == len({*each}) for each in reasons)
    everything = webex_audit("run", "--base-url", url, "--all-orgs")
    assert "2 listed organizations have no usable id" in everything.err
