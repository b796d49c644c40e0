"""`--quiet` hides what is in order, and nothing that is wrong: a cron job mails what is left."""

import json
import re
import shutil
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from crafted import Audit, TickingClock, crafted, two_way
from harness import Result, Where, visible

from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.webex.ids import uuid_of

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
pytestmark = pytest.mark.usefixtures("impatient")
GONE = b64encode(b"ciscospark://us/PLACE/99999999-2222-3333-4444-555555555555").decode().rstrip("=")
OWN, ONE, TWO = (Organization(6, seed=seed) for seed in (1, 2, 3))


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def quiet(webex_audit: Command) -> Command:
    return lambda *arguments: webex_audit(*arguments, "--quiet")


def uuid(organization: Organization) -> str:
    return uuid_of(organization.org_id) or ""


def mistyped(organization: Organization) -> str:
    """The UUID with its last digit changed."""
    org_id = uuid(organization)
    return f"{org_id[:-1]}{'0' if org_id[-1] != '0' else '1'}"


@pytest.mark.parametrize("dataset", ["push-to-talk", "answer-settings", "paging-groups"])
def test_a_partial_run_says_why(dataset: str, api: Api, quiet: Command) -> None:
    path = {"push-to-talk": "pushtotalk", "answer-settings": "answer", "paging-groups": "locations/"}[dataset]
    simulation = Simulation(Organization(4, paging_groups=3), Where("400", path))
    run = quiet("run", "--base-url", api(simulation), "--dataset", dataset)
    assert (run.code, run.out) == (3, "")
    assert re.search(r"^webex-audit: warning: the snapshot is partial: .+\n\Z", run.err, re.MULTILINE)
    assert "inventory of" not in run.err


def test_a_partial_run_says_why_in_json_too(api: Api, quiet: Command) -> None:
    simulation = Simulation(OWN, Where("400", "pushtotalk"))
    run = quiet("run", "--base-url", api(simulation), "--log-format", "json")
    logged = [json.loads(line) for line in run.err.splitlines()]
    assert (run.code, {line["level"] for line in logged}) == (3, {"warning"})
    assert logged[-1]["message"].startswith("the snapshot is partial: ")


def test_an_organization_that_refuses_is_named(api: Api, quiet: Command) -> None:
    partner = Simulation(OWN, customers=(ONE, TWO), refused_organizations=frozenset({ONE.org_id}))
    run = quiet("run", "--base-url", api(partner), "--all-orgs")
    assert (run.code, run.out) == (3, "")
    assert re.search(rf"warning: the snapshot is partial: .*{uuid(ONE)}\) is refused", run.err)


def test_a_file_that_others_can_read_is_warned_of(
    api: Api, quiet: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEBEX_ACCESS_TOKEN")
    (tmp_path / "token").write_text(ADMIN_TOKEN)
    (tmp_path / "token").chmod(0o644)
    run = quiet("run", "--base-url", api(Simulation(OWN)), "--token-file", "token")
    assert run == Result(
        0, "", f"webex-audit: warning: token file {Path('token')} can be read by other users: chmod 600 it\n"
    )


def test_a_meeting_site_without_users_is_warned_of(api: Api, quiet: Command) -> None:
    asked = ("--dataset", "audio-options", "--site", "exampel.webex.com")
    run = quiet("run", "--base-url", api(Simulation(Organization(4, people=5))), *asked)
    assert "warning: --site exampel.webex.com: no user is on this meeting site" in run.err


@pytest.mark.parametrize("verbosity", [(), ("--quiet",)])
@pytest.mark.parametrize("command", [("run",), ("run", "--dry-run"), ("doctor",)])
def test_a_mistyped_exclusion_audits_nothing(
    command: tuple[str, ...], verbosity: tuple[str, ...], api: Api, webex_audit: Command, tmp_path: Path
) -> None:
    simulation = Simulation(OWN, customers=(ONE, TWO))
    asked = ("--base-url", api(simulation), "--all-orgs", "--exclude-org", uuid(TWO), "--exclude-org", mistyped(ONE))
    result = webex_audit(*command, *asked, *verbosity)
    assert result.code == 2
    said = result.out if command == ("doctor",) else result.err
    assert f"--exclude-org {mistyped(ONE)}: the token manages no such organization, so nothing is audited" in said
    assert f"did you mean {uuid(ONE)}?" in said
    assert not [each for each in simulation.log if "pushtotalk" in str(each).lower()]
    assert visible(tmp_path / "snapshots") == []


def test_an_exclusion_that_is_unlike_any_organization_suggests_none(api: Api, quiet: Command) -> None:
    gone = "8c9fd285-6500-4518-856e-eb836c6761d8"
    url = api(Simulation(OWN, customers=(ONE,)))
    result = quiet("run", "--base-url", url, "--all-orgs", "--exclude-org", gone)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert f"--exclude-org {gone}: " in result.err
    assert "if the organization is gone\n" in result.err


@pytest.mark.parametrize("verbosity", [(), ("--quiet",)])
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--workspace-id", GONE), "1 of 1 workspace of --workspace-id and --ids-from was not found: correct it"),
        (
            ("--workspace-id", GONE, "--workspace-id", OWN.workspace(1)["id"], "--dataset", "answer-settings"),
            "1 of 2 workspaces of --workspace-id and --ids-from was not found: correct it",
        ),
        (
            ("--dataset", "audio-options", "--user", "nobody@example.com"),
            "1 read of 1 user of --user and --users-from found no such user",
        ),
    ],
)
def test_a_mistyped_workspace_or_user_is_warned_of(
    asked: tuple[str, ...], said: str, verbosity: tuple[str, ...], api: Api, webex_audit: Command
) -> None:
    run = webex_audit("run", "--base-url", api(Simulation(OWN)), *asked, *verbosity)
    assert run.code == 0
    assert f"webex-audit: warning: {said}" in run.err


