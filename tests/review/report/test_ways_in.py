"""The report counts every way into a room, and calls no room closed that opens in a way beside Push-to-Talk."""

import base64
import json
import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from crafted import Audit, TickingClock
from harness import Where
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reporting import text_of
from ways import ANSWERS, audited, organization, party, rows_of, target, with_devices

from audit.review.report import write_report, write_workbook
from audit.simulator.app import Simulation
from audit.simulator.organization import Json, Organization
from audit.snapshot.catalog import Snapshot, find_snapshot

ON = {"allowAutoAnswer": True}
OFF: Json = {"allowAutoAnswer": False, "connectionType": "ONE_WAY"}
HEARD_BY_ANYONE = "The caller can listen in 1 of them, and anyone who is not blocked can open 1."
UNHEARD = "No caller is known to listen."
UNKNOWN, NO_PAGING = "Not known: ", "paging groups were not read."
#: Words that call a room closed.
CLOSED = re.compile(r"Nobody:|Nobody while|auto-answer off|opens for nobody|None that could be read", re.IGNORECASE)


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


def target_of(index: int) -> Json:
    return target(organization(), index)


def _group(*indexes: int) -> Json:
    return {"originators": [party("Ann"), party("Bo")], "targets": [target_of(index) for index in indexes]}


def _lead(html: str) -> str:
    return text_of(html.partition("<header>")[2].partition("</header>")[0])


def _rows(html: str) -> dict[str, str]:
    table = html.partition('<table id="room-table"')[2].partition("</table>")[0]
    rows = [text_of(row) for row in table.split("<tr ")[2:]]
    return {found[0]: row for row in rows if (found := re.search(r"Room \d", row))}


