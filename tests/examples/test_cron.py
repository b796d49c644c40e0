"""The crontabs and the nightly script, as cron runs them: what they exit with, and what cron would mail."""

import re
import shlex
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest
from examples import EXAMPLES, PROGRAMS, RUN_CODES, Api, Ended, held, night, program, shell

NIGHTLY = EXAMPLES / "webex-audit-nightly"
OWN, SYSTEM = EXAMPLES / "crontab", EXAMPLES / "cron.d" / "webex-audit"
#: What a mail says after each exit code of the run.
MAILS = {
    2: "PACE_SHARE",
    3: "the snapshot is partial",
    4: "token",
    5: "does not answer",
    6: "holds the lock",
}


class Crontab(NamedTuple):
    """A crontab as cron reads it: variables, and the fields of its one job."""

    variables: dict[str, str]
    job: list[str]


def read(path: Path, fields: int) -> Crontab:
    """Read a crontab whose job has this many fields before the command."""
    text = path.read_text()
    assert text.endswith("\n"), "cron ignores a last line without a line end"
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    variables = dict(re.fullmatch(r"(\w+)=(.*)", line).groups() for line in lines[:-1])  # type: ignore[union-attr]
    return Crontab(variables, lines[-1].split(None, fields))


def ended(crontab: Crontab, environment: dict[str, str], home: Path, *paths: Path) -> Ended:
    """Run the command of a crontab as cron does: by /bin/sh, in the home folder, with the variables of the crontab."""
    places = [str(path) for path in (*paths, PROGRAMS)]
    whole = environment | {"PATH": ":".join([*places, "/usr/bin", "/bin"]), "LOGNAME": "webex-audit"}
    variables = {name: text for name, text in crontab.variables.items() if name != "PATH"}
    return shell(crontab.job[-1], variables | whole, home)


def on_night(code: int, output: Path) -> object:
    return held(output) if code == 6 else nullcontext()


@pytest.fixture
def sleep(tmp_path: Path) -> Path:
    """A folder with a command `sleep` that takes no time, and writes down for how long it was called."""
    return program(tmp_path / "fakes" / "sleep", f'echo "$1" >>{tmp_path}/slept').parent


@pytest.mark.parametrize(("path", "fields"), [(OWN, 5), (SYSTEM, 6)])
def test_a_crontab_is_clear_of_what_cron_reads_otherwise(path: Path, fields: int) -> None:
    crontab = read(path, fields)
    assert "%" not in crontab.job[-1]
    assert not any(sign in text for text in crontab.variables.values() for sign in "$~`")
    assert all(re.fullmatch(r"[\d*,/-]+", field) for field in crontab.job[:5])
    assert {"MAILTO", "PATH"} <= {*crontab.variables}
    assert path.read_text().splitlines()[0].startswith(("# Your own crontab", "# /etc/cron.d/webex-audit"))


def test_the_crontab_of_the_system_alone_names_a_user() -> None:
    assert read(OWN, 5).job[5].startswith("webex-audit run ")
    assert read(SYSTEM, 6).job[5:] == ["webex-audit", "webex-audit-nightly"]
    assert re.fullmatch(r"[A-Za-z0-9_-]+", SYSTEM.name), "cron ignores other names in /etc/cron.d"


@pytest.mark.few(3)
@pytest.mark.parametrize("code", RUN_CODES)
@pytest.mark.slow
def test_cron_mails_what_somebody_should_read_and_nothing_else(code: int, api: Api, tmp_path: Path) -> None:
    with on_night(code, tmp_path / "webex-audit" / "snapshots"):
        result = ended(read(OWN, 5), night(code, api), tmp_path)
    assert result.code == code
    assert MAILS[code] in result.mail if code else result.mail == ""
    assert result.mail.count("\n") <= 2


