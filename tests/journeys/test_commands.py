"""No journey needs more commands than the best other tool does for the same."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from walking import JOURNEYS

#: The commands of each journey, and how the peer does the same.
COMMANDS = {
    # Prowler has one command to a report, but needs an account first; so does the demo without one.
    # With an API to practice on: localstack start, aws sts get-caller-identity, prowler aws, prowler dashboard: four. Ours
    # are five, since findings and report are two views of a snapshot that is kept.
    "newcomer.sh": ["demo", "simulate", "doctor", "run", "check", "report"],
    # gh auth login, gh auth status; prowler m365 --browser-auth, prowler dashboard: four.
    "administrator.sh": ["login", "doctor", "run", "report"],
    # restic backup, restic check, restic forget --prune, and curl to a monitor: four.
    "nightly.sh": ["run", "check", "report", "prune"],
    # aws sso login --profile; prowler aws --profile, prowler dashboard: three of each customer.
    "partner-profiles.sh": ["login", "run", "report"],
    # Steampipe with an aggregator: steampipe query for the connections, powerpipe benchmark run, powerpipe server: three.
    "partner.sh": ["doctor", "run", "report"],
    # cosign verify-blob; git diff, git tag --sign, and a tool for each format of report (pandoc three times).
    "reviewer.sh": ["verify", "diff", "report", "report", "report", "approve", "check"],
    # duckdb -csv, duckdb -json, conftest --output json, duckdb for the join: four.
    "data-engineer.sh": ["query", "query", "check", "query"],
    # semgrep --config rules; semgrep ci --baseline-commit needs a commit first: git commit; semgrep ci: three.
    "rule-author.sh": ["check", "check", "check"],
}


def commands_of(script: Path) -> list[str]:
    """The commands of webex-audit that a script has, in order."""
    lines = [line for line in script.read_text().splitlines() if not line.lstrip().startswith("#")]
    return [name for line in lines for name in re.findall(r"(?:^|[|;(]) *webex-audit ([a-z]+)", line)]


@pytest.mark.parametrize("journey", COMMANDS)
def test_a_journey_has_no_more_commands_than_with_its_best_peer(journey: str) -> None:
    assert commands_of(JOURNEYS / journey) == COMMANDS[journey]


def test_every_journey_is_counted() -> None:
    assert {path.name for path in JOURNEYS.glob("*.sh")} == set(COMMANDS)


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "busybox"])
@pytest.mark.parametrize("journey", COMMANDS)
def test_a_journey_is_a_script_of_any_shell(journey: str, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    command = [shell, "sh"] if shell == "busybox" else [shell]
    subprocess.run([*command, "-n", str(JOURNEYS / journey)], check=True)


@pytest.mark.parametrize("journey", COMMANDS)
def test_a_journey_needs_no_hook_of_the_tests(journey: str) -> None:
    script = (JOURNEYS / journey).read_text()
    assert not re.search(r"pytest|python|127\.0\.0\.1|localhost|/tmp", script)
