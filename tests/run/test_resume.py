"""A run that dies at any moment can be resumed, and its snapshot is that of a run that never died."""

import json
import multiprocessing
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from harness import VirtualClock, visible

from audit.cli import cli, process
from audit.crawl import crawl as crawl_module
from audit.errors import LockedError, StoppedError, UsageError
from audit.output import inventory as inventory_file
from audit.output.lock import lock
from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot, list_snapshots
from audit.snapshot.layout import MANIFEST

Audit = Callable[..., Snapshot]
Api = Callable[[Simulation], str]
WORKSPACES = 60
BATCH_SIZE = 20
#: The API is gone from the 50th request on.
DYING = ",".join(f"reset@{number}" for number in range(50, 400))
TABLES = ("push_to_talk", "push_to_talk_members", "workspace_devices")


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_file, "BATCH_SIZE", BATCH_SIZE)


def content(snapshot: Snapshot) -> dict[str, Any]:
    digests: dict[str, Any] = {name: table.digest for name, table in snapshot.manifest.tables.items()}
    return digests | {f"{name}.csv": (snapshot.path / f"{name}.csv").read_bytes() for name in TABLES}


def _run_and_die(url: str, folder: str, die_at: int, *, is_resuming: bool) -> None:
    """A run in a process of its own, killed at the n-th time that it opens a file to write or renames one."""
    os.chdir(folder)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        os.environ[name] = folder
    os.environ |= {"WEBEX_ACCESS_TOKEN": ADMIN_TOKEN, "WEBEX_AUDIT_PACE_START_RATE": "5000"}
    inventory_file.BATCH_SIZE = BATCH_SIZE
    written = 0

    def on_event(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal written
        is_write = event == "os.rename" or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if is_write and "out" in str(arguments[0]):
            written += 1
            if written == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(on_event)
    arguments = ["run", "--base-url", url, "--output", f"{folder}/out", "--quiet"]
    os._exit(process.execute(cli, [*arguments, "--resume"] if is_resuming else arguments))


def _exit_code(*arguments: Any, is_resuming: bool = False) -> int:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["audit.cli.run", "audit.cli.metrics", "audit.run.plan", "audit.run.run"])
    child = context.Process(target=_run_and_die, args=arguments, kwargs={"is_resuming": is_resuming})
    child.start()
    child.join(60)
    assert child.exitcode is not None
    return child.exitcode


@pytest.fixture(scope="module")
def boundaries() -> range:
    """Each fifth write of a whole run; `make check-faults` has every call."""
    return range(1, 46, 5)


@pytest.mark.parametrize("part", range(2))
@pytest.mark.slow
def test_a_run_killed_at_any_write_is_resumed_to_the_same_tables(
    part: int, boundaries: range, api: Api, audit: Audit, tmp_path: Path
) -> None:
    whole = content(audit(Simulation(Organization(WORKSPACES)), output__path=str(tmp_path / "whole")))
    url = api(Simulation(Organization(WORKSPACES)))
    killed = 0
    for die_at in boundaries[part::2]:
        folder = tmp_path / str(die_at)
        folder.mkdir()
        code = _exit_code(url, str(folder), die_at)
        if code == 0:
            continue
        killed += 1
        assert code == -signal.SIGKILL
        before = list_snapshots(folder / "out") if (folder / "out").exists() else []
        for snapshot in before:
            assert content(snapshot) == whole
        assert _exit_code(url, str(folder), 0, is_resuming=True) == 0
        snapshots = list_snapshots(folder / "out")
        assert [content(each) for each in snapshots] == [whole] * len(snapshots)
        assert len(snapshots) == len(before) + 1
    assert killed > 3


@pytest.mark.slow
def test_a_run_killed_again_and_again_comes_to_its_end(api: Api, audit: Audit, tmp_path: Path) -> None:
    whole = content(audit(Simulation(Organization(WORKSPACES)), output__path=str(tmp_path / "whole")))
    simulation = Simulation(Organization(WORKSPACES))
    url = api(simulation)
    dice = random.Random(7)
    folder = tmp_path / "killed"
    folder.mkdir()
    for _ in range(30):
        if _exit_code(url, str(folder), dice.randint(8, 20), is_resuming=True) == 0:
            break
    (snapshot,) = list_snapshots(folder / "out")
    assert content(snapshot) == whole
    assert snapshot.manifest.requests.total <= len(simulation.log)