def _index(html: str) -> list[dict[str, Any]]:
    """The rooms as the search sees them."""
    packed = re.search('<template id="search-index"[^>]*>([^<]*)<', html)
    assert packed
    _, *lines = zlib.decompress(base64.b64decode(packed[1])).decode().splitlines()
    rooms = []
    for line in map(json.loads, lines):
        columns = line.get("rooms", {})
        values = {
            name: [column["values"][at] for at in column["at"]] if isinstance(column, dict) else column
            for name, column in columns.items()
            if name in {"name", "reach", "ways", "others", "device"}
        }
        rooms += [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return rooms


def _sheets(snapshot: Snapshot, folder: Path, against: Snapshot | None = None) -> Any:
    with (folder / "x.xlsx").open("wb") as stream:
        write_workbook(snapshot, None, [], against, stream)
    return openpyxl.load_workbook(folder / "x.xlsx")


def test_the_first_screen_counts_each_way_and_the_overlap(audit: Audit) -> None:
    of = organization(ON, ON, answers=[ANSWERS, {}, ANSWERS], groups=[_group(0, 3)], workspaces=5)
    lead = _lead(write_report(audited(audit, of), None, None, None))
    assert (
        "4 rooms open by themselves: 2 by Push-to-Talk, 2 by answering ordinary calls, 2 by paging, "
        "1 of them in several ways. The caller can listen in 2 of them, and anyone who is not blocked can open 2."
        in lead
    )
    assert lead.count("4 rooms") == 1


@pytest.mark.parametrize(
    ("flags", "fault", "told"),
    [
        ({"scope__datasets": ["push-to-talk"]}, None,
         f"1 room opens by itself: 1 by Push-to-Talk. {UNHEARD} {UNKNOWN}answer settings were not read; {NO_PAGING}"),
        ({"scope__datasets": ["push-to-talk", "answer-settings"]}, "answerSettings",
         f"{UNKNOWN}answer settings of 3 did not come; {NO_PAGING}"),
        ({"scope__datasets": ["answer-settings"]}, None,
         f"1 room opens by itself: 1 by answering ordinary calls. {HEARD_BY_ANYONE} {UNKNOWN}Push-to-Talk was"),
        ({"scope__datasets": ["paging-groups"]}, None,
         f"2 rooms open by themselves: 2 by paging. {UNHEARD} {UNKNOWN}Push-to-Talk was not read; answer set"),
    ],
)  # fmt: skip
def test_the_first_screen_says_which_ways_were_not_read(
    audit: Audit, flags: dict[str, Any], fault: str | None, told: str
) -> None:
    of = organization(ON, answers=[{}, ANSWERS], groups=[_group(1, 2)])
    snapshot = audit(Simulation(of, Where("500", fault)) if fault else Simulation(of), **flags)
    html = write_report(snapshot, None, None, None)
    assert told in _lead(html)
    glance = text_of(html.partition('id="glance"')[2].partition("</p>")[0])
    assert "not read" in glance


@pytest.mark.parametrize(
    ("of", "way", "who"),
    [
        (organization(OFF, answers=[ANSWERS]), "answers ordinary calls by itself", "Whoever can dial it can listen"),
        (organization(OFF, groups=[_group(0)]), "paging", "2 members of lists can speak into it by paging"),
        (organization(ON | {"members": []}, answers=[ANSWERS]), "answers ordinary calls", "Whoever can dial it"),
    ],
)
@pytest.mark.slow
def test_a_room_that_opens_otherwise_is_called_closed_nowhere(
    audit: Audit, tmp_path: Path, of: Any, way: str, who: str
) -> None:
    snapshot = audited(audit, of)
    html = write_report(snapshot, None, None, None)
    row = _rows(html)["Room 0"]
    assert way in row
    assert who in row
    assert not CLOSED.search(row.replace("Nobody while Push-to-Talk", "")) or "By Push-to-Talk" in row
    table = html.partition('<table id="room-table"')[2].partition("</table>")[0]
    (closed,) = {part.count('class="off"') for part in [table]}
    assert closed == 2
    exposed = text_of(html.partition("<h3>Most exposed")[2].partition("</div>")[0])
    assert "Room 0" in exposed
    assert "1 room opens by itself" in _lead(html)
    (room,) = [each for each in _index(html) if each["name"] == "Room 0"]
    assert room["others"]
    assert room["device"] == "not known"
    found = list(_sheets(snapshot, tmp_path)["Room by who"].iter_rows(values_only=True))
    (line,) = [dict(zip(found[0], each, strict=True)) for each in found[1:] if "Room 0" in each]
    assert line["who"] != "nobody"
    assert found.index(next(each for each in found if "Room 0" in each)) == 1


def test_what_only_a_paging_group_names_is_in_the_table_and_the_search(audit: Audit) -> None:
    groups = [{"originators": [party("Ann")], "targets": [party("Room 9", "PLACE"), party("Room 8", "VIRTUAL_LINE")]}]
    html = write_report(audited(audit, organization(groups=groups)), None, None, None)
    assert "1 member of a list can speak into it by paging" in _rows(html)["Room 9"].replace("1 Member", "1 member")
    assert {"Room 8", "Room 9"} <= {each["name"] for each in _index(html)}


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ([{"device_id": None}], "no phone"),
        ([{"device_id": "d", "connection_status": "disconnected", "last_seen": datetime(2026, 11, 20, tzinfo=UTC)}],
         "offline since 2026-11-20"),
        ([{"device_id": "d", "connection_status": "offline_expired"}], "offline"),
        ([{"device_id": "d", "connection_status": "connected"}], "connected"),
        ([], "not known"),
    ],
)  # fmt: skip
def test_the_report_says_of_each_open_room_whether_a_device_is_there(
    audit: Audit, once: Callable[..., Path], devices: list[dict[str, Any]], said: str
) -> None:
    of = organization(ON)
    taken = find_snapshot(once(lambda: audited(audit, of)), "latest")
    snapshot = with_devices(taken, of.workspace(0)["id"], devices)
    html = write_report(snapshot, None, None, None)
    assert f"Push-to-Talk {said} on" in _rows(html)["Room 0"]
    assert {each["device"] for each in _index(html) if each["name"] == "Room 0"} == {said}
    assert all("no phone" not in row for name, row in _rows(html).items() if name != "Room 0")


