"""`run --report`: the report of the new snapshot, without another command, and never at the expense of the snapshot."""

import json
import logging
import os
import re
import shlex
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from harness import Result, Where
from object_stores import S3
from webhook import Webhook, serve_webhook

from audit.cli import child, cli, run_reports
from audit.extras import how_to_add
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
OWN = Organization(4, people=2)


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    monkeypatch.setenv("WEBEX_AUDIT_RETRY_ATTEMPTS", "1")


@dataclass
class Runner:
    """Runs against one simulation; its address stays, so that scopes do."""

    simulation: Simulation
    base_url: str
    command: Command

    def __call__(self, *arguments: object) -> Result:
        return self.command("run", "--base-url", self.base_url, *arguments)


@pytest.fixture
def _instantly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each report is written at once, and empty: the process is not the matter of the test."""
    program = "import sys; open(sys.argv[sys.argv.index('--file') + 1], 'w').close(); print('{}')"
    monkeypatch.setattr(child, "_PROGRAM", ["-c", program])


@pytest.fixture
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each report is written in this process, which is faster."""

    def result_of(words: list[str]) -> Any:
        level = logging.getLogger("audit").level
        with redirect_stdout(StringIO()) as out:
            cli.main([*words, "--json", "--quiet"], standalone_mode=False)
        logging.getLogger("audit").setLevel(level)
        return json.loads(out.getvalue())

    monkeypatch.setattr(child, "result_of", result_of)
    monkeypatch.setattr(run_reports, "result_of", result_of)


@pytest.fixture
def run(api: Api, webex_audit: Command) -> Runner:
    simulation = Simulation(OWN)
    return Runner(simulation, api(simulation), webex_audit)


def snapshots() -> list[str]:
    return sorted(each.parent.name for each in Path("snapshots").glob("*/manifest.json"))


def content(path: str) -> object:
    """The bytes of a report; of a workbook, those of its parts but the time at which it was made."""
    if not path.endswith(".XLSX"):
        return Path(path).read_bytes()
    with zipfile.ZipFile(path) as book:
        return {name: book.read(name) for name in book.namelist() if name != "docProps/core.xml"}


def fails(error: str) -> str:
    return f"report_file._fill = lambda *_: (_ for _ in ()).throw({error})"


def warnings(told: str) -> list[str]:
    found = [line for line in told.splitlines() if re.match("webex-audit: (warning|error): ", line)]
    return [line for line in found if not line.startswith("webex-audit: warning: the snapshot is partial")]


def command_of(line: str) -> list[str]:
    return shlex.split(line.partition(": webex-audit ")[2])


@pytest.mark.parametrize("name", ["report", "X.XLSX", "rooms.csv"])
@pytest.mark.slow
def test_a_run_writes_what_the_command_report_writes(name: str, run: Runner, webex_audit: Command) -> None:
    assert run("--quiet", "--dataset", "all").code == 0  # a snapshot to compare with
    run.simulation.organization = Organization(5, people=2)
    told = run("--quiet", "--dataset", "all", "--report", name)
    assert (told.code, told.out, warnings(told.err)) == (0, "", [])
    assert Path(name).stat().st_mode & 0o777 == 0o600
    assert webex_audit("report", "latest", "--file", f"again-{name}").code == 0
    assert content(f"again-{name}") == content(name)
    assert not [*Path.cwd().glob(".*.tmp")]


