"""Unfinished runs are listed with the command that goes on with them, and decide nothing."""

import json
import os
import shlex
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from forging import BATCH, FORGERIES, Forge, change_journal
from harness import Result, visible
from object_stores import S3

from audit.clock import Clock
from audit.output import inventory as inventory_file
from audit.output.lock import lock
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import Faults
from audit.simulator.organization import Organization
from audit.snapshot.layout import JOURNAL
from audit.storage.objects import ObjectPath
from audit.storage.place import place

Api = Callable[[Simulation], str]
Command = Callable[..., Result]
OWN, CUSTOMER = (Organization(60, seed=seed, people=60, virtual_lines=30) for seed in (1, 2))
OUT = Path("out")


class Refusing(Faults):
    """Refuses the token from the n-th read on: a run ends at once, and can be resumed."""

    def __init__(self, number: int = 25) -> None:
        super().__init__()
        self._left = number

    def next(self, url: str) -> str | None:
        self._left -= "/telephony/" in url or "/features/" in url
        return "401" if self._left < 0 else None


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", BATCH)
    monkeypatch.setenv("WEBEX_ACCESS_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("WEBEX_AUDIT_PACE_START_RATE", "5000")
    monkeypatch.setenv("WEBEX_AUDIT_CONCURRENCY", "1")
    Path(os.environ["HOME"]).mkdir()


class Shop:
    """A simulation on a socket, and runs that end before their commit."""

    def __init__(self, api: Api, cli: Command) -> None:
        self.simulation = Simulation(OWN, customers=(CUSTOMER,))
        self.url = api(self.simulation)
        self.cli = cli

    def interrupt(self, *arguments: object, output: Path = OUT) -> Path:
        """The folder of a run that came to no end."""
        before = set(visible(output))
        self.simulation.faults = Refusing()
        stopped = self.cli("run", "--base-url", self.url, "--output", output, *arguments)
        self.simulation.faults = Faults()
        assert stopped.code == 4, stopped.err
        (name,) = set(visible(output)) - before
        return output / name

    def listed(self, *arguments: object, output: Path | str = OUT) -> list[dict[str, Any]]:
        found = self.cli("snapshots", "--unfinished", "--json", "--output", output, *arguments)
        assert found.code == 0, found.err
        runs: list[dict[str, Any]] = json.loads(found.out)
        assert {each["status"] for each in runs} <= {"unfinished"}
        return runs


@pytest.fixture
def shop(api: Api, webex_audit: Command) -> Shop:
    return Shop(api, webex_audit)


SCOPES: list[list[str]] = [
    [],
    ["--all-orgs"],
    ["--all-orgs", "--exclude-org", CUSTOMER.org_id],
    ["--org-id", CUSTOMER.org_id],
    ["--entity", "person", "--entity", "workspace"],
    ["--entity", "virtual-line", "--entity", "person", "--dataset", "answer-settings"],
    ["--dataset", "paging-groups", "--dataset", "push-to-talk"],
    ["--dataset", "audio-options", "--all-users", "--dataset", "push-to-talk"],
]


@pytest.mark.few(4)
@pytest.mark.parametrize("scope", SCOPES, ids=" ".join)
def test_the_command_that_is_shown_goes_on_with_the_run(scope: list[str], shop: Shop) -> None:
    draft = shop.interrupt(*scope)
    (run,) = shop.listed()
    assert (run["run_id"], run["can_be_resumed"], run["is_running"]) == (draft.name, True, False)
    assert 0 < run["answered"] < run["entities"], "it also has what is in no complete batch"
    text = shop.cli("snapshots", "--output", OUT).out
    assert f"unfinished run {draft.name}, began " in text
    assert f"  go on      {run['command']}\n" in text
    _, *words = shlex.split(run["command"])
    asked = len(shop.simulation.log)
    resumed = shop.cli(*words)
    assert (resumed.code, "is discarded" in resumed.err) == (0, False), resumed.err
    assert f"{draft.name}" not in visible(OUT)
    again = len(shop.simulation.log) - asked
    shop.cli("run", "--base-url", shop.url, "--output", "anew", *scope)
    assert again < len(shop.simulation.log) - asked - again
    assert shop.listed() == []


def test_answers_outside_of_a_complete_batch_count_as_read(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most organizations are smaller than a batch."""
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", 500)
    draft = shop.interrupt()
    (run,) = shop.listed()
    assert (run["entities"], run["answered"]) == (60, 25)
    assert ", 25 of 60 entities read" in shop.cli("snapshots", "--output", OUT).out
    (inventory,) = draft.glob("parts/*/*/*/inventory.arrow")
    for number in ("7", "99999999", "1" * 40, "x", "-3"):
        inventory.with_name(f"00000000.planted.000000.{number}.answers").write_bytes(b"?")
    assert shop.listed()[0]["answered"] == 60, "no more than there are, whatever somebody has planted"


@pytest.mark.slow
def test_the_command_has_the_profile_the_configuration_and_an_odd_output(shop: Shop) -> None:
    folder = Path(os.environ["XDG_CONFIG_HOME"]) / "webex-audit" / "profiles"
    folder.mkdir(parents=True)
    (folder / "customer-a.toml").write_text(
        f"[webex]\nbase_url = '{shop.url}'\ntoken_command = 'echo {ADMIN_TOKEN}'\n"
        "[scope]\nall_orgs = true\ndatasets = ['all']\nentities = ['person']\n"
    )
    shutil.copy(folder / "customer-a.toml", "my file.toml")
    odd = Path("o'ut; rm")
    for words in (["--profile", "customer-a"], ["--config", "my file.toml"]):
        shop.interrupt(*words, output=odd)
        (run,) = shop.listed(*words, output=odd)
        assert shlex.join([*words, "--output", str(odd)]) in run["command"]
        assert "--base-url" not in run["command"]
        assert shop.cli(*shlex.split(run["command"])[1:]).code == 0
        assert shop.listed(*words, output=odd) == []


@pytest.mark.parametrize("flag", ["--workspace-id", "--user"])
def test_a_selection_that_can_not_be_repeated_is_named(flag: str, shop: Shop) -> None:
    own = [word for each in range(40) for word in (flag, OWN.workspace(each)["id"])]
    datasets: list[str] = []
    if flag == "--user":
        own = [word for each in range(20) for word in (flag, OWN.person(each)["emails"][0])]
        datasets = ["--dataset", "audio-options", "--dataset", "push-to-talk"]
    shop.interrupt(*datasets, *own)
    (run,) = shop.listed()
    assert f"with the same {flag}" in run["reason"]
    assert shop.cli(*shlex.split(run["command"])[1:], *own).code == 0
    assert shop.listed() == []


def test_the_list_of_snapshots_stays_one_of_snapshots(shop: Shop) -> None:
    shop.interrupt()
    listed = shop.cli("snapshots", "--json", "--output", OUT)
    assert (json.loads(listed.out), listed.err) == ([], "webex-audit: 1 unfinished run: --unfinished lists them\n")
    alone = shop.cli("snapshots", "--unfinished", "--output", OUT).out
    assert alone.startswith("unfinished run ")


def test_show_tells_of_unfinished_runs_too(shop: Shop) -> None:
    shop.interrupt("--entity", "person")
    missing = shop.cli("show", "--output", OUT)
    assert missing.code == 2
    assert "go on      webex-audit run --resume --output out --entity person --base-url " in missing.err
    assert shop.cli("run", "--base-url", shop.url, "--output", OUT).code == 0
    shown = shop.cli("show", "--output", OUT)
    assert "go on      webex-audit run --resume --output out --entity person --base-url " in shown.out
    (run,) = json.loads(shop.cli("show", "--json", "--output", OUT).out)["unfinished"]
    assert run["scope"]["entities"] == ["PERSON"]


@pytest.mark.parametrize("scope", [[], ["--entity", "person"], ["--all-orgs"]], ids=" ".join)
def test_a_plain_run_beside_an_unfinished_run_says_what_becomes_of_it(scope: list[str], shop: Shop) -> None:
    draft = shop.interrupt()
    ended = shop.cli("run", "--quiet", "--base-url", shop.url, "--output", OUT, *scope)
    told = [line for line in ended.err.splitlines() if draft.name in line]
    assert (ended.code, len(told)) == (0, 1)
    assert "--resume" in told[0]
    (run,) = shop.listed()
    if scope:
        assert "has another scope and stays" in told[0]
        assert run["command"]
    else:
        assert "is not resumed, and can't be once this run is committed" in told[0]
        assert told[0].endswith(f": webex-audit run --quiet --base-url {shop.url} --output out --resume")
        assert (run["can_be_resumed"], run["command"]) == (False, None)
        assert "was committed since it began" in run["reason"]


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--admin-events"], "--admin-events"),
        (["--admin-events", "--admin-events-with-addresses"], "--admin-events --admin-events-with-addresses"),
        (["--format", "csv"], "--format csv"),
        (["--csv-per-org", "--csv-dialect", "excel"], "--csv-per-org --csv-dialect excel"),
        (["--format", "parquet", "--all-orgs"], "--format parquet"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_command_makes_of_the_run_what_it_was_to_make(flags: list[str], told: str, shop: Shop) -> None:
    shop.interrupt(*flags)
    (run,) = shop.listed("--config", os.devnull)
    assert f" {told}" in run["command"]
    resumed = shop.cli(*shlex.split(run["command"])[1:], "--json")
    assert resumed.code == 0, resumed.err
    snapshot = json.loads(resumed.out)
    files = {each.suffix for each in Path(snapshot["path"]).rglob("*") if each.suffix in {".csv", ".parquet"}}
    assert files == {f".{flags[1]}"} if "--format" in flags else {".csv", ".parquet"}
    assert any(org.get("admin_events") for org in snapshot["orgs"]) == ("--admin-events" in flags)


def test_what_the_configuration_wants_too_is_not_repeated(shop: Shop) -> None:
    Path("c.toml").write_text("[run]\nadmin_events = true\n[output]\nformats = ['csv']\n")
    shop.interrupt("--config", "c.toml")
    (run,) = shop.listed("--config", "c.toml")
    assert not {"--admin-events", "--format"} & {*shlex.split(run["command"])}


def test_beside_another_scope_the_command_has_the_token_the_api_and_the_selection(shop: Shop) -> None:
    Path("token").write_text(ADMIN_TOKEN)
    Path("token").chmod(0o600)
    shop.interrupt(*(word for each in range(40) for word in ("--workspace-id", OWN.workspace(each)["id"])))
    shop.interrupt("--all-orgs")
    where = ["--base-url", shop.url, "--token-file", "token"]
    ended = shop.cli("run", *where, "--output", OUT, "--dataset", "paging-groups")
    # Both may have begun in the same second, and so stand in any order.
    lines = [line for line in ended.err.splitlines() if "has another scope" in line]
    by_scope, by_selection = sorted(lines, key=lambda line: "with the same" in line)
    assert "with the same --workspace-id or --ids-from as before" in by_selection
    command = by_scope.partition("go on with it by: webex-audit ")[2]
    assert " ".join(where) in command
    assert shop.cli(*shlex.split(command)).code == 0


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([], ["--all-orgs"]),
        (["--all-orgs", "--dataset", "answer-settings"], ["--dataset", "answer-settings"]),
        (["--entity", "person"], ["--entity", "person", "--all-orgs", "--exclude-org", CUSTOMER.org_id]),
        (["--format", "csv", "--admin-events"], ["--format", "csv", "--admin-events", "--entity", "person"]),
        (["--dataset", "audio-options", "--all-users", "--dataset", "push-to-talk"], ["--org-id", CUSTOMER.org_id]),
    ],
    ids=" ".join,
)
def test_the_command_owes_nothing_to_the_options_of_the_new_run(old: list[str], new: list[str], shop: Shop) -> None:
    draft = shop.interrupt(*old)
    ended = shop.cli("run", "--base-url", shop.url, "--output", OUT, *new)
    (told,) = [line for line in ended.err.splitlines() if draft.name in line]
    words = shlex.split(told.partition("go on with it by: webex-audit ")[2])
    assert {*old} <= {*words}
    assert shop.listed()[0]["run_id"] == draft.name
    assert shop.cli(*words).code == 0
    assert shop.listed() == []


def test_a_rehearsal_of_a_resumed_run_says_that_it_plans_a_whole_run(shop: Shop) -> None:
    shop.interrupt()
    rehearsed = shop.cli("run", "--dry-run", "--resume", "--base-url", shop.url, "--output", OUT)
    assert (rehearsed.code, "this is the plan of a whole run: --resume asks only for" in rehearsed.err) == (0, True)
    plain = shop.cli("run", "--dry-run", "--base-url", shop.url, "--output", OUT)
    assert (plain.out, "a whole run" in plain.err) == (rehearsed.out, False)


def test_a_run_that_is_resumed_says_nothing_of_itself(shop: Shop) -> None:
    draft = shop.interrupt()
    assert draft.name not in shop.cli("run", "--resume", "--base-url", shop.url, "--output", OUT).err


def test_of_several_runs_of_a_scope_the_newest_is_resumed(shop: Shop) -> None:
    old = shop.interrupt()
    change_journal(old, started_at=str(Clock().now() - timedelta(hours=1)), key="", digest="")
    new = shop.interrupt()
    by_id = {run["run_id"]: run for run in shop.listed()}
    assert by_id[new.name]["can_be_resumed"]
    assert by_id[old.name]["reason"] == f"--resume goes on with {new.name} of the same scope"


def test_a_run_that_is_too_old_or_of_another_version_is_discarded(shop: Shop) -> None:
    draft = shop.interrupt()
    change_journal(draft, started_at=str(Clock().now() - timedelta(hours=73)), key="", digest="")
    (run,) = shop.listed()
    assert run["reason"] == "it began 73 h ago, and run.resume_within is 72 h"
    assert run["command"] is None
    journal = json.loads((draft / JOURNAL).read_text())
    change_journal(draft, started_at=str(Clock().now()), scope=journal["scope"] | {"version": "0.0.1"})
    (run,) = shop.listed()
    assert run["reason"] == "another version of webex-audit began it"


def test_a_run_at_work_is_named_with_its_process_and_not_disturbed(shop: Shop) -> None:
    OUT.mkdir(mode=0o700)
    with lock(OUT) as held:
        before = (OUT / ".lock").read_bytes()
        draft = shop.interrupt(output=Path("elsewhere")).rename(OUT / "20990101T000000Z-000000")
        change_journal(draft, run_id=draft.name, started_at="2099-01-01T00:00:00Z", key="", digest="")
        for _ in range(3):
            (run,) = shop.listed()
            held.check()
        assert (run["is_running"], run["held_by"].startswith(f"process {os.getpid()} on ")) == (True, True)
        assert "at work    process " in shop.cli("snapshots", "--output", OUT).out
        assert (OUT / ".lock").read_bytes() == before
    assert shop.listed()[0]["is_running"] is False


@pytest.mark.attack("planted links and files")
def test_the_lock_of_a_reader_may_be_anything(shop: Shop) -> None:
    draft = shop.interrupt()
    path = OUT / ".lock"
    for content in (b"", b"\xff" * 9999, b'{"host": "\x1b[2J", "pid": -1, "started_at": "2099-01-01T00:00:00"}'):
        path.write_bytes(content)
        assert [run["run_id"] for run in shop.listed()] == [draft.name]
        assert "\x1b" not in shop.cli("snapshots", "--output", OUT).out
    path.unlink()
    os.mkfifo(path)
    assert [run["run_id"] for run in shop.listed()] == [draft.name]


def contents(folder: Path) -> dict[str, tuple[int, float]]:
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime) for path in sorted(folder.rglob("*"))}


@pytest.mark.few(8)
@pytest.mark.attack("what is read back")
@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_a_forged_run_is_listed_and_nothing_is_touched(forge: Forge, shop: Shop) -> None:
    draft = shop.interrupt()
    forge(draft)
    before = contents(OUT)
    for command in ("snapshots", "show"):
        result = shop.cli(command, "--output", OUT)
        assert result.code == (0 if command == "snapshots" else 2)
        assert draft.name in result.out + result.err
    shop.listed()
    assert contents(OUT) == before


@pytest.mark.few(4)
@pytest.mark.attack("planted links and files")
@pytest.mark.parametrize("kind", ["link", "journal is a link", "pipe", "folder", "huge", "deep", "not JSON", "locked"])
def test_what_can_not_be_read_is_named_and_the_rest_is_listed(kind: str, shop: Shop, tmp_path: Path) -> None:
    assert shop.cli("run", "--base-url", shop.url, "--output", OUT).code == 0
    good = shop.interrupt("--entity", "person")
    planted = OUT / "20200101T000000Z-abcdef"
    journal = planted / JOURNAL
    if kind == "link":
        shutil.copytree(good, tmp_path / "elsewhere")
        planted.symlink_to(tmp_path / "elsewhere")
    else:
        planted.mkdir()
    match kind:
        case "journal is a link":
            journal.symlink_to(good.absolute() / JOURNAL)
        case "pipe":
            os.mkfifo(journal)
        case "folder":
            journal.mkdir()
        case "huge":
            with journal.open("wb") as file:
                file.truncate(1 << 40)
        case "deep":
            journal.write_text('{"scope":' + "[" * 100_000 + "]" * 100_000 + "}")
        case "not JSON":
            journal.write_bytes(b"\x00\xff")
        case "locked":
            journal.write_text("{}")
            planted.chmod(0)
        case _:
            pass
    listed = shop.cli("snapshots", "--output", OUT)
    assert listed.code == 0
    assert len([line for line in listed.out.splitlines() if " complete " in line]) == 1
    assert f"unfinished run {planted.name}\n" in listed.out
    by_id = {run["run_id"]: run for run in shop.listed()}
    assert by_id[good.name]["command"]
    assert (by_id[planted.name]["command"], by_id[planted.name]["can_be_resumed"]) == (None, False)
    assert "can't be read" in by_id[planted.name]["reason"] or "is a link" in by_id[planted.name]["reason"]
    planted.is_symlink() or planted.chmod(0o700)


@pytest.mark.attack("what is read back")
@pytest.mark.slow
def test_of_hundreds_of_runs_the_own_is_shown_and_the_others_are_counted(shop: Shop) -> None:
    own = shop.interrupt()
    journal = json.loads((own / JOURNAL).read_text())
    for second in range(40):
        planted = own.with_name(f"20991127T1000{second:02}Z-{second:06x}")
        shutil.copytree(own, planted)
        scope = journal["scope"] | {"scope.datasets": ["paging_groups"], "scope.sites": [f"site{second}"]}
        change_journal(planted, run_id=planted.name, scope=scope, key="", digest="")
    for listed in (shop.cli("snapshots", "--output", OUT).out, shop.cli("show", "--output", OUT).err):
        assert listed.count("unfinished run 20") == 10
        assert f"unfinished run {own.name}" in listed
        assert "and 31 other unfinished runs: webex-audit snapshots --unfinished --output out\n" in listed
    assert len(shop.listed()) == 41
    assert shop.cli("snapshots", "--unfinished", "--output", OUT).out.count("unfinished run 20") == 41
    ended = shop.cli("run", "--base-url", shop.url, "--output", OUT, "--all-orgs")
    assert ended.err.count("the unfinished run ") == 3
    assert f"the unfinished run {own.name}" in ended.err


@pytest.mark.attack("what is read back")
@pytest.mark.parametrize(
    "change",
    [
        {"webex.base_url": "https://thief.example.net/v1"},
        {"scope.sites": ["x\x1b[2J\n; touch stolen"], "scope.datasets": ["audio_options"]},
        {"scope.datasets": ["$(touch stolen)"]},
        {"organizations": ["named", "--config=planted.toml"]},
        {"organizations": []},
        {"scope.entities": "WORKSPACE"},
        {"--retry-failed": "../../etc"},
        {"users": {"a": 1}},
        {"wants": {"output.formats": ["csv; touch stolen"]}},
        {"wants": {"output.csv_dialect": "--config=planted.toml"}},
        {"wants": {"run.admin_events": "yes"}},
    ],
    ids="-".join,
)
def test_a_planted_run_puts_nothing_into_the_command(change: dict[str, Any], shop: Shop) -> None:
    draft = shop.interrupt()
    journal = json.loads((draft / JOURNAL).read_text())
    wants = change.pop("wants", {})
    change_journal(draft, scope=journal["scope"] | change, wants=wants, key="", digest="")
    (run,) = shop.listed("--config", os.devnull)
    assert run["command"] is None
    text = shop.cli("snapshots", "--output", OUT).out
    assert "thief" not in text
    assert text.replace("\n", "").isprintable()


@pytest.mark.slow
def test_a_run_in_an_object_store_is_listed_and_resumed(shop: Shop, s3: S3) -> None:
    uri = s3.uri("unfinished")
    shop.simulation.faults = Refusing()
    assert shop.cli("run", "--base-url", shop.url, "--output", uri).code == 4
    shop.simulation.faults = Faults()
    output = place(uri)
    with lock(output):
        (held,) = shop.listed(output=uri)
        assert (held["is_running"], held["held_by"].startswith("process ")) == (None, True)
    keys = sorted(str(each) for each, _ in ObjectPath.of(uri).entries(is_recursive=True))
    (run,) = shop.listed(output=uri)
    assert (run["is_running"], run["held_by"], run["entities"]) == (False, None, 60)
    assert sorted(str(each) for each, _ in ObjectPath.of(uri).entries(is_recursive=True)) == keys
    assert shop.cli(*shlex.split(run["command"])[1:]).code == 0
    assert shop.listed(output=uri) == []


def test_an_output_without_unfinished_runs_says_nothing(shop: Shop) -> None:
    assert shop.cli("run", "--base-url", shop.url, "--output", OUT).code == 0
    assert "unfinished" not in shop.cli("snapshots", "--output", OUT).out
    assert json.loads(shop.cli("show", "--json", "--output", OUT).out)["unfinished"] == []
