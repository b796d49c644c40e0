"""The command line as its users meet it: the administrator, the reviewer, the cron job."""

import json
import os
import pty
import re
import resource
import select
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Result, visible

from audit.extras import how_to_add
from audit.simulator.app import ADMIN_TOKEN, UNSCOPED_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
COMMAND = [sys.executable, "-m", "audit"]


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A command in a process of its own, ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        started.append(subprocess.Popen([*COMMAND, *map(str, arguments)], text=True, cwd=tmp_path, **pipes))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def one_line(text: str) -> bool:
    return text.count("\n") == 1 and text.endswith("\n") and "Traceback" not in text


def test_an_administrator_audits_an_organization_and_looks_at_it(
    api: Api, webex_audit: Command, tmp_path: Path
) -> None:
    url = api(Simulation(Organization(60)))
    run = webex_audit("run", "--base-url", url, "--output", "out")
    assert run.code == 0
    assert re.search(r"snapshot \d{8}T\d{6}Z-[0-9a-f]{6}  complete", run.out)
    assert "inventory of Northwind Medical Group: 60 entities" in run.err
    assert ADMIN_TOKEN not in run.out + run.err
    (name,) = visible(tmp_path / "out")
    folder = tmp_path / "out" / name
    for name in ((), ("latest",), (folder.name,), (folder.relative_to(tmp_path),)):
        assert webex_audit("show", *name, "--output", "out").out == run.out
    listed = webex_audit("snapshots", "--output", "out")
    assert listed.out.count("\n") == 2
    assert folder.name in listed.out
    previous = webex_audit("show", "previous", "--output", "out")
    assert (previous.code, "no previous snapshot in ./out" in previous.err) == (2, True)


def test_json_is_the_manifest_with_its_path(api: Api, webex_audit: Command, tmp_path: Path) -> None:
    url = api(Simulation(Organization(10)))
    run = webex_audit("run", "--base-url", url, "--output", "out", "--json", "--quiet")
    assert run.err == ""
    described = json.loads(run.out)
    manifest = json.loads(Path(described.pop("path"), "manifest.json").read_text())
    assert described == manifest
    assert json.loads(webex_audit("show", "--json", "--output", "out").out)["snapshot_id"] == manifest["snapshot_id"]
    assert len(json.loads(webex_audit("snapshots", "--json", "--output", "out").out)) == 1


def test_quiet_says_nothing_and_json_logs_are_json(api: Api, webex_audit: Command) -> None:
    url = api(Simulation(Organization(10)))
    assert webex_audit("run", "--base-url", url, "--quiet") == Result(0, "", "")
    logged = webex_audit("run", "--base-url", url, "--log-format", "json", "--verbose").err.splitlines()
    assert {"time", "level", "logger", "message"} <= json.loads(logged[0]).keys()


def test_some_workspaces_by_flag_file_and_standard_input(api: Api, webex_audit: Command, tmp_path: Path) -> None:
    organization = Organization(30)
    one, two = (organization.workspace(index)["id"] for index in (4, 7))
    url = api(Simulation(organization))
    (tmp_path / "ids").write_text(f"{two}\n")
    run = webex_audit("run", "--base-url", url, "--workspace-id", one, "--ids-from", "ids")
    assert (run.code, "2 workspaces by id" in run.out) == (0, True)
    (tmp_path / "ids").write_text(f"{two}\njunk\n")
    junk = webex_audit("run", "--base-url", url, "--ids-from", "ids")
    assert (junk.code, one_line(junk.err)) == (2, True)
    assert "ids, line 2: 'junk' is not a Webex id" in junk.err


