"""The doctor reads settings of real entities, says what was answered, and tells a missing scope from other faults."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from harness import Result, Where, without

from audit.simulator.app import ADMIN_TOKEN, USER_TOKEN, Simulation
from audit.simulator.faults import Faults, parse
from audit.simulator.organization import Organization

Api = Callable[[Simulation], str]
Doctor = Callable[..., tuple[int, dict[str, dict[str, Any]]]]
OWN, CUSTOMER, STRANGER = (Organization(12, seed=seed, people=20, virtual_lines=4) for seed in (1, 2, 3))
KINDS = {"workspaces": "workspace", "people": "person", "virtual-lines": "virtual-line"}


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    monkeypatch.setenv("WEBEX_AUDIT_RETRY_ATTEMPTS", "1")


@pytest.fixture
def doctor(api: Api, webex_audit: Callable[..., Result]) -> Doctor:
    """The exit code, and the checks by name; of several with one name, the last."""

    def doctor(simulation: Simulation, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
        result = webex_audit("doctor", "--base-url", api(simulation), *arguments, "--json")
        checks = json.loads(result.out)
        assert all("\n" not in check["message"] for check in checks)
        return result.code, {check["name"]: check for check in checks}

    return doctor


def entity(name: str) -> list[str]:
    return ["--entity", KINDS[name]]


@pytest.mark.parametrize("status", ["403", "404", "400"])
@pytest.mark.parametrize("name", KINDS)
def test_an_organization_that_the_token_does_not_manage_is_no_missing_scope(
    status: str, name: str, doctor: Doctor
) -> None:
    simulation = Simulation(OWN, faults_of={STRANGER.org_id: Where(status, "orgid")})
    code, checks = doctor(simulation, "--org-id", STRANGER.org_id, *entity(name))
    message = checks[name]["message"]
    assert (code, checks[name]["status"]) == (4, "failed")
    assert "the token does not manage organization" in message
    assert f"HTTP {status}" in message
    assert "it needs the scope" not in message
    assert "locations" not in checks
    assert checks["organization"]["status"] == "warning"
    assert "GET /organizations does not name it" in checks["organization"]["message"]


@pytest.mark.parametrize("name", KINDS)
def test_a_missing_scope_of_another_organization_leaves_both_reasons_open(name: str, doctor: Doctor) -> None:
    scopes = ("spark-admin:workspaces_read", "spark-admin:people_read", "spark-admin:telephony_config_read")
    simulation = Simulation(OWN, tokens=without(*scopes), customers=(CUSTOMER,))
    code, checks = doctor(simulation, "--org-id", CUSTOMER.org_id, *entity(name))
    assert code == 4
    assert "it needs the scope" in checks[name]["message"]
    assert "or the token does not manage organization" in checks[name]["message"]
    assert checks["organization"]["message"].endswith(f"({CUSTOMER.name})")


def test_one_organization_that_is_not_managed_leaves_a_partial_run(doctor: Doctor) -> None:
    simulation = Simulation(OWN, customers=(CUSTOMER,), refused_organizations=frozenset({CUSTOMER.org_id}))
    code, checks = doctor(simulation, "--all-orgs")
    assert code == 3
    assert checks["locations"]["status"] == "ok"


@pytest.mark.parametrize("name", KINDS)
def test_an_administrator_who_lists_and_may_not_read_is_found_out(name: str, doctor: Doctor) -> None:
    code, checks = doctor(Simulation(OWN, Where("403", "pushToTalk")), *entity(name))
    message = checks[name]["message"]
    assert (code, checks[name]["status"]) == (4, "failed")
    assert "listed, but push-to-talk can't be read (HTTP 403" in message
    assert "read-only or location administrator" in message
    assert "Control Hub restricts" in message


@pytest.mark.parametrize("name", KINDS)
def test_the_settings_of_one_entity_are_read_and_not_shown(name: str, doctor: Doctor) -> None:
    simulation = Simulation(OWN)
    code, checks = doctor(simulation, *entity(name))
    assert (code, checks[name]["status"]) == (0, "ok")
    assert "push-to-talk was read: HTTP 200" in checks[name]["message"]
    assert 1 <= len([line for line in simulation.log if "pushToTalk" in line]) <= 5


@pytest.mark.parametrize(
    ("fault", "code", "status", "message"),
    [
        ("404", 0, "warning", "whether push-to-talk can be read is not known: the first answers are not_found 5"),
        ("500", 5, "failed", "push-to-talk is not answered: server_error 5 (HTTP 500"),
        ("mistyped", 3, "failed", "push-to-talk is not answered: invalid_response 5"),
        ("409", 3, "failed", "push-to-talk is not answered: bad_request 5 (HTTP 409"),
    ],
)
def test_any_other_answer_is_repeated_as_it_came(
    fault: str, code: int, status: str, message: str, doctor: Doctor
) -> None:
    found, checks = doctor(Simulation(OWN, Where(fault, "pushToTalk")))
    assert (found, checks["workspaces"]["status"]) == (code, status), checks
    assert message in checks["workspaces"]["message"]


def test_a_refusal_of_the_first_entity_alone_is_no_fault(doctor: Doctor) -> None:
    class First(Faults):
        asked = 0

        def next(self, url: str) -> str | None:
            self.asked += "pushToTalk" in url
            return "403" if "pushToTalk" in url and self.asked == 1 else None

    code, checks = doctor(Simulation(OWN, First()))
    assert (code, checks["workspaces"]["status"]) == (0, "ok")
    assert "(other answers: forbidden 1" in checks["workspaces"]["message"]


def test_a_refusal_among_unlicensed_entities_names_the_remedy(doctor: Doctor) -> None:
    class Mixed(Faults):
        asked = 0

        def next(self, url: str) -> str | None:
            self.asked += "pushToTalk" in url
            return ("404" if self.asked == 1 else "403") if "pushToTalk" in url else None

    code, checks = doctor(Simulation(OWN, Mixed()))
    assert (code, checks["workspaces"]["status"]) == (3, "failed")
    assert "(HTTP 403, 4 of 5): the listing was answered with the same scope" in checks["workspaces"]["message"]


class Uncalled(Organization):
    """An organization whose listing says that no room has Webex Calling."""

    def workspace(self, index: int) -> dict[str, Any]:
        return super().workspace(index) | {"calling": {"type": "none"}}


class HotDesksFirst(Organization):
    """Eight hot desks without settings stand before the rooms."""

    def workspace(self, index: int) -> dict[str, Any]:
        item = super().workspace(index) | {"calling": {"type": "webexCalling"}}
        return item | {"hotdeskingStatus": "on"} if index < 8 else item

    def refusal(self, index: int) -> int | None:
        return 404 if index < 8 else None


def test_rooms_are_read_before_hot_desks(doctor: Doctor) -> None:
    code, checks = doctor(Simulation(HotDesksFirst(12)))
    assert (code, checks["workspaces"]["status"]) == (0, "ok")
    assert "push-to-talk was read: HTTP 200" in checks["workspaces"]["message"]


@pytest.mark.parametrize(("fault", "is_scope"), [("403", True), ("500", False), ("html", False), ("404", False)])
def test_a_scope_is_advised_only_against_a_refusal(fault: str, is_scope: bool, doctor: Doctor) -> None:  # noqa: FBT001
    code, checks = doctor(Simulation(OWN, Where(fault, "/locations")))
    assert (code, checks["locations"]["status"]) == (0, "warning")
    assert ("locations_read" in checks["locations"]["message"]) == is_scope


@pytest.mark.parametrize("organization", [Organization(0), Uncalled(5)])
def test_what_could_not_be_tested_is_not_promised(organization: Organization, doctor: Doctor) -> None:
    simulation = Simulation(organization)
    code, checks = doctor(simulation)
    assert (code, checks["workspaces"]["status"]) == (0, "ok")
    assert "so reading push-to-talk is not tested" in checks["workspaces"]["message"]
    assert not [line for line in simulation.log if "pushToTalk" in line]


@pytest.mark.parametrize(
    ("token", "arguments", "fault"),
    [
        (USER_TOKEN, [], Where("403", "/meetingPreferences/audio")),
        (USER_TOKEN, [], Where("403", "/meetingPreferences/sites")),
        (ADMIN_TOKEN, ["--all-users"], Where("403", "userEmail=")),
    ],
)
def test_audio_options_are_read_and_not_inferred_from_the_sites(
    token: str, arguments: list[str], fault: Faults, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", token)
    simulation = Simulation(OWN, fault)
    code, checks = doctor(simulation, "--dataset", "audio-options", *arguments)
    assert (code, checks["audio-options"]["status"]) == (4, "failed"), checks
    healthy = Simulation(OWN)
    code, checks = doctor(healthy, "--dataset", "audio-options", *arguments)
    assert (code, checks["audio-options"]["status"]) == (0, "ok")
    assert "audio-options was read: HTTP 200" in checks["audio-options"]["message"]
    reads = [line for line in healthy.log if "/meetingPreferences/audio" in line]
    assert bool([line for line in reads if "userEmail" in line and "nobody" not in line]) == (
        "--all-users" in arguments
    )


@pytest.mark.parametrize("fault", ["500", "404", "html"])
def test_a_token_is_not_said_to_be_accepted_by_what_is_no_answer_of_the_api(fault: str, doctor: Doctor) -> None:
    code, checks = doctor(Simulation(OWN, Where(fault, "/people/me")))
    assert "token" not in checks
    assert (code, checks["api"]["status"]) == (5, "failed")
    assert "/people/me can't be read" in checks["api"]["message"]


SEVERAL = {
    "two": ["push-to-talk", "answer-settings"],
    "three": ["answer-settings", "push-to-talk", "paging-groups"],
    "all": ["all"],
}


@pytest.mark.parametrize("datasets", SEVERAL.values(), ids=SEVERAL)
@pytest.mark.parametrize("kinds", [["workspaces"], ["workspaces", "people"], [*KINDS]])
def test_the_doctor_lists_each_kind_once_and_reads_each_dataset_of_it(
    datasets: list[str], kinds: list[str], api: Api, webex_audit: Callable[..., Result]
) -> None:
    simulation = Simulation(OWN)
    flags = [text for name in datasets for text in ("--dataset", name)] + [
        text for kind in kinds for text in entity(kind)
    ]
    result = webex_audit("doctor", "--base-url", api(simulation), *flags, "--json")
    names = [check["name"] for check in json.loads(result.out)]
    assert (result.code, len(names)) == (0, len({*names})), names
    reads = [f"{dataset} of {kind}" for kind in kinds for dataset in ("push-to-talk", "answer-settings")]
    assert {*kinds, *reads} <= {*names}
    assert ("paging-groups" in names) == (datasets != SEVERAL["two"])
    assert ("audio-options" in names) == (datasets == ["all"])
    for path in ("/workspaces?", "/people?", "/virtualLines?", "/paging?"):
        assert len([line for line in simulation.log if path in line and "max=100" in line]) <= 1


@pytest.mark.parametrize(
    ("missing", "failed", "scope"),
    [
        (["telephony_config_read"], {"answer-settings of workspaces", "paging-groups"}, "telephony_config_read"),
        (["workspaces_read"], {"workspaces"}, "workspaces_read"),
        (
            ["meeting:preferences_read", "meeting:admin_preferences_read"],
            {"audio-options"},
            "meeting:preferences_read",
        ),
    ],
)
def test_the_doctor_advises_the_scope_of_each_dataset(
    missing: list[str], failed: set[str], scope: str, doctor: Doctor
) -> None:
    lacking = without(*(name if ":" in name else f"spark-admin:{name}" for name in missing))
    code, checks = doctor(Simulation(OWN, tokens=lacking), "--dataset", "all")
    assert code == 3
    assert {name for name, check in checks.items() if check["status"] == "failed"} == failed
    assert all(scope in checks[name]["message"] for name in failed)


@pytest.mark.parametrize("quirk", ["no-answers", "no-answers-405"])
def test_the_doctor_says_that_settings_may_not_be_offered_yet(quirk: str, doctor: Doctor) -> None:
    code, checks = doctor(Simulation(OWN, parse(quirk)), "--dataset", "all")
    assert (code, checks["answer-settings of workspaces"]["status"]) == (0, "warning")
    assert (
        "may not offer answer-settings to this organization yet" in checks["answer-settings of workspaces"]["message"]
    )
    code, checks = doctor(Simulation(OWN, parse("answers-elsewhere")), "--dataset", "answer-settings")
    assert (code, checks["workspaces"]["status"]) == (0, "ok")


def test_the_doctor_needs_the_own_user_whose_audio_options_a_run_reads(
    api: Api, doctor: Doctor, webex_audit: Callable[..., Result]
) -> None:
    lacking = Simulation(OWN, tokens=without("spark:people_read", "spark-admin:people_read"))
    code, checks = doctor(lacking, "--dataset", "audio-options")
    assert (code, checks["audio-options"]["status"]) == (4, "failed")
    assert "it needs the scope spark:people_read" in checks["audio-options"]["message"]
    assert webex_audit("run", "--base-url", api(lacking), "--dataset", "audio-options").code == 4
    code, checks = doctor(lacking, "--dataset", "all")
    assert (code, checks["audio-options"]["status"]) == (3, "failed")


@pytest.mark.parametrize(
    ("simulation", "status", "message"),
    [
        (Simulation(OWN), "ok", "scope audit:events_read"),
        (Simulation(OWN, tokens=without("audit:events_read")), "warning", "it needs the scope audit:events_read"),
        (Simulation(OWN, Where("404", "/adminAudit/")), "warning", "a run is complete without"),
        (Simulation(OWN, Where("html", "/adminAudit/")), "warning", "a run is complete without"),
    ],
)
def test_the_doctor_reads_the_log_and_a_run_does_not_depend_on_it(
    simulation: Simulation, status: str, message: str, doctor: Doctor
) -> None:
    code, checks = doctor(simulation)
    assert (code, "admin-events" in checks) == (0, False)
    code, checks = doctor(simulation, "--admin-events")
    assert (code, checks["admin-events"]["status"]) == (0, status)
    assert message in checks["admin-events"]["message"]


def test_a_log_that_can_be_read_makes_no_audit_of_an_organization(doctor: Doctor) -> None:
    lacking = Simulation(OWN, tokens=without("spark-admin:workspaces_read"))
    code, checks = doctor(lacking, "--admin-events")
    assert (code, "admin-events" in checks) == (4, False)


@pytest.mark.parametrize("arguments", [["--all-orgs"], ["--org-id", OWN.org_id, "--org-id", CUSTOMER.org_id]])
def test_each_line_of_the_doctor_names_its_organization_if_there_are_several(
    arguments: list[str], api: Api, webex_audit: Callable[..., Result]
) -> None:
    url = api(Simulation(OWN, customers=(CUSTOMER,)))
    lines = webex_audit("doctor", "--base-url", url, *arguments, "--dataset", "all").out.splitlines()
    reads = [line for line in lines if "was read" in line]
    assert len(reads) == 6
    assert len([line for line in reads if OWN.name in line]) == len([line for line in reads if CUSTOMER.name in line])
    assert len({line.index(f"{name} (") for line in reads for name in (OWN.name, CUSTOMER.name) if name in line}) == 1
    assert "organization" in json.loads(webex_audit("doctor", "--base-url", url, *arguments, "--json").out)[-1]
    single = webex_audit("doctor", "--base-url", url).out
    assert single.count(OWN.name) == 1
