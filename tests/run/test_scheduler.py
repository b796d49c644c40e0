"""What schedulers and operators use: doctor, dry run, metrics, and the log of a failed run."""

import json
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import Result
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from audit.config import Profile
from audit.output.lock import lock
from audit.review.check.finding import Severity
from audit.simulator.app import ADMIN_TOKEN, UNSCOPED_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization

Api = Callable[[Simulation], str]
Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    monkeypatch.setenv("WEBEX_AUDIT_RETRY_ATTEMPTS", "1")


def metrics(path: Path) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name.removeprefix("webex_audit_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def value(path: Path, name: str, **labels: str) -> float:
    return metrics(path)[name, frozenset(labels.items())]


def test_a_run_leaves_metrics_for_prometheus(api: Api, webex_audit: Command, tmp_path: Path) -> None:
    url = api(Simulation(Organization(60)))
    file = tmp_path / "audit.prom"
    assert webex_audit("run", "--base-url", url, "--metrics-file", file).code == 0
    assert value(file, "last_run_exit_code") == 0
    assert value(file, "last_run_committed") == value(file, "complete") == 1
    assert value(file, "outcomes", dataset="push_to_talk", outcome="ok") > 40
    assert value(file, "table_rows", table="coverage") == 60
    assert value(file, "last_success_timestamp_seconds") == pytest.approx(time.time(), abs=60)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    last_success = value(file, "last_success_timestamp_seconds")
    assert webex_audit("run", "--base-url", "http://127.0.0.1:9/v1", "--metrics-file", file).code == 5
    assert value(file, "last_run_exit_code") == 5
    assert value(file, "last_run_committed") == 0
    assert value(file, "last_success_timestamp_seconds") == last_success
    assert ADMIN_TOKEN not in file.read_text()


@pytest.mark.parametrize(("options", "code"), [([], 3), (["--allow-partial"], 0)])
def test_the_metrics_have_the_exit_code_of_a_partial_run(
    options: list[str], code: int, api: Api, webex_audit: Command, tmp_path: Path
) -> None:
    url = api(Simulation(Organization(20), parse("500=0.3")))
    file = tmp_path / "audit.prom"
    assert webex_audit("run", "--base-url", url, "--metrics-file", file, *options).code == code
    assert (value(file, "last_run_exit_code"), value(file, "complete")) == (code, 0)
    assert value(file, "snapshots") == 1
    assert value(file, "last_snapshot_timestamp_seconds") == pytest.approx(time.time(), abs=60)
    assert ("last_success_timestamp_seconds", frozenset[tuple[str, str]]()) not in metrics(file)


def test_a_dry_run_leaves_the_metrics_of_the_last_run(api: Api, webex_audit: Command, tmp_path: Path) -> None:
    url = api(Simulation(Organization(20)))
    assert webex_audit("run", "--base-url", url, "--metrics-file", "audit.prom").code == 0
    before = (tmp_path / "audit.prom").read_bytes()
    assert webex_audit("run", "--base-url", url, "--metrics-file", "audit.prom", "--dry-run").code == 0
    assert (tmp_path / "audit.prom").read_bytes() == before


def test_no_two_profiles_have_the_same_series(api: Api, webex_audit: Command, tmp_path: Path) -> None:
    url = api(Simulation(Organization(20)))
    seen: set[Any] = set()
    for name in ("default", "customer-a", "customer-b"):
        path = Profile(name).config_file
        assert path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[webex]\ntoken_command = 'echo {ADMIN_TOKEN}'\n")
        arguments = ["--profile", name, "--output", name]
        assert webex_audit("run", "--base-url", url, *arguments, "--metrics-file", f"{name}.prom").code == 0
        assert webex_audit("check", *arguments, "--metrics-file", f"{name}-check.prom").code == 1
        for file in (f"{name}.prom", f"{name}-check.prom"):
            found = metrics(tmp_path / file).keys()
            assert not found & seen
            assert {dict(labels).get("profile", "default") for _, labels in found} == {name}
            seen |= found


def test_a_check_leaves_the_number_of_findings(api: Api, webex_audit: Command, tmp_path: Path) -> None:
    url = api(Simulation(Organization(60)))
    file = tmp_path / "check.prom"
    assert webex_audit("run", "--base-url", url).code == 0
    result = webex_audit("check", "--json", "--metrics-file", file)
    assert result.code == 1
    rules = json.loads(result.out)["results"]
    for severity in Severity:
        found = sum(len(each["findings"]) for each in rules if each["rule"]["severity"] == severity)
        assert value(file, "findings", severity=str(severity)) == found
    assert value(file, "rules_skipped") == sum(each["status"] == "skipped" for each in rules)
    assert value(file, "last_check_timestamp_seconds") == pytest.approx(time.time(), abs=60)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert webex_audit("check", "--write-baseline", "accepted.toml", "--metrics-file", file).code == 0
    assert all(value(file, "findings", severity=str(each)) == 0 for each in Severity)
    assert value(file, "findings_accepted") > 0


@pytest.mark.parametrize("path", ["/proc/nowhere/x", "/", "."])
def test_a_check_names_a_metrics_file_that_can_not_be_written_first(path: str, webex_audit: Command) -> None:
    result = webex_audit("check", "--metrics-file", path)
    assert (result.code, f"metrics file {path} can't be written" in result.err) == (2, True)


@pytest.mark.parametrize("path", ["/proc/nowhere/x", "/", "."])
def test_a_metrics_file_that_can_not_be_written_is_told_first(path: str, api: Api, webex_audit: Command) -> None:
    simulation = Simulation(Organization(3))
    result = webex_audit("run", "--base-url", api(simulation), "--metrics-file", path)
    assert (result.code, f"metrics file {path} can't be written" in result.err) == (2, True)
    assert simulation.log == []


def test_metrics_that_fail_at_the_end_change_nothing_else(api: Api, webex_audit: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    arguments = ["--metrics-file", "audit.prom", "--output", "file"]
    result = webex_audit("run", "--base-url", api(Simulation(Organization(3))), *arguments)
    assert (result.code, "output file can't be written" in result.err) == (2, True)
    assert "metrics file audit.prom can't be written" in result.err


def test_a_run_without_a_token_leaves_metrics_too(
    webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEBEX_ACCESS_TOKEN")
    assert webex_audit("run", "--metrics-file", "audit.prom").code == 2
    assert value(tmp_path / "audit.prom", "last_run_exit_code") == 2


@pytest.mark.parametrize("arguments", [["run", "--dry-run", "--deadline", "5s"], ["doctor"]])
def test_a_long_wait_is_told_and_not_waited_for(arguments: list[str], api: Api, webex_audit: Command) -> None:
    result = webex_audit(*arguments, "--base-url", api(Simulation(Organization(3), parse("429-long=1!"))))
    assert (result.code, "asks to wait 194 s" in result.out + result.err) == (5, True)


def test_a_dry_run_tells_what_a_run_would_do_and_crawls_nothing(api: Api, webex_audit: Command, tmp_path: Path) -> None:
    simulation = Simulation(Organization(200))
    url = api(simulation)
    result = webex_audit("run", "--base-url", url, "--dry-run", "--json", "--max-rate", "10")
    plan = json.loads(result.out)
    assert plan["entities"] == 200
    assert 180 < plan["requests"] < 200
    assert plan["rate_per_s"] == 10
    assert plan["duration_s"] == plan["requests"] / 10
    assert plan["scopes"] == ["spark-admin:workspaces_read"]
    assert not [line for line in simulation.log if "pushToTalk" in line]
    assert not (tmp_path / "snapshots").exists()
    text = webex_audit("run", "--base-url", url, "--dry-run").out
    assert "rate       not known yet" in text
    assert "entities   200" in text


@pytest.mark.parametrize(
    ("datasets", "entities", "reads", "scopes"),
    [
        (["answer-settings"], ["workspace"], 1, {"telephony_config_read", "workspaces_read"}),
        (["push-to-talk", "answer-settings"], ["workspace"], 2, {"telephony_config_read", "workspaces_read"}),
        (["answer-settings"], ["person", "workspace"], 1, {"telephony_config_read", "workspaces_read", "people_read"}),
        (["answer-settings", "push-to-talk"], ["virtual-line"], 2, {"telephony_config_read", "people_read"}),
    ],
)
def test_a_dry_run_of_several_datasets_lists_once_and_tells_of_all(
    datasets: list[str], entities: list[str], reads: int, scopes: set[str], api: Api, webex_audit: Command
) -> None:
    simulation = Simulation(Organization(30, people=20, virtual_lines=5))
    flags = [text for name in datasets for text in ("--dataset", name)]
    flags += [text for kind in entities for text in ("--entity", kind)]
    result = webex_audit("run", "--base-url", api(simulation), "--dry-run", "--json", *flags)
    plan = json.loads(result.out)
    assert {scope.partition(":")[2] for scope in plan["scopes"]} == scopes
    sizes = {"workspace": 30, "person": 20, "virtual-line": 5}
    assert plan["entities"] == sum(sizes[kind] for kind in entities)
    assert plan["requests"] % reads == 0
    assert reads * plan["entities"] * 0.6 < plan["requests"] <= reads * plan["entities"]
    listed = [line for line in simulation.log if "/v1/workspaces" in line or "/v1/people?" in line]
    assert len(listed) == len({*listed})


def test_a_dry_run_of_all_datasets_tells_of_each_inventory(api: Api, webex_audit: Command) -> None:
    url = api(Simulation(Organization(30, people=20)))
    plan = json.loads(webex_audit("run", "--base-url", url, "--dry-run", "--json", "--dataset", "all").out)
    assert plan["entities"] == 37
    assert {"meeting:preferences_read", "spark-admin:telephony_config_read"} < {*plan["scopes"]}
    result = webex_audit("run", "--base-url", url, "--dry-run", "--dataset", "all", "--all-orgs")
    assert result.code == 0
    assert "--dataset all leaves out audio-options" in result.err


def checks(result: Result) -> dict[str, Any]:
    return {check["name"]: check for check in json.loads(result.out)}


def test_the_doctor_finds_nothing_wrong(api: Api, webex_audit: Command) -> None:
    result = webex_audit("doctor", "--base-url", api(Simulation(Organization(3))), "--json")
    assert result.code == 0
    names = ["configuration", "output", "token", "organization", "locations", "workspaces"]
    assert {name: check["status"] for name, check in checks(result).items()} == dict.fromkeys(names, "ok")
    text = webex_audit("doctor", "--base-url", api(Simulation(Organization(3)))).out
    assert text.count("\n") == len(names)


@pytest.mark.parametrize(
    ("token", "arguments", "code", "name", "message"),
    [
        ("", [], 2, "token", "no access token: 'webex-audit login'"),
        ("expired", [], 4, "token", "the access token is refused (401)"),
        (UNSCOPED_TOKEN, ["--org-id", Organization(3).org_id], 4, "workspaces", "scope spark-admin:workspaces_read"),
        (UNSCOPED_TOKEN, [], 4, "organization", "scope spark-admin:workspaces_read"),
        (ADMIN_TOKEN, ["--output", "/proc/nowhere"], 2, "output", "name another folder with --output"),
        (ADMIN_TOKEN, ["--base-url", "http://127.0.0.1:9/v1"], 5, "api", "does not answer"),
    ],
)
def test_the_doctor_says_what_is_wrong_and_what_to_do(
    token: str,
    arguments: list[str],
    code: int,
    name: str,
    message: str,
    api: Api,
    webex_audit: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", token)
    url = [] if "--base-url" in arguments else ["--base-url", api(Simulation(Organization(3)))]
    result = webex_audit("doctor", *url, *arguments, "--json")
    check = checks(result)[name]
    assert (result.code, check["status"], message in check["message"]) == (code, "failed", True), check


def test_the_doctor_warns_of_what_a_run_can_do_without(api: Api, webex_audit: Command, tmp_path: Path) -> None:
    scopes = {ADMIN_TOKEN: frozenset({"spark-admin:workspaces_read"})}
    url = api(Simulation(Organization(3), tokens=scopes))
    (tmp_path / "snapshots").mkdir()
    with lock(tmp_path / "snapshots"):
        result = webex_audit("doctor", "--base-url", url, "--json")
    found = checks(result)
    assert (result.code, found["locations"]["status"], found["output"]["status"]) == (0, "warning", "warning")


def test_a_failure_is_logged_with_the_tracking_id_of_the_api(api: Api, webex_audit: Command) -> None:
    url = api(Simulation(Organization(60), parse("409@20"), max_page=1000))
    result = webex_audit("run", "--base-url", url, "--log-format", "json")
    (line,) = [each for each in map(json.loads, result.err.splitlines()) if "entity_id" in each]
    assert line["tracking_id"].startswith("ROUTERGW_")
    assert len({json.loads(each)["run"] for each in result.err.splitlines()}) == 1