def test_a_partial_snapshot_is_committed_and_told_by_its_exit_code(api: Api, webex_audit: Command) -> None:
    simulation = Simulation(Organization(60), parse("409=0.2!"))
    # The fault must strike workspaces only, so the inventory's own reads are spared by the seed.
    simulation.faults.lasting["409"] = 0.1
    url = api(simulation)
    run = webex_audit("run", "--base-url", url)
    assert run.code == 3
    assert re.search(r"bad_request \d", run.out)
    assert re.search(r"warning: the snapshot is partial: \d+ reads? ha(s|ve) no complete answer", run.err)
    assert webex_audit("run", "--base-url", url, "--allow-partial").code == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "complaint"),
    [
        ([], {"WEBEX_ACCESS_TOKEN": ""}, 2, "no access token: 'webex-audit login'"),
        (["--token-file", "absent"], {}, 2, "token file absent: No such file or directory"),
        ([], {"WEBEX_ACCESS_TOKEN": "expired"}, 4, "the access token is refused (401)"),
        ([], {"WEBEX_ACCESS_TOKEN": UNSCOPED_TOKEN}, 4, "it needs the scope spark-admin:workspaces_read"),
        (["--max-rate", "fast"], {}, 2, "--max-rate 'fast': expected a number"),
        (["--max-rate", "-1"], {}, 2, "--max-rate -1.0: must be more than 0"),
        (["--deadline", "5"], {}, 2, "--deadline '5': expected a time such as 45m or 1h30m"),
        (["--all-users"], {}, 2, "--all-users belongs to --dataset audio-options"),
        (["--site", "example.webex.com"], {}, 2, "--site belongs to --dataset audio-options"),
        (["--output", "~nobody-here/x"], {}, 2, "path '~nobody-here/x'"),
        (["--ids-from", "~nobody-here/x"], {}, 2, "path '~nobody-here/x'"),
        (["--retry-failed", "latest"], {}, 2, "no snapshot in ./snapshots yet: 'webex-audit run' makes one"),
        (["--retry-failed", "latest", "--dry-run"], {}, 2, "--retry-failed has its own scope"),
        (["--max-rte", "1"], {}, 2, "there is no option --max-rte; did you mean --max-rate?"),
        (["--config", "absent.toml"], {}, 2, "configuration absent.toml: No such file or directory"),
        ([], {"WEBEX_AUDIT_CONCURENCY": "3"}, 2, "did you mean WEBEX_AUDIT_CONCURRENCY?"),
        (["--base-url", "http://webexapis.com/v1"], {}, 2, "must be https"),
        (["--output", "/proc/nowhere"], {}, 2, "output /proc/nowhere can't be written"),
        (["--org-id", "Northwind"], {}, 2, "organization 'Northwind': expected its id"),
        (["--org-id", "8c9fd285-6500-4518-856e-eb836c6761d8"], {}, 4, "403"),
        (["--dataset", "meetings"], {}, 2, "--dataset: 'meetings' is none of push-to-talk, "),
        (["--ids-from", "absent"], {}, 2, "absent: No such file or directory"),
    ],
)
def test_bad_input_is_one_clear_line_and_the_right_exit_code(
    arguments: list[str],
    environment: dict[str, str],
    code: int,
    complaint: str,
    api: Api,
    webex_audit: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    simulation = Simulation(Organization(5))
    url = api(simulation)
    result = webex_audit("run", *(arguments if "--base-url" in arguments else ["--base-url", url, *arguments]))
    assert (result.code, result.out) == (code, "")
    assert complaint in result.err
    assert one_line(result.err)
    assert result.err.startswith("webex-audit: error: ")
    assert visible(tmp_path / "snapshots") == []
    if "(401)" in complaint or code == 2:
        assert len(simulation.log) == (1 if code == 4 else 0)


def test_a_server_that_is_not_there_is_exit_5(webex_audit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBEX_AUDIT_RETRY_ATTEMPTS", "1")
    result = webex_audit("run", "--base-url", "http://127.0.0.1:9/v1")
    assert (result.code, one_line(result.err)) == (5, True)
    assert "http://127.0.0.1:9/v1 does not answer (1 try)" in result.err


def test_verbose_logs_what_lies_behind_an_error(
    api: Api, webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "expired-s3cret")
    result = webex_audit("run", "--verbose", "--base-url", api(Simulation(Organization(5))))
    assert "Traceback" in result.err
    assert "s3cret" not in result.err


def test_a_token_file_open_to_others_is_warned_of(api: Api, webex_audit: Command, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(ADMIN_TOKEN)
    file.chmod(0o644)
    result = webex_audit("run", "--base-url", api(Simulation(Organization(1))), "--token-file", file)
    assert f"warning: token file {file} can be read by other users: chmod 600 it" in result.err


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "no snapshot x in ./snapshots: name an id, its first 4 characters or more, or a folder"),
        ("", "is not a snapshot: it has no manifest.json"),
        ("{", "is damaged"),
        ('{"format_version": 1}', "is damaged: missing required field `"),
        ('{"format_version": 2}', "format_version 2 is newer than 1"),
    ],
)
def test_what_is_no_snapshot_is_refused(
    content: str | None, complaint: str, webex_audit: Command, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "snapshots" / "x").mkdir(parents=True)
    if content:
        (tmp_path / "snapshots" / "x" / "manifest.json").write_text(content)
    result = webex_audit("show", "x")
    assert (result.code, one_line(result.err)) == (2, True)
    assert complaint in result.err
    listed = webex_audit("snapshots")
    assert (listed.code, "left out" in listed.err) == (0, bool(content))