def test_a_resumed_run_asks_only_for_what_has_no_part(audit: Audit, tmp_path: Path) -> None:
    first = Simulation(Organization(WORKSPACES), parse(DYING))
    with pytest.raises(StoppedError) as caught:
        audit(first, pace__concurrency=1, retry__budget=5)
    assert caught.value.is_resumable
    (unfinished,) = visible(tmp_path / "out")
    second = Simulation(Organization(WORKSPACES))
    snapshot = audit(second, is_resuming=True)
    # A commit has a folder of its own; the folder of the unfinished run is removed.
    assert snapshot.path.name != unfinished
    assert visible(tmp_path / "out") == [snapshot.path.name]
    assert sorted(path.name for path in snapshot.path.iterdir()) == sorted(
        [MANIFEST, "coverage", "coverage.csv", *TABLES, *(f"{name}.csv" for name in TABLES)]
    )
    reads = [line for line in second.log if "pushToTalk" in line]
    assert 0 < len(reads) <= WORKSPACES - 2 * BATCH_SIZE
    assert not [line for line in second.log if "/workspaces?" in line]
    whole = audit(Simulation(Organization(WORKSPACES)), output__path=str(tmp_path / "whole"))
    assert content(snapshot) == content(whole)
    assert snapshot.manifest.unknown_fields == whole.manifest.unknown_fields
    assert snapshot.manifest.requests.total > whole.manifest.requests.total


def test_resume_starts_anew_where_nothing_is_unfinished(audit: Audit) -> None:
    assert audit(Simulation(Organization(5)), is_resuming=True).manifest.status == "complete"


def test_resume_with_another_scope_is_refused_with_the_difference(audit: Audit, tmp_path: Path) -> None:
    organization = Organization(WORKSPACES)
    with pytest.raises(StoppedError):
        audit(Simulation(organization, parse(DYING)), retry__budget=5)
    with pytest.raises(
        UsageError, match=r"had another scope \(.*organizations was \['own'\] and is \['named', 'Y2l.*without --resume"
    ):
        audit(Simulation(organization), is_resuming=True, scope__org_ids=[organization.org_id])
    with pytest.raises(UsageError, match="workspace ids"):
        audit(Simulation(organization), is_resuming=True, wanted=[organization.workspace(1)["id"]])


