"""The examples for GitHub Actions and GitLab CI: valid by the published schemas, and run script by script."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from examples import PROGRAMS, ROOT, Api, Ended, night, program
from pipelines import GITHUB, GITLAB, JOB, PIPELINE, WORKFLOW, Step, pipeline, steps

from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization

SCHEMAS = {GITHUB: ["vendor.github-workflows"], GITLAB: ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"]}
SECRETS = {"WEBEX_CLIENT_ID": "C0ffee", "WEBEX_CLIENT_SECRET": "cl13nt-s3cret", "WEBEX_REFRESH_TOKEN": "r3fresh"}
CODES = (0, 2, 3, 4, 5)


def valid(path: Path, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What check-jsonschema says of a text, by the schema that it has for the file."""
    copy = folder / path.name
    copy.write_text(text)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *SCHEMAS[path], str(copy)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_the_example_is_valid_by_the_published_schema(path: Path, tmp_path: Path) -> None:
    done = valid(path, path.read_text(), tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("path", "field", "misspelt"),
    [
        (GITHUB, "runs-on:", "run-on:"),
        (GITHUB, "timeout-minutes:", "timeout-minute:"),
        (GITHUB, "  contents: read", "  contents: reads"),
        (GITLAB, "expire_in:", "expires_in:"),
        (GITLAB, "exit_codes:", "exit_code:"),
        (GITLAB, "interruptible: false", "interruptible: nope"),
    ],
)
def test_a_misspelt_field_is_refused(path: Path, field: str, misspelt: str, tmp_path: Path) -> None:
    assert field in path.read_text()
    assert valid(path, path.read_text().replace(field, misspelt), tmp_path).returncode == 1


def test_the_workflow_may_read_and_nothing_else() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    (checkout,) = [each["with"] for each in JOB["steps"] if each.get("uses", "").startswith("actions/checkout@")]
    assert (checkout["persist-credentials"], bool(re.fullmatch(r"v\d+\.\d+\.\d+", checkout["ref"]))) == (False, True)
    assert all(re.search(r"@v\d+$", each["uses"]) for each in JOB["steps"] if "uses" in each)


def test_no_secret_and_no_expression_stands_in_a_script() -> None:
    assert not [each["run"] for each in JOB["steps"] if "${{" in each.get("run", "")]
    holders = [each["name"] for each in JOB["steps"] if "secrets." in str(each)]
    assert holders == ["Run"]


def test_what_is_uploaded_is_deleted_after_a_time_and_holds_no_token() -> None:
    (upload,) = [each["with"] for each in JOB["steps"] if "upload-artifact" in each.get("uses", "")]
    assert (upload["path"].split(), upload["retention-days"]) == (["latest.html", "findings.xml"], 30)
    assert PIPELINE["artifacts"]["paths"] == ["latest.html"]
    assert (PIPELINE["artifacts"]["access"], PIPELINE["artifacts"]["expire_in"]) == ("developer", "30 days")
    caches = [each["with"]["path"] for each in JOB["steps"] if "actions/cache" in each.get("uses", "")]
    assert caches == ["snapshots"] * 2
    assert PIPELINE["cache"]["paths"] == ["snapshots/"]


def test_the_snapshots_are_kept_whatever_became_of_the_run() -> None:
    (saved,) = [each for each in JOB["steps"] if "cache/save" in each.get("uses", "")]
    assert saved["if"] == "${{ always() }}"
    assert PIPELINE["cache"]["when"] == PIPELINE["artifacts"]["when"] == "always"


def test_two_jobs_never_run_at_once() -> None:
    assert WORKFLOW["concurrency"] == {"group": "webex-audit", "cancel-in-progress": False}
    assert (PIPELINE["resource_group"], PIPELINE["interruptible"]) == ("webex-audit", False)


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A runner's folder, and programs in place of `gh` and `pip`."""
    program(tmp_path / "fakes" / "gh", 'cat "$VISIBILITY"')
    program(tmp_path / "fakes" / "pip", f'echo "$@" >>{tmp_path}/installed')
    (tmp_path / "temp").mkdir()
    (tmp_path / "work").mkdir()
    return tmp_path


