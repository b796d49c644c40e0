"""A dry run predicts the requests of a run, for any datasets, kinds of entity and organizations."""

import json
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
from harness import Result, without

from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
OWN, CUSTOMER = (Organization(40, seed=seed, people=25, virtual_lines=5, paging_groups=3) for seed in (1, 2))
LISTED = ["push-to-talk", "answer-settings", "paging-groups"]
DATASETS = [*LISTED, "audio-options"]
KINDS = ["workspace", "person", "virtual-line"]
SUBSETS = [list(names) for count in range(1, 5) for names in combinations(DATASETS, count)]
CHOICES: list[list[str]] = [[], *([kind] for kind in KINDS), ["person", "workspace"], KINDS]
#: By part of a path, the dataset of a read.
READS = {"pushToTalk": "push_to_talk", "answerSettings": "answer_settings", "/paging/": "paging_groups"}
KIND_OF = {"/workspaces/": "WORKSPACE", "/people/": "PERSON", "/virtualLines/": "VIRTUAL_LINE"}


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")


def flags(datasets: list[str], kinds: list[str] = [], *others: str) -> list[str]:  # noqa: B006
    named = [text for name in datasets for text in ("--dataset", name)]
    return [*named, *(text for kind in kinds for text in ("--entity", kind)), *others]


def planned(url: str, webex_audit: Command, arguments: list[str]) -> dict[str, Any]:
    result = webex_audit("run", "--dry-run", "--json", "--base-url", url, *arguments)
    assert result.code == 0, result
    plan: dict[str, Any] = json.loads(result.out)
    return plan


def made(simulation: Simulation, url: str, webex_audit: Command, arguments: list[str]) -> list[str]:
    """The requests of a run."""
    simulation.log.clear()
    assert webex_audit("run", "--quiet", "--base-url", url, *arguments, "--output", "out").code == 0
    return [*simulation.log]


def by_kind(log: list[str]) -> dict[tuple[str, str], int]:
    """The reads that are not of users, by dataset and kind of entity."""
    counts: dict[tuple[str, str], int] = {}
    for line in log:
        for path, dataset in READS.items():
            if path in line:
                kind = next((kind for part, kind in KIND_OF.items() if part in line), "PAGING_GROUP")
                counts[dataset, kind] = counts.get((dataset, kind), 0) + 1
    return counts


@pytest.mark.few(14)
@pytest.mark.parametrize("kinds", CHOICES, ids="-".join)
@pytest.mark.parametrize("datasets", SUBSETS, ids="+".join)
def test_a_dry_run_predicts_what_a_run_asks(
    datasets: list[str], kinds: list[str], api: Api, webex_audit: Command
) -> None:
    if kinds and not {*datasets} & {"push-to-talk", "answer-settings"}:
        pytest.skip("nothing to choose among")
    simulation = Simulation(OWN)
    url = api(simulation)
    plan = planned(url, webex_audit, flags(datasets, kinds))
    log = made(simulation, url, webex_audit, flags(datasets, kinds))
    expected = {(each["dataset"], each["entity_type"]): each["requests"] for each in plan["reads"]}
    of_users = expected.pop(("audio_options", "PERSON"), 0)
    assert by_kind(log) == expected
    meetings = len([line for line in log if "/meetingPreferences/" in line])
    assert len(log) - meetings == plan["listing_requests"] + plan["requests"] - of_users
    assert of_users // 2 <= meetings <= 2 * of_users


@pytest.mark.parametrize("datasets", [LISTED, LISTED[:1], LISTED[1:]], ids="+".join)
@pytest.mark.parametrize("kinds", [[], KINDS], ids="-".join)
def test_a_dry_run_predicts_each_organization(
    datasets: list[str], kinds: list[str], api: Api, webex_audit: Command
) -> None:
    simulation = Simulation(OWN, customers=(CUSTOMER,))
    url = api(simulation)
    arguments = flags(datasets, kinds, "--all-orgs")
    plan = planned(url, webex_audit, arguments)
    log = made(simulation, url, webex_audit, arguments)
    assert len(log) == plan["listing_requests"] + plan["requests"]
    assert len(plan["organizations"]) == 2
    for org in (OWN, CUSTOMER):
        (of_org,) = [each for each in plan["organizations"] if each["name"] == org.name]
        own = [line for line in log if (CUSTOMER.org_id in line) == (org is CUSTOMER)]
        assert by_kind(own) == {(each["dataset"], each["entity_type"]): each["requests"] for each in of_org["reads"]}
        assert of_org["requests"] == sum(each["requests"] for each in of_org["reads"])


@pytest.mark.parametrize("arguments", [["--all-users"], ["--user", OWN.member(3)["email"]], []])
def test_a_dry_run_of_users_is_near_what_a_run_asks(arguments: list[str], api: Api, webex_audit: Command) -> None:
    simulation = Simulation(OWN)
    url = api(simulation)
    given = [*flags(["audio-options"]), *arguments]
    plan = planned(url, webex_audit, given)
    (reads,) = plan["reads"]
    assert "meeting site" in reads["note"]
    meetings = len([line for line in made(simulation, url, webex_audit, given) if "/meetingPreferences/" in line])
    # Ten requests find out whether the token may read other users.
    assert reads["requests"] // 2 <= meetings <= 2 * reads["requests"] + 10