def test_leftovers_of_a_torn_write_are_ignored_and_removed(audit: Audit, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        audit(Simulation(Organization(WORKSPACES), parse(DYING)), pace__concurrency=1, retry__budget=5)
    (unfinished,) = visible(tmp_path / "out")
    torn = next((tmp_path / "out" / unfinished / "parts").rglob("push_to_talk")) / ".00000009.coverage.arrow.tmp"
    torn.write_bytes(b"half of a file")
    assert audit(Simulation(Organization(WORKSPACES)), is_resuming=True).manifest.status == "complete"
    assert list((tmp_path / "out").rglob("*.tmp")) == []


def test_a_deadline_stops_in_order_and_resumable(audit: Audit, clock: VirtualClock) -> None:
    simulation = Simulation(Organization(WORKSPACES), parse("slow@30,slow@31"), slow_s=20)
    with pytest.raises(StoppedError, match="the deadline of 15s is over") as caught:
        audit(simulation, run__deadline="15s")
    assert caught.value.is_resumable
    assert audit(Simulation(Organization(WORKSPACES)), is_resuming=True).manifest.status == "complete"


def test_a_wait_beyond_the_deadline_stops_at_once(audit: Audit) -> None:
    simulation = Simulation(Organization(WORKSPACES), parse("429-long@20"))
    with pytest.raises(
        StoppedError, match=r"asks to wait 194 s \(Retry-After\), which is beyond the deadline"
    ) as caught:
        audit(simulation, run__deadline="1m")
    assert caught.value.is_resumable
    assert len(simulation.log) < 80


def test_only_what_has_no_complete_answer_is_asked_again(audit: Audit, tmp_path: Path) -> None:
    organization = Organization(WORKSPACES)
    partial = audit(Simulation(organization, parse("409@20,500@30,403@45"), max_page=1000), retry__attempts=1)
    assert partial.manifest.status == "partial"
    again = Simulation(organization)
    snapshot = audit(again, retry_failed=partial)
    assert snapshot.manifest.status == "complete"
    assert len([line for line in again.log if "pushToTalk" in line]) == 3
    whole = audit(Simulation(organization), output__path=str(tmp_path / "whole"))
    assert content(snapshot) == content(whole)
    assert snapshot.manifest.previous is not None


def test_only_a_snapshot_of_the_organization_with_parquet_can_be_retried(audit: Audit) -> None:
    csv_only = audit(Simulation(Organization(5)), output__formats=["csv"])
    with pytest.raises(UsageError, match="holds no Parquet"):
        audit(Simulation(Organization(5)), retry_failed=csv_only)
    with pytest.raises(UsageError, match="does not cover organization"):
        audit(Simulation(Organization(5, seed=2)), retry_failed=csv_only)


def test_a_second_run_is_told_who_holds_the_lock(audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    simulation = Simulation(Organization(5))
    with lock(tmp_path / "out"), pytest.raises(LockedError, match=rf"process {os.getpid()} on .* since 20") as caught:
        audit(simulation)
    assert caught.value.exit_code == 6
    assert simulation.log == []
    assert audit(simulation).manifest.status == "complete"


def test_a_lock_of_a_dead_process_is_none(audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").write_text(
        json.dumps({"host": "gone", "pid": 1, "started_at": "2026-01-01T00:00:00Z"})
    )
    assert audit(Simulation(Organization(5))).manifest.status == "complete"
    with lock(tmp_path / "out"):
        (tmp_path / "out" / ".lock").write_text("garbage")
        with pytest.raises(LockedError, match="an unknown process"), lock(tmp_path / "out"):
            pass


def test_an_api_that_fails_too_often_ends_the_run_in_bounded_time(audit: Audit, clock: VirtualClock) -> None:
    dying = Simulation(Organization(3000), parse(",".join(f"500@{number}" for number in range(30, 3000))))
    with pytest.raises(StoppedError, match=r"has not answered for 60 s") as caught:
        audit(dying, retry__budget=40)
    assert caught.value.is_resumable
    assert len(dying.log) < 200


@pytest.mark.slow
def test_a_hang_is_noticed(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = threading.Event()
    monkeypatch.setattr(crawl_module, "flatten", lambda *_: ({}, {"waited": hanging.wait(3)}))
    with pytest.raises(StoppedError, match=r"nothing was answered for \d+ s"):
        audit(Simulation(Organization(5)), run__stall_s=2.0)


@pytest.mark.slow
def test_the_settled_rate_is_remembered(audit: Audit, tmp_path: Path) -> None:
    audit(Simulation(Organization(800, odd=False), rate_limit_per_s=50))
    (path,) = (tmp_path / "home").rglob("rates.json")
    ((key, belief),) = json.loads(path.read_bytes()).items()
    assert key.startswith("127.0.0.1:")
    assert belief["kind"] == "rate"
    assert 40 < belief["per_s"] < 75


@pytest.mark.few(3)
@pytest.mark.parametrize("table", ["coverage", "push_to_talk_members"])
@pytest.mark.parametrize("damage", ["truncate", "schema", "delete"])
def test_a_damaged_part_is_asked_for_again(
    table: str, damage: str, audit: Audit, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = content(audit(Simulation(Organization(WORKSPACES)), output__path=str(tmp_path / "whole")))
    with pytest.raises(StoppedError):
        audit(Simulation(Organization(WORKSPACES), parse(DYING)), pace__concurrency=1, retry__budget=5)
    part = next((tmp_path / "out").rglob(f"00000000.*.{table}.arrow"))
    if damage == "truncate":
        part.write_bytes(part.read_bytes()[:100])
    elif damage == "schema":
        # The footer is intact but its lengths are wrong: Arrow reports this as a disk error.
        data = part.read_bytes()
        part.write_bytes(data[:-200] + b"\xff" * 100 + data[-100:])
    else:
        part.unlink()
    if table != "coverage" and damage == "delete":
        with pytest.raises(StoppedError, match="is damaged; a resumed run asks for its batch again") as caught:
            audit(Simulation(Organization(WORKSPACES)), is_resuming=True)
        assert caught.value.is_resumable
    assert content(audit(Simulation(Organization(WORKSPACES)), is_resuming=True)) == whole
    assert ("is discarded" in caplog.text) == (damage != "delete")


def test_a_damaged_inventory_is_taken_anew(audit: Audit, tmp_path: Path) -> None:
    whole = content(audit(Simulation(Organization(WORKSPACES)), output__path=str(tmp_path / "whole")))
    with pytest.raises(StoppedError):
        audit(Simulation(Organization(WORKSPACES), parse(DYING)), pace__concurrency=1, retry__budget=5)
    next((tmp_path / "out").rglob("inventory.arrow")).write_bytes(b"ARROW1 no more")
    assert content(audit(Simulation(Organization(WORKSPACES)), is_resuming=True)) == whole


def test_of_several_unfinished_runs_the_one_of_this_scope_is_resumed(audit: Audit, tmp_path: Path) -> None:
    organization = Organization(WORKSPACES)
    wanted = [organization.workspace(index)["id"] for index in range(WORKSPACES)]
    for order in ({}, {"wanted": wanted}):
        with pytest.raises(StoppedError):
            audit(Simulation(organization, parse(DYING)), pace__concurrency=1, retry__budget=5, **order)
    assert len(visible(tmp_path / "out")) == 2
    first, second = Simulation(organization), Simulation(organization)
    snapshots = [audit(first, is_resuming=True), audit(second, is_resuming=True, wanted=wanted)]
    for simulation in (first, second):
        assert 0 < len([line for line in simulation.log if "pushToTalk" in line]) < WORKSPACES
    assert visible(tmp_path / "out") == sorted(each.path.name for each in snapshots)


def interrupted(audit: Audit, **order: Any) -> str:
    """The id of a run that did not come to its end."""
    with pytest.raises(StoppedError) as caught:
        audit(
            Simulation(Organization(WORKSPACES), parse("429-long@50")), run__deadline="1m", pace__concurrency=1, **order
        )
    assert caught.value.is_resumable
    return max((path.parent for path in Path("out").glob("*/run.json")), key=lambda path: path.stat().st_mtime).name


def reads_of(audit: Audit, **order: Any) -> int:
    """Rooms that a resumed run asked for."""
    simulation = Simulation(Organization(WORKSPACES))
    assert audit(simulation, is_resuming=True, **order).manifest.status == "complete"
    return len([line for line in simulation.log if "pushToTalk" in line])


def test_a_run_that_a_later_snapshot_has_overtaken_is_discarded_and_told(
    audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    unfinished = interrupted(audit)
    later = audit(Simulation(Organization(WORKSPACES)))
    all_of_them = reads_of(audit, output__path="elsewhere")
    assert reads_of(audit) == all_of_them
    told = f"the unfinished run {unfinished} is discarded: snapshot {later.manifest.snapshot_id} was committed since"
    assert told in caplog.text
    newest = list_snapshots(Path("out"))[-1]
    assert newest.manifest.previous
    assert newest.manifest.previous.snapshot_id == later.manifest.snapshot_id
    assert len(visible(Path("out"))) == 2


def test_a_snapshot_of_another_scope_overtakes_nothing(audit: Audit) -> None:
    interrupted(audit)
    audit(Simulation(Organization(WORKSPACES)), wanted=[Organization(WORKSPACES).workspace(1)["id"]])
    assert reads_of(audit) < WORKSPACES // 2


@pytest.mark.parametrize(("hours", "within", "is_resumed"), [(71, None, True), (73, None, False), (30, "1d", False)])
def test_a_run_that_is_too_old_is_discarded_and_told(
    hours: float,
    within: str | None,
    *,
    is_resumed: bool,
    audit: Audit,
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    unfinished = interrupted(audit)
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(hours=hours))
    asked = reads_of(audit, **({"run__resume_within": within} if within else {}))
    assert (asked < WORKSPACES // 2) == is_resumed
    assert (f"the unfinished run {unfinished} is discarded: it began {hours} h ago" in caplog.text) != is_resumed
    assert len(visible(Path("out"))) == 1


def test_an_abandoned_run_does_not_stand_in_the_way_for_ever(audit: Audit, tmp_path: Path) -> None:
    organization = Organization(WORKSPACES)
    with pytest.raises(StoppedError):
        audit(Simulation(organization, parse(DYING)), pace__concurrency=1, retry__budget=5)
    (journal,) = (tmp_path / "out").rglob("run.json")
    journal.write_text(journal.read_text().replace('"version":"', '"version":"0.'))
    assert audit(Simulation(organization), is_resuming=True).manifest.status == "complete"
    wanted = [organization.workspace(1)["id"]]
    assert audit(Simulation(organization), is_resuming=True, wanted=wanted).manifest.status == "complete"


def test_an_unfinished_run_whose_scope_has_other_keys_is_passed_over(audit: Audit, tmp_path: Path) -> None:
    """Another version, before or after this one, says the same in other words."""
    with pytest.raises(StoppedError):
        audit(Simulation(Organization(WORKSPACES), parse(DYING)), pace__concurrency=1, retry__budget=5)
    (journal,) = (tmp_path / "out").rglob("run.json")
    journal.write_text(journal.read_text().replace('"version":', '"edition":null,"version":'))
    assert audit(Simulation(Organization(WORKSPACES)), is_resuming=True).manifest.status == "complete"


def test_an_unfinished_run_of_another_organization_is_not_mixed_up(audit: Audit) -> None:
    with pytest.raises(StoppedError):
        audit(Simulation(Organization(WORKSPACES), parse(DYING)), pace__concurrency=1, retry__budget=5)
    with pytest.raises(UsageError, match="resume it with its own token"):
        audit(Simulation(Organization(WORKSPACES, seed=2)), is_resuming=True)
    assert audit(Simulation(Organization(WORKSPACES)), is_resuming=True).manifest.status == "complete"


@pytest.mark.slow
def test_entities_that_fail_for_ever_do_not_end_a_run_that_else_goes_well(audit: Audit) -> None:
    snapshot = audit(Simulation(Organization(600), parse("500=0.05!")), retry__budget=10_000)
    assert 15 < snapshot.manifest.outcomes["push_to_talk"]["server_error"] < 60
    assert snapshot.manifest.status == "partial"
    again = audit(Simulation(Organization(600)), retry_failed=snapshot)
    assert again.manifest.status == "complete"


def test_what_is_still_forbidden_when_asked_again_is_no_missing_scope(audit: Audit) -> None:
    organization = Organization(100)
    later = parse(",".join(f"403@{number}" for number in range(50, 80)))
    partial = audit(Simulation(organization, later, max_page=1000))
    assert partial.manifest.outcomes["push_to_talk"]["forbidden"] == 30
    still = parse(",".join(f"403@{number}" for number in range(3, 99)))
    again = audit(Simulation(organization, still), retry_failed=partial)
    assert again.manifest.outcomes == partial.manifest.outcomes


@pytest.mark.parametrize("damage", ["truncate", "delete"])
def test_a_damaged_snapshot_can_not_be_retried(damage: str, audit: Audit) -> None:
    partial = audit(Simulation(Organization(30), parse("409@20"), max_page=1000))
    file = next((partial.path / "push_to_talk_members").rglob("*.parquet"))
    if damage == "truncate":
        file.write_bytes(file.read_bytes()[:100])
    else:
        file.unlink()
    with pytest.raises(UsageError, match=r"damaged at push_to_talk_members.*nothing of it is carried over"):
        audit(Simulation(Organization(30)), retry_failed=partial)