def run_workflow(runner: Path, settings: dict[str, str], visibility: str = "private") -> dict[str, Ended]:
    (runner / "visibility").write_text(visibility)
    values = {f"secrets.{name}": text for name, text in SECRETS.items()}
    values |= {"github.token": "gh-token", "runner.temp": str(runner / "temp")}
    environment = {name: text for name, text in settings.items() if name != "WEBEX_ACCESS_TOKEN"}
    environment |= {
        "PATH": f"{runner / 'fakes'}:{PROGRAMS}:/usr/bin:/bin",
        "VISIBILITY": str(runner / "visibility"),
        "GITHUB_REPOSITORY": "o/r",
    }
    found: list[Step] = [*steps(values, environment, runner / "work")]
    return {each.name: each.ended for each in found}


@pytest.mark.few(3)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.slow
def test_the_workflow_ends_with_what_became_of_the_run(code: int, api: Api, runner: Path) -> None:
    settings = night(code, api)
    if code == 4:
        settings["WEBEX_AUDIT_BASE_URL"] = api(refusing())
    ended = run_workflow(runner, settings)
    run = ended["Run"]
    assert run.code == (0 if code == 3 else code), run
    assert ("::warning::the snapshot is partial" in run.out) is (code == 3)
    assert ("::error::" in run.out) is (code in (2, 4, 5))
    # The simulated rooms have findings.
    assert ("Check" in ended and ended["Check"].code) == (1 if code in (0, 3) else False)
    made = {path.name for path in (runner / "work").iterdir()} - {"script.sh"}
    assert ({"latest.html", "findings.xml", "snapshots"} <= made) is (code in (0, 3))
    assert {path.stat().st_mode & 0o777 for path in (runner / "temp").iterdir()} == {0o600}
    assert not [text for text in (SECRETS["WEBEX_CLIENT_SECRET"], "r3fresh") if text in str(ended)]


@pytest.mark.parametrize(("signal", "code"), [("KILL", 137), ("TERM", 143), ("HUP", 129)])
def test_a_run_that_is_killed_is_no_fault_of_the_configuration(signal: str, code: int, api: Api, runner: Path) -> None:
    program(runner / "fakes" / "webex-audit", f"kill -{signal} $$")
    run = run_workflow(runner, night(0, api))["Run"]
    assert (run.code, run.out) == (code, f"::error::killed, exit code {code}: the next run goes on\n")


def refusing() -> Simulation:
    """An API whose token endpoint knows another client secret."""
    return Simulation(Organization(3), client_secret="another")


@pytest.mark.parametrize("visibility", ["public", "", "something new"])
def test_a_repository_that_is_not_private_is_refused_before_anything_is_asked(
    visibility: str, api: Api, runner: Path
) -> None:
    ended = run_workflow(runner, night(0, api), visibility)
    assert [*ended] == ["Refuse a public repository"]
    assert ended["Refuse a public repository"].code == 2


def test_a_visibility_that_can_not_be_read_is_refused(api: Api, runner: Path) -> None:
    program(runner / "fakes" / "gh", "exit 1")
    ended = run_workflow(runner, night(0, api))
    assert {name: each.code for name, each in ended.items()} == {"Refuse a public repository": 1}


@pytest.mark.slow
def test_a_new_refresh_token_is_reported_and_not_shown(api: Api, runner: Path) -> None:
    rotating = Simulation(Organization(3), parse("token-rotate", 1))
    run = run_workflow(runner, night(0, api) | {"WEBEX_AUDIT_BASE_URL": api(rotating)})["Run"]
    assert (run.code, "::warning::Webex sent a new refresh token" in run.out) == (0, True), run
    assert "simulated-refresh-token" not in run.out + run.err


