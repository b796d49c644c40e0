"""Links from the report to a room's page in Control Hub, in a real browser: nothing is asked for by itself."""

import asyncio
import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chromium import BROWSER, Page, visit
from reporting import (
    KINDS,
    Audit,
    a_change,
    a_check,
    a_finding,
    a_rule,
    from_webex,
    rewrite,
    set_column,
    small_organization,
)

from audit.review.check.finding import RuleResult
from audit.review.report import write_report
from audit.review.tables import open_tables
from audit.simulator.app import Simulation
from audit.snapshot.catalog import Snapshot

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
_READ = ".map((each) => [each.textContent, each.href, each.rel, each.target])"
_LINKS = f"[...document.querySelectorAll('a[target]')]{_READ}"
_SEARCH = """(async () => {{
  const box = document.querySelector("[role=search]");
  box.querySelector("input").value = {query!r};
  box.querySelector("input").dispatchEvent(new Event("input"));
  const status = box.querySelector("[role=status]");
  do await new Promise((resolve) => setTimeout(resolve, 20)); while (status.textContent === "Searching…");
  return [...box.querySelectorAll("h4 a")]{read};
}})()"""
Read = Callable[..., list[Any]]


@pytest.fixture
def read(chromium: str, tmp_path: Path) -> Read:
    """What scripts read in a report."""

    def read(html: str, *scripts: str) -> list[Any]:
        file = tmp_path / "report.html"
        file.write_text(html, encoding="utf-8")
        answers: list[Any] = []

        async def scenario(page: Page) -> None:
            answers.extend([await page.run(each) for each in scripts])

        asyncio.run(visit(chromium, file, scenario))
        return answers

    return read


def rooms_of(snapshot: Snapshot) -> dict[str, str]:
    """The name and the page of each room with settings."""
    with open_tables(snapshot) as connection:
        rows = connection.execute("SELECT entity_name, entity_id FROM push_to_talk WHERE entity_type = 'WORKSPACE'")
        return {name: page(entity_id) for name, entity_id in rows.fetchall() if entity_id != "another"}


def page(entity_id: str) -> str:
    uuid = base64.b64decode(entity_id + "==").decode().rpartition("/")[2]
    return f"https://admin.webex.com/workspaces/{uuid}/overview"


@pytest.mark.slow
def test_each_name_of_a_room_leads_to_its_page_and_nothing_is_asked_for(audit: Audit, read: Read) -> None:
    snapshot = from_webex(audit(Simulation(small_organization()), **KINDS))
    (links,) = read(write_report(snapshot, None, None, None), _LINKS)
    rooms = rooms_of(snapshot)
    found = {href for _, href, _, _ in links}
    assert found >= set(rooms.values())
    assert {(rel, target) for _, _, rel, target in links} == {("noreferrer noopener", "_blank")}
    assert all(re.fullmatch(r"https://admin\.webex\.com/workspaces/[0-9a-f-]{36}/overview", href) for href in found)


@pytest.mark.slow
def test_findings_and_changes_lead_there_too(audit: Audit, read: Read) -> None:
    snapshot = from_webex(audit(Simulation(small_organization())))
    with open_tables(snapshot) as connection:
        (entity_id,) = connection.execute("SELECT max(entity_id) FROM push_to_talk").fetchone() or ()
    rule = a_rule()
    finding = a_finding(rule, entity_id=entity_id, entity_name="The Ward")
    checks = a_check(RuleResult(rule, "failed", [finding], [finding]))
    changes = [a_change(entity_id=entity_id, entity_name="The Lobby", column="access_type", old="a", new="b")]
    (links,) = read(write_report(snapshot, checks, changes, snapshot), _LINKS)
    assert {name for name, href, _, _ in links if href == page(entity_id)} >= {"The Ward", "The Lobby"}


def test_what_the_search_finds_leads_there(audit: Audit, read: Read) -> None:
    snapshot = from_webex(audit(Simulation(small_organization(workspaces=60)), **KINDS))
    # An id of another form takes no place among the UUIDs.
    rewrite(snapshot, "push_to_talk", set_column("entity_id", ["another"]))
    rooms = rooms_of(snapshot)
    queries = [name for name in list(rooms)[1:40:8] if name.isascii()]
    answers = read(
        write_report(snapshot, None, None, None), *(_SEARCH.format(query=each, read=_READ) for each in queries)
    )
    for query, links in zip(queries, answers, strict=True):
        found = {name: (href, rel, target) for name, href, rel, target in links}
        assert found[query] == (rooms[query], "noreferrer noopener", "_blank")


@pytest.mark.few(2)
@pytest.mark.attack("HTML")
@pytest.mark.parametrize(
    "hostile",
    [
        "javascript:alert(1)",
        "https://example.com/",
        base64.b64encode(b"ciscospark://us/PLACE/../../@example.com").decode(),
        '"><a href="https://example.com">',
    ],
)
def test_a_hostile_id_makes_no_link(hostile: str, audit: Audit, read: Read) -> None:
    snapshot = from_webex(audit(Simulation(small_organization(workspaces=8))))
    for table in ("push_to_talk", "coverage"):
        rewrite(snapshot, table, lambda rows: set_column("entity_id", [hostile] * rows.num_rows)(rows))
    assert read(write_report(snapshot, None, None, None), _LINKS, _SEARCH.format(query="room", read=_READ)) == [[], []]


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:1/v1", "https://api-usgov.webex.com/v1", "https://gateway.example/v1"]
)
@pytest.mark.slow
def test_what_control_hub_may_not_know_has_no_link(base_url: str, audit: Audit, read: Read) -> None:
    snapshot = from_webex(audit(Simulation(small_organization())), base_url)
    html = write_report(snapshot, None, None, None)
    assert read(html, _LINKS, _SEARCH.format(query="room", read=_READ)) == [[], []]
    assert "Where is it changed?" not in html
