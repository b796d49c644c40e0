"""The cron job: silent nights, and what happens on the others."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crafted import crafted
from harness import Result, Where
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from walking import Reader
from webhook import serve_webhook

from audit.simulator.app import ADMIN_TOKEN, Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization

Api = Callable[[Simulation], str]
Night = Callable[..., Result]
TOKEN = {"WEBEX_ACCESS_TOKEN": ADMIN_TOKEN}


def given(base_url: str, **others: str) -> dict[str, str]:
    return TOKEN | {"WEBEX_AUDIT_BASE_URL": base_url} | others


def snapshots(reader: Reader) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(reader.ask("snapshots", "--json").out)
    return found


def metrics(reader: Reader) -> dict[str, float]:
    text = (reader.folder / "webex-audit.prom").read_text()
    return {each.name: each.value for family in text_string_to_metric_families(text) for each in family.samples}


@pytest.mark.parametrize("umask", [0o022, 0o000, 0o077])
@pytest.mark.few(1)
@pytest.mark.slow
def test_two_good_nights_print_nothing(umask: int, reader: Reader, api: Api) -> None:
    reader.umask = umask
    variables = given(api(Simulation(crafted())))
    other = reader.ask("run", "--quiet", "--workspace-id", crafted().workspace(0)["id"], **variables)
    assert other == Result(0, "", "")
    nights = [reader.walk("nightly.sh", **variables) for _ in range(2)]
    assert nights == [Result(0, "", "")] * 2
    assert metrics(reader)["webex_audit_last_success_timestamp_seconds"] > time.time() - 100
    assert (reader.folder / "findings.txt").read_text() == ""
    assert len(snapshots(reader)) in (2, 3)  # of each scope the newest of a day; midnight may pass
    assert reader.ask("verify").code == 0
    mode = (reader.folder / "webex-audit.prom").stat().st_mode & 0o777
    assert mode in (0o600, 0o644)
    assert reader.open_to_others(but=frozenset({"findings.txt", "webex-audit.prom"})) == []


@pytest.mark.slow
def test_a_partial_night_says_why_and_is_reported(reader: Reader, api: Api) -> None:
    served = Simulation(crafted(), Where("400", "pushtotalk"))
    with serve_webhook() as hook:
        (reader.home / "urls").write_text(hook.url())
        (reader.home / "urls").chmod(0o600)
        reader.configure(f'[notify]\nurls_file = "{reader.home}/urls"\non = ["partial", "findings", "failed"]\n')
        night = reader.walk("nightly.sh", **given(api(served)))
        assert (night.code, night.out) == (3, "")
        assert "webex-audit: warning: the snapshot is partial: " in night.err
        assert len(hook.messages) == 2  # the run, and the check
    assert "entity-not-read" in (reader.folder / "findings.txt").read_text()
    assert (reader.folder / "report.html").is_file()


def _child_of(process: Any) -> int:
    """The command that a script is waiting for."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return int(children.read_text().split()[0])


def _until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
@pytest.mark.few(2)
@pytest.mark.slow
def test_a_night_that_is_stopped_is_gone_on_with(number: signal.Signals, reader: Reader, api: Api) -> None:
    rooms = 600
    served = Simulation(crafted(workspaces=rooms), parse("hang@560"))
    variables = given(api(served))
    process = reader.start("nightly.sh", **variables)
    _until(lambda: len(served.log) >= 560)
    time.sleep(2.1 if number == signal.SIGKILL else 0)  # a kill costs the answers of two seconds
    os.kill(_child_of(process), number)
    out, err = process.communicate(timeout=60)
    if number != signal.SIGKILL:
        assert (process.returncode, out) == (5, "")
        assert "go on with: webex-audit run --quiet --resume --deadline 5h" in err
    served.log.clear()
    assert reader.walk("nightly.sh", **variables) == Result(0, "", "")
    assert len([line for line in served.log if "pushtotalk" in line.lower()]) < rooms / 2
    (snapshot,) = snapshots(reader)
    assert (snapshot["status"], snapshot["outcomes"]["push_to_talk"]) == ("complete", {"ok": rooms})


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
@pytest.mark.slow
def test_a_night_beside_another_that_is_at_work_leaves_it_alone(reader: Reader, api: Api) -> None:
    served = Simulation(Organization(4, odd=False), parse("hang@4"))
    variables = given(api(served))
    first = reader.start("nightly.sh", **variables)
    _until(lambda: len(served.log) >= 4)
    second = reader.walk("nightly.sh", **variables)
    assert (second.code, second.out, second.err.count("\n")) == (0, "", 1)
    assert first.poll() is None
    os.kill(_child_of(first), signal.SIGTERM)
    assert first.wait(60) == 5


@pytest.mark.slow
def test_a_dead_token_is_one_line_and_a_message(reader: Reader, api: Api) -> None:
    with serve_webhook() as hook:
        (reader.home / "urls").write_text(hook.url())
        (reader.home / "urls").chmod(0o600)
        reader.configure(f'[notify]\nurls_file = "{reader.home}/urls"\n')
        night = reader.walk("nightly.sh", **given(api(Simulation(crafted())), WEBEX_ACCESS_TOKEN="gone"))
        assert (night.code, night.out, night.err.count("\n")) == (4, "", 1)
        (message,) = hook.messages
        assert message[0] == "webex-audit run: failed"
        assert message[1].startswith("exit code 4: the token is refused")
    assert "webex_audit_last_success_timestamp_seconds" not in metrics(reader)