def test_what_is_gone_but_was_not_named_is_not_warned_of(api: Api, quiet: Command) -> None:
    simulation = Simulation(OWN, Where("404", f"{OWN.workspace(1)['id']}/pushToTalk"))
    run = quiet("run", "--base-url", api(simulation))
    assert (run.code, "not found" in run.err) == (0, False)


def test_check_prints_the_findings_alone(audit: Audit, quiet: Command, webex_audit: Command) -> None:
    audit(Simulation(crafted(two_way, two_way)))
    result = quiet("check", "--output", "out")
    assert (result.code, result.err) == (1, "")
    assert result.out.splitlines() == [
        "HIGH      two-way-auto-answer: " + result.out.splitlines()[0].partition(": ")[2],
        *(line for line in webex_audit("check", "--output", "out").out.splitlines() if line.startswith("  - ")),
    ]
    assert result.out.count("\n") == 3
    for form in ("json", "csv", "junit"):
        told = quiet("check", "--output", "out", "--format", form)
        assert "two-way-auto-answer" in told.out, form
        assert len(told.out) > len(result.out), form


def test_a_check_that_finds_nothing_prints_nothing(audit: Audit, quiet: Command) -> None:
    audit(Simulation(crafted()))
    assert quiet("check", "--output", "out") == Result(0, "", "")


def test_a_rule_that_ran_out_of_time_is_warned_of(audit: Audit, quiet: Command, tmp_path: Path) -> None:
    audit(Simulation(crafted()))
    (tmp_path / "rules").mkdir()
    header = "-- title: T\n-- severity: low\n-- rationale: R.\n-- remedy: M.\n-- tables: coverage\n"
    columns = "NULL AS org_id, NULL AS entity_type, NULL AS entity_id, NULL AS entity_name, NULL AS location_name"
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    (tmp_path / "rules" / "slow.sql").write_text(f"{header}SELECT {columns}, ({slow})::VARCHAR AS detail\n")
    result = quiet("check", "--output", "out", "--rules", "rules", "--timeout", "1s")
    assert (result.code, result.out) == (0, "")
    assert "warning: rule slow is skipped: it did not end within 1s" in result.err


def test_the_doctor_prints_what_is_not_in_order(api: Api, quiet: Command) -> None:
    url = api(Simulation(OWN))
    assert quiet("doctor", "--base-url", url) == Result(0, "", "")
    failed = quiet("doctor", "--base-url", url, "--org-id", ONE.org_id)
    assert failed.code != 0
    assert {line.split()[0] for line in failed.out.splitlines()} <= {"failed", "warning"}
    assert len(json.loads(quiet("doctor", "--base-url", url, "--json").out)) > 3


