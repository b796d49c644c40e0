"""No journey needs more commands than the best other tool does for the same."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from walking import JOURNEYS

#: The commands of each journey, and the peer that does the same with the fewest. Where that are fewer, the reason.
COMMANDS = {
    # ScoutSuite and Prowler go from credentials to findings and a report in one command: so does demo, without them.
    # Against an API to practice on, Prowler needs two (localstack start, prowler aws). Ours need two as well (simulate,
    # run), and show the check before, and the findings as text.
    "newcomer.sh": ["demo", "simulate", "doctor", "run", "check"],
    # GitHub's CLI and Prowler: gh auth login, gh auth status, prowler github, which writes its report at once.
    "administrator.sh": ["login", "doctor", "run"],
    # restic: backup, check, forget --prune, and curl to a monitor.
    "nightly.sh": ["run", "check", "prune"],
    # AWS and Prowler: aws sso login --profile, prowler aws --profile, which writes its report at once.
    "partner-profiles.sh": ["login", "run"],
    # Steampipe with an aggregator of connections: plugin install, powerpipe mod install, powerpipe benchmark run.
    "partner.sh": ["doctor", "run"],
    # in-toto and git: cosign verify-blob, git diff, pandoc for each of three formats, git tag --sign, git diff.
    "reviewer.sh": ["verify", "diff", "report", "report", "report", "approve", "check"],
    # DuckDB: duckdb -csv, duckdb -json, conftest --output json, duckdb -csv for the join.
    "data-engineer.sh": ["query", "query", "check", "query"],
    # tflint or Semgrep: semgrep --config, then the baseline (git commit), semgrep --baseline-commit --junit-xml.
    "rule-author.sh": ["check", "check", "check"],
}


def commands_of(script: Path) -> list[str]:
    """The commands of webex-audit that a script has, in order."""
    lines = [line for line in script.read_text().splitlines() if not line.lstrip().startswith("#")]
    return [name for line in lines for name in re.findall(r"(?:^|[|;(]) *webex-audit ([a-z]+)", line)]


@pytest.mark.parametrize("journey", COMMANDS)
def test_a_journey_has_the_commands_that_are_compared_with_its_best_peer(journey: str) -> None:
    assert commands_of(JOURNEYS / journey) == COMMANDS[journey]


def test_every_journey_is_compared_and_linked() -> None:
    assert {path.name for path in JOURNEYS.glob("*.sh")} == set(COMMANDS)
    page = (JOURNEYS.parent / "walkthroughs.md").read_text()
    assert set(re.findall(r"\(journeys/([a-z-]+\.sh)\)", page)) == set(COMMANDS)


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "busybox"])
def test_the_journeys_are_scripts_of_any_shell(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    command = [shell, "sh"] if shell == "busybox" else [shell]
    for journey in COMMANDS:
        subprocess.run([*command, "-n", str(JOURNEYS / journey)], check=True)


@pytest.mark.parametrize("journey", COMMANDS)
def test_a_journey_is_short_and_needs_no_hook_of_the_tests(journey: str) -> None:
    script = (JOURNEYS / journey).read_text()
    assert script.startswith("#!/bin/sh\n# The ")
    assert script.count("\n") < 30
    assert not re.search(r"pytest|127\.0\.0\.1|localhost|/tmp|WEBEX_AUDIT_BASE_URL", script)
