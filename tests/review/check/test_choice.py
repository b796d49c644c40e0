"""A filter chooses what is shown and what decides the exit code, and says how much it leaves out."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import Result

from audit.simulator.app import Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

Check = Callable[..., Result]
OWN, OTHER = Organization(60, people=10), Organization(40, people=10, seed=4)


@pytest.fixture
def check(audit: Callable[..., Snapshot], once: Callable[..., Path], webex_audit: Check) -> Check:
    """`check` of two organizations."""
    output = once(lambda: audit(Simulation(OWN, customers=(OTHER,)), scope__all_orgs=True))
    return lambda *arguments: webex_audit("check", "--output", output, *arguments)


def findings_of(shown: Result) -> list[dict[str, Any]]:
    return [finding for each in json.loads(shown.out)["results"] for finding in each["findings"]]


@pytest.mark.slow
def test_a_filter_says_what_it_leaves_out_in_every_format(check: Check, tmp_path: Path) -> None:
    everything = findings_of(check("--json"))
    uuid, name = next((org["org_id"], org["name"]) for org in _orgs(tmp_path) if org["name"] != OWN.name)
    for flags, wanted in (
        (("--severity", "high"), lambda each: each["severity"] == "high"),
        (("--severity", "low", "--severity", "critical"), lambda each: each["severity"] in ("low", "critical")),
        (("--rule", "member-twice", "--rule", "two-way-auto-answer"), lambda each: "tw" in each["rule_id"]),
        (("--org", uuid), lambda each: each["org_id"] == uuid),
        (("--org", name), lambda each: each["org_id"] == uuid),
        (("--severity", "high", "--org", name), lambda each: (each["org_id"], each["severity"]) == (uuid, "high")),
    ):
        found = [each for each in everything if wanted(each)]
        assert found
        shown = check(*flags, "--json")
        result = json.loads(shown.out)
        assert findings_of(shown) == found
        left_out = len(everything) - len(found)
        assert (result["filter"], sum(each["left_out"] for each in result["results"])) == (" ".join(flags), left_out)
        text = check(*flags).out
        assert f"\nfiltered by {' '.join(flags)}: {left_out} finding" in text
    rows = list(csv.DictReader(io.StringIO(check(*flags, "--format", "csv").out)))
    assert sum(row["status"] == "failed" for row in rows) == len(found)
    assert any("left out by the filter (" in row["detail"] for row in rows)
    for form in ("junit", "ocsf"):
        assert "left out by the filter (" in check(*flags, "--format", form).out


def test_a_filter_decides_the_exit_code_and_what_a_baseline_holds(check: Check, tmp_path: Path) -> None:
    assert check("--fail-on", "critical").code == 1
    assert check("--rule", "member-twice", "--fail-on", "medium").code == 0
    assert check("--rule", "member-twice").code == 1
    shown = check("--severity", "info")
    assert (shown.code, "\n0 findings" in shown.out, "filtered by --severity info" in shown.out) == (0, True, True)
    assert check("--severity", "high", "--write-baseline", tmp_path / "b.toml").code == 0
    rest = findings_of(check("--baseline", tmp_path / "b.toml", "--json"))
    assert {each["severity"] for each in rest} == {"critical", "medium", "low"}


def test_a_filter_that_can_show_nothing_is_an_error(check: Check) -> None:
    for flags, complaint in (
        (("--rule", "member-twise"), "--rule member-twise: there is no such rule; did you mean member-twice?"),
        (("--rule", ""), "--rule is empty: leave it out"),
        (("--org", "Nobody"), "--org Nobody: there is no such organization in the snapshot"),
        (("--org", "6d66794a-d361-4d35-a0ab-000000000000"), "there is no such organization"),
        (("--rule", "member-twice", "--severity", "critical"), "no rule is of these severities"),
        (("--severity", "info", "--fail-on", "high"), "no --severity is high or worse"),
        (("--severity", "low", "--severity", "info", "--fail-on", "medium"), "no --severity is medium or worse"),
        (("--json", "--format", "csv"), "choose one of --json and --format csv"),
        (("--json", "--format", "text"), "choose one of --json and --format text"),
        (("--quiet", "--verbose"), "choose one of --quiet and --verbose"),
    ):
        refused = check(*flags)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
        assert complaint in refused.err
    assert check("--json", "--format", "json").code == 1


def _orgs(tmp_path: Path) -> list[dict[str, Any]]:
    (manifest,) = (tmp_path / "out").glob("*/manifest.json")
    found: list[dict[str, Any]] = json.loads(manifest.read_text())["orgs"]
    return found