@pytest.mark.few(3)
@pytest.mark.parametrize("code", RUN_CODES)
@pytest.mark.slow
def test_the_nightly_script_hands_on_what_became_of_the_run(code: int, api: Api, tmp_path: Path, sleep: Path) -> None:
    crontab = read(SYSTEM, 6)
    crontab.variables["WEBEX_AUDIT_OUTPUT"] = str(tmp_path / "data" / "snapshots")
    with on_night(code, tmp_path / "data" / "snapshots"):
        result = ended(crontab, night(code, api) | {"WEBEX_AUDIT_CHECK_TIMEOUT": "1m"}, tmp_path, EXAMPLES, sleep)
    expected = {0: 1, 3: 1, 6: 0}.get(code, code)
    assert (result.code, MAILS.get(code, "HIGH") in result.mail) == (expected, code != 6), result
    assert (result.mail == "") is (code == 6)
    assert (tmp_path / "data" / "latest.html").exists() is (code in (0, 3))


def test_a_stopped_run_is_resumed_after_a_while_and_only_the_last_error_is_mailed(tmp_path: Path, sleep: Path) -> None:
    fake = program(tmp_path / "fakes" / "webex-audit", 'echo "$1" >>runs; echo "stopped $(wc -l <runs)" >&2; exit 5')
    result = shell(str(NIGHTLY), {"PATH": f"{sleep}:{fake.parent}:/usr/bin:/bin"}, tmp_path)
    assert (tmp_path / "slept").read_text().split() == ["900"] * 3
    assert (tmp_path / "runs").read_text().split() == ["run"] * 4
    assert result == Ended(5, "", "stopped 4\n")


def test_a_run_that_is_resumed_leaves_nothing_to_mail(tmp_path: Path, sleep: Path) -> None:
    """A program in place of webex-audit stops the first time."""
    script = "case $1 in run) [ -e again ] || { touch again; echo stopped >&2; exit 5; } ;; esac"
    fake = program(tmp_path / "fakes" / "webex-audit", script).parent
    result = shell(str(NIGHTLY), {"PATH": f"{fake}:{sleep}:/usr/bin:/bin"}, tmp_path)
    assert (result, (tmp_path / "slept").read_text()) == (Ended(0, "", ""), "900\n")


@pytest.mark.parametrize(("signal", "code"), [("KILL", 137), ("HUP", 129), ("ABRT", 134)])
def test_a_run_that_is_killed_is_resumed_and_in_the_end_the_kill_is_mailed(
    signal: str, code: int, tmp_path: Path, sleep: Path
) -> None:
    """Whatever is killed, such as for lack of memory, says nothing itself, and cron mails what is said."""
    fake = program(tmp_path / "fakes" / "webex-audit", f'echo "$1" >>runs; kill -{signal} $$')
    result = shell(str(NIGHTLY), {"PATH": f"{sleep}:{fake.parent}:/usr/bin:/bin"}, tmp_path)
    assert (tmp_path / "slept").read_text().split() == ["900"] * 3
    assert (result.code, (tmp_path / "runs").read_text().split()) == (code, ["run"] * 4)
    assert f"webex-audit-nightly: 'webex-audit run' was killed, exit code {code}\n" in result.mail


@pytest.mark.parametrize("killed", ["report", "prune", "check"])
def test_a_step_that_is_killed_is_mailed(killed: str, tmp_path: Path) -> None:
    fake = program(tmp_path / "fakes" / "webex-audit", f'[ "$1" != {killed} ] || kill -KILL $$').parent
    result = shell(str(NIGHTLY), {"PATH": f"{fake}:/usr/bin:/bin"}, tmp_path)
    assert result.code == 137
    assert f"webex-audit-nightly: 'webex-audit {killed}' was killed, exit code 137\n" in result.mail


@pytest.mark.parametrize("failing", ["report", "prune", "check"])
def test_a_step_that_fails_stops_no_other_and_is_the_exit_code(failing: str, tmp_path: Path) -> None:
    script = f'echo "$1" >>steps; [ "$1" != {failing} ] || {{ echo "$1 failed" >&2; exit 70; }}'
    fake = program(tmp_path / "fakes" / "webex-audit", script).parent
    result = shell(str(NIGHTLY), {"PATH": f"{fake}:/usr/bin:/bin"}, tmp_path)
    assert result == Ended(70, "", f"{failing} failed\n")
    assert (tmp_path / "steps").read_text().split() == ["run", "report", "prune", "check"]


