"""`--dataset all` reads each dataset that the other options allow, and a warning names the others."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from harness import Result

from audit.config import Settings
from audit.errors import UsageError
from audit.inventory import Users
from audit.review import vocabulary
from audit.run.scope import scope_of
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot import scope as same_scope
from audit.snapshot.catalog import Snapshot

Audit = Callable[..., Snapshot]
OWN, ONE, TWO = (Organization(6, seed=seed, people=6, virtual_lines=2, paging_groups=2) for seed in (1, 2, 3))
LISTED = {"push_to_talk", "answer_settings", "paging_groups"}
ALL = LISTED | {"audio_options"}
ROOM = OWN.workspace(1)["id"]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each for each in caplog.messages if "leaves out" in each]


@pytest.mark.parametrize(
    ("flags", "orgs"),
    [
        ({"scope__all_orgs": True}, 3),
        ({"scope__all_orgs": True, "scope__exclude_orgs": [TWO.org_id]}, 2),
        ({"scope__org_ids": [ONE.org_id, TWO.org_id]}, 2),
        ({"scope__org_ids": [OWN.org_id, TWO.org_id]}, 2),
        ({"scope__org_ids": [ONE.org_id]}, 1),
        ({"scope__all_orgs": True, "scope__entities": ["person", "virtual-line"]}, 3),
    ],
)
def test_a_partner_reads_all_that_customers_have(
    flags: dict[str, Any], orgs: int, audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    serving = Simulation(OWN, customers=(ONE, TWO))
    snapshot = audit(serving, scope__datasets=["all"], **flags)
    assert snapshot.manifest.status == "complete"
    assert len(snapshot.manifest.orgs) == orgs
    assert set(snapshot.manifest.outcomes) == LISTED
    (warning,) = warnings(caplog)
    assert "--dataset all leaves out audio-options: the API takes no orgId there" in warning
    assert not [line for line in serving.log if "meetingPreferences" in line]


@pytest.mark.parametrize(
    ("flags", "selected", "read", "left_out"),
    [
        ({}, {}, ALL, []),
        ({"scope__all_users": True}, {}, ALL, []),
        ({"scope__org_ids": [OWN.org_id], "scope__all_users": True}, {}, ALL, []),
        ({"scope__org_ids": [OWN.org_id], "scope__sites": ["a.webex.com"]}, {}, ALL, []),
        ({}, {"users": Users("named", (OWN.member(1)["email"],))}, ALL, []),
        ({"scope__entities": ["virtual-line"]}, {}, ALL, []),
        ({}, {"wanted": [ROOM]}, ALL - {"paging_groups"}, ["paging-groups: only workspaces are selected by id"]),
        (
            {"scope__org_ids": [OWN.org_id]},
            {"wanted": [ROOM]},
            {"push_to_talk", "answer_settings"},
            ["audio-options: the API takes no orgId", "paging-groups: only workspaces"],
        ),
        ({"scope__org_ids": [OWN.org_id], "scope__datasets": ["all", "audio-options"]}, {}, ALL, []),
    ],
)
def test_all_reads_what_the_other_options_allow(
    flags: dict[str, Any],
    selected: dict[str, Any],
    read: set[str],
    left_out: list[str],
    audit: Audit,
    caplog: pytest.LogCaptureFixture,
) -> None:
    snapshot = audit(Simulation(OWN, customers=(ONE,)), **{"scope__datasets": ["all"], **flags}, **selected)
    assert set(snapshot.manifest.outcomes) == read
    assert len(warnings(caplog)) == bool(left_out)
    assert all(reason in warnings(caplog)[0] for reason in left_out)


@pytest.mark.parametrize(
    ("flags", "selected", "advice"),
    [
        ({"scope__all_users": True, "scope__all_orgs": True}, {}, "leave out --dataset audio-options, --all-users ("),
        ({"scope__all_orgs": True, "scope__sites": ["a.webex.com"]}, {}, "--dataset audio-options, --site ("),
        (
            {"scope__org_ids": [ONE.org_id, TWO.org_id]},
            {"users": Users("named", ("a@b.c",))},
            "--user and --users-from (",
        ),
        (
            {"scope__all_orgs": True, "scope__datasets": ["all", "audio-options"]},
            {},
            "leave out --dataset audio-options (",
        ),
        ({"scope__all_orgs": True}, {"wanted": [ROOM]}, "name only that organization"),
    ],
)
def test_what_is_asked_for_by_name_and_can_not_be_read_is_refused(
    flags: dict[str, Any], selected: dict[str, Any], advice: str, settings: Callable[..., Settings]
) -> None:
    given = {"scope__datasets": ["all"], **flags}
    with pytest.raises(UsageError) as refused:
        scope_of(settings("http://127.0.0.1:1/v1", **given), **selected)
    assert advice in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_a_snapshot_of_all_is_retried_and_resumed_with_the_same_datasets(
    api: Callable[[Simulation], str], webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    url = api(Simulation(OWN, customers=(ONE, TWO)))
    for command in (["run"], ["run", "--resume"]):
        result = webex_audit(*command, "--base-url", url, "--dataset", "all", "--all-orgs", "--json")
        assert (result.code, set(json.loads(result.out)["outcomes"])) == (0, LISTED)
    assert result.err.count("leaves out") == 1
    checks = webex_audit("doctor", "--base-url", url, "--dataset", "all", "--all-orgs")
    assert (checks.code, checks.out.count("answer-settings of workspaces")) == (0, 3)


@pytest.mark.parametrize(
    "datasets",
    [
        ["push-to-talk"],
        ["paging-groups"],
        ["push-to-talk", "answer-settings"],
        ["push-to-talk", "paging-groups", "audio-options"],
    ],
)
def test_a_line_on_an_inventory_names_its_dataset_if_there_are_several(
    datasets: list[str],
    api: Callable[[Simulation], str],
    webex_audit: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    named = [text for name in datasets for text in ("--dataset", name)]
    result = webex_audit("run", "--base-url", api(Simulation(OWN)), *named)
    lines = [line for line in result.err.splitlines() if "inventory of" in line]
    assert len({*lines}) == len(datasets)
    several = len(datasets) > 1
    assert all(any(f"{OWN.name}, {name}: " in line for line in lines) == several for name in datasets)


@pytest.mark.parametrize(
    ("kinds", "of"),
    [
        ([], "Push-to-Talk and answer settings of every workspace, audio options of the token's own user and"),
        (["workspace", "person"], "Push-to-Talk and answer settings of every workspace and person, audio options of"),
        (["virtual-line"], "Push-to-Talk and answer settings of every virtual line, audio options of"),
    ],
)
def test_the_users_of_audio_options_are_not_people_whose_calls_were_audited(
    kinds: list[str], of: str, audit: Audit
) -> None:
    first = audit(Simulation(OWN), scope__datasets=["all"], scope__entities=kinds)
    assert vocabulary.scope(first.manifest.scope).startswith(of)


def test_a_run_over_people_is_of_another_scope_than_a_run_without(audit: Audit) -> None:
    without, with_people = (
        audit(Simulation(OWN), scope__datasets=["all"], scope__entities=kinds)
        for kinds in (["workspace"], ["workspace", "person"])
    )
    assert same_scope.scope_of(without.manifest) != same_scope.scope_of(with_people.manifest)
