"""A run warns of many entities that the listing names and the API does not find, and changes no outcome."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import Result, Where

from audit.errors import StoppedError
from audit.output import inventory as inventory_file
from audit.simulator.app import Simulation
from audit.simulator.faults import Faults, parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot
from audit.text import plural_of

Audit = Callable[..., Snapshot]
Command = Callable[..., Result]


class Sized(Organization):
    """An organization in which every entity has settings."""

    def workspace(self, index: int) -> dict[str, Any]:
        return super().workspace(index) | {"calling": {"type": "webexCalling"}}

    def refusal(self, index: int) -> int | None:
        return None

    def person(self, index: int, *, calling_data: bool = False) -> dict[str, Any]:
        return super().person(index, calling_data=calling_data) | {
            "type": "person",
            "locationId": self.locations[0]["id"],
        }

    def person_refusal(self, index: int) -> int | None:
        return None


#: How a test names the settings of an entity: by the path before its id, and the id.
OF: dict[str, Callable[[Organization, int], str]] = {
    "WORKSPACE": lambda organization, index: f"workspaces/{organization.workspace(index)['id']}/",
    "PERSON": lambda organization, index: f"people/{organization.person(index)['id']}/",
    "VIRTUAL_LINE": lambda organization, index: f"virtualLines/{organization.virtual_line(index)['id']}/",
}


def gone(organization: Organization, kind: str, count: int) -> Faults:
    """The API does not find the first entities of a kind."""
    return Where("404", *(OF[kind](organization, index) for index in range(count)))


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if "that the listing names" in each.getMessage()]


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("sizes", "kind", "count", "is_told"),
    [
        ((9, 0, 0), "WORKSPACE", 2, True),
        ((24, 0, 0), "WORKSPACE", 5, True),
        ((25, 0, 0), "WORKSPACE", 5, False),
        ((3, 0, 0), "WORKSPACE", 1, False),
        ((6, 0, 0), "WORKSPACE", 4, True),
        ((60, 0, 0), "WORKSPACE", 60, True),
        ((40, 30, 0), "PERSON", 12, True),
        ((2, 30, 0), "PERSON", 6, False),
        ((40, 30, 12), "VIRTUAL_LINE", 12, True),
        ((0, 0, 12), "VIRTUAL_LINE", 2, False),
    ],
)
def test_many_listed_entities_that_are_not_found_are_told(
    sizes: tuple[int, int, int],
    kind: str,
    count: int,
    is_told: bool,  # noqa: FBT001
    audit: Audit,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 7)
    workspaces, people, lines = sizes
    organization = Sized(workspaces, people=people, virtual_lines=lines)
    snapshot = audit(
        Simulation(organization, gone(organization, kind, count)),
        scope__entities=["workspace", "person", "virtual-line"],
    )
    assert snapshot.manifest.outcomes["push_to_talk"]["not_found"] == count
    assert snapshot.manifest.status == snapshot.manifest.orgs[0].status == "complete"
    of_kind = dict(zip(("WORKSPACE", "PERSON", "VIRTUAL_LINE"), sizes, strict=True))[kind]
    counts = f"{count} of {of_kind} that the listing names are not_found"
    assert snapshot.manifest.orgs[0].doubts == ({"push_to_talk": {kind: counts}} if is_told else {})
    assert len(told(caplog)) == is_told
    if is_told:
        assert f"{organization.name} (" in told(caplog)[0]
        assert f"push_to_talk of {plural_of(kind)}: {counts}" in told(caplog)[0]


def test_each_organization_is_told_by_itself_and_shown(
    audit: Audit, webex_audit: Command, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    own, one, two = (Sized(30, seed=seed) for seed in (1, 2, 3))
    faults = {one.org_id: gone(one, "WORKSPACE", 10), two.org_id: gone(two, "WORKSPACE", 3)}
    audit(Simulation(own, customers=(one, two), faults_of=faults), scope__all_orgs=True)
    (line,) = told(caplog)
    assert line.startswith(f"{one.name} (")
    shown = webex_audit("show", "--output", tmp_path / "out")
    assert shown.out.count("push_to_talk of workspaces: 10 of 30 that the listing names are not_found\n") == 1
    described = json.loads(webex_audit("show", "--json", "--output", tmp_path / "out").out)
    assert [bool(org["doubts"]) for org in described["orgs"]].count(True) == 1


def test_entities_that_no_listing_of_the_run_has_named_are_not_told(
    audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    organization = Sized(20, people=40)
    wanted = [organization.workspace(index)["id"] for index in range(10)]
    faults = gone(organization, "WORKSPACE", 8)
    assert audit(Simulation(organization, faults), wanted=wanted).manifest.outcomes["push_to_talk"]["not_found"] == 8
    audio = {"scope__datasets": ["audio-options"], "scope__all_users": True}
    users = audit(Simulation(organization, Where("404", "meetingPreferences/sites?userEmail")), **audio)
    assert users.manifest.outcomes["audio_options"]["not_found"] > 20
    assert told(caplog) == []


def test_an_entity_that_was_not_asked_for_does_not_count(audit: Audit, caplog: pytest.LogCaptureFixture) -> None:
    class Unlicensed(Sized):
        def workspace(self, index: int) -> dict[str, Any]:
            return super().workspace(index) | ({"calling": {"type": "none"}} if index >= 10 else {})

    organization = Unlicensed(100)
    audit(Simulation(organization, gone(organization, "WORKSPACE", 5)))
    assert [f"5 of {10} that" in line for line in told(caplog)] == [True]


def test_a_retried_snapshot_keeps_the_doubts_and_adds_none(audit: Audit, caplog: pytest.LogCaptureFixture) -> None:
    organization = Sized(30)
    failing = Where("409", *(OF["WORKSPACE"](organization, index) for index in range(10)))
    partial = audit(Simulation(organization, failing))
    deleted = audit(Simulation(organization, gone(organization, "WORKSPACE", 10)), retry_failed=partial)
    assert (deleted.manifest.status, deleted.manifest.orgs[0].doubts, told(caplog)) == ("complete", {}, [])

    class Both(Faults):
        def next(self, url: str) -> str | None:
            return gone(organization, "WORKSPACE", 10).next(url) or Where(
                "409", OF["WORKSPACE"](organization, 20)
            ).next(url)

    doubtful = audit(Simulation(organization, Both()))
    again = audit(Simulation(organization), retry_failed=doubtful)
    assert again.manifest.status == "complete"
    assert again.manifest.orgs[0].doubts == doubtful.manifest.orgs[0].doubts != {}


def test_a_resumed_run_counts_what_was_answered_before(
    audit: Audit, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 7)
    organization = Sized(40)
    faults = gone(organization, "WORKSPACE", 40)

    class Dying(Faults):
        asked = 0

        def next(self, url: str) -> str | None:
            self.asked += "pushToTalk" in url
            return faults.next(url) if self.asked < 20 else "reset"

    with pytest.raises(StoppedError):
        audit(Simulation(organization, Dying()), pace__concurrency=1, retry__budget=5)
    snapshot = audit(Simulation(organization, parse("")), is_resuming=True)
    assert "19 of 40" in snapshot.manifest.orgs[0].doubts["push_to_talk"]["WORKSPACE"]
    assert len(told(caplog)) == 1