@pytest.mark.parametrize(("quirk", "least", "most"), [("answers-elsewhere", 1, 2), ("no-answers", 0, 2)])
def test_a_run_over_another_path_asks_up_to_twice_as_often(
    quirk: str, least: int, most: int, api: Api, webex_audit: Command
) -> None:
    simulation = Simulation(OWN, parse(quirk))
    url = api(simulation)
    plan = planned(url, webex_audit, flags(["answer-settings"]))
    (reads,) = plan["reads"]
    assert "up to twice as many" in reads["note"]
    log = made(simulation, url, webex_audit, flags(["answer-settings"]))
    assert (
        least * reads["requests"] <= len([line for line in log if "answerSettings" in line]) <= most * reads["requests"]
    )


@pytest.mark.parametrize(
    ("arguments", "uses"),
    [
        (
            flags(["push-to-talk"]),
            {"spark-admin:workspaces_read": ["list workspaces", "read push-to-talk of workspaces"]},
        ),
        (
            flags(["answer-settings", "paging-groups"], ["person"]),
            {
                "spark-admin:people_read": ["list people"],
                "spark-admin:telephony_config_read": [
                    "read answer-settings of people",
                    "list paging groups",
                    "read paging-groups of paging groups",
                ],
                "spark:people_read": ["find the token's own organization"],
            },
        ),
        (
            flags(["audio-options"]),
            {
                "meeting:preferences_read": ["read audio-options of the token's own user"],
                "spark:people_read": ["know the token's own user"],
            },
        ),
        (
            flags(["audio-options"], [], "--all-users"),
            {
                "meeting:admin_preferences_read": ["read audio-options of people"],
                "spark-admin:people_read": ["list people"],
                "spark:people_read": ["find the token's own organization"],
            },
        ),
        (
            flags(["push-to-talk"], ["virtual-line"], "--all-orgs"),
            {
                "spark-admin:organizations_read": ["list organizations"],
                "spark-admin:telephony_config_read": ["list virtual lines", "read push-to-talk of virtual lines"],
            },
        ),
    ],
)
def test_a_dry_run_names_each_scope_once_with_what_needs_it(
    arguments: list[str], uses: dict[str, list[str]], api: Api, webex_audit: Command
) -> None:
    url = api(Simulation(OWN))
    plan = planned(url, webex_audit, arguments)
    assert (plan["scopes"], plan["uses"]) == ([*uses], uses)
    text = webex_audit("run", "--dry-run", "--base-url", url, *arguments).out
    for scope, needed in uses.items():
        assert text.count(f"{scope}: {'; '.join(needed)}") == 1
    # No other scope is needed: a token of these alone reads all of it.
    simulation = Simulation(OWN, tokens={ADMIN_TOKEN: frozenset(uses)})
    result = webex_audit("run", "--base-url", api(simulation), *arguments, "--output", "out")
    assert result.code == 0, result.err


def test_a_dry_run_says_what_it_could_not_list(api: Api, webex_audit: Command) -> None:
    url = api(Simulation(OWN, tokens=without("spark-admin:telephony_config_read")))
    arguments = flags(["push-to-talk", "paging-groups"], ["workspace", "virtual-line"])
    plan = planned(url, webex_audit, arguments)
    assert [(each["dataset"], each["entity_type"]) for each in plan["reads"]] == [("push_to_talk", "WORKSPACE")]
    assert "telephony_config_read" in plan["organizations"][0]["message"]


@pytest.mark.parametrize("datasets", [["push-to-talk"], ["audio-options"], ["all"], ["paging-groups", "audio-options"]])
@pytest.mark.parametrize("command", [["run", "--dry-run"], ["run"], ["doctor"]])
def test_the_names_of_organizations_are_asked_for_once_and_missed_once(
    datasets: list[str], command: list[str], api: Api, webex_audit: Command
) -> None:
    simulation = Simulation(OWN, tokens=without("spark-admin:organizations_read"))
    result = webex_audit(*command, "--base-url", api(simulation), *flags(datasets))
    assert result.code == 0, result
    assert result.err.count("names of organizations can't be read") == 1
    # The doctor asks again, to say why.
    assert len([line for line in simulation.log if "/organizations" in line]) == 1 + (command == ["doctor"])


def test_audio_options_of_another_organization_are_refused_by_its_uuid(api: Api, webex_audit: Command) -> None:
    url = api(Simulation(OWN, customers=(CUSTOMER,)))
    for command in (["run"], ["run", "--dry-run"]):
        result = webex_audit(*command, "--base-url", url, "--dataset", "audio-options", "--org-id", CUSTOMER.org_id)
        assert (result.code, "audio-options of organization 6d" in result.err) == (2, True), result