@pytest.mark.usefixtures("_here")
@pytest.mark.slow
def test_the_report_has_the_configuration_of_the_run(run: Runner, webex_audit: Command) -> None:
    Path("accepted.toml").write_text('[[exception]]\nrule = "two-way-auto-answer"\norg_id = "x"\n'
                                     'reason = "as it is"\nowner = "us"\nexpires = 2999-01-01\n')  # fmt: skip
    Path("c.toml").write_text('[check]\nexceptions_file = "accepted.toml"\nallowed_domains = ["example.org"]\n')
    told = run(
        "--config", "c.toml", "--output", "o", "--report", "a.html", "--report", "a.csv", "--csv-dialect", "excel"
    )
    assert (told.code, [line for line in warnings(told.err) if "is incomplete" not in line][1:]) == (0, []), told.err
    for name, options in {"a.html": [], "a.csv": ["--csv-dialect", "excel"]}.items():
        assert webex_audit("report", "--config", "c.toml", "--output", "o", "--file", f"b{name}", *options).code == 0
        assert Path(f"b{name}").read_bytes() == Path(name).read_bytes()
    assert webex_audit("report", "--output", "o", "--file", "without.html").code == 0
    assert Path("without.html").read_bytes() != Path("a.html").read_bytes()


@pytest.mark.usefixtures("_here")
def test_the_dialect_of_csv_is_also_that_of_the_report(run: Runner) -> None:
    only = ("--quiet", "--format", "parquet", "--csv-dialect", "excel")
    assert run(*only, "--report", "a.html").code == 2
    assert run(*only, "--report", "rooms.csv").code == 0
    assert Path("rooms.csv").read_bytes().startswith(b'\xef\xbb\xbf"entity_name"')


@pytest.mark.usefixtures("_instantly")
def test_the_end_of_a_run_names_its_reports_and_proposes_none(run: Runner) -> None:
    told = run("--report", "a b.html", "--report", "rooms.csv", "--report", "./a b.html")
    assert re.findall("^  report     (.*)$", told.out, re.MULTILINE) == ["a b.html", "rooms.csv"]
    steps = re.findall("^webex-audit: ((?:next|or).*)$", told.err, re.MULTILINE)
    assert steps == ["next, open the report: a b.html, rooms.csv", "or check it against the rules: webex-audit check"]


@pytest.mark.usefixtures("_here")
@pytest.mark.slow
def test_a_partial_run_writes_its_report_and_the_next_step_writes_it_again(run: Runner, webex_audit: Command) -> None:
    run.simulation.faults = Where("400", "pushtotalk")
    told = run("--report", "report.html")
    steps = re.findall("^webex-audit: ((?:next|or).*)$", told.err, re.MULTILINE)
    assert (told.code, Path("report.html").is_file()) == (3, True)
    assert [each.partition(":")[0] for each in steps] == [
        "next, ask again for what has no answer",
        "or, as it is, open the report",
        "or check it against the rules",
    ]
    run.simulation.faults = Where("400", "nothing")
    partial, again = Path("report.html").read_bytes(), command_of(steps[0])
    assert again[-2:] == ["--report", "report.html"]
    assert webex_audit(*again).code == 0
    assert Path("report.html").read_bytes() != partial
    assert snapshots()[-1].encode() in Path("report.html").read_bytes()


@pytest.mark.usefixtures("_here")
@pytest.mark.slow
def test_json_is_one_document_with_the_reports(run: Runner, webex_audit: Command) -> None:
    told = run("--json", "--report", "a.html", "--report", "a.xlsx")
    result = json.loads(told.out)
    assert told.code == 0
    for each, name in zip(result["reports"], ["a.html", "a.xlsx"], strict=True):
        assert each == json.loads(webex_audit("report", "--file", name, "--json").out)
    assert "next" not in told.err
    assert "reports" not in json.loads(run("--json").out)


@pytest.mark.parametrize("flags", [[], ["--json"], ["--quiet"]])
def test_a_run_with_nothing_to_retry_leaves_the_old_report_and_says_so(
    flags: list[str], run: Runner, webex_audit: Command
) -> None:
    assert run("--quiet").code == 0
    Path("report.html").write_text("old")
    told = run("--retry-failed", "latest", "--report", "report.html", *flags)
    assert (told.code, Path("report.html").read_text(), len(snapshots())) == (0, "old", 1)
    if flags == ["--quiet"]:
        assert (told.out, told.err) == ("", "")
        return
    assert not flags or json.loads(told.out)["reports"] == []
    (line,) = [line for line in told.err.splitlines() if "is not written" in line]
    assert webex_audit(*command_of(line)).code == 0
    assert Path("report.html").read_text() != "old"