@pytest.mark.slow
def test_the_workbook_has_a_sheet_of_open_rooms(audit: Audit, tmp_path: Path) -> None:
    before = audited(audit, organization(ON))
    snapshot = audited(audit, organization(ON, answers=[ANSWERS], groups=[_group(1)]))
    book = _sheets(snapshot, tmp_path, before)
    header, *rows = book["Open rooms"].iter_rows(values_only=True)
    said = [dict(zip(header, row, strict=True)) for row in rows]
    expected = rows_of(snapshot, before)
    assert [(row["entity_name"], row["way"], row["since"]) for row in said] == [
        (row["entity_name"], row["way"], row["since"]) for row in expected
    ]
    summary = dict(row[:2] for row in book["Summary"].iter_rows(values_only=True))
    assert summary["rooms and phones that open by themselves"] == 2
    assert summary["… by answering ordinary calls"] == summary["… by paging"] == summary["… in several ways"] == 1


@pytest.mark.parametrize(
    ("datasets", "said"),
    [
        (["push-to-talk"], [1, "not read", "not read"]),
        (["push-to-talk", "paging-groups"], [1, "not read", 0]),
        (["answer-settings"], ["not read", 0, "not read"]),
    ],
)
def test_the_workbook_counts_no_rooms_of_a_way_that_was_not_read(
    datasets: list[str], said: list[object], audit: Audit, tmp_path: Path
) -> None:
    snapshot = audited(audit, organization(ON), scope__datasets=datasets)
    summary = dict(row[:2] for row in _sheets(snapshot, tmp_path)["Summary"].iter_rows(values_only=True))
    assert [summary[f"… by {way}"] for way in ("Push-to-Talk", "answering ordinary calls", "paging")] == said


def test_each_organization_has_its_own_count_of_ways(audit: Audit) -> None:
    own, customer = organization(ON, answers=[ANSWERS]), Organization(workspaces=30, people=9, virtual_lines=2, seed=2)
    flags = {"scope__datasets": ["push-to-talk", "answer-settings"], "scope__all_orgs": True}
    snapshot = audit(Simulation(own, customers=(customer,)), **flags)
    html = write_report(snapshot, None, None, None)
    table = text_of(html.partition('<table class="organizations"')[2].partition("</table>")[0])
    assert "1: 1 by Push-to-Talk, 1 by answering ordinary calls, 1 of them in several ways" in table
    theirs = [row for row in rows_of(snapshot) if row["org_id"] != snapshot_org(own)]
    talk, answers = (sum(row["way"] == way for row in theirs) for way in ("push_to_talk", "answer_settings"))
    opened = len({row["entity_id"] for row in theirs})
    assert f"{opened}: {talk} by Push-to-Talk, {answers} by answering ordinary calls" in table


def snapshot_org(of: Organization) -> str:
    return base64.b64decode(of.org_id + "==").decode().rpartition("/")[2]


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.booleans(), min_size=1, max_size=4), st.lists(st.booleans(), max_size=4), st.sets(st.integers(0, 3)))
@pytest.mark.slow
def test_the_counts_of_the_first_screen_are_those_of_the_view(
    audit: Audit, talk: list[bool], answers: list[bool], targets: set[int]
) -> None:
    of = organization(
        *({"allowAutoAnswer": each} for each in talk),
        answers=[{"autoAnswerEnabled": each} for each in answers],
        groups=[_group(*targets)],
        workspaces=4,
    )
    snapshot = audited(audit, of)
    rows = rows_of(snapshot)
    lead = _lead(write_report(snapshot, None, None, None))
    words = {"push_to_talk": "by Push-to-Talk", "answer_settings": "by answering", "paging": "by paging"}
    for way, word in words.items():
        number = sum(row["way"] == way for row in rows)
        assert (f"{number} {word}" in lead) is (number > 0)
    opened = len({row["entity_id"] for row in rows})
    several = len(rows) - opened and sum(
        1 for each in {row["entity_id"] for row in rows} if sum(row["entity_id"] == each for row in rows) > 1
    )
    assert re.search(rf"\b{opened} rooms? opens? by" if opened else "No room is known to open by itself", lead)
    assert (f"{several} of them in several ways" in lead) is (several > 0)
