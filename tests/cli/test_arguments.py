"""Where options may stand, and what becomes of an option that is given twice or that a command does not have."""

from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Result

from audit.cli.run import with_id
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

Webex = Callable[..., Result]


@pytest.fixture
def cli(
    audit: Callable[..., Snapshot],
    once: Callable[..., Path],
    webex_audit: Webex,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Webex:
    """The command line in a folder with a snapshot in `out` and in `other`."""
    monkeypatch.chdir(tmp_path)
    once(lambda: audit(Simulation(Organization(3)), output__path="out"))
    once(lambda: audit(Simulation(Organization(4)), output__path="other"), "other")
    return webex_audit


@pytest.mark.few(6)
@pytest.mark.parametrize(
    "line",
    [
        "--output out show latest",
        "--output=out show",
        "show --output out latest",
        "show latest --output out",
        "show latest --output=out -v",
        "-v --output out show latest",
        "--verbose show -v latest --output out",
        "--output out -- show latest",
        "--output out show -- latest",
        "show --output out -- latest",
        "--output out --log-format text show latest",
        "--output out show latest --output out",
        "--config none.toml --output out show",
        "--profile default show --output out",
    ],
)
def test_options_stand_before_or_after_the_command_and_its_arguments(line: str, cli: Webex, tmp_path: Path) -> None:
    (tmp_path / "none.toml").write_text("")
    wanted = cli("show", "--output", "out")
    assert wanted.code == 0
    assert (cli(*line.split()).code, cli(*line.split()).out) == (0, wanted.out)


def test_quiet_before_the_command_is_quiet(
    cli: Webex, api: Callable[[Simulation], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    url = api(Simulation(Organization(3)))
    assert cli("-q", "run", "--base-url", url) == Result(0, "", "")
    assert cli("run", "-q", "--base-url", url) == Result(0, "", "")


def test_a_profile_before_the_command_is_that_of_the_command(cli: Webex) -> None:
    before, after = (
        cli(*words) for words in (["--profile", "customer-z", "show"], ["show", "--profile", "customer-z"])
    )
    assert before == after
    assert (before.code, "there is no profile customer-z" in before.err) == (2, True)


def test_a_folder_with_an_odd_name_is_one_word_before_the_command_too(cli: Webex, tmp_path: Path) -> None:
    for name in ("--json", "-q", "a b", "a=b", "--", "Zürich 東京", "'"):
        (tmp_path / "out").rename(tmp_path / name)
        before = cli("--output", name, "show")
        assert (before.code, name in before.out) == (0, True), before
        assert cli(f"--output={name}", "show") == before
        (tmp_path / name).rename(tmp_path / "out")


@pytest.mark.few(8)
@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--output out show --output other", "--output is given twice, as out and other: leave out one"),
        ("--output out --output other show", "--output is given twice, as out and other"),
        ("show --output out --output=other", "--output is given twice, as out and other"),
        ("show --output out latest --output ''", "--output is given twice, as out and"),
        ("--profile a show --profile b", "--profile is given twice, as a and b"),
        ("--config a show --config=b", "--config is given twice, as a and b"),
        ("--log-format json show --log-format text", "--log-format is given twice, as json and text"),
        ("check --fail-on high --fail-on low", "--fail-on is given twice, as high and low"),
        ("run --max-rate 5 --max-rate 10", "--max-rate is given twice, as 5 and 10"),
        ("run --retry-failed latest --retry-failed previous", "--retry-failed is given twice, as latest and previous"),
        ("prune --keep-last 1 --keep-last=2", "--keep-last is given twice, as 1 and 2"),
        ("-q show -v", "choose one of --quiet and --verbose"),
        ("-qv show", "choose one of --quiet and --verbose"),
    ],
)
def test_what_contradicts_itself_is_refused(line: str, complaint: str, cli: Webex) -> None:
    refused = cli(*line.replace("''", "").split(" "))
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert complaint in refused.err


def test_options_that_may_be_repeated_are_repeated(
    cli: Webex, api: Callable[[Simulation], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    line = [
        "run",
        "--dry-run",
        "--entity",
        "person",
        "--entity",
        "workspace",
        "--base-url",
        api(Simulation(Organization(3))),
    ]
    assert cli(*line).code == 0


@pytest.mark.few(10)
@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--output out simulate", "'webex-audit simulate' has no option --output: leave it out"),
        ("--profile a demo", "'webex-audit demo' has no option --profile"),
        ("--output out login", "'webex-audit login' has no option --output"),
        ("--config a help", "'webex-audit help' has no option --config"),
        ("simulate --output out", "there is no option --output"),
        ("help --profile a", "there is no option --profile"),
        ("show --dry-run", "there is no option --dry-run"),
        ("--all-orgs run", "options of a command come after it"),
        ("--dataset all run", "options of a command come after it"),
        ("--outptu out show", "there is no option --outptu before the command; did you mean --output?"),
        ("--outp out show", "did you mean --output?"),
        ("-x show", "there is no option -x before"),
        ("-o out show", "there is no option -o before"),
        ("--output", "--output needs a value"),
        ("--log-format xml show", "--log-format: 'xml' is none of text, json"),
        ("-q", "the command is missing: 'webex-audit --help' lists the commands"),
        ("-- --output show", "there is no command '--output'"),
        ("show -- --output out", "unexpected argument"),
        ("show -- -q", "no snapshot -q"),
        ("sohw", "show"),
        ("-q=x show", "there is no option"),
        ("--quiet=x show", "takes no value"),
    ],
)
def test_what_a_command_does_not_have_is_one_clear_line(line: str, complaint: str, cli: Webex) -> None:
    refused = cli(*line.split())
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1), refused
    assert complaint in refused.err


def test_help_wins_over_what_contradicts_itself(cli: Webex) -> None:
    assert cli("show", "--output", "a", "--output", "b", "--help").code == 0
    assert cli("-q", "show", "-h").out == cli("show", "-h").out


@pytest.mark.attack("redaction")
def test_a_contradiction_shows_no_more_than_the_beginning_of_a_value(cli: Webex) -> None:
    refused = cli("show", "--output", "a" * 5000, "--output", "\x1b[2J\nb")
    assert (refused.code, refused.err.count("\n"), len(refused.err) < 200) == (2, 1, True)
    assert refused.err[:-1].isprintable()


@pytest.mark.parametrize(
    "line", ["run --retry-failed {} -q", "-q run --retry-failed={}", "run --all-orgs --retry-failed {}", "run --resume"]
)
def test_a_stopped_retry_goes_on_with_the_id_however_the_option_was_written(
    line: str, audit: Callable[..., Snapshot]
) -> None:
    earlier = audit(Simulation(Organization(1)))
    whole = earlier.manifest.snapshot_id
    for name in ("latest", whole[:8], whole):
        assert with_id(line.format(name).split(), earlier) == line.format(whole).split()
    assert with_id(line.format("latest").split(), None) == line.format("latest").split()
