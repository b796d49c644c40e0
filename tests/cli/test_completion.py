"""Completion in the shells themselves: words of the tool, snapshots and profiles of this machine, and files."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Result, environment

from audit.cli import cli

ID = "20261127T120000Z-abcdef"
OLDER = "20261126T120000Z-abcdef"
Complete = Callable[..., list[str]]

#: Asks the function of a shell as the shell itself does, and prints what is offered, and what the shell completes.
ASK = {
    # compopt works while readline completes only.
    "bash": 'compopt() { echo "$2"; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
    'eval "$(webex-audit completion bash)"; '
    '_webex_audit_completion webex-audit; for each in "${COMPREPLY[@]}"; do printf "%s\\n" "$each"; done',
    "zsh": "compdef() { :; }; compadd() { print -rl -- $completions; }; _path_files() { print -r -- files $1; }; "
    '_describe() { print -rl -- ${completions_with_descriptions%%:*}; }; words=("$@"); CURRENT=$#; '
    "PREFIX=${words[-1]}; compset() { PREFIX=${PREFIX#*=}; }; "
    'eval "$(webex-audit completion zsh)"; _webex_audit_completion',
    "fish": "webex-audit completion fish | source; function __fish_complete_directories; echo dirnames; end; "
    'function __fish_complete_path; echo default; end; complete --do-complete (string join -- " " $argv)',
}


def with_command(folder: Path) -> dict[str, str]:
    """The environment of a shell that finds the command."""
    folder.joinpath("bin").mkdir(exist_ok=True)
    command = folder / "bin" / "webex-audit"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m audit "$@"\n')
    command.chmod(0o755)
    return environment() | {"PATH": f"{command.parent}:{os.environ['PATH']}"}


def ask(shell: str, folder: Path, *words: str) -> list[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    given = with_command(folder)
    options = {"bash": ["--norc", "-c", ASK[shell], "bash"], "zsh": ["-f", "-c", ASK[shell], "zsh"]}
    line = [shell, *options.get(shell, ["--no-config", "-c", ASK[shell]]), "webex-audit", *words]
    done = subprocess.run(line, cwd=folder, env=given, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.splitlines()


def snapshot_in(folder: Path, name: str = ID) -> None:
    folder.joinpath(name).mkdir(parents=True)
    folder.joinpath(name, "manifest.json").touch()


@pytest.mark.few(12)
@pytest.mark.parametrize("shell", ASK)
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ru"], ["run"]),
        (["run", "--data"], ["--dataset"]),
        (["run", "--dataset", "p"], ["push-to-talk", "paging-groups"]),
        (["check", "--format", "o"], ["ocsf", "oscal"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["show", "20"], [ID]),
        (["diff", "previous", "la"], ["latest"]),
        (["login", "--profile", "c"], ["customer-a", "customer-b"]),
        (["query", "--profile", "customer-a", "--csv-dialect", "e"], ["excel"]),
        (["help", "ex"], ["exit-codes"]),
        (["help", "s"], ["scopes", "show", "simulate", "snapshots"]),
        (["nothing", "--a"], []),
        (["query", "latest", "SEL"], []),
    ],
    ids=" ".join,
)
def test_a_shell_offers_words(shell: str, words: list[str], offered: list[str], tmp_path: Path) -> None:
    snapshot_in(tmp_path / "snapshots")
    profiles = Path(os.environ["XDG_CONFIG_HOME"], "webex-audit", "profiles")
    profiles.mkdir(parents=True)
    for name in ("customer-a", "customer-b", "Con$(sole)"):
        (profiles / f"{name}.toml").touch()
    found = [each.split("\t")[0] for each in ask(shell, tmp_path, *words)]
    assert sorted(set(found) - {"dirnames", "files -/"}) == sorted(offered)


@pytest.mark.few(4)
@pytest.mark.parametrize("shell", ASK)
@pytest.mark.parametrize("words", [["check", "--exceptions"], ["verify", "--public-key"], ["run", "--config"]])
def test_a_shell_completes_files_itself(shell: str, words: list[str], tmp_path: Path) -> None:
    assert ask(shell, tmp_path, *words, "a") in (["default"], ["files -f"])


@pytest.mark.few(4)
@pytest.mark.parametrize("shell", ASK)
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["check", "--format=o"], ["ocsf", "oscal"]),
        (["--log-format="], ["text", "json"]),
        (["show", "--output=out", "--profile=customer"], ["customer-a"]),
        (["--output=out", "show", "20"], [OLDER]),
        (["--profile", ""], ["customer-a"]),
    ],
    ids=" ".join,
)
def test_a_value_after_an_equals_sign_is_completed_and_so_are_options_before_the_command(
    shell: str, words: list[str], offered: list[str], tmp_path: Path
) -> None:
    snapshot_in(tmp_path / "snapshots")
    snapshot_in(tmp_path / "out", OLDER)
    profiles = Path(os.environ["XDG_CONFIG_HOME"], "webex-audit", "profiles")
    profiles.mkdir(parents=True)
    (profiles / "customer-a.toml").touch()
    option, sign, _ = words[-1].partition("=")
    if shell == "bash":  # it ends a word before and after the sign
        words = [part for word in words for part in word.replace("=", " = ").split(" ") if part or not sign]
    found = {each.split("\t")[0] for each in ask(shell, tmp_path, *words)}
    # zsh and fish take the whole word; in zsh, compset has set the option aside.
    before = f"{option}=" if sign and shell == "fish" else ""
    assert found - {"dirnames", "files -/"} == {before + each for each in offered}


@pytest.mark.parametrize("shell", ASK)
def test_a_folder_after_an_equals_sign_is_completed_by_the_shell(shell: str, tmp_path: Path) -> None:
    words = ["show", "--output", "=", "d"] if shell == "bash" else ["show", "--output=d"]
    shown = {"bash": "dirnames", "zsh": "files -/", "fish": "--output=dirnames"}
    assert ask(shell, tmp_path, *words) == [shown[shell]]


@pytest.fixture
def complete(
    webex_audit: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Complete:
    """What is offered for the last of the words, and nothing else is printed."""

    def complete(*words: str) -> list[str]:
        for name, value in {
            "_WEBEX_AUDIT_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["webex-audit", *words]),
            "COMP_CWORD": str(len(words)),
        }.items():
            monkeypatch.setenv(name, value)
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            webex_audit()
        told = capfd.readouterr()
        assert (ended.value.code, told.err) == (0, "")
        return [each.removeprefix("plain,") for each in told.out.splitlines() if each.startswith("plain,")]

    return complete


WORDS = ["latest", "previous", "approved"]


@pytest.mark.parametrize(
    "words",
    [
        ["show"],
        ["verify"],
        ["check"],
        ["report"],
        ["query"],
        ["approve"],
        ["diff"],
        ["diff", ID],
        ["check", "--against"],
    ],
    ids=" ".join,
)
def test_wherever_a_snapshot_is_named_its_id_is_offered(words: list[str], complete: Complete, tmp_path: Path) -> None:
    output = tmp_path / "out"
    for name in (ID, OLDER):
        snapshot_in(output, name)
    command, *rest = words
    assert complete(command, "--output", str(output), *rest, "") == [*WORDS, ID, OLDER]


def test_the_output_of_the_configuration_is_looked_in(
    complete: Complete, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_in(tmp_path / "ours")
    config = tmp_path / "ours.toml"
    config.write_text(f'output.path = "{tmp_path / "ours"}"')
    assert complete("show", "--config", str(config), "2") == [ID]
    monkeypatch.setenv("WEBEX_AUDIT_CONFIG", str(config))
    assert complete("show", "2") == [ID]


@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.parametrize(
    "name", ["$(touch x)", "`id`", "latest;id", f"{ID};id", f"{ID}\nplain,latest;id", "\x1b[2J", "*", "--output"]
)
def test_no_name_from_outside_gets_into_the_command_line(name: str, complete: Complete, tmp_path: Path) -> None:
    snapshot_in(tmp_path / "out")
    snapshot_in(tmp_path / "out", name)
    assert complete("show", "--output", str(tmp_path / "out"), "") == [*WORDS, ID]


def test_whatever_is_wrong_completion_is_silent(
    complete: Complete, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / ID).write_text("no folder")
    (output / OLDER).mkdir()  # no manifest
    damaged = tmp_path / "damaged.toml"
    damaged.write_text("[[[")
    damaged.chmod(0o666)
    for options in (
        ["--output", str(output)],
        ["--output", str(tmp_path / "absent")],
        ["--output", "s3://bucket/audits"],
        ["--output", "s3://"],
        ["--config", str(damaged)],
        ["--config", str(tmp_path)],
        ["--profile", "'../../etc'"],
        ["--profile", "nobody"],
        ["--log-format", "xml"],
        ["--nothing"],
    ):
        assert complete("show", *options, "") == WORDS, options
    monkeypatch.setenv("WEBEX_AUDIT_PACE_MAX_RATE", "many")
    assert complete("show", "") == WORDS
    assert complete("show", "--profile", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_sound(shell: str, webex_audit: Callable[..., Result], tmp_path: Path) -> None:
    result = webex_audit("completion", shell)
    assert (result.code, result.err) == (0, "")
    assert "_WEBEX_AUDIT_COMPLETE" in result.out
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(result.out)
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_another_shell_is_refused_in_a_line(webex_audit: Callable[..., Result]) -> None:
    result = webex_audit("completion", "tcsh")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "is none of bash, zsh, fish" in result.err


def test_every_placeholder_of_a_file_is_known() -> None:
    for name in cli.commands:
        for param in cli.commands[name].load().params:  # type: ignore[attr-defined]
            assert param.metavar is None or "FILE" not in param.metavar or param.metavar == "FILE", param.name


def test_the_lines_of_the_page_work_in_an_empty_home(tmp_path: Path) -> None:
    """No folder for completions is there before somebody makes it."""
    section = (Path(__file__).parents[2] / "docs" / "install.md").read_text().partition("\n## Completion\n")[2]
    block = section.partition("```console\n")[2].partition("```")[0]
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    home = tmp_path / "empty"
    home.mkdir()
    given = with_command(tmp_path) | {"HOME": str(home)}
    done = subprocess.run(
        ["sh", "-ec", "\n".join(lines)], cwd=home, env=given, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    written = [home / ".local/share/bash-completion/completions/webex-audit"]
    written += [home / ".config/fish/completions/webex-audit.fish"]
    assert all("_webex_audit_completion" in each.read_text() or "complete" in each.read_text() for each in written)
