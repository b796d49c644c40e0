"""A run says what it left out, what it found none of, and what to do next; a dry run says how long it takes."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Result, Where

from audit.run.rates import remember
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.webex.ids import uuid_of
from audit.webex.rate import Belief

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
SMALL = Organization(4, people=3, virtual_lines=2, paging_groups=2)
CUSTOMERS = tuple(Organization(0, seed=seed, people=0, virtual_lines=0, paging_groups=0) for seed in range(2, 7))


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_RETRY_ATTEMPTS", "1")


def commands(told: str) -> list[list[str]]:
    """The commands at the ends of the lines that say what is next."""
    found = re.findall(r"^webex-audit: (?:next|or)\b.*?: webex-audit (.*)$", told, re.MULTILINE)
    return [shlex.split(each) for each in found]


def test_the_next_commands_work_as_they_stand(api: Api, webex_audit: Command) -> None:
    Path("my config.toml").write_text("[webex]\ntimeout_s = 9\n")
    run = webex_audit("run", "--base-url", api(Simulation(SMALL)), "--config", "my config.toml", "--output", "o'ut")
    steps = commands(run.err)
    assert [step[0] for step in steps] == ["check", "report"]
    for step in steps:
        assert step[1:] == ["--config", "my config.toml", "--output", "o'ut"]
        assert webex_audit(*step).code in (0, 1)


@pytest.mark.parametrize("flags", [[], ["--allow-partial"]])
def test_after_a_partial_run_the_first_step_asks_again(flags: list[str], api: Api, webex_audit: Command) -> None:
    simulation = Simulation(SMALL, Where("400", "pushtotalk"))
    Path("token").write_text(ADMIN_TOKEN)
    Path("token").chmod(0o600)
    run = webex_audit("run", "--base-url", api(simulation), "--token-file", "token", "--output", "out", *flags)
    steps = commands(run.err)
    assert [step[0] for step in steps] == ["run", "check", "report"]
    assert steps[0][1] == "--retry-failed"
    simulation.faults = Where("400", "nothing")
    assert webex_audit(*steps[0]).code == 0


@pytest.mark.parametrize("flags", [["--quiet"], ["--json", "--quiet"], ["--json"]])
def test_no_step_where_nobody_reads_it(flags: list[str], api: Api, webex_audit: Command) -> None:
    run = webex_audit("run", "--base-url", api(Simulation(SMALL)), *flags)
    assert commands(run.err) == []
    assert "not audited by default" not in run.err
    assert "next" not in run.out


def test_without_parquet_no_review_is_proposed(api: Api, webex_audit: Command) -> None:
    assert commands(webex_audit("run", "--base-url", api(Simulation(SMALL)), "--format", "csv").err) == []


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("flags", "left_out"),
    [
        (
            [],
            (
                "people, virtual lines (--entity workspace --entity person --entity virtual-line); audio-options, "
                "answer-settings, paging-groups (--dataset all)"
            ),
        ),
        (["--entity", "person"], "audio-options, answer-settings, paging-groups (--dataset all)"),
        (
            ["--dataset", "answer-settings"],
            "people, virtual lines (--entity workspace --entity person --entity virtual-line)",
        ),
        # There, "all" leaves out audio-options, too.
        (["--all-orgs", "--entity", "workspace"], "answer-settings, paging-groups (--dataset all)"),
        (["--org-id", SMALL.org_id, "--entity", "workspace"], "answer-settings, paging-groups (--dataset all)"),
        (["--dataset", "all", "--entity", "workspace"], None),
        (["--dataset", "paging-groups"], None),
        (["--workspace-id", SMALL.workspace(0)["id"]], None),
    ],
)
def test_a_run_of_the_default_scope_names_what_it_leaves_out(
    flags: list[str], left_out: str | None, api: Api, webex_audit: Command
) -> None:
    url = api(Simulation(SMALL))
    told = webex_audit("run", "--base-url", url, *flags).err
    lines = [line for line in told.splitlines() if "not audited by default" in line]
    assert lines == ([f"webex-audit: not audited by default: {left_out}"] if left_out else [])
    options = [option for line in lines for each in re.findall(r"\((--.*?)\)", line) for option in each.split()]
    both = webex_audit("run", "--base-url", url, *flags, *options)
    assert (both.code, "not audited by default" in both.err) == (0, False)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("organization", "flags", "kinds"),
    [
        (Organization(0, people=3), [], ["workspaces"]),
        (Organization(3, people=3, virtual_lines=0), ["--entity", "virtual-line"], ["virtual lines"]),
        (Organization(0, people=3), ["--entity", "person", "--entity", "workspace"], ["workspaces"]),
        (Organization(3, paging_groups=0), ["--dataset", "paging-groups"], ["paging groups"]),
        (
            Organization(0, people=0, virtual_lines=0),
            ["--entity", "person", "--entity", "workspace", "--entity", "virtual-line"],
            ["workspaces", "people", "virtual lines"],
        ),
        (Organization(0, people=1), ["--dataset", "push-to-talk", "--dataset", "audio-options"], ["workspaces"]),
        # The token's own user is not from a listing.
        (Organization(3, people=0), ["--dataset", "all", "--entity", "person"], ["people"]),
        (Organization(3, people=0), ["--dataset", "audio-options"], []),
        (Organization(3, people=0), ["--dataset", "audio-options", "--all-users"], ["people"]),
        (SMALL, [], []),
    ],
)
def test_an_audit_of_nothing_is_a_warning(
    organization: Organization, flags: list[str], kinds: list[str], api: Api, webex_audit: Command
) -> None:
    url = api(Simulation(organization))
    for dry in ([], ["--dry-run"]):
        run = webex_audit("run", "--quiet", "--base-url", url, *flags, *dry)
        warned = [line for line in run.err.splitlines() if "if there are any, the token may be of another" in line]
        found = [re.sub(r".*warning: no (.*) in North.*", r"\1", line) for line in warned]
        assert (run.code, sorted(found)) == (0, sorted(kinds)), run.err


def test_many_empty_organizations_are_one_warning(api: Api, webex_audit: Command) -> None:
    run = webex_audit("run", "--quiet", "--base-url", api(Simulation(SMALL, customers=CUSTOMERS)), "--all-orgs")
    (line,) = run.err.splitlines()
    assert (run.code, "no workspaces in 5 organizations: if there" in line) == (0, True)


def test_a_kind_that_can_not_be_listed_is_no_empty_kind(api: Api, webex_audit: Command) -> None:
    simulation = Simulation(SMALL, Where("403", "/people?"))
    run = webex_audit("run", "--quiet", "--base-url", api(simulation), "--entity", "person", "--entity", "workspace")
    assert (run.code, "if there are any" in run.err) == (3, False)


@pytest.mark.parametrize(
    ("flags", "known_per_s", "rate", "time", "basis", "share"),
    [
        ([], None, "not known yet: a run starts at 80/s and finds it", "", None, None),
        (["--max-rate", "10"], None, "10/s, at most (--max-rate)", "at least ", "ceiling", None),
        ([], 10, "10/s, as in the last run", "about ", "last run", None),
        (["--max-rate", "10"], 80, "10/s, by --max-rate; the last run was faster", "about ", "lower ceiling", None),
        (["--deadline", "1h"], 10, "10/s, as in the last run", "about ", "last run", 38.7 / 3600),
        (["--deadline", "20s"], 10, "10/s, as in the last run", "about ", "last run", 38.7 / 20),
        (["--max-rate", "10", "--deadline", "40s"], None, "10/s, at most", "at least ", "ceiling", 38.7 / 40),
    ],
)
def test_a_dry_run_says_how_long_a_run_takes_and_how_it_knows(
    flags: list[str],
    known_per_s: float | None,
    rate: str,
    time: str,
    basis: str | None,
    share: float | None,
    api: Api,
    webex_audit: Command,
) -> None:
    own = Organization(400, odd=False)
    url = api(Simulation(own))
    Path("home").mkdir()
    if known_per_s:
        remember(url, uuid_of(own.org_id) or "", Belief("rate", known_per_s))
    arguments = ("run", "--dry-run", "--base-url", url, "--output", "out", *flags)
    plan = json.loads(webex_audit(*arguments, "--json").out)
    duration_s = plan["requests"] / 10
    assert (plan["requests"], plan["rate_basis"]) == (387, basis)
    assert plan["duration_s"] == (pytest.approx(duration_s) if basis else None)
    assert plan["deadline_share"] == (pytest.approx(share) if share else None)
    text = webex_audit(*arguments).out
    assert f"\n  rate       {rate}" in text
    assert (f"\n  time       {time}39 seconds" in text) == bool(basis)
    assert ("it would be cut off and need --resume" in text) == ((share or 0) > 1)
    assert ("of the deadline" in text) == bool(share)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--deadline", "1s"], ", longer than the deadline"),
        (["--deadline", "4.5s"], ", longer than the deadline"),
        (["--deadline", "1h"], ""),
        ([], ""),
    ],
)
def test_a_dry_run_that_knows_no_rate_still_judges_the_deadline(
    flags: list[str], told: str, api: Api, webex_audit: Command
) -> None:
    url = api(Simulation(Organization(400, odd=False)))
    text = webex_audit("run", "--dry-run", "--base-url", url, *flags).out
    assert f"about 5 seconds if the API lets 80/s through{told}\n" in text
