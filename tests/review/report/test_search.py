"""The search of the report in a real browser: it finds whatever the snapshot holds, however it is typed."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chromium import BROWSER, Page, visit
from harness import Where
from reporting import HOSTILE, KINDS, Audit, rewrite, set_column

from audit.review.report import index, write_report
from audit.review.tables import open_tables
from audit.simulator.app import Simulation
from audit.simulator.faults import parse
from audit.simulator.organization import Organization
from audit.snapshot.catalog import Snapshot

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
_TYPE = """(async () => {{
  const box = document.querySelector("[role=search]");
  box.querySelector("input").value = {query!r};
  box.querySelector("input").dispatchEvent(new Event("input"));
  const status = box.querySelector("[role=status]");
  do await new Promise((resolve) => setTimeout(resolve, 20)); while (status.textContent === "Searching…");
  const items = (title) => [...box.querySelectorAll("h3")].filter((each) => each.textContent === title)
    .flatMap((each) => [...each.nextElementSibling.children].map((item) => item.textContent));
  return {{ said: status.textContent, rooms: items("Rooms and phones"), people: items("People"),
    without: items("Without settings"), text: box.querySelector(".search-results").textContent }};
}})()"""
Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def ask(chromium: str, tmp_path: Path) -> Ask:
    """What the report of a snapshot answers to queries."""

    def ask(snapshot: Snapshot, *queries: str, against: Snapshot | None = None, before: str = "") -> list[Any]:
        file = tmp_path / "report.html"
        file.write_text(write_report(snapshot, None, None, against), encoding="utf-8")
        answers: list[Any] = []

        async def scenario(page: Page) -> None:
            answers.extend([await page.run(_TYPE.format(query=each)) for each in queries])

        asyncio.run(visit(chromium, file, scenario, before))
        return answers

    return ask


def _one(snapshot: Snapshot, sql: str) -> tuple[Any, ...]:
    with open_tables(snapshot) as connection:
        return connection.execute(sql).fetchone() or ()


def test_every_room_of_a_person_and_every_member_of_a_room_is_found(
    audit: Audit, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = audit(Simulation(Organization(workspaces=90, people=20, virtual_lines=3)))
    for name, most in {"MAX_ROOMS": 2, "MAX_MEMBERS": 1, "MAX_PEOPLE": 1, "MAX_ROOMS_OF_PERSON": 1}.items():
        monkeypatch.setattr(f"audit.review.report.reach.{name}", most)
    email, name, rooms = _one(
        snapshot,
        "SELECT member_email, min(member_display_name), list(DISTINCT entity_id) FROM push_to_talk_members "
        "WHERE allow_auto_answer AND access_type = 'ALLOW_MEMBERS' GROUP BY 1 ORDER BY count(DISTINCT entity_id) DESC",
    )
    entity_id, room, members = _one(
        snapshot,
        "SELECT entity_id, min(entity_name), list(DISTINCT member_email) FROM push_to_talk_members WHERE entity_name "
        "<> '' GROUP BY 1 ORDER BY count(DISTINCT member_email) DESC",
    )
    of_person, of_room = ask(snapshot, email, entity_id)
    assert len(rooms) > 3
    assert len(of_person["rooms"]) >= len(rooms)
    assert sum(name in each for each in of_person["rooms"]) == len(of_person["rooms"])
    assert of_room["said"].startswith("1 of ")
    assert all(each in of_room["rooms"][0] for each in members)
    assert room.split()[0] in of_room["rooms"][0]


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names of rooms that are typed in another way."""
    return ["Zürich Praxis", "Cafe\u0301", "Straße", "Kırmızı", "Ｗａｒｄ", "Ørsted", "Łódź", HOSTILE,
            "Operating Theater 9", "Operating Theater 19"]  # fmt: skip


@pytest.mark.slow
def test_names_numbers_and_ids_are_found_however_they_are_typed(audit: Audit, ask: Ask, named: list[str]) -> None:
    snapshot = audit(Simulation(Organization(workspaces=40, people=20, odd=False)))
    rewrite(snapshot, "push_to_talk", set_column("entity_name", named))
    rewrite(snapshot, "push_to_talk_members", set_column("number_external", ["+49301234567"]))
    who, member_id = _one(
        snapshot,
        "SELECT member_display_name, member_id FROM push_to_talk_members WHERE number_external = '+49301234567'",
    )
    typed = {
        "zurich": named[0], "Zu\u0308rich": named[0], "PRAXIS zürich": named[0], "café": named[1], "CAFE": named[1],
        "strasse": named[2], "STRASSE": named[2], "kirmizi": named[3], "KIRMIZI": named[3], "ward": named[4],
        "orsted": named[5], "lodz": named[6], "theater 9 operating": named[8],
    }  # fmt: skip
    numbers = ["+49 30 1234567", "+49 (0)30 1234567", "030/123-4567", "+4930 123 45 67", "49301234567", member_id]
    answers = ask(snapshot, *typed, *numbers)
    for query, answer in zip(typed, answers, strict=False):
        assert answer["rooms"][0].startswith(typed[query]), query
    for query, answer in zip(numbers, answers[len(typed) :], strict=True):
        assert any(who in each for each in answer["people"]), query
        assert "of 1 people" not in answer["said"]