@pytest.mark.usefixtures("_here")
@pytest.mark.slow
def test_a_run_that_is_resumed_writes_its_report(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBEX_AUDIT_RUN_STALL_S", "0.2")
    monkeypatch.delenv("WEBEX_AUDIT_RETRY_ATTEMPTS")
    run.simulation.organization = Organization(90)
    run.simulation.faults = parse(",".join(f"reset@{number}" for number in range(40, 400)))
    Path("report.html").write_text("old")
    stopped = run("--report", "report.html")
    assert (stopped.code, Path("report.html").read_text()) == (5, "old")
    again = shlex.split(stopped.err.strip().rpartition("go on with: webex-audit ")[2])
    assert again[-3:] == ["--report", "report.html", "--resume"]
    run.simulation.faults = Where("400", "nothing")
    monkeypatch.delenv("WEBEX_AUDIT_RUN_STALL_S")
    assert run.command(*again).code == 0
    assert snapshots()[-1].encode() in Path("report.html").read_bytes()


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry run"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--report", "x.pdf"], "--report x.pdf: name it .html, .xlsx or .csv\n"),
        (["--report", "x.html.gz"], "--report x.html.gz: name it .html, .xlsx or .csv\n"),
        (["--report", "a.html", "--report", "x.json"], "--report x.json: name it"),
        (["--report", "-"], "--report -: standard output has the result of the run: name a file\n"),
        (["--report", ""], "--report is empty: leave it out, or give it a value\n"),
        (["--report", "folder"], "folder is a folder: name a file in it with --report\n"),
        (["--report", "none/x.html"], "none/x.html: No such file or directory: name another file with --report\n"),
        (["--report", "token/x.html"], "token/x.html: Not a directory: name another file with --report\n"),
        (["--report", f"{'x' * 251}.csv"], "File name too long: name another file with --report\n"),
        (["--report", "pipe"], "pipe: not a regular file: name another file with --report\n"),
        (["--report", "/dev/full"], "/dev/full: not a regular file: name another file with --report\n"),
        (["--report", "/proc/x.html"], "/proc/x.html: "),
        (["--report", "a\0b.html"], "holds a NUL character"),
        (["--report", "snapshots/20261121T190900Z-3f9c1a/coverage.csv"], "is in a snapshot"),
        (["--report", "linked/20261121T190900Z-3f9c1a/push_to_talk/x.html"], "is in a snapshot"),
        (["--report", "snapshots/.lock"], "is a file of the output"),
        (["--report", "m.html", "--metrics-file", "m.html"], "is also the file of run.metrics_file"),
        (["--report", "./token", "--token-file", "token"], "is also the file of webex.token_file"),
        (["--report", "ids.csv", "--ids-from", "folder/../ids.csv"], "is also the file of --ids-from"),
        (["--report", "x.html", "--format", "csv"], "--report reads Parquet: add --format parquet\n"),
        (
            ["--report", "x.csv", "--dataset", "audio-options"],
            "open_rooms, which needs one of --dataset push-to-talk, ",
        ),
        (["--report", "x.html", "--config", "rules.toml"], "rules none: No such file or directory"),
        (["--report", "x.xlsx", "--config", "baseline.toml"], "baseline ids.csv is not TOML"),
        (["--report", "x.html", "--config", "exceptions.toml"], "exceptions gone.toml: No such file or directory"),
    ],
)
@pytest.mark.few(14)
def test_what_can_not_be_written_is_refused_before_the_first_request(
    arguments: list[str], told: str, dry: list[str], run: Runner, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "snapshots" / "20261121T190900Z-3f9c1a" / "push_to_talk").mkdir(parents=True)
    (tmp_path / "linked").symlink_to("snapshots")
    (tmp_path / "token").write_text(ADMIN_TOKEN)
    (tmp_path / "ids.csv").write_text(OWN.workspace(0)["id"])
    for name, key in {"rules": "rules_dir = 'none'", "baseline": "baseline_file = 'ids.csv'",
                      "exceptions": "exceptions_file = 'gone.toml'"}.items():  # fmt: skip
        (tmp_path / f"{name}.toml").write_text(f"check.{key}\n")
    before = sorted(tmp_path.rglob("*"))
    result = run(*arguments, *dry)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result.err
    assert told in result.err
    assert run.simulation.log == []
    # The metrics say that the run failed.
    assert sorted({*tmp_path.rglob("*")} - {tmp_path / "m.html"}) == before