def test_verify_prints_faults_alone(audit: Audit, quiet: Command) -> None:
    snapshot = audit(Simulation(OWN))
    assert quiet("verify", "--output", "out") == Result(0, "", "")
    (snapshot.path / "coverage.csv").write_text("")
    damaged = quiet("verify", "--output", "out")
    assert (damaged.code, "coverage.csv" in damaged.out) == (1, True)


def test_prune_prints_what_stays_against_its_plan(audit: Audit, quiet: Command) -> None:
    for _ in range(3):
        snapshot = audit(Simulation(OWN))
    prune = ("prune", "--output", "out", "--keep-last", "2")
    assert quiet(*prune, "--dry-run").out.count("\n") == 3
    assert quiet(*prune) == Result(0, "", "")
    shutil.copytree(snapshot.path, snapshot.path.parent / "copy")
    left = quiet(*prune, "--dry-run")
    assert quiet(*prune).out == "".join(f"{line}\n" for line in left.out.splitlines() if line.startswith("left"))
    assert "copy" in quiet(*prune).out


@pytest.mark.parametrize("command", [("snapshots",), ("snapshots", "--unfinished"), ("approve", "--list")])
def test_a_list_of_a_mistyped_folder_is_a_warning(
    command: tuple[str, ...], quiet: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("absent", "snapshts", "a b"):
        told = quiet(*command, "--output", name)
        assert (told.code, told.err.startswith(f"webex-audit: warning: no snapshot in ./{name} yet")) == (0, True)
    monkeypatch.setenv("WEBEX_AUDIT_OUTPUT_PATH", "absent")
    assert "warning: no snapshot in ./absent yet" in quiet(*command).err
    Path("absent").mkdir()
    assert quiet(*command).err == ""


@pytest.mark.parametrize(
    "command",
    [
        ("prune", "--keep-last", "2"),
        ("prune", "--keep-last", "2", "--dry-run"),
        ("approve", "--reason", "x", "--by", "me"),
        ("approve", "--reason", "x", "--by", "me", "--withdraw"),
    ],
)
def test_an_absent_folder_is_not_taken_for_one_that_cannot_be_written(
    command: tuple[str, ...], quiet: Command, tmp_path: Path
) -> None:
    told = quiet(*command, "--output", "snapshts")
    said = "no snapshot in ./snapshts yet: 'webex-audit run' makes one, --output names another folder"
    assert told == Result(2, "", f"webex-audit: error: {said}\n")
    assert visible(tmp_path) == []


def test_what_is_done_is_not_told(audit: Audit, quiet: Command, tmp_path: Path) -> None:
    audit(Simulation(crafted()))
    assert quiet("report", "--output", "out", "--file", "x.html") == Result(0, "", "")
    assert (tmp_path / "x.html").stat().st_size
    assert quiet("approve", "--output", "out", "--reason", "ok", "--by", "me") == Result(0, "", "")
    assert "approved by me" in quiet("approve", "--output", "out", "--list").out
    assert json.loads(quiet("report", "--output", "out", "--file", "y.html", "--json").out)["format"] == "html"


@pytest.mark.parametrize("command", [("show",), ("snapshots",), ("diff", "latest", "latest"), ("query",)])
def test_what_is_asked_for_is_printed(command: tuple[str, ...], audit: Audit, quiet: Command) -> None:
    audit(Simulation(OWN))
    assert quiet(*command, "--output", "out").out


@pytest.mark.parametrize("file", ["manifest.json", "../pruned.json", "../approvals.json"])
def test_what_a_command_reads_several_times_is_warned_of_once(
    file: str, audit: Audit, api: Api, quiet: Command, tmp_path: Path
) -> None:
    for _ in range(2):
        snapshot = audit(Simulation(OWN))
    (tmp_path / "out" / snapshot.path.name / file).write_text("{")
    for command in (
        ("run", "--base-url", api(Simulation(OWN))),
        ("snapshots",),
        ("check",),
        ("prune", "--keep-last", "2"),
    ):
        warnings = [line for line in quiet(*command, "--output", "out").err.splitlines() if "warning: " in line]
        assert len(warnings) == len({*warnings}), (command, warnings)


def test_a_good_night_of_cron_is_silent(api: Api, quiet: Command) -> None:
    url = api(Simulation(crafted()))
    night = (("run", "--base-url", url), ("verify",), ("check",), ("report",), ("prune", "--keep-last", "3"))
    assert [quiet(*command) for command in night] == [Result(0, "", "")] * len(night)
