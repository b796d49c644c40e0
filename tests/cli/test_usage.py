"""What a wrong command line says."""

from collections.abc import Callable
from pathlib import Path

import click
import pytest
from harness import Result

from audit.cli.command import MayBeEmpty
from audit.cli.group import cli, loaded
from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot


@pytest.fixture
def two(
    audit: Callable[..., Snapshot], webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Result]:
    """The command line in a folder with two snapshots, the newer approved."""
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        audit(Simulation(Organization(1)), output__path="snapshots")
    assert webex_audit("approve", "--reason", "r", "--by", "Ann").code == 0
    return webex_audit


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("run --max-rate fast", "--max-rate 'fast': expected a number"),
        ("run --concurrency 1.5", "--concurrency '1.5': expected a whole number"),
        ("simulate --seed x", "--seed 'x': expected a whole number"),
        ("prune --keep-last many", "--keep-last 'many': expected a whole number"),
        ("prune --keep-last 0", "--keep-last 0: must be at least 1"),
        ("simulate --port 99999", "--port 99999: must be at least 0 and at most 65535"),
        ("simulate --rate-limit 0", "--rate-limit 0.0: must be more than 0 and at most 1000000"),
        ("run --entity room", "--entity: 'room' is none of workspace, person, virtual-line"),
        ("run --format xlsx", "--format: 'xlsx' is none of parquet, csv"),
        ("check --fail-on worst", "--fail-on: 'worst' is none of critical, high, medium, low, info"),
        (
            "check --severity hihg",
            "--severity: 'hihg' is none of critical, high, medium, low, info; did you mean high?",
        ),
        ("run --max-rte 1", "there is no option --max-rte; did you mean --max-rate?"),
        ("show --zzz", "there is no option --zzz: 'webex-audit show --help' shows the usage"),
        ("chekc", "there is no command 'chekc'; did you mean check?"),
        ("diff a b c", "unexpected argument 'c': 'webex-audit diff --help' shows the usage"),
        ("run --output", "--output needs a value"),
        ("run --quiet=1", "--quiet takes no value"),
    ],
)
def test_a_wrong_command_line_is_one_line_in_our_own_words(
    arguments: str, line: str, webex_audit: Callable[..., Result]
) -> None:
    result = webex_audit(*arguments.split())
    assert (result.code, result.out, result.err) == (2, "", f"webex-audit: error: {line}\n")


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        ("completion BASH", "did you mean bash?"),
        ("run --entity WORKSPACE", "did you mean workspace?"),
        ("run --dataset AUDIO_OPTIONS", "did you mean audio-options?"),
        ("run --dataset audio", "did you mean audio-options?"),
        ("show LATEST", "did you mean latest?"),
        ("diff Previous latest", "did you mean previous?"),
        ("help exit", "did you mean exit-codes?"),
        ("help codes", "did you mean exit-codes?"),
        ("help env", "did you mean environment?"),
        ("check --rule OPEN_MICROPHONE", "did you mean open-microphone?"),
        ("run --out x", "did you mean --output?"),
        ("run --OUTPUT x", "did you mean --output?"),
        ("run --token x", "did you mean --token-file?"),
        ("run -help", "there is no option -help; did you mean --help?"),
        ("show -output x", "there is no option -output; did you mean --output?"),
        ("-version", "there is no option -version before the command; did you mean --version?"),
        ("version", "there is no command 'version'; did you mean --version?"),
        ("config", "there is no command 'config'; did you mean --config?"),
        ("outcomes", "there is no command 'outcomes'; did you mean 'webex-audit help outcomes'?"),
        ("exit-codes", "did you mean 'webex-audit help exit-codes'?"),
        ("run --fail-on high", "there is no option --fail-on here: it belongs to 'check'"),
        ("check --dry-run", "there is no option --dry-run here: it belongs to 'prune' and 'run'"),
        ("diff --public-key x", "there is no option --public-key here: it belongs to 'verify'"),
        ("--json show", "there is no option --json before the command; options of a command come after it"),
        ("completion", "SHELL is missing: expected one of bash, zsh, fish"),
        ("run --insecure", "there is no option --insecure: 'webex-audit run --help' shows the usage"),
        ("run --yes", "there is no option --yes: 'webex-audit run --help' shows the usage"),
        ("show --json5", "there is no option --json5; did you mean --json?"),
    ],
)
def test_a_mistake_ends_with_what_was_meant_and_with_nothing_else(
    arguments: str,
    end: str,
    audit: Callable[..., Snapshot],
    webex_audit: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments.split(maxsplit=1)[0] in ("show", "diff", "check"):
        audit(Simulation(Organization(1)), output__path="snapshots")
    result = webex_audit(*arguments.split())
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.endswith(f"{end}\n")


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_value_of_an_option_is_refused(empty: str, webex_audit: Callable[..., Result]) -> None:
    for name, command in cli.commands.items():
        for each in loaded(command).params:
            if isinstance(each, click.Option) and isinstance(each.type, click.types.StringParamType):
                if isinstance(each, MayBeEmpty):
                    continue
                option = each.opts[-1]
                result = webex_audit(name, option, empty, *(["x"] if name == "completion" else []))
                line = f"webex-audit: error: {option} is empty: leave it out, or give it a value\n"
                assert (result.code, result.out, result.err) == (2, "", line), (name, option)


@pytest.mark.parametrize(
    "arguments",
    [
        "show",
        "verify",
        "check",
        "diff",
        "report",
        "query SELECT",
        "approve --reason r --by Ann",
        "approve --withdraw --reason r --by Ann",
        "prune --keep-last 1",
        "prune --keep-daily 7 --dry-run",
        "run --retry-failed latest",
    ],
)
def test_a_folder_that_is_not_there_is_not_a_matter_of_rights(
    arguments: str, webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", "x")
    result = webex_audit(*arguments.replace("SELECT", "SELECT\u00a01").split(" "), "--output", "nowhere")
    assert (result.code, result.out) == (2, "")
    assert "no snapshot in ./nowhere yet: 'webex-audit run' makes one, --output names another folder" in result.err
    assert not (tmp_path / "nowhere").exists()


def test_approve_says_who_decides_only_of_a_decision(
    webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, audit: Callable[..., Snapshot]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("audit.cli.approve._user", lambda: "root")
    audit(Simulation(Organization(1)), output__path="snapshots")
    refused = webex_audit("approve", "latset", "--reason", "r")
    assert (refused.code, refused.err.count("\n"), "recorded" in refused.err) == (2, 1, False)
    assert "recorded as made by root" in webex_audit("approve", "--reason", "r").err
    assert "recorded as made by root" not in webex_audit("approve", "--reason", "r", "--by", "root").err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["diff", "latest", "latest"], "is compared with itself"),
        (["diff", "latest"], "is compared with itself"),
        (["check", "--against", "latest"], "is compared with itself"),
        (["report", "--against", "approved", "--file", "-", "--format", "csv"], "is compared with itself"),
        (["query", "SELECT", "1"], 'put the SQL in quotes: webex-audit query "SELECT …"'),
        (["query", "from", "coverage"], 'put the SQL in quotes: webex-audit query "from …"'),
        (["query", "SELECT", "1", "FROM", "coverage"], "unexpected arguments 'FROM coverage': put the SQL in quotes"),
        (["query", "FROM open_room"], "query: there is no table open_room; did you mean open_rooms?"),
        (["query", "FROM members"], "query: there is no table members: 'webex-audit query' lists the tables"),
    ],
)
def test_what_was_hardly_meant_is_said(arguments: list[str], words: str, two: Callable[..., Result]) -> None:
    assert words in two(*arguments).err


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("xyz", "'xyz' is not a fault; "),
        ("duplicat", "'duplicat' is not a fault, duplicate is; "),
        ("429=x", "'x' is not a share between 0 and 1; "),
        ("all=2", "'2' is not a share between 0 and 1; "),
        ("429@x", "'x' is not the number of a request; "),
        ("500@1+x", "'x' is not a number of seconds; "),
        ("500@1+nan", "'nan' is not a number of seconds; "),
    ],
)
def test_a_wrong_fault_is_one_short_line(spec: str, words: str, webex_audit: Callable[..., Result]) -> None:
    for command in ("simulate", "demo"):
        refused = webex_audit(command, "--faults", spec)
        line = f"webex-audit: error: --faults {spec}: {words}'webex-audit simulate --list-faults' explains them\n"
        assert (refused.code, refused.out, refused.err) == (2, "", line)
