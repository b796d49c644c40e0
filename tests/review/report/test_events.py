"""The events of the administrators' log in the report and in the workbook."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from later import ANSWERED, room
from logged import PLAIN, event, logged
from nights import NightlyClock
from reporting import HOSTILE, text_of

from audit.review.diff.compare import compare
from audit.review.report import write_report, write_workbook
from audit.simulator.app import Simulation
from audit.snapshot.catalog import Snapshot, find_snapshot

INDEX = ANSWERED[0]
SWITCHED = {"allowAutoAnswer": not PLAIN.push_to_talk(INDEX)["allowAutoAnswer"]}


@pytest.fixture
def clock() -> NightlyClock:
    return NightlyClock()


@pytest.mark.few(2)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_changes_of_the_workbook_have_their_events(
    count: int, audit: Callable[..., Snapshot], once: Callable[..., Path], clock: NightlyClock, tmp_path: Path
) -> None:
    old = find_snapshot(once(lambda: audit(Simulation(PLAIN))), "latest")
    clock.night = 1
    log = [event(number, entityId=room(INDEX), updatedSettings=["allowAutoAnswer"]) for number in range(1, count + 1)]
    new = audit(Simulation(logged(*log, answers={INDEX: SWITCHED})), run__admin_events=True)
    with (tmp_path / "report.xlsx").open("wb") as stream:
        write_workbook(new, None, compare(old, new), old, stream)
    header, *rows = openpyxl.load_workbook(tmp_path / "report.xlsx")["Changes"].iter_rows(values_only=True)
    found = [dict(zip(header, row, strict=True)) for row in rows]
    (change,) = [each for each in found if each["column"] == "allow_auto_answer"]
    assert change["event_count"] == (str(count) if count else None)
    assert (change["event_id"] in [each["id"] for each in log]) == bool(count)


@pytest.fixture
def report(audit: Callable[..., Snapshot], once: Callable[..., Path], clock: NightlyClock) -> Callable[..., str]:
    """The report of a second night, compared with the first."""

    def report(*log: Any, **flags: Any) -> str:
        old = find_snapshot(once(lambda: audit(Simulation(PLAIN))), "latest")
        clock.night = 1
        new = audit(Simulation(logged(*log, answers={INDEX: SWITCHED})), **({"run__admin_events": True} | flags))
        return write_report(new, None, compare(old, new), old)

    return report


def test_an_event_stands_below_its_change_and_is_not_called_the_cause(report: Callable[..., str]) -> None:
    text = text_of(report(event(1, entityId=room(INDEX), updatedSettings=["allowAutoAnswer"])))
    assert (
        f"event recorded: Settings were updated by Dana Sato at 2026-11-22 03:00:00 UTC ({event(1)['id']}), named"
        in text
    )
    assert "it does not prove the cause" in text
    assert "changed by" not in text


def test_a_change_without_an_event_has_no_line_of_its_own(report: Callable[..., str]) -> None:
    text = text_of(report())
    assert "event recorded" not in text
    assert "was not read" not in text


def test_a_log_that_was_not_read_is_mentioned_once(report: Callable[..., str]) -> None:
    assert text_of(report(run__admin_events=False)).count("log was not read") == 1


@pytest.mark.attack("spreadsheets and terminals")
@pytest.mark.parametrize("hostile", [HOSTILE, "</li></ul><img src=x onerror=alert(1)>", "&lt;b&gt;\x00\x9b"])
def test_a_hostile_text_of_the_log_is_a_text_in_the_report(report: Callable[..., str], hostile: str) -> None:
    data = {"eventDescription": hostile, "actorName": hostile, "actorClientName": hostile, "errorCode": hostile}
    html = report(event(1, entityId=room(INDEX), **data) | {"id": hostile})
    assert "failed attempt (" in html
    assert "<script>alert" not in html
    assert "<img" not in html
    assert not any(char in html for char in "\u202e\x1b\x00\x9b")