@pytest.mark.parametrize("package", ["duckdb", "jinja2", "xlsxwriter"])
def test_a_run_without_the_extra_is_refused_with_the_command_that_adds_it(
    package: str, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    result = run("--report", "report.html")
    line = f"webex-audit: error: {package} is not installed: {how_to_add('review')}\n"
    assert (result.code, result.err, run.simulation.log) == (2, line, [])


def test_a_dry_run_writes_no_report(run: Runner) -> None:
    Path("report.html").write_text("old")
    assert run("--dry-run", "--report", "report.html", "--report", "new.html").code == 0
    assert Path("report.html").read_text() == "old"
    assert not Path("new.html").exists()


#: What the process of the report does in place of its work, and what the warning says.
FAULTS = {
    "full disk": (fails("OSError(28, 'No space left on device')"), "No space left on device, there or in TMPDIR"),
    "quota": (fails("OSError(122, 'Disk quota exceeded')"), "Disk quota exceeded, there or in TMPDIR"),
    "broken disk": (fails("OSError(5, 'Input/output error')"), "Input/output error"),
    "memory": (fails("MemoryError()"), "the memory is used up"),
    "threads": (fails('RuntimeError("can\'t start new thread")'), "lets no other thread start"),
    "bug": (fails("TypeError('name\\nof a room')"), "a bug of webex-audit (TypeError)"),
    "no address space": ("import resource; resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))", ""),
    "small files": ("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (9999, 9999))", "File too large"),
    "the kernel ends it": ("import os; os.kill(os.getpid(), 9)", "its process ended with SIGKILL"),
    "a library ends it": ("import os; os.abort()", "its process ended with SIGABRT"),
    "a thread ends it": ("import os; os._exit(5)", "its process ended with exit code 5"),
    "it prints nothing": ("import os; os._exit(0)", "its process has printed no result"),
    "it prints something": (
        "print('Hello'); import os, sys; sys.stdout.flush(); os._exit(0)",
        "its process has printed no result",
    ),
}
PROGRAM = "import sys; from audit.cli import main, report_file; {}; main(sys.argv[1:])"


@pytest.mark.parametrize("flags", [[], ["--quiet"], ["--json"]], ids=["text", "quiet", "json"])
@pytest.mark.parametrize(("fault", "told"), FAULTS.values(), ids=FAULTS)
@pytest.mark.few(6)
@pytest.mark.slow
def test_after_the_commit_a_report_that_fails_is_one_warning(
    fault: str, told: str, flags: list[str], run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("report.html").write_text("old")
    monkeypatch.setattr(child, "_PROGRAM", ["-c", PROGRAM.format(fault)])
    result = run("--output", "my out", "--report", "report.html", *flags)
    (line,) = warnings(result.err)
    assert (result.code, Path("report.html").read_text()) == (0, "old")
    assert line.startswith("webex-audit: warning: report.html is not written: ")
    assert told in line
    assert result.out.startswith({"--quiet": "", "--json": "{"}.get("".join(flags), "snapshot "))
    assert "--json" not in flags or json.loads(result.out)["reports"] == []
    assert "open the report" not in result.err
    assert not [*Path.cwd().glob(".*.tmp")]
    again = command_of(line)
    assert again[0] == "report"
    assert run.command(*again).code == 0
    assert Path("report.html").read_text() != "old"


def test_a_process_that_does_not_end_is_ended(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_PROGRAM", ["-c", "import time; time.sleep(100)"])
    monkeypatch.setattr(child, "MOST_S", 0.1)
    result = run("--report", "report.html")
    (line,) = warnings(result.err)
    assert (result.code, "it did not end within 0.1 s; to write it: " in line) == (0, True)


@contextmanager
def changed_before_report(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> Iterator[None]:
    """Somebody changes something after the checks, and before the report is written."""
    before = child.result_of

    def result_of(words: list[str]) -> dict[str, Any]:
        change()
        return before(words)

    with monkeypatch.context() as patch:
        patch.setattr(run_reports, "result_of", result_of)
        yield


@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda path: path.mkdir(), "is a folder"),
        (os.mkfifo, "not a regular file"),
        (lambda path: path.parent.rename("elsewhere"), "No such file or directory"),
        (lambda path: path.symlink_to("/dev/full"), "not a regular file"),
        (lambda path: path.symlink_to(Path.cwd()), "is a folder"),
    ],
    ids=["a folder", "a pipe", "a folder that is gone", "a link to a device", "a link to a folder"],
)
@pytest.mark.usefixtures("_here")
def test_what_is_put_in_the_way_of_a_report_during_a_run_is_one_warning(
    change: Callable[[Path], object], told: str, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path("reports/report.html")
    path.parent.mkdir()
    with changed_before_report(monkeypatch, lambda: change(path)):
        result = run("--quiet", "--report", path)
    (line,) = warnings(result.err)
    assert (result.code, result.out, told in line) == (0, "", True), line


@pytest.mark.attack("planted links and files")
@pytest.mark.usefixtures("_here")
def test_a_planted_link_is_replaced_by_the_report_of_a_run_and_what_it_leads_to_stays(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("victim", "other"):
        Path(name).write_text("precious")
    Path("a.html").symlink_to("victim")
    with changed_before_report(monkeypatch, lambda: Path("b.html").exists() or Path("b.html").symlink_to("other")):
        assert run("--quiet", "--report", "a.html", "--report", "b.html").code == 0
    for name, victim in {"a.html": "victim", "b.html": "other"}.items():
        assert not Path(name).is_symlink()
        assert Path(name).read_bytes().startswith(b"<!doctype html>")
        assert Path(victim).read_text() == "precious"


@pytest.mark.usefixtures("_instantly")
def test_one_report_that_fails_leaves_the_others(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    with changed_before_report(monkeypatch, lambda: Path("b.html").is_dir() or Path("b.html").mkdir()):
        result = run("--json", *(word for name in "abc" for word in ("--report", f"{name}.html")))
    (line,) = warnings(result.err)
    assert command_of(line)[-1] == "b.html"
    assert (result.code, [each["path"] for each in json.loads(result.out)["reports"]]) == (0, ["a.html", "c.html"])


@pytest.mark.usefixtures("_here")
def test_an_earlier_snapshot_that_is_damaged_stops_no_audit(run: Runner) -> None:
    assert run("--quiet").code == 0
    (part,) = Path("snapshots").glob("*/coverage/*/*.parquet")
    part.write_bytes(b"forged")
    result = run("--quiet", "--report", "report.html")
    (line,) = warnings(result.err)
    assert (result.code, len(snapshots()), "is damaged" in line) == (0, 2, True)


@pytest.mark.few(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("obeys_hangup")
def test_a_signal_ends_the_report_and_not_the_run(
    number: signal.Signals, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Twice: the second signal comes too late.
    program = f"import os, time; [os.kill(os.getppid(), {number:d}) for _ in range(2)]; time.sleep(60)"
    monkeypatch.setattr(child, "_PROGRAM", ["-c", program])
    result = run("--report", "a.html", "--report", "b.html")
    name = {signal.SIGINT: "Ctrl-C"}.get(number, number.name)
    assert (result.code, result.out[:9]) == (0, "snapshot ")
    first, second = warnings(result.err)
    assert f"warning: a.html is not written: stopped ({name}); to write it: " in first
    assert f"warning: b.html is not written: stopped ({name}); to write it: " in second
    assert not [*Path.cwd().glob(".*.tmp")]


def test_a_signal_after_the_report_is_written_stops_the_next_report_only(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"import os, time; print('{{}}', flush=True); os.kill(os.getppid(), {signal.SIGTERM:d}); time.sleep(60)"
    monkeypatch.setattr(child, "_PROGRAM", ["-c", program])
    result = run("--report", "a.html", "--report", "b.html")
    (line,) = warnings(result.err)
    assert (result.code, "b.html is not written: stopped (SIGTERM)" in line) == (0, True)
    assert "next, open the report: a.html\n" in result.err


@pytest.mark.few(2)
@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9.html"), "a\nb\x1b[31m.html", "-x.html", "'$(id)' &.html"])
@pytest.mark.slow
def test_a_report_may_have_any_name(name: str, run: Runner) -> None:
    result = run("--json", "--report", name)
    assert (result.code, warnings(result.err), json.loads(result.out)["reports"][0]["path"]) == (0, [], name)
    assert Path(name).read_bytes().startswith(b"<!doctype html>")


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with serve_webhook() as webhook:
        (tmp_path / "urls").write_text(webhook.url())
        (tmp_path / "urls").chmod(0o600)
        monkeypatch.setenv("WEBEX_AUDIT_NOTIFY_URLS_FILE", str(tmp_path / "urls"))
        monkeypatch.setenv("WEBEX_AUDIT_NOTIFY_ON", "always")
        yield webhook


@pytest.mark.usefixtures("_instantly")
def test_the_message_names_the_report(run: Runner, hook: Webhook, tmp_path: Path) -> None:
    assert run("--quiet", "--report", "a.html", "--report", "rooms.csv").code == 0
    ((_, text),) = hook.messages
    lines = [line for line in text.splitlines() if line.startswith("report: ")]
    assert lines == [f"report: {tmp_path / 'a.html'}", f"report: {tmp_path / 'rooms.csv'}"]


def test_the_message_says_that_a_report_is_not_written(
    run: Runner, hook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_AUDIT_NOTIFY_REPORT", "https://intranet/latest.html")
    with changed_before_report(monkeypatch, Path("a.html").mkdir):
        assert run("--quiet", "--report", "a.html").code == 0
    ((_, text),) = hook.messages
    assert text.splitlines()[-2:] == [
        f"report: {tmp_path / 'a.html'} is not written; the log of this machine says why",
        "report: https://intranet/latest.html",
    ]


@pytest.mark.usefixtures("_here")
@pytest.mark.slow
def test_a_snapshot_in_an_object_store_has_its_report(run: Runner, s3: S3, webex_audit: Command) -> None:
    at = ("--output", s3.uri("reported"))
    told = run(*at, "--json", "--report", "a.html", "--report", "rooms.csv")
    assert (told.code, [each["path"] for each in json.loads(told.out)["reports"]]) == (0, ["a.html", "rooms.csv"])
    assert webex_audit("report", *at, "--file", "b.html").code == 0
    assert Path("b.html").read_bytes() == Path("a.html").read_bytes()


@pytest.mark.usefixtures("_here")
@pytest.mark.slow
def test_a_report_may_lie_beside_the_snapshots(run: Runner, webex_audit: Command) -> None:
    for _ in range(2):
        assert run("--quiet", "--output", "out", "--report", "out/latest.html") == Result(0, "", "")
    assert webex_audit("verify", "--output", "out").code == 0
    assert webex_audit("snapshots", "--output", "out").out.count("complete") == 2