@pytest.mark.attack("spreadsheets and terminals")
def test_names_from_outside_do_not_command_the_terminal(api: Api, webex_audit: Command) -> None:
    class Hostile(Organization):
        @property
        def name(self) -> str:
            return "\x1b[2J\u202eEvil\nCorp"

    run = webex_audit("run", "--base-url", api(Simulation(Hostile(3))))
    assert "\\x1b[2J\\u202eEvil\\nCorp" in run.out
    assert "\x1b" not in run.out + run.err
    assert "\x1b" not in webex_audit("snapshots").out


@pytest.mark.slow
def test_the_demo_needs_nothing_and_leaves_a_snapshot(
    webex_audit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEBEX_ACCESS_TOKEN")
    result = webex_audit("demo", "--workspaces", 24, "--faults", "quirks")
    assert result.code == 0
    (path,) = re.findall(r"open (\S+): who may open a microphone", result.out)
    assert (tmp_path / path).read_text().startswith('"org_id","org_name","entity_type"')
    (path,) = re.findall(r"open (\S+): how users join meetings", result.out)
    assert (tmp_path / path).read_text().startswith('"org_id","org_name","entity_type"')
    ways = re.findall(r"^(push_to_talk|answer_settings|paging) +\S.* (\d+)$", result.out, re.MULTILINE)
    (command,) = re.findall(r"ask who may open what: webex-audit (.*)", result.out)
    rows = json.loads(webex_audit(*shlex.split(command), "--json").out)
    assert {way: sum(int(n) for each, n in ways if each == way) for way, _ in ways} == Counter(r["way"] for r in rows)
    small = ["--workspaces", 5, "--people", 5, "--faults", "", "--json"]
    found = json.loads(webex_audit("demo", *small).out)
    assert [len(snapshot["orgs"]) for snapshot in found] == [1, 2, 2]
    assert found[0]["tables"].keys() == {"coverage", "audio_options"}
    assert found[2]["outcomes"].keys() == {"push_to_talk", "answer_settings", "paging_groups"}
    assert found[2]["tables"]["answer_settings"]["rows"] > 0 < found[2]["tables"]["paging_groups"]["rows"]
    (report,) = re.findall(r"open (\S+): the report", result.out)
    assert (tmp_path / report).read_text().startswith("<!doctype html>")
    assert re.search(r"\d+ rooms changed.*\d+ members added", result.out)
    assert re.search(r"high +two-way-auto-answer +\d+ findings", result.out)
    assert webex_audit("demo", "--faults", "nonsense").code == 2


@pytest.mark.parametrize("missing", ["duckdb", "jinja2", "xlsxwriter"])
def test_the_demo_asks_for_its_extra_before_it_audits(
    missing: str, webex_audit: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    result = webex_audit("demo", "--output", tmp_path / "demo")
    assert (result.code, result.out) == (2, "")
    assert result.err == f"webex-audit: error: {missing} is not installed: {how_to_add('review')}\n"
    assert not (tmp_path / "demo").exists()


def test_the_simulator_serves_each_command_until_it_is_stopped(
    process: Any, webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = process("simulate", "--workspaces", 40, "--rate-limit", 4000, "--max-page", 15, "--faults", "quirks")
    token, base_url, run = (server.stdout.readline() for _ in range(3))
    assert token == f"export WEBEX_ACCESS_TOKEN={ADMIN_TOKEN}\n"
    monkeypatch.setenv("WEBEX_AUDIT_BASE_URL", base_url.removeprefix("export WEBEX_AUDIT_BASE_URL=").strip())
    assert run == "webex-audit run\n"
    assert [webex_audit(command).code for command in ("doctor", "run")] == [0, 0]
    server.send_signal(signal.SIGTERM)
    assert server.wait(10) == 0
    assert "kinds:" in webex_audit("simulate", "--list-faults").out


@pytest.mark.usefixtures("obeys_hangup")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.slow
def test_a_signal_ends_a_run_in_order(number: signal.Signals, api: Api, process: Any, tmp_path: Path) -> None:
    simulation = Simulation(Organization(200), parse("slow=0.1"), slow_s=30)
    run = process("run", "--base-url", api(simulation))
    wait_until(lambda: any("pushToTalk" in line for line in simulation.log))
    run.send_signal(number)
    _, err = run.communicate(timeout=20)
    assert run.returncode == 5
    title = "Ctrl-C" if number is signal.SIGINT else number.name
    assert f"error: stopped ({title}) before the commit; go on with: webex-audit run --base-url" in err
    assert err.endswith(" --resume\n")
    assert "Traceback" not in err
    assert list((tmp_path / "snapshots").glob("*/manifest.json")) == []


@pytest.mark.slow
def test_a_killed_run_leaves_no_snapshot_and_harms_no_later_one(api: Api, process: Any, webex_audit: Command) -> None:
    simulation = Simulation(Organization(200), parse("slow=0.1"), slow_s=30)
    url = api(simulation)
    run = process("run", "--base-url", url)
    wait_until(lambda: any("pushToTalk" in line for line in simulation.log))
    run.kill()
    run.wait(20)
    assert json.loads(webex_audit("snapshots", "--json").out) == []
    simulation.faults = parse("")
    assert webex_audit("run", "--base-url", url).code == 0
    assert len(json.loads(webex_audit("snapshots", "--json").out)) == 1


def test_a_disk_that_refuses_is_exit_5_and_leaves_nothing(api: Api, process: Any, tmp_path: Path) -> None:
    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

    # The measuring of coverage would meet the same full disk.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}

    run = process("run", "--base-url", api(Simulation(Organization(200))), preexec_fn=small_files_only, env=environment)
    _, err = run.communicate(timeout=20)
    assert run.returncode == 5
    assert "the snapshot can't be written" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert visible(tmp_path / "snapshots") == []


@pytest.fixture
def closed_pipe() -> Iterator[int]:
    """A pipe whose reader has gone away."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


def test_a_reader_that_goes_away_changes_no_exit_code(api: Api, process: Any, tmp_path: Path, closed_pipe: int) -> None:
    simulation = Simulation(Organization(60), parse("409@20"), max_page=1000)
    url = api(simulation)
    run = process("run", "--base-url", url, "--quiet", "--json", stdout=closed_pipe)
    _, err = run.communicate(timeout=20)
    assert (run.returncode, one_line(err), "warning: the snapshot is partial" in err) == (3, True, True)
    show = process("show", stdout=closed_pipe)
    _, err = show.communicate(timeout=20)
    assert (show.returncode, err) == (0, "")


@pytest.mark.slow
def test_a_log_that_nobody_reads_ends_no_run(api: Api, process: Any, tmp_path: Path, closed_pipe: int) -> None:
    url = api(Simulation(Organization(60)))
    run = process("run", "--base-url", url, stderr=closed_pipe)
    out, _ = run.communicate(timeout=20)
    assert (run.returncode, "complete" in out) == (0, True)
    with Path("/dev/full").open("w") as full:
        run = process("run", "--base-url", url, stderr=full, stdout=full)
        run.communicate(timeout=20)
        assert run.returncode == 0
        show = process("show", stdout=full)
        _, err = show.communicate(timeout=20)
    assert (show.returncode, err) == (0, "webex-audit: error: the result can't be printed: No space left on device\n")
    assert len(list((tmp_path / "snapshots").glob("*/manifest.json"))) == 2


@pytest.mark.attack("spreadsheets and terminals")
def test_what_a_terminal_can_not_show_is_escaped(api: Api, process: Any) -> None:
    class Named(Organization):
        @property
        def name(self) -> str:
            return "東京 Corp"

    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    run = process("run", "--base-url", api(Simulation(Named(3))), env=environment)
    out, err = run.communicate(timeout=20)
    assert (run.returncode, "\\u6771\\u4eac Corp" in out, "Traceback" in err) == (0, True, False)


def test_a_log_in_a_file_holds_no_escapes(api: Api, process: Any) -> None:
    environment = {**os.environ, "FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"}
    run = process("run", "--base-url", api(Simulation(Organization(3))), env=environment)
    _, err = run.communicate(timeout=20)
    assert "\x1b" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "--port", "99999"],
        ["simulate", "--faults", "x"],
        ["simulate", "--rate-limit", "nan"],
        ["show", "a\0b"],
        ["prune", "--keep-within", "5"],
        ["diff"],
        ["query", "SELECT 1"],
    ],
)
def test_other_bad_input_is_one_clear_line_too(arguments: list[str], webex_audit: Command) -> None:
    result = webex_audit(*arguments)
    assert (result.code, one_line(result.err)) == (2, True)


def test_a_port_that_is_taken_is_told(api: Api, webex_audit: Command) -> None:
    port = api(Simulation()).rpartition(":")[2].partition("/")[0]
    result = webex_audit("simulate", "--port", port)
    assert (result.code, f"port {port} of 127.0.0.1 can't be served" in result.err) == (2, True)


def test_the_log_format_of_the_environment_is_that_of_every_command(
    webex_audit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_AUDIT_LOG_FORMAT", "json")
    for arguments in (["show", "nope"], ["run", "--max-rate", "0"]):
        assert json.loads(webex_audit(*arguments).err)["level"] == "error"


def test_verbose_traces_command_no_terminal(api: Api, webex_audit: Command) -> None:
    class Hostile(Organization):
        @property
        def org_id(self) -> str:  # type: ignore[override]
            return "\x1b[31mPWN"

    result = webex_audit("run", "--verbose", "--base-url", api(Simulation(Hostile(3))))
    assert "Traceback" in result.err
    assert "\x1b" not in result.err


@pytest.mark.slow
def test_a_terminal_gets_a_progress_bar(api: Api, process: Any) -> None:
    master, slave = pty.openpty()
    simulation = Simulation(Organization(60), parse("429@20"))
    run = process(
        "run", "--base-url", api(simulation), stderr=slave, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    )
    os.close(slave)
    shown = ""
    while run.poll() is None or select.select([master], [], [], 0)[0]:
        if select.select([master], [], [], 0.1)[0]:
            try:
                shown += os.read(master, 65536).decode()
            except OSError:
                break
    os.close(master)
    assert run.wait(20) == 0
    assert "asking" in shown
    assert "1 throttled" in shown
    assert re.search(r"\d+/60", shown)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["run", "--help"], ["--version"]])
def test_help_is_on_standard_output_or_for_no_command_an_error(arguments: list[str], webex_audit: Command) -> None:
    result = webex_audit(*arguments)
    assert result.code == (0 if arguments else 2)
    assert "webex-audit" in result.out + result.err


@pytest.mark.parametrize("options", [(), ("--unfinished",), ("--output", "out/of/way"), ("--output", "../elsewhere")])
def test_a_list_of_nothing_says_what_makes_something(options: tuple[str, ...], webex_audit: Command) -> None:
    listed = webex_audit("snapshots", *options)
    folder = {"out/of/way": "./out/of/way", "../elsewhere": "../elsewhere"}.get(options[-1] if options else "")
    warning = "warning: " if folder else ""
    made = "'webex-audit run' makes one, --output names another folder"
    told = f"webex-audit: {warning}no snapshot in {folder or './snapshots'} yet: {made}\n"
    assert (listed.code, listed.err) == (0, told)
    quiet = webex_audit("snapshots", "--quiet", *options)
    assert (quiet.code, quiet.err) == (0, told if folder else "")
    assert json.loads(webex_audit("snapshots", "--json", *options).out) == []
