"""The first characters of an id name a snapshot, wherever a SNAPSHOT argument stands."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from crafted import crafted
from harness import Result
from object_stores import S3

from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.snapshot.layout import SNAPSHOT_ID
from audit.snapshot.prefix import is_prefix

Audit = Callable[..., Snapshot]
Command = Callable[..., Result]
ABSENT = "20200101T000000Z-00000f"


@pytest.fixture
def ids(audit: Audit, once: Callable[..., Path]) -> list[str]:
    """The ids of two snapshots of one scope."""
    output = once(lambda: [audit(Simulation(crafted())) for _ in range(2)])
    return [each.manifest.snapshot_id for each in list_snapshots(output)]


@pytest.fixture
def cli(webex_audit: Command, tmp_path: Path) -> Command:
    return lambda *arguments: webex_audit(*arguments, "--output", tmp_path / "out")


def shortest(snapshot_id: str, ids: list[str]) -> str:
    """The first characters that no other id has, and one more."""
    others = [each for each in ids if each != snapshot_id]
    length = next(n for n in range(4, 24) if not any(each.startswith(snapshot_id[:n]) for each in others))
    return snapshot_id[: min(length + 1, len(snapshot_id) - 1)]


@pytest.mark.parametrize(
    "command",
    [
        ["show", "{}", "--json"],
        ["check", "{}", "--json"],
        ["check", "latest", "--against", "{}", "--json"],
        ["diff", "{}", "--json"],
        ["diff", "{}", "latest", "--json"],
        ["report", "{}", "--file", "-", "--format", "csv"],
        ["report", "latest", "--against", "{}", "--file", "-", "--format", "csv"],
        ["verify", "{}", "--json"],
        ["query", "{}", "SELECT count(*) FROM coverage"],
        ["query", "{}"],
    ],
)
def test_a_prefix_answers_as_the_id_does(command: list[str], ids: list[str], cli: Command) -> None:
    def run(name: str) -> Result:
        return cli(*(each.format(name) for each in command))

    whole = run(ids[0])
    assert whole.code in (0, 1), whole
    assert run(shortest(ids[0], ids)) == whole


def test_a_prefix_can_be_retried(
    audit: Audit, api: Callable[[Simulation], str], cli: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    done = audit(Simulation(Organization(3))).manifest.snapshot_id
    url = api(Simulation(Organization(3)))
    retried = cli("run", "--retry-failed", done[:20], "--base-url", url)
    assert (retried.code, f"nothing to retry: snapshot {done} is complete" in retried.out) == (0, True)


def test_approve_says_the_whole_id_that_it_took(ids: list[str], cli: Command, tmp_path: Path) -> None:
    short = shortest(ids[0], ids)
    why = ("--reason", "reviewed", "--by", "Ann")
    assert cli("approve", short, *why).out.startswith(f"{ids[0]} approved by Ann")
    shutil.rmtree(tmp_path / "out" / ids[0])
    assert cli("approve", "--withdraw", short, *why).out.startswith(f"{ids[0]} withdrawn by Ann")


def test_an_ambiguous_prefix_names_its_candidates_and_is_refused(ids: list[str], cli: Command, tmp_path: Path) -> None:
    refused = cli("show", ids[0][:4])
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert f"{ids[0][:4]} is the beginning of 2 snapshot ids: {', '.join(sorted(ids))}" in refused.err
    for name in {f"{ids[0][:-1]}{number}" for number in range(9)} - {*ids}:
        shutil.copytree(tmp_path / "out" / ids[0], tmp_path / "out" / name)
    many = cli("verify", ids[0][:4]).err
    assert ("more; add characters" in many, len(many) < 250) == (True, True)


def test_a_snapshot_that_is_damaged_or_not_committed_is_not_passed_over(
    ids: list[str], cli: Command, tmp_path: Path
) -> None:
    unfinished = tmp_path / "out" / ABSENT
    unfinished.mkdir()
    nothing = cli("show", "2020").err
    assert f"no snapshot 2020 in {tmp_path / 'out'}: name an id" in nothing
    (unfinished / "manifest.json").write_text("{")
    damaged = cli("show", "2020")
    assert (damaged.code, "is damaged" in damaged.err) == (2, True)
    (unfinished / "manifest.json").rename(unfinished / "gone")
    (tmp_path / "out" / ids[0] / "manifest.json").write_text("{")
    assert "is the beginning of 2 snapshot ids" in cli("show", ids[0][:4]).err


def test_a_folder_and_a_keyword_go_before_a_prefix(
    ids: list[str], cli: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    short = shortest(ids[0], ids)
    shutil.copytree(tmp_path / "out" / ids[1], tmp_path / short)
    assert json.loads(cli("show", short, "--json").out)["snapshot_id"] == ids[1]
    assert json.loads(cli("show", "latest", "--json").out)["snapshot_id"] == ids[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "202",
        "late",
        "2026*",
        "2026/",
        "../2",
        "२०२६",
        "２０２６",
        "2026\n",
        "20261121t",
        "-2026",
        "%32026",
        "2026\x00",
    ],
)
def test_nothing_else_is_a_prefix(text: str, ids: list[str], cli: Command) -> None:
    assert not is_prefix(text)
    refused = cli("show", "--", text)
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)


def test_every_beginning_of_an_id_from_four_characters_on_is_a_prefix() -> None:
    text = "20261121T190900Z-3f9c1a"
    assert SNAPSHOT_ID.fullmatch(text)
    assert [is_prefix(text[:length]) for length in range(24)] == [4 <= length < 23 for length in range(24)]


@pytest.mark.slow
def test_an_object_store_takes_prefixes_too(audit: Audit, webex_audit: Command, s3: S3) -> None:
    uri = s3.uri("prefixes")
    done = audit(Simulation(Organization(3)), output__path=uri).manifest.snapshot_id
    at = ("--output", uri)
    assert webex_audit("show", done[:8], *at) == webex_audit("show", done, *at)
    assert webex_audit("show", "1999", *at).code == 2
    audit(Simulation(Organization(3)), output__path=uri)
    assert "is the beginning of 2 snapshot ids" in webex_audit("show", done[:4], *at).err


@pytest.mark.parametrize("length", [9, 16, 23])
@pytest.mark.parametrize("command", ["show", "check", "verify", "report", "query", "diff", "approve", "run"])
def test_an_unfinished_run_is_named_as_what_it_is(
    command: str, length: int, cli: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    (tmp_path / "out" / ABSENT).mkdir(parents=True)
    (tmp_path / "out" / ABSENT / "run.json").write_text("{}")
    words = {"approve": ["--reason", "r", "--by", "Ann"]}.get(command, [])
    refused = cli(command, *(["--retry-failed"] if command == "run" else []), ABSENT[:length], *words)
    assert (refused.code, refused.out) == (2, "")
    assert f"error: {ABSENT} is an unfinished run and not a snapshot yet: 'webex-audit snapshots' says" in refused.err