@pytest.mark.attack("HTML")
def test_a_name_that_is_markup_stays_text_in_the_results(audit: Audit, ask: Ask, named: list[str]) -> None:
    snapshot = audit(Simulation(Organization(workspaces=20, people=20, odd=False)))
    rewrite(snapshot, "push_to_talk", set_column("entity_name", named))
    (answer,) = ask(snapshot, "alert(1)")
    assert answer["rooms"][0].startswith("<script>alert(1)</script>\\u202e\\x1b[31m")
    assert "\u202e" not in answer["text"]


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((True, "TWO_WAY", "BLOCK_MEMBERS"), "Who can listenEveryone can listen"),
        ((True, "TWO_WAY", "ALLOW_MEMBERS"), "Who can listenOnly"),
        ((True, "ONE_WAY", "BLOCK_MEMBERS"), "Who can listenNobody can listen: it is one-way. Everyone can speak"),
        ((True, "NEW_WAY", "BLOCK_MEMBERS"), "Who can listenEveryone may be able to listen"),
        ((True, "TWO_WAY", "NEW_WORD"), "Who can listenUnclear who can listen: NEW_WORD"),
        ((False, "TWO_WAY", "BLOCK_MEMBERS"), "Who can listenNobody: its Push-to-Talk is off"),
    ],
)  # fmt: skip
def test_a_room_says_who_listens_since_when_and_whether_it_is_approved(
    audit: Audit, ask: Ask, given: tuple[object, ...], told: str
) -> None:
    snapshot = audit(Simulation(Organization(workspaces=4, people=20, odd=False)))
    columns = ("allow_auto_answer", "connection_type", "access_type")
    for column, value in zip(("entity_name", *columns), ("Operating Theater 9", *given), strict=True):
        rewrite(snapshot, "push_to_talk", set_column(column, [value]))
    (answer,) = ask(snapshot, "operating theater 9", against=snapshot)
    assert told in answer["rooms"][0]
    assert "Since21 November 2026" in answer["rooms"][0]
    assert "or earlier" in answer["rooms"][0]
    assert "Approvednot known: no snapshot was approved" in answer["rooms"][0]


@pytest.mark.slow
def test_a_room_that_gave_no_answer_is_not_denied(audit: Audit, ask: Ask) -> None:
    snapshot = audit(Simulation(Organization(workspaces=60, people=20), parse("500=0.1!", 2)), **KINDS)
    name, entity_id = _one(
        snapshot, "SELECT entity_name, entity_id FROM coverage WHERE outcome = 'server_error' AND entity_name <> ''"
    )
    (answer,) = ask(snapshot, entity_id)
    assert "1 more without settings" in answer["said"]
    assert "No settings: no answer: server error, despite retries" in answer["without"][0]
    assert "phones of people" in answer["said"]
    assert name


@pytest.mark.parametrize("why", ["an old browser", "a large snapshot"])
def test_without_the_index_the_search_says_that_it_covers_a_part(
    audit: Audit, ask: Ask, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    snapshot = audit(Simulation(Organization(workspaces=30, people=20)))
    if why == "a large snapshot":
        monkeypatch.setattr(index, "MAX_ENTRIES", 10)
    before = "delete globalThis.DecompressionStream" if why == "an old browser" else ""
    (answer,) = ask(snapshot, "workspace listens", before=before)
    assert answer["said"].endswith(" in the part shown in this page")
    assert not answer["said"].startswith("0 of")
    assert answer["rooms"]


def test_a_snapshot_without_push_to_talk_has_no_index(audit: Audit) -> None:
    given = {"scope.datasets": ["audio-options"], "scope.all_users": True}
    html = write_report(audit(Simulation(Organization(workspaces=3, people=5))), None, None, None)
    assert 'id="search-index"' in html
    assert "<noscript>" in html
    html = write_report(audit(Simulation(Organization(workspaces=3, people=5)), **given), None, None, None)
    assert 'id="search-index"' not in html


def test_what_anyone_can_call_is_not_called_rooms_nor_promised_beyond_the_organization(audit: Audit, ask: Ask) -> None:
    customer = Organization(workspaces=20, people=9, virtual_lines=2, seed=2)
    simulation = Simulation(Organization(workspaces=40, people=20, virtual_lines=3), customers=(customer,))
    snapshot = audit(simulation, **{"scope.all_orgs": True}, **KINDS)
    open_to_all = "access_type = 'BLOCK_MEMBERS' AND allow_auto_answer"
    heard = "count(*) FILTER (connection_type = 'TWO_WAY')"
    total, listens = _one(snapshot, f"SELECT count(*), {heard} FROM push_to_talk WHERE {open_to_all}")
    (answer,) = ask(snapshot, "nobody has this name")
    assert total > listens > 0
    assert answer["text"] == (
        f"Beyond the lists, {total} open for anyone in the same organization who is not blocked there; "
        f"in {listens} the caller can listen."
    )


@pytest.mark.slow
def test_a_search_denies_nothing_where_nothing_was_read(audit: Audit, ask: Ask) -> None:
    (empty,) = ask(audit(Simulation(Organization(workspaces=0))), "Operating")
    assert empty["said"] == "Nothing is known: no settings were read; 0 of 0 without settings"
    (silent,) = ask(audit(Simulation(Organization(workspaces=3), Where("500", "pushtotalk"))), "0000")
    assert silent["said"].startswith("Nothing is known: no settings were read;")
    assert len(silent["without"]) == 3
    customer = Organization(workspaces=4, seed=2)
    refused = frozenset({customer.org_id})
    simulation = Simulation(Organization(workspaces=4), customers=(customer,), refused_organizations=refused)
    html = write_report(audit(simulation, **{"scope.all_orgs": True}), None, None, None)
    assert "The search can find nothing of what was not read: 1 of 2 organizations refused" in html