def test_a_command_that_is_not_found_is_mailed(tmp_path: Path) -> None:
    result = shell(str(NIGHTLY), {"PATH": "/usr/bin:/bin"}, tmp_path)
    assert (result.code, "webex-audit" in result.mail, "not found" in result.mail) == (127, True, True)


def test_another_run_beside_the_steps_after_a_run_is_no_failure_and_hides_none(tmp_path: Path) -> None:
    script = 'case $1 in report) exit "$FIRST" ;; prune) exit 6 ;; esac'
    fake = program(tmp_path / "fakes" / "webex-audit", script).parent
    for first in ("0", "2", "6"):
        result = shell(str(NIGHTLY), {"PATH": f"{fake}:/usr/bin:/bin", "FIRST": first}, tmp_path)
        assert result.code == {"6": 0}.get(first, int(first))


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ({"WEBEX_AUDIT_OUTPUT": "s3://bucket/audits"}, "latest.html"),
        ({"WEBEX_AUDIT_OUTPUT": "abfs://container@account/"}, "latest.html"),
        ({"WEBEX_AUDIT_OUTPUT": "gs://bucket", "REPORT": "/srv/a report.html"}, "/srv/a report.html"),
        ({"WEBEX_AUDIT_OUTPUT": "/srv/my audits"}, "/srv/my audits/../latest.html"),
    ],
)
def test_the_report_is_a_file_of_this_machine(given: dict[str, str], file: str, tmp_path: Path) -> None:
    fake = program(tmp_path / "fakes" / "webex-audit", '[ "$1" != report ] || printf %s "$4"').parent
    assert shell(str(NIGHTLY), given | {"PATH": f"{fake}:/usr/bin:/bin"}, tmp_path) == Ended(0, file, "")


@pytest.fixture(params=["sh", "dash", "bash", "busybox", "ksh", "zsh"])
def interpreter(request: pytest.FixtureRequest) -> tuple[str, ...]:
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    return {"busybox": ("busybox", "sh"), "zsh": ("zsh", "--emulate", "sh")}.get(request.param, (request.param,))


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 6, 70, 137])
def test_each_shell_hands_on_each_exit_code(
    code: int, interpreter: tuple[str, ...], tmp_path: Path, sleep: Path
) -> None:
    fake = program(tmp_path / "fakes" / "webex-audit", f'[ "$1" = run ] || exit 0; exit {code}').parent
    result = shell(str(NIGHTLY), {"PATH": f"{fake}:{sleep}:/usr/bin:/bin"}, tmp_path, interpreter)
    said = f"webex-audit-nightly: 'webex-audit run' was killed, exit code {code}\n" if code > 128 else ""
    assert result == Ended({6: 0}.get(code, code), "", said)
    assert NIGHTLY.stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize("home", ["unset HOME", "HOME="])
def test_a_job_without_a_home_is_no_finding(home: str, interpreter: tuple[str, ...], tmp_path: Path) -> None:
    """Exit code 1 is a finding, and what bash itself exits with."""
    line = f"{home}; exec {shlex.join((*interpreter, str(NIGHTLY)))}"
    result = shell(line, {}, tmp_path)
    assert (result.code, result.mail) == (2, "webex-audit-nightly: neither WEBEX_AUDIT_OUTPUT nor HOME is set\n")
    fake = program(tmp_path / "fakes" / "webex-audit", "exit 0").parent
    result = shell(line, {"WEBEX_AUDIT_OUTPUT": "s", "PATH": f"{fake}:/usr/bin:/bin"}, tmp_path)
    assert result == Ended(0, "", "")


@pytest.mark.slow
def test_names_with_blanks_reach_the_commands_whole(api: Api, tmp_path: Path) -> None:
    home = tmp_path / "my home; echo $(x)"
    home.mkdir()
    result = shell(str(NIGHTLY.parent / "webex-audit-nightly"), night(0, api), home)
    assert result.code in (0, 1), result
    assert sorted(path.name for path in (home / "webex-audit").iterdir()) == ["latest.html", "snapshots"]