@pytest.mark.slow
def test_the_workflow_installs_what_is_in_the_checkout(api: Api, runner: Path) -> None:
    run_workflow(runner, night(0, api))
    first, second = (line.split() for line in (runner / "installed").read_text().splitlines())
    (checkout,) = [each["with"]["path"] for each in JOB["steps"] if "checkout" in each.get("uses", "")]
    assert "--require-hashes" in first
    assert (ROOT / first[-1].removeprefix(f"{checkout}/")).is_file()
    assert second[-1] == f"./{checkout}"


@pytest.mark.parametrize("interpreter", ["sh", pytest.param("bash", marks=pytest.mark.faults)])
@pytest.mark.parametrize("code", CODES)
@pytest.mark.slow
def test_the_pipeline_ends_with_what_became_of_the_run(code: int, interpreter: str, api: Api, tmp_path: Path) -> None:
    assert shutil.which(interpreter)
    # As the runner makes it: writable for everybody.
    work, tmp = tmp_path / "work", tmp_path / "tmp"
    work.mkdir()
    work.chmod(0o777)
    tmp.mkdir()
    result = pipeline(gitlab(night(code, api), tmp_path, api, code), work, interpreter, tmp)
    assert result.code == (1 if code in (0, 3) else code), result
    assert (work / "findings.xml").exists() is (code in (0, 3))
    assert {path.stat().st_mode & 0o777 for path in tmp.iterdir()} == {0o600}
    assert not [text for text in (SECRETS["WEBEX_CLIENT_SECRET"], "r3fresh") if text in result.out + result.err]


def gitlab(settings: dict[str, str], folder: Path, api: Api, code: int) -> dict[str, str]:
    """The environment of a GitLab job: a variable of type File is the path of its content, which others may read."""
    given: dict[str, Any] = {name: text for name, text in settings.items() if name != "WEBEX_ACCESS_TOKEN"}
    for name, text in SECRETS.items():
        given[name] = text
        if name != "WEBEX_CLIENT_ID":
            path = folder / name
            path.write_text(text)
            path.chmod(0o666)
            given[name] = str(path)
    return given | ({"WEBEX_AUDIT_BASE_URL": api(refusing())} if code == 4 else {})


@pytest.mark.parametrize("missing", ["WEBEX_CLIENT_SECRET", "WEBEX_REFRESH_TOKEN"])
def test_a_variable_that_is_missing_is_named(missing: str, api: Api, tmp_path: Path) -> None:
    given = gitlab(night(0, api), tmp_path, api, 0)
    del given[missing]
    result = pipeline(given, tmp_path, "sh", tmp_path)
    assert (result.code != 0, f"{missing}: add this variable" in result.err) == (True, True), result


@pytest.mark.parametrize("missing", SECRETS)
def test_a_secret_that_is_missing_is_named(missing: str, api: Api, runner: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(SECRETS, missing, "")
    run = run_workflow(runner, night(0, api))["Run"]
    assert (run.code != 0, f"add the secret {missing}" in run.err) == (True, True), run


def test_partial_is_a_warning_of_the_pipeline_where_nothing_is_found(api: Api, tmp_path: Path) -> None:
    assert PIPELINE["allow_failure"] == {"exit_codes": [3]}
    work, tmp = tmp_path / "work", tmp_path / "tmp"
    work.mkdir()
    tmp.mkdir()
    fake = program(tmp_path / "fakes" / "webex-audit", '[ "$1" != run ] || exit 3').parent
    settings = gitlab({"PATH": f"{fake}:/usr/bin:/bin"}, tmp_path, api, 3)
    assert pipeline(settings, work, "sh", tmp).code == 3


def test_a_public_project_runs_no_pipeline() -> None:
    first = PIPELINE["rules"][0]
    assert first == {"if": '$CI_PROJECT_VISIBILITY == "public"', "when": "never"}
